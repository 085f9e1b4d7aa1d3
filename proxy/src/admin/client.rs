//! The other side of the admin server, for `weft-proxy ready` and `weft-proxy drain`: one request over loopback, no runtime.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

/// Answers are a line or two; more than this is not ours.
const MAX_ANSWER: u64 = 64 * 1024;

/// What the proxy said.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Text for a person.
    pub body: String,
}

/// Asks `path` of the proxy in this pod.
pub fn get(port: u16, path: &str) -> io::Result<Answer> {
    request("GET", port, path)
}

/// Orders `path` of the proxy in this pod, and waits for it however long it takes: whoever asks bounds the time.
pub fn post(port: u16, path: &str) -> io::Result<Answer> {
    request("POST", port, path)
}

fn request(method: &str, port: u16, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut text)?;
    Answer::parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

// === impl Answer ===

impl Answer {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()?;
        Some(Self { status, body: body.to_owned() })
    }
}
