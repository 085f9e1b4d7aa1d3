//! A server of OTLP over HTTP that answers with bytes of the test's choice.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::wire::opentelemetry::trace::{
    ExportLogsServiceRequest, ExportTraceServiceRequest, LogRecord, Span,
};

type Told = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

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
        let told = self.told.lock().unwrap();
        let spans = |message: &[u8]| {
            let resources = ExportTraceServiceRequest::decode(message).unwrap().resource_spans.into_iter();
            resources.flat_map(|one| one.scope_spans).flat_map(|scope| scope.spans).collect()
        };
        told.iter().map(|(head, message)| (head.clone(), spans(message))).collect()
    }

    /// Head and records of each request.
    pub fn told_records(&self) -> Vec<(String, Vec<LogRecord>)> {
        let told = self.told.lock().unwrap();
        let records = |message: &[u8]| {
            let resources = ExportLogsServiceRequest::decode(message).unwrap().resource_logs.into_iter();
            resources.flat_map(|one| one.scope_logs).flat_map(|scope| scope.log_records).collect()
        };
        told.iter().map(|(head, message)| (head.clone(), records(message))).collect()
    }
}

async fn serve(mut io: TcpStream, answers: Vec<&'static str>, told: Told) {
    let mut read = Vec::new();
    while io.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
        let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(read[..end + 4].to_vec()).unwrap();
        let (line, headers) = head.split_once("\r\n").unwrap();
        let head = format!("{line}\r\n{}", headers.to_ascii_lowercase());
        let length = head.split("\r\ncontent-length: ").nth(1).and_then(|rest| rest.lines().next());
        let whole = end + 4 + length.map_or(0, |length| length.parse::<usize>().unwrap());
        if read.len() < whole {
            continue;
        }
        let message = read[end + 4..whole].to_vec();
        read.drain(..whole);
        let index = {
            let mut told = told.lock().unwrap();
            told.push((head, message));
            told.len() - 1
        };
        let answer = answers.get(index).or(answers.last()).unwrap();
        if io.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
