//! What does a connection speak? Decided from its first bytes, which stay in the stream.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::tls::hello::{self, Hello};

/// How long the first line of an undeclared connection may take, from its first byte, before it counts as opaque.
pub const DETECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A caller that is silent this long may be waiting for the server to speak first: from then on both are listened to.
pub const QUIET: Duration = Duration::from_millis(100);

/// How long the first line may take where HTTP is declared, from its first byte: as long as a head at the most.
const FIRST_LINE: Duration = Duration::from_secs(60);

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

/// The same where HTTP is declared, in bounded time from the first byte on: a pool may open a connection long before it uses it, and
/// who has begun a line ends it.
///
/// Cancel safe, as [`sniff`] is.
pub async fn sniff_declared<R: AsyncRead + Unpin>(
    io: &mut R,
    seen: &mut BytesMut,
) -> std::io::Result<Sniffed> {
    if seen.is_empty() && io.read_buf(seen).await? == 0 {
        return Ok(Sniffed::Opaque);
    }
    timeout(FIRST_LINE, sniff(io, seen)).await?
}

/// The same where nothing is declared. What may still become the name of a method, and goes no further for [`QUIET`], is bytes: whoever
/// sends it waits for an answer to it (`ruok` of ZooKeeper, `JDWP-Handshake`). So is CONNECT, the tunnel of a forward proxy.
///
/// Cancel safe, as [`sniff`] is.
pub async fn sniff_undeclared<R>(io: &mut R, seen: &mut BytesMut) -> std::io::Result<Sniffed>
where
    R: AsyncRead + Unpin,
{
    loop {
        match classify(seen) {
            Some(Sniffed::Http1) if first_line(seen).starts_with(b"CONNECT ") => return Ok(Sniffed::Opaque),
            Some(sniffed) => return Ok(sniffed),
            None => {}
        }
        let line = first_line(seen);
        let may_wait = line.is_empty() || line.contains(&b' ');
        let read = io.read_buf(seen);
        let read = if may_wait { read.await? } else { timeout(QUIET, read).await.unwrap_or(Ok(0))? };
        if read == 0 {
            return Ok(Sniffed::Opaque);
        }
    }
}

/// The same for a caller that may wait for the server, or for its own use of the connection: pools open some that they need later, and
/// who has said nothing may still say anything. Time counts from the first byte.
///
/// Cancel safe, as [`sniff`] is.
pub async fn sniff_once_spoken<R>(io: &mut R, seen: &mut BytesMut) -> Sniffed
where
    R: AsyncRead + Unpin,
{
    if seen.is_empty() && io.read_buf(seen).await.unwrap_or_default() == 0 {
        return Sniffed::Opaque;
    }
    let sniffed = timeout(DETECT_TIMEOUT, sniff_undeclared(io, seen)).await;
    sniffed.unwrap_or(Ok(Sniffed::Opaque)).unwrap_or(Sniffed::Opaque)
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

/// Reads until the bytes are a whole ClientHello, or can be none; whether they are.
///
/// Cancel safe, as [`sniff`] is.
pub async fn speaks_tls<R: AsyncRead + Unpin>(io: &mut R, seen: &mut BytesMut) -> bool {
    loop {
        match hello::sniff(seen) {
            Hello::Tls(_) => return true,
            Hello::NotTls => return false,
            Hello::NeedMore => {}
        }
        if io.read_buf(seen).await.unwrap_or_default() == 0 {
            return false;
        }
    }
}

/// HTTP whatever the bytes say, as it was declared; what is malformed is told so in HTTP.
pub fn http_or(declared: Sniffed, sniffed: std::io::Result<Sniffed>) -> Sniffed {
    match sniffed {
        Ok(Sniffed::Opaque) | Err(_) => declared,
        Ok(http) => http,
    }
}

/// What stands behind empty lines, which servers skip in front of a request (RFC 9112 2.2), as far as it is there.
fn first_line(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        rest = after;
    }
    rest.strip_prefix(b"\r").filter(|after| after.is_empty()).unwrap_or(rest)
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
    let line = first_line(bytes);
    if line.is_empty() { None } else { classify_request_line(line) }
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
    let http1 = match line.split_last_chunk::<9>() {
        // A minor version of the future is read as the highest there is.
        Some((before, [version @ .., b'0'..=b'9'])) => version == b" HTTP/1." && method_len < before.len(),
        _ => false,
    };
    Some(if http1 { Sniffed::Http1 } else { Sniffed::Opaque })
}

