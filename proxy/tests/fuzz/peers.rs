//! Peers with a certificate of the mesh, which are strangers too: what they send behind mutual TLS makes the proxy neither
//! panic nor stop serving, and the application reads it in one way.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weft_proxy::tcp::{Prefixed, ReadAhead};
use weft_proxy::test_util::frame;
use weft_proxy::tls::{Alpn, ClientStream};

use super::mutate::Fuzz;
use super::proxies::{self, Receiver};
use super::{http1, http2};

/// Peers at once.
const PEERS: usize = 12;
const QUIET: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(10);

type Found = Arc<Mutex<Option<String>>>;

#[test]
fn whatever_a_peer_sends_over_http2_is_read_in_one_way() {
    let mut corpus = http2::corpus();
    // The same as HTTP/1.1 that travels.
    const HEADERS: u8 = 1;
    let settings = frame(4, 0, 0, &[]);
    let mark = b"\0\x0cx-weft-proto\x08http/1.1";
    let get = [&b"\x82\x86\x84\x41\x01a"[..], mark].concat();
    let host = [&b"\x82\x86\x84\0\x04host\x01a"[..], mark].concat();
    let post = [&b"\x83\x86\x84\x41\x01a"[..], mark].concat();
    let upgrade = [&get[..], b"\0\x06expect\x0c100-continue"].concat();
    corpus.extend([
        [settings.clone(), frame(HEADERS, 5, 1, &get), frame(HEADERS, 5, 3, &host)].concat(),
        [settings.clone(), frame(HEADERS, 4, 1, &post), frame(0, 0, 1, b"hello"), frame(0, 1, 1, b"more")]
            .concat(),
        [settings.clone(), frame(HEADERS, 4, 1, &post), frame(0, 0, 1, b"part"), frame(3, 0, 1, &[0; 4])]
            .concat(),
        [settings, frame(HEADERS, 4, 1, &upgrade), frame(HEADERS, 5, 1, b"\0\x05x-sum\x011")].concat(),
    ]);
    let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
    run("HTTP/2 of peers", Alpn::H2, http2::PREFACE, &corpus);
}

#[test]
fn whatever_a_peer_sends_over_http1_is_read_in_one_way() {
    run("HTTP/1 of peers", Alpn::H1, b"", http1::CORPUS);
}

fn run(name: &'static str, alpn: Alpn, before: &'static [u8], corpus: &[&[u8]]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fuzz = Arc::new(Mutex::new(Fuzz::new(name, corpus)));
    runtime.block_on(async {
        let found = Found::default();
        let receiver = Arc::new(proxies::receiver(application(found.clone()).await));
        let until = Instant::now() + Fuzz::time();
        let local = tokio::task::LocalSet::new();
        let peers: Vec<_> = (0..PEERS)
            .map(|_| {
                let (fuzz, found, receiver) = (fuzz.clone(), found.clone(), receiver.clone());
                local.spawn_local(async move {
                    let mut inputs = 0u64;
                    while Instant::now() < until && found.lock().unwrap().is_none() {
                        let input = [before, &fuzz.lock().unwrap().next()].concat();
                        send(&receiver, alpn, &input).await;
                        assert_eq!(proxies::panics(), 0, "after {}", input.escape_ascii());
                        inputs += 1;
                        if inputs.is_multiple_of(50) {
                            tokio::time::timeout(LIMIT, ask(&receiver)).await.expect("the proxy serves on");
                        }
                    }
                    inputs
                })
            })
            .collect();
        let inputs = local
            .run_until(async {
                let mut inputs = 0;
                for peer in peers {
                    inputs += peer.await.unwrap();
                }
                inputs
            })
            .await;
        let found = found.lock().unwrap().clone();
        assert_eq!(found, None, "the application was sent something else than requests");
        println!("{name}: {inputs} inputs, 0 finds");
    });
}

async fn open(receiver: &Receiver, alpn: Alpn) -> ClientStream<ReadAhead<Prefixed<TcpStream>>> {
    let tcp = TcpStream::connect(receiver.address).await.unwrap();
    let stream = ReadAhead::new(Prefixed::from(tcp));
    receiver.peer.connect(stream, &receiver.identity, &[alpn]).await.unwrap().0
}

async fn send(receiver: &Receiver, alpn: Alpn, input: &[u8]) {
    let mut stream = open(receiver, alpn).await;
    let mut seen = Vec::new();
    if stream.write_all(input).await.is_ok() {
        while let Ok(Ok(1..)) = tokio::time::timeout(QUIET, stream.read_buf(&mut seen)).await {}
    }
}

/// A good request of another peer.
async fn ask(receiver: &Receiver) {
    let (client, connection) = h2::client::handshake(open(receiver, Alpn::H2).await).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = Request::get("http://reviews/").header("x-weft-proto", "http/1.1").body(()).unwrap();
    let (answer, _) = client.ready().await.unwrap().send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    driver.abort();
}

/// Reads HTTP/1.1 as strictly as can be, and HTTP/2 as `h2` does.
async fn application(found: Found) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let found = found.clone();
            tokio::spawn(async move {
                let mut first = [0; 4];
                while let Ok(1..4) = stream.peek(&mut first).await {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                if &first != b"PRI " {
                    return http1::serve(stream, found).await;
                }
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    if let Ok(mut stream) = respond.send_response(Response::new(()), false) {
                        let _ = stream.send_data(Bytes::from_static(b"ok"), true);
                    }
                }
            });
        }
    });
    address
}
