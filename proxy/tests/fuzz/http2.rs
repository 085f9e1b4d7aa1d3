//! Frames of HTTP/2 at the proxy: nothing a caller sends makes it panic or stop serving others.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weft_proxy::test_util::frame;
use weft_proxy::wire::weft::v1::Protocol;

use super::mutate::Fuzz;
use super::proxies;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const CALLERS: usize = 16;
const QUIET: Duration = Duration::from_millis(20);

#[test]
fn whatever_frames_a_caller_sends_the_proxy_serves_others() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let proxy = proxies::start(application().await, Protocol::Http2);
        let until = Instant::now() + Fuzz::time();
        let corpus = corpus();
        let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
        let fuzz = std::rc::Rc::new(std::cell::RefCell::new(Fuzz::new("HTTP/2 frames", &corpus)));
        let local = tokio::task::LocalSet::new();
        let mut callers = Vec::new();
        for _ in 0..CALLERS {
            let fuzz = fuzz.clone();
            callers.push(local.spawn_local(async move {
                let mut inputs = 0u64;
                while Instant::now() < until {
                    let input = fuzz.borrow_mut().next();
                    send(proxy, &input).await;
                    assert_eq!(proxies::panics(), 0, "after {}", input.escape_ascii());
                    inputs += 1;
                    if inputs.is_multiple_of(100) {
                        ask(proxy).await;
                    }
                }
                inputs
            }));
        }
        let inputs = local
            .run_until(async move {
                let mut inputs = 0;
                for caller in callers {
                    inputs += caller.await.unwrap();
                }
                inputs
            })
            .await;
        ask(proxy).await;
        println!("HTTP/2 frames: {inputs} inputs, 0 finds");
    });
}

async fn send(proxy: SocketAddr, frames: &[u8]) {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let mut seen = Vec::new();
    if stream.write_all(&[PREFACE, frames].concat()).await.is_ok() {
        while let Ok(Ok(1..)) = tokio::time::timeout(QUIET, stream.read_buf(&mut seen)).await {}
    }
}

/// A good request of another caller.
async fn ask(proxy: SocketAddr) {
    let stream = TcpStream::connect(proxy).await.unwrap();
    let answer = async {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(connection);
        let request = Request::get("http://reviews/").body(Full::<Bytes>::default()).unwrap();
        let status = sender.send_request(request).await.unwrap().status();
        driver.abort();
        status
    };
    let status = tokio::time::timeout(Duration::from_secs(10), answer).await.expect("the proxy serves on");
    assert_eq!(status, 200);
}

async fn application() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let io = TokioIo::new(listener.accept().await.unwrap().0);
            let service = service_fn(|_: Request<Incoming>| async {
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("ok")))
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(io, service));
        }
    });
    address
}

/// Sequences after the preface: a request, one with a body and trailers, settings, window updates, resets, pings.
pub fn corpus() -> Vec<Vec<u8>> {
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    let settings = frame(SETTINGS, 0, 0, &[]);
    let acknowledged = frame(SETTINGS, 1, 0, &[]);
    // :method GET, :scheme http, :path /, :authority a
    let get = b"\x82\x86\x84\x41\x01a";
    // :method POST, and grpc's content type and te, without indexing.
    let post = b"\x83\x86\x84\x41\x01a\0\x0ccontent-type\x10application/grpc\0\x02te\x08trailers";
    vec![
        [settings.clone(), frame(HEADERS, 5, 1, get), acknowledged.clone()].concat(),
        [
            settings.clone(),
            frame(HEADERS, 4, 1, post),
            frame(0, 0, 1, b"hello"),
            frame(HEADERS, 5, 1, b"\0\x05x-sum\x011"),
        ]
        .concat(),
        [settings.clone(), frame(HEADERS, 0, 1, &get[..2]), frame(9, 4, 1, &get[2..])].concat(),
        [settings.clone(), frame(HEADERS, 4, 1, get), frame(3, 0, 1, &[0, 0, 0, 8])].concat(),
        [settings.clone(), frame(8, 0, 0, &[0, 0, 255, 255]), frame(6, 0, 0, b"12345678")].concat(),
        [settings.clone(), frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]), frame(HEADERS, 5, 3, get)].concat(),
        [settings.clone(), frame(2, 0, 1, &[0, 0, 0, 0, 16]), frame(7, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0])]
            .concat(),
        [settings, frame(HEADERS, 13, 1, &[&[1], &get[..], &[0]].concat()), frame(HEADERS, 5, 3, get)]
            .concat(),
    ]
}
