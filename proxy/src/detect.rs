//! What does a connection speak? Decided from its first bytes, which stay in the stream.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::tls::hello::{self, Hello};

/// How long an undeclared connection may stay silent before it counts as opaque.
pub const DETECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A caller that is silent this long may be waiting for the server to speak first: from then on both are listened to.
pub const QUIET: Duration = Duration::from_millis(100);

/// A request line longer than this is not waited for: by then the method has told enough.
const MAX_SNIFF: usize = 8 * 1024;
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The longest registered method is shorter (RFC 9110 16.1); a longer first word is not HTTP.
const MAX_METHOD: usize = 24;

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniffed {
    Http1,
    Http2,
    Opaque,
}

/// Reads until the bytes are telling, at most until the peer ends its side. What was read is left in `seen`.
///
/// Cancel safe: bytes that were read are in `seen` also when the future is dropped, so that a caller can give up
/// after [`DETECT_TIMEOUT`] and go on with what there is.
pub async fn sniff<R: AsyncRead + Unpin>(io: &mut R, seen: &mut BytesMut) -> std::io::Result<Sniffed> {
    loop {
        if let Some(sniffed) = classify(seen) {
            return Ok(sniffed);
        }
        if io.read_buf(seen).await? == 0 {
            return Ok(Sniffed::Opaque);
        }
    }
}

/// Reads until the bytes are a whole ClientHello, and gives the server name it asks for; `None` as soon as they can be none.
///
/// Cancel safe, as [`sniff`] is.
pub async fn server_name<R: AsyncRead + Unpin>(io: &mut R, seen: &mut BytesMut) -> Option<String> {
    loop {
        match hello::sniff(seen) {
            Hello::Tls(hello) => return hello.sni,
            Hello::NotTls => return None,
            Hello::NeedMore => {}
        }
        if io.read_buf(seen).await.ok()? == 0 {
            return None;
        }
    }
}

/// `None` while the bytes could still become HTTP.
pub fn classify(bytes: &[u8]) -> Option<Sniffed> {
    if bytes.is_empty() {
        return None;
    }
    if bytes.len() >= H2_PREFACE.len() && bytes.starts_with(H2_PREFACE) {
        return Some(Sniffed::Http2);
    }
    if H2_PREFACE.starts_with(bytes) {
        return None;
    }
    classify_request_line(bytes)
}

fn classify_request_line(bytes: &[u8]) -> Option<Sniffed> {
    let line_end = bytes.iter().position(|b| *b == b'\n');
    let line = &bytes[..line_end.unwrap_or(bytes.len())];
    let method_len = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
    if method_len == 0 || method_len > MAX_METHOD || !line[..method_len].iter().all(is_method_byte) {
        return Some(Sniffed::Opaque);
    }
    if !line[method_len..].iter().all(|b| *b == b' ' || *b == b'\r' || b.is_ascii_graphic() || *b >= 0x80) {
        return Some(Sniffed::Opaque);
    }
    if line_end.is_none() {
        return (bytes.len() >= MAX_SNIFF).then_some(Sniffed::Http1);
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let http1 = line.len() > b" HTTP/1.1".len()
        && (line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0"))
        && method_len < line.len() - b" HTTP/1.1".len();
    Some(if http1 { Sniffed::Http1 } else { Sniffed::Opaque })
}

/// Methods in use are capitals, with `-` and `_` in a few private ones; protocols that begin with a word
/// (SSH-2.0, EHLO) are told apart by the end of their line.
fn is_method_byte(b: &u8) -> bool {
    b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_split_of_an_http1_request_waits_and_then_says_http1() {
        let request = b"GET /a?b=c HTTP/1.1\r\nhost: x\r\n\r\n";
        let line = request.iter().position(|b| *b == b'\n').unwrap() + 1;
        for end in 1..line {
            assert_eq!(classify(&request[..end]), None, "after {end} bytes");
        }
        for end in line..=request.len() {
            assert_eq!(classify(&request[..end]), Some(Sniffed::Http1));
        }
    }

    #[test]
    fn every_split_of_the_h2_preface_waits_and_then_says_http2() {
        for end in 1..H2_PREFACE.len() {
            assert_eq!(classify(&H2_PREFACE[..end]), None, "after {end} bytes");
        }
        assert_eq!(classify(H2_PREFACE), Some(Sniffed::Http2));
        let with_settings = [H2_PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
        assert_eq!(classify(&with_settings), Some(Sniffed::Http2));
    }

    #[test]
    fn other_protocols_are_opaque() {
        let tls = [0x16, 3, 1, 2, 0, 1];
        for bytes in [
            &tls[..],
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"EHLO mail.example\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"\0\0\0\x08\x04\xd2\x16\x2f",
            b"PRI * HTTP/2.0\r\n\r\nXX",
            b"GET /old\r\n",
            b"GET HTTP/1.1\r\n",
            b"\r\n",
        ] {
            assert_eq!(classify(bytes), Some(Sniffed::Opaque), "{bytes:?}");
        }
    }

    #[test]
    fn methods_of_other_lengths_are_http1() {
        for line in [
            "OPTIONS * HTTP/1.1\r\n",
            "PROPFIND /x HTTP/1.0\r\n",
            "CONNECT a:443 HTTP/1.1\r\n",
            "M-SEARCH * HTTP/1.1\n",
        ] {
            assert_eq!(classify(line.as_bytes()), Some(Sniffed::Http1), "{line}");
        }
    }

    #[test]
    fn a_request_line_that_never_ends_is_http1_by_its_method() {
        let long = format!("GET /{}", "a".repeat(MAX_SNIFF));
        assert_eq!(classify(long.as_bytes()), Some(Sniffed::Http1));
    }

    #[tokio::test]
    async fn bytes_read_before_giving_up_are_kept() {
        let (mut client, mut server) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut client, b"GET /half").await.unwrap();
        let mut seen = BytesMut::new();
        let gave_up =
            tokio::time::timeout(Duration::from_millis(20), sniff(&mut server, &mut seen)).await.is_err();
        assert!(gave_up);
        assert_eq!(&seen[..], b"GET /half");
    }
}
