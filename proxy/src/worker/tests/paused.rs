//! Downloads that pause, and subscribers that do, stop nobody else between the same two pods.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::harness::*;
use crate::state::Protocol;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: reviews\r\n\r\n";

/// Serves without end in parts of this length at `/<length>`, and three bytes elsewhere.
async fn application(h2: bool) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let io = TokioIo::new(listener.accept().await.unwrap().0);
            tokio::spawn(async move {
                let service = hyper::service::service_fn(answer);
                if h2 {
                    let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = server.max_concurrent_streams(1000).serve_connection(io, service).await;
                } else {
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                }
            });
        }
    });
    addr
}

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let length: usize = request.uri().path()[1..].parse().unwrap_or(0);
    let body = match length {
        0 => http_body_util::Full::new(Bytes::from_static(b"app")).boxed_unsync(),
        length => Parts(Bytes::from(vec![7; length])).boxed_unsync(),
    };
    Ok(Response::new(body))
}

/// The same part, as often as it is asked for.
struct Parts(Bytes);

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // Others get their turn: each part is a frame of its own.
        ready!(pin!(tokio::task::coop::consume_budget()).poll(cx));
        Poll::Ready(Some(Ok(Frame::data(self.0.clone()))))
    }
}

/// Callers that asked for endless parts of this length, and read nothing of the answer but its head.
async fn paused(caller: &Proxy, count: usize, length: usize) -> Vec<TcpStream> {
    let mut paused = Vec::new();
    for _ in 0..count {
        let mut client = connect(caller.outbound).await;
        let ask = format!("GET /{length} HTTP/1.1\r\nhost: reviews\r\n\r\n");
        client.write_all(ask.as_bytes()).await.unwrap();
        client.readable().await.unwrap();
        paused.push(client);
    }
    paused
}

async fn others_are_served(caller: &Proxy) {
    for _ in 0..20 {
        let mut client = connect(caller.outbound).await;
        client.write_all(GET).await.unwrap();
        assert_eq!(read_response(&mut client).await.1, b"app");
    }
}

#[tokio::test]
async fn downloads_that_pause_stop_nobody_else() {
    let world = World::new();
    let (caller, _receiver) = world.pair(application(false).await, Protocol::Http1);
    let mut all = Vec::new();
    for more in [1, 15, 48] {
        all.extend(paused(&caller, more, 64 * 1024).await);
        // What sockets and windows hold is full.
        tokio::time::sleep(Duration::from_millis(300)).await;
        others_are_served(&caller).await;
    }
    assert_eq!(caller.count("weft_http2_goaways_total", &[]), 0.0);
}

#[tokio::test]
async fn subscribers_of_small_messages_that_pause_stop_nobody_else() {
    let world = World::new();
    let (caller, receiver) = world.pair(application(true).await, Protocol::Http2);
    let io = TokioIo::new(connect(caller.outbound).await);
    // A reader that never reads, with as large a window as the proxy would give.
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(16 * 1024)
        .initial_connection_window_size(8 * 1024 * 1024)
        .handshake(io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let ask =
        |path: &str| Request::get(format!("http://reviews/{path}")).body(Empty::<Bytes>::new()).unwrap();
    let mut paused = Vec::new();
    for _ in 0..8 {
        paused.push(sender.send_request(ask("25")).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..20 {
        let answer = tokio::time::timeout(LIMIT, sender.send_request(ask(""))).await.expect("it is served");
        assert_eq!(answer.unwrap().into_body().collect().await.unwrap().to_bytes(), "app");
    }
    assert_eq!(paused.len(), 8);
    for proxy in [&caller, &receiver] {
        assert_eq!(proxy.count("weft_http2_goaways_total", &[]), 0.0);
    }
}
