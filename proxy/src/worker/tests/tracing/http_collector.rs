//! A server of OTLP over HTTP that answers with bytes of the test's choice.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::wire::opentelemetry::trace::{ExportTraceServiceRequest, Span};

type Told = Arc<Mutex<Vec<(String, Vec<Span>)>>>;

/// A running collector.
pub struct HttpCollector {
    pub addr: SocketAddr,
    told: Told,
}

// === impl HttpCollector ===

impl HttpCollector {
    /// Gives `answers` in their order, and the last again and again.
    pub async fn start(answers: Vec<&'static str>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (addr, told) = (listener.local_addr().unwrap(), Told::default());
        let all = told.clone();
        tokio::spawn(async move {
            loop {
                let (io, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(io, answers.clone(), all.clone()));
            }
        });
        Self { addr, told }
    }

    /// Head and spans of each request.
    pub fn told(&self) -> Vec<(String, Vec<Span>)> {
        self.told.lock().unwrap().clone()
    }
}

async fn serve(mut io: TcpStream, answers: Vec<&'static str>, told: Told) {
    let mut read = Vec::new();
    while io.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
        let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(read[..end + 4].to_vec()).unwrap().to_ascii_lowercase();
        let head = head.replacen("post /v1/traces http", "POST /v1/traces HTTP", 1);
        let length = head.split("\r\ncontent-length: ").nth(1).and_then(|rest| rest.lines().next());
        let whole = end + 4 + length.map_or(0, |length| length.parse::<usize>().unwrap());
        if read.len() < whole {
            continue;
        }
        let message = ExportTraceServiceRequest::decode(&read[end + 4..whole]).unwrap();
        read.drain(..whole);
        let scopes = message.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        let index = {
            let mut told = told.lock().unwrap();
            told.push((head, scopes.flat_map(|scope| scope.spans).collect()));
            told.len() - 1
        };
        let answer = answers.get(index).or(answers.last()).unwrap();
        if io.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
