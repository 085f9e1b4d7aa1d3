//! Frames of HTTP/2 from a hostile server: nothing it sends makes the proxy panic, hang or stop serving, and no response of
//! which its server did not say that it has ended looks whole.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weft_proxy::test_util::frame;
use weft_proxy::wire::weft::v1::Protocol;

use super::mutate::Fuzz;
use super::proxies;

/// Proxies at once, each with a server of its own, which answers one request a connection.
const LANES: usize = 6;
/// How long a connection stays open after its answer.
const QUIET: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(10);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;

#[test]
fn whatever_a_server_answers_the_proxy_goes_on_and_tells_no_part_for_the_whole() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let until = Instant::now() + Fuzz::time();
        let corpus = corpus();
        let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
        let fuzz = Arc::new(Mutex::new(Fuzz::new("HTTP/2 responses", &corpus)));
        let mut lanes = tokio::task::JoinSet::new();
        for _ in 0..LANES {
            let fuzz = fuzz.clone();
            lanes.spawn(async move {
                let answer = Arc::new(Mutex::new(Vec::new()));
                let proxy = proxies::start(server(answer.clone()).await, Protocol::Http2);
                let mut inputs = 0u64;
                while Instant::now() < until {
                    let input = fuzz.lock().unwrap().next();
                    answer.lock().unwrap().clone_from(&input);
                    let whole = tokio::time::timeout(LIMIT, ask(proxy)).await;
                    let whole = whole.unwrap_or_else(|_| panic!("hangs after {}", input.escape_ascii()));
                    assert_eq!(proxies::panics(), 0, "after {}", input.escape_ascii());
                    assert!(!whole || has_ended(&input), "looks whole: {}", input.escape_ascii());
                    inputs += 1;
                    if inputs.is_multiple_of(50) {
                        answer.lock().unwrap().clone_from(&good());
                        let serves = tokio::time::timeout(LIMIT, serves(proxy)).await;
                        assert!(serves.is_ok(), "serves no more after {}", input.escape_ascii());
                    }
                }
                inputs
            });
        }
        let inputs: u64 = lanes.join_all().await.iter().sum();
        println!("HTTP/2 responses: {inputs} inputs, 0 finds");
    });
}

/// Returns once a request is answered in full. The first ones may meet the connection of an earlier answer, which the
/// server is about to close without answering again; nothing says whether it acted on them, so the proxy does not resend.
async fn serves(proxy: SocketAddr) {
    while !ask(proxy).await {
        tokio::time::sleep(QUIET).await;
    }
}

/// Whether a response of the server came to a clean end.
async fn ask(proxy: SocketAddr) -> bool {
    let stream = TcpStream::connect(proxy).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = Request::get("http://reviews/").body(()).unwrap();
    let (answer, _) = client.ready().await.unwrap().send_request(request, true).unwrap();
    let whole = async {
        let (head, mut body) = answer.await.ok()?.into_parts();
        while let Some(data) = body.data().await {
            let data = data.ok()?;
            body.flow_control().release_capacity(data.len()).ok()?;
        }
        body.trailers().await.ok()?;
        (!head.headers.contains_key("x-weft-reason")).then_some(())
    };
    let whole = whole.await.is_some();
    driver.abort();
    whole
}

/// Whether the server said of the first stream that it has ended.
fn has_ended(mut frames: &[u8]) -> bool {
    while let Some([a, b, c, kind, flags, s, t, u, v]) = frames.first_chunk::<9>() {
        let stream = u32::from_be_bytes([*s, *t, *u, *v]) & 0x7fff_ffff;
        if stream == 1 && matches!(*kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            return true;
        }
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        frames = frames.get(9 + length..).unwrap_or_default();
    }
    false
}

/// A server that answers the first request of each connection with `answer`.
async fn server(answer: Arc<Mutex<Vec<u8>>>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                let _ = io.write_all(&frame(SETTINGS, 0, 0, &[])).await;
                while !asks(&seen) {
                    if !matches!(io.read_buf(&mut seen).await, Ok(1..)) {
                        return;
                    }
                }
                let answer = answer.lock().unwrap().clone();
                if io.write_all(&answer).await.is_ok() {
                    while let Ok(Ok(1..)) = tokio::time::timeout(QUIET, io.read_buf(&mut seen)).await {}
                }
            });
        }
    });
    address
}

/// Whether a head is there behind the preface.
fn asks(seen: &[u8]) -> bool {
    let mut frames = seen.get(super::http2::PREFACE.len()..).unwrap_or_default();
    while let [a, b, c, kind, ..] = frames {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if *kind == HEADERS && frames.len() >= 9 + length {
            return true;
        }
        frames = frames.get(9 + length..).unwrap_or_default();
    }
    false
}

/// `:status: 200` and two bytes.
fn good() -> Vec<u8> {
    [frame(HEADERS, 4, 1, b"\x88"), frame(DATA, END_STREAM, 1, b"ok")].concat()
}

/// Answers, whole and not, with trailers, lengths, informational heads, resets and words about the connection.
fn corpus() -> Vec<Vec<u8>> {
    let status = b"\x88";
    let trailer = b"\0\x0bgrpc-status\x010";
    vec![
        good(),
        frame(HEADERS, 5, 1, status),
        [frame(HEADERS, 4, 1, status), frame(DATA, 0, 1, b"part"), frame(3, 0, 1, &[0; 4])].concat(),
        [frame(HEADERS, 4, 1, status), frame(DATA, 0, 1, b"part"), frame(3, 0, 1, &[0, 0, 0, 8])].concat(),
        [frame(HEADERS, 4, 1, status), frame(DATA, 0, 1, b"part"), frame(HEADERS, 5, 1, trailer)].concat(),
        // :status 103, then 200 with a length.
        [
            frame(HEADERS, 4, 1, b"\x08\x03103"),
            frame(HEADERS, 4, 1, b"\x88\x0f\x0d\x012"),
            frame(DATA, 1, 1, b"ok"),
        ]
        .concat(),
        [frame(HEADERS, 0, 1, status), frame(9, 4, 1, b"\0\x01a\x01b"), frame(DATA, 9, 1, b"\x01ok\0")]
            .concat(),
        [frame(HEADERS, 4, 1, status), frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]), frame(DATA, 1, 1, b"ok")]
            .concat(),
        [frame(8, 0, 0, &[0, 0, 255, 255]), frame(6, 0, 0, b"12345678"), frame(HEADERS, 4, 1, status)]
            .concat(),
        [frame(5, 4, 1, b"\0\0\0\x02\x82\x86\x84"), frame(HEADERS, 4, 1, status), frame(DATA, 0, 1, b"part")]
            .concat(),
    ]
}
