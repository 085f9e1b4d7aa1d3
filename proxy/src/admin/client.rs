//! The other side of the admin server, for the commands of `weft-proxy`: one request, no runtime.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A dump of the configuration may be long; more than this is not ours.
const MAX_ANSWER: u64 = 256 * 1024 * 1024;

/// Of an answer that goes on.
const MAX_HEAD: u64 = 16 * 1024;
const MAX_LINE: u64 = 1024 * 1024;

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

/// Asks for what goes on until the asker leaves, and writes it to `out` as it comes. Nothing is written of an answer that is no
/// success.
pub fn follow(socket: &Path, question: Question<'_>, mut out: impl Write) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    // In HTTP/1.0 what comes is not cut into chunks, and ends with the connection.
    question.send(&mut stream, "HTTP/1.0")?;
    let mut lines = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if (&mut lines).take(MAX_HEAD).read_line(&mut head)? == 0 || head.len() as u64 > MAX_HEAD {
            return Err(not_http());
        }
    }
    let answer = Answer::parse(&head).ok_or_else(not_http)?;
    if !answer.is_success() {
        let mut body = String::new();
        lines.take(MAX_ANSWER).read_to_string(&mut body)?;
        return Ok(Answer { body, ..answer });
    }
    let mut line = Vec::new();
    while (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line)? > 0 {
        out.write_all(&line)?;
        out.flush()?;
        line.clear();
    }
    Ok(answer)
}

fn not_http() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP")
}

// === impl Question ===

impl Question<'_> {
    fn ask(self, mut stream: impl Read + Write) -> io::Result<Answer> {
        self.send(&mut stream, "HTTP/1.1")?;
        let mut text = String::new();
        stream.take(MAX_ANSWER).read_to_string(&mut text)?;
        Answer::parse(&text).ok_or_else(not_http)
    }

    fn send(self, to: &mut impl Write, version: &str) -> io::Result<()> {
        let Self { method, path, body } = self;
        write!(
            to,
            "{method} {path} {version}\r\nhost: localhost\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
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
        let status = head.strip_prefix("HTTP/1.")?.get(2..)?.split(' ').next()?.parse().ok()?;
        Some(Self { status, body: body.to_owned() })
    }
}
