//! HTTP/1 through the proxy: whatever callers send, the application gets requests that a strict reader reads in one way.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weft_proxy::wire::weft::v1::Protocol;

use super::mutate::Fuzz;
use super::proxies;

pub const CORPUS: &[&[u8]] = &[
    b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nX-One: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n5;a=b\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\n\r\nPOST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi",
    b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
    b"GET http://other/x HTTP/1.1\r\nhost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
    b"OPTIONS http://a HTTP/1.2\r\nhost: a\r\n\r\n",
    b"\r\nGET /caf\xe9?q=\"<>#x HTTP/1.1\r\nhost: a\r\nauthorization: NTLM x\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0000000000000000000005\r\ncontent-length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nconnection: x\r\nhost: b\r\nx-sum: 1\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nG",
    b"HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close, x-a\r\nx-a: 1\r\nte: trailers\r\n\r\n",
];
/// Connections at once.
const CALLERS: usize = 32;
/// Said by callers that wait for more: the proxy waits for the rest of their request.
const QUIET: Duration = Duration::from_millis(20);

#[test]
fn whatever_a_caller_sends_the_application_reads_it_in_one_way() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let found = Arc::new(Mutex::new(None));
        let application = strict_application(found.clone()).await;
        let proxy = proxies::start(application, Protocol::Http1);
        let until = Instant::now() + Fuzz::time();
        let fuzz = Arc::new(Mutex::new(Fuzz::new("HTTP/1", CORPUS)));
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..CALLERS {
            let (fuzz, found) = (fuzz.clone(), found.clone());
            callers.spawn(async move {
                let mut inputs = 0u64;
                while Instant::now() < until && found.lock().unwrap().is_none() {
                    let input = fuzz.lock().unwrap().next();
                    send(proxy, &input, QUIET).await;
                    assert_eq!(proxies::panics(), 0, "after {}", input.escape_ascii());
                    inputs += 1;
                }
                inputs
            });
        }
        let inputs: u64 = callers.join_all().await.iter().sum();
        let found = found.lock().unwrap().clone();
        assert_eq!(found, None, "the application was sent something else than requests");
        let good = send(proxy, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", 500 * QUIET).await;
        assert!(good.starts_with(b"HTTP/1.1 200 OK"), "the proxy serves on: {}", good.escape_ascii());
        println!("HTTP/1: {inputs} inputs, 0 finds");
    });
}

/// What comes back until the proxy closes, or says nothing for as long as `patience`.
async fn send(proxy: SocketAddr, input: &[u8], patience: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let mut seen = Vec::new();
    if stream.write_all(input).await.is_ok() {
        while let Ok(Ok(1..)) = tokio::time::timeout(patience, stream.read_buf(&mut seen)).await {}
    }
    seen
}

async fn strict_application(found: Arc<Mutex<Option<String>>>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, found.clone()));
        }
    });
    address
}

pub async fn serve(mut stream: TcpStream, found: Arc<Mutex<Option<String>>>) {
    let mut seen = Vec::new();
    loop {
        match request(&seen) {
            Ok(None) => {}
            Ok(Some(length)) => {
                seen.drain(..length);
                if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                    return;
                }
                continue;
            }
            Err(why) => {
                found.lock().unwrap().get_or_insert(format!("{why}: {}", seen.escape_ascii()));
                return;
            }
        }
        if !matches!(stream.read_buf(&mut seen).await, Ok(1..)) {
            return;
        }
    }
}

/// The length of the first request, once it is whole; an error where RFC 9112 allows more than one reading of it.
fn request(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(None) };
    let head = &bytes[..end];
    if head.contains(&0) {
        return Err("a NUL".to_owned());
    }
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.next().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    if words.len() != 3 || words[2] != b"HTTP/1.1" || words[0].is_empty() || !words[0].iter().all(is_token) {
        return Err("the request line".to_owned());
    }
    let (mut hosts, mut length, mut chunked) = (0, None, false);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').ok_or("a line without a colon")?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().all(is_token) || value.contains(&b'\r') {
            return Err("a header".to_owned());
        }
        match name.to_ascii_lowercase().as_slice() {
            b"host" => hosts += 1,
            b"content-length" if length.is_some() => return Err("two lengths".to_owned()),
            b"content-length" => {
                let digits =
                    std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
                length = Some(digits.and_then(|text| text.parse::<usize>().ok()).ok_or("a length")?);
            }
            b"transfer-encoding" if chunked || value != b"chunked" => {
                return Err("a transfer coding".to_owned());
            }
            b"transfer-encoding" => chunked = true,
            b"keep-alive" | b"proxy-connection" | b"x-weft-proto" => {
                return Err("a header of another hop".to_owned());
            }
            _ => {}
        }
    }
    if hosts != 1 {
        return Err(format!("{hosts} hosts"));
    }
    if chunked && length.is_some() {
        return Err("two framings".to_owned());
    }
    let body = &bytes[end + 4..];
    let size = if chunked {
        chunks(body)?
    } else {
        length.filter(|length| *length <= body.len()).or(length.is_none().then_some(0))
    };
    Ok(size.map(|size| end + 4 + size))
}

fn chunks(body: &[u8]) -> Result<Option<usize>, String> {
    let mut at = 0;
    loop {
        let Some(line) = body[at..].windows(2).position(|end| end == b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&body[at..at + line]).ok();
        let size = size.filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let size = size.and_then(|text| usize::from_str_radix(text, 16).ok()).ok_or("a chunk size")?;
        at += line + 2;
        if size == 0 {
            break;
        }
        if body.len() < at + size + 2 {
            return Ok(None);
        }
        if &body[at + size..at + size + 2] != b"\r\n" {
            return Err("the end of a chunk".to_owned());
        }
        at += size + 2;
    }
    if body[at..].starts_with(b"\r\n") {
        return Ok(Some(at + 2));
    }
    Ok(body[at..].windows(4).position(|end| end == b"\r\n\r\n").map(|end| at + end + 4))
}

fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}
