//! The other side of the admin server, for the commands of `weft-proxy`: one request, no runtime.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A dump of the configuration may be long; more than this is not ours.
const MAX_ANSWER: u64 = 256 * 1024 * 1024;

/// What the proxy said.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Text for a person.
    pub body: String,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Of HTTP.
    pub method: &'a str,
    /// With its leading slash.
    pub path: &'a str,
    /// Empty in most.
    pub body: &'a str,
}

/// Asks the metrics port of the proxy in this pod for `path`.
pub fn get(port: u16, path: &str) -> io::Result<Answer> {
    Question { method: "GET", path, body: "" }.ask(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?)
}

/// Asks the proxy in this pod over its admin socket, and waits for the answer however long it takes: whoever asks bounds the
/// time.
pub fn ask(socket: &Path, question: Question<'_>) -> io::Result<Answer> {
    question.ask(UnixStream::connect(socket)?)
}

// === impl Question ===

impl Question<'_> {
    fn ask(self, mut stream: impl Read + Write) -> io::Result<Answer> {
        let Self { method, path, body } = self;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut text = String::new();
        stream.take(MAX_ANSWER).read_to_string(&mut text)?;
        Answer::parse(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
    }
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