/// Methods in use are capitals, with `-` and `_` in a few private ones; protocols that begin with a word
/// (SSH-2.0, EHLO) are told apart by the end of their line.
fn is_method_byte(b: &u8) -> bool {
    b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_'
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

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
            b"\r\n\r\n*1\r\n",
            b"\nGET / HTTP/1.1\r\n",
            b"\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET / HTTP/2.0\r\n",
            b"GET / HTTP/1.x\r\n",
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
            "GET / HTTP/1.2\r\n",
            "\r\nGET / HTTP/1.1\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\n",
        ] {
            assert_eq!(classify(line.as_bytes()), Some(Sniffed::Http1), "{line}");
        }
    }

    #[test]
    fn a_request_line_that_never_ends_is_http1_by_its_method() {
        let long = format!("GET /{}", "a".repeat(MAX_SNIFF));
        assert_eq!(classify(long.as_bytes()), Some(Sniffed::Http1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_no_further_than_a_word_is_bytes_after_a_moment_of_quiet() {
        for (words, sniffed) in [
            (&["ruok"][..], Sniffed::Opaque),
            (&["JDWP-Handshake"], Sniffed::Opaque),
            (&["PRI"], Sniffed::Opaque),
            (&["GE", "T / HTTP/1.1\r\n"], Sniffed::Http1),
            (&["\r\n", "GET / HTTP/1.1\r\n"], Sniffed::Http1),
            (&["CONNECT a:443 HTTP/1.1\r\n"], Sniffed::Opaque),
            (&["\r\nCONNECT a:443 HTTP/1.1\r\n"], Sniffed::Opaque),
            (&["CONNECTED / HTTP/1.1\r\n"], Sniffed::Http1),
        ] {
            let (mut client, mut server) = tokio::io::duplex(64);
            let (mut seen, began) = (BytesMut::new(), tokio::time::Instant::now());
            let write = async {
                for word in words {
                    AsyncWriteExt::write_all(&mut client, word.as_bytes()).await.unwrap();
                    tokio::time::sleep(QUIET / 2).await;
                }
                std::future::pending::<()>().await;
            };
            let read = sniff_undeclared(&mut server, &mut seen);
            let told = tokio::select! { read = read => read.unwrap(), () = write => unreachable!() };
            assert_eq!((told, began.elapsed() < 3 * QUIET), (sniffed, true), "{words:?}");
            assert_eq!(seen, words.concat());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_method_with_its_blank_is_waited_for() {
        for words in ["GET ", "GET /half", ""] {
            let (mut client, mut server) = tokio::io::duplex(64);
            AsyncWriteExt::write_all(&mut client, words.as_bytes()).await.unwrap();
            let mut seen = BytesMut::new();
            assert!(
                timeout(DETECT_TIMEOUT, sniff_undeclared(&mut server, &mut seen)).await.is_err(),
                "{words:?}"
            );
        }
    }

    #[tokio::test]
    async fn bytes_read_before_giving_up_are_kept() {
        let (mut client, mut server) = tokio::io::duplex(64);
        AsyncWriteExt::write_all(&mut client, b"GET /half").await.unwrap();
        let mut seen = BytesMut::new();
        let gave_up = timeout(Duration::from_millis(20), sniff(&mut server, &mut seen)).await.is_err();
        assert!(gave_up);
        assert_eq!(&seen[..], b"GET /half");
    }

    #[tokio::test(start_paused = true)]
    async fn a_declared_caller_may_begin_late_and_must_end_its_first_line() {
        let (mut client, mut server) = tokio::io::duplex(64);
        let begin = tokio::time::Instant::now();
        let speaking = async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            client.write_all(b"GET /endless").await.unwrap();
            client
        };
        let mut seen = BytesMut::new();
        let (sniffed, _client) = tokio::join!(sniff_declared(&mut server, &mut seen), speaking);
        assert_eq!(sniffed.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(begin.elapsed(), Duration::from_secs(3600) + FIRST_LINE);
        assert_eq!(&seen[..], b"GET /endless", "what has come goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_may_speak_http_later_and_a_line_that_never_ends_is_bytes() {
        let (mut client, mut server) = tokio::io::duplex(64);
        let mut seen = BytesMut::new();
        let sniffing = sniff_once_spoken(&mut server, &mut seen);
        let speaking = async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        };
        assert_eq!(tokio::join!(sniffing, speaking).0, Sniffed::Http1);

        let (mut client, mut server) = tokio::io::duplex(64);
        let mut seen = BytesMut::new();
        client.write_all(b"GET /endless").await.unwrap();
        let begin = tokio::time::Instant::now();
        assert_eq!(sniff_once_spoken(&mut server, &mut seen).await, Sniffed::Opaque);
        assert!(begin.elapsed() >= DETECT_TIMEOUT && seen[..] == *b"GET /endless");
        drop(client);
        assert_eq!(
            sniff_once_spoken(&mut server, &mut BytesMut::new()).await,
            Sniffed::Opaque,
            "it has left"
        );
    }
}
