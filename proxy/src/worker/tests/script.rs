//! An HTTP/1.1 application that does to each request what its script says.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::harness::LIMIT;

/// What becomes of a request.
#[derive(Clone, Copy)]
pub enum Act {
    /// These bytes, and the connection stays open.
    Say(&'static str),
    /// Nothing more on this connection.
    Hang(&'static str),
    /// These bytes, after a while.
    SayLate(Duration, &'static str),
    /// The connection ends.
    Close,
}

pub const BROKEN: Act = Act::Say("HTTP/1.1 503 Broken\r\ncontent-length: 2\r\n\r\nno");

/// A running script.
pub struct Script {
    pub addr: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    gone: mpsc::Receiver<()>,
}

pub const OK: Act = Act::Say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");

// === impl Script ===

impl Script {
    /// `act` is asked with the number of each request, from zero.
    pub async fn start(act: impl Fn(usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (left, gone) = mpsc::channel(64);
        let (act, seen) = (Arc::new(act), requests.clone());
        tokio::spawn(async move {
            loop {
                let (io, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(io, act.clone(), seen.clone(), left.clone()));
            }
        });
        Self { addr, requests, gone }
    }

    /// Every request so far, as it was on the wire.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until a caller has given up a request that hangs.
    pub async fn given_up(&mut self) {
        tokio::time::timeout(LIMIT, self.gone.recv()).await.expect("the application is told").unwrap();
    }
}

async fn serve(
    mut io: TcpStream,
    act: Arc<impl Fn(usize) -> Act>,
    seen: Arc<Mutex<Vec<String>>>,
    left: mpsc::Sender<()>,
) {
    while let Some(request) = read_request(&mut io).await {
        let index = {
            let mut seen = seen.lock().unwrap();
            seen.push(request);
            seen.len() - 1
        };
        match act(index) {
            Act::Close => return,
            Act::Say(text) => io.write_all(text.as_bytes()).await.unwrap(),
            Act::SayLate(after, text) => {
                tokio::time::sleep(after).await;
                // The caller may have given up.
                if io.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
            Act::Hang(text) => {
                io.write_all(text.as_bytes()).await.unwrap();
                // Reads nothing, and an end: the caller is gone.
                let mut rest = Vec::new();
                let _ = io.read_to_end(&mut rest).await;
                let _ = left.try_send(());
                return;
            }
        }
    }
}

/// One request with its body, in lower case; `None` when the caller has left.
async fn read_request(io: &mut TcpStream) -> Option<String> {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).map(|rest| rest.lines().next().unwrap());
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        if io.read_buf(&mut seen).await.ok()? == 0 {
            return None;
        }
    }
}
