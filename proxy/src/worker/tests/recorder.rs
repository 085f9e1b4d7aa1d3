//! An application that keeps every byte it is sent, and answers with bytes of the test's choice.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::harness::{LIMIT, Proxy, World, connect, destination, plain};
use crate::state::Protocol;

/// What is between the caller and the application.
#[derive(Clone, Copy, Debug)]
pub enum Path {
    /// Both proxies, h2 and mutual TLS between them.
    Mesh,
    /// The caller's proxy; the endpoint has none.
    Plain,
}

/// A running recorder.
pub struct Recorder {
    pub addr: SocketAddr,
    connections: Arc<Mutex<Vec<Vec<u8>>>>,
}

// === impl Recorder ===

impl Recorder {
    /// Answers each request with `answer`; with `close` the connection ends after the first.
    pub async fn start(answer: &'static [u8], close: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let all = connections.clone();
        tokio::spawn(async move {
            loop {
                let (io, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(io, answer, close, all.clone()));
            }
        });
        Self { addr, connections }
    }

    /// Stands for an application that the test itself plays.
    pub fn at(addr: SocketAddr) -> Self {
        Self { addr, connections: Arc::default() }
    }

    /// Everything that came, connection after connection; those that brought nothing left out.
    pub fn seen(&self) -> Vec<String> {
        let connections = self.connections.lock().unwrap();
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        connections.iter().filter(|bytes| !bytes.is_empty()).map(text).collect()
    }

    /// Proxies in front of it: the first is the caller's.
    pub fn behind(&self, path: Path) -> (World, Vec<Proxy>) {
        let world = World::new();
        let proxies = match path {
            Path::Mesh => {
                let (caller, receiver) = world.pair(self.addr, Protocol::Http1);
                vec![caller, receiver]
            }
            Path::Plain => vec![world.caller(destination(Protocol::Http1, vec![plain(self.addr)]))],
        };
        (world, proxies)
    }
}

async fn serve(mut io: TcpStream, answer: &'static [u8], close: bool, all: Arc<Mutex<Vec<Vec<u8>>>>) {
    let index = {
        let mut all = all.lock().unwrap();
        all.push(Vec::new());
        all.len() - 1
    };
    let mut answered = 0;
    let mut chunk = vec![0; 4096];
    loop {
        match io.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(read) => all.lock().unwrap()[index].extend_from_slice(&chunk[..read]),
        }
        loop {
            let length = request_length(&all.lock().unwrap()[index][answered..]);
            let Some(length) = length else { break };
            answered += length;
            if io.write_all(answer).await.is_err() || close {
                return;
            }
        }
    }
}

/// How long the first request in `bytes` is, once it is whole. Strict where the proxy could be lenient.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let field = |name: &str| text.split(name).nth(1).and_then(|rest| rest.lines().next());
    let body = &bytes[head..];
    let length = if field("\r\ntransfer-encoding: ").is_some() {
        let mut at = 0;
        loop {
            let line = body[at..].windows(2).position(|end| end == b"\r\n")?;
            let size = usize::from_str_radix(std::str::from_utf8(&body[at..at + line]).unwrap(), 16).unwrap();
            at += line + 2;
            if size == 0 {
                break at + trailers_length(&body[at..])?;
            }
            at += size + 2;
            if at > body.len() {
                return None;
            }
        }
    } else {
        field("\r\ncontent-length: ").map_or(0, |length| length.parse().unwrap())
    };
    (body.len() >= length).then_some(head + length)
}

fn trailers_length(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(b"\r\n") {
        return Some(2);
    }
    Some(bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4)
}

/// Sends `request` on a connection of its own and gives what [`read_all`] gives.
pub async fn exchange(proxy: &Proxy, request: &[u8], done: impl Fn(&str) -> bool) -> String {
    let mut client = connect(proxy.outbound).await;
    client.write_all(request).await.unwrap();
    read_all(&mut client, done).await
}

/// What comes until it is `done`, the other side closes, or has been quiet for a while after it began to speak.
pub async fn read_all(client: &mut TcpStream, done: impl Fn(&str) -> bool) -> String {
    const QUIET: std::time::Duration = std::time::Duration::from_millis(150);
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        let patience = if seen.is_empty() { LIMIT } else { QUIET };
        if done(&text) {
            return text;
        }
        match tokio::time::timeout(patience, client.read_buf(&mut seen)).await {
            Ok(Ok(read)) if read > 0 => {}
            _ => return text,
        }
    }
}

/// The same message with its header lines in the order of their names; lines of one name keep theirs. The order of
/// different names means nothing (RFC 9110 5.3), everything else is compared byte for byte.
pub fn sorted(message: &str) -> String {
    let Some((head, body)) = message.split_once("\r\n\r\n") else { return message.to_owned() };
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let mut fields: Vec<&str> = lines.collect();
    fields.sort_by_key(|line| line.split(':').next().map(str::to_owned));
    let fields: String = fields.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{first}\r\n{fields}\r\n{body}")
}
