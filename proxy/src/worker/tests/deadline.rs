use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::harness::{LIMIT, Proxy, World, connect, destination, plain, read_response};
use super::script::{Act, OK, Script};
use crate::state::{Destination, Endpoint, Protocol, Timeouts};

const MS: Duration = Duration::from_millis(1);
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";

fn limited(protocol: Protocol, endpoints: Vec<Endpoint>, timeouts: Timeouts) -> Destination {
    let mut destination = destination(protocol, endpoints);
    destination.routes[0].timeouts = timeouts;
    destination
}

async fn get(proxy: &Proxy, headers: &str) -> (String, Vec<u8>) {
    let mut client = connect(proxy.outbound).await;
    client.write_all(format!("GET /a HTTP/1.1\r\nhost: a\r\n{headers}\r\n").as_bytes()).await.unwrap();
    read_response(&mut client).await
}

/// What the application was told that is left.
fn told(request: &str) -> u64 {
    value(request).split(';').next().unwrap().parse().unwrap()
}

/// The whole header, as an application would copy it.
fn value(request: &str) -> &str {
    request.split("x-weft-deadline: ").nth(1).unwrap().lines().next().unwrap()
}

#[tokio::test]
async fn a_request_ends_with_504_when_its_time_is_up_and_the_application_is_told() {
    let (world, mut app) = (World::new(), Script::start(|_| Act::Hang("")).await);
    let receiver = world.receiver(app.addr);
    let timeouts = Timeouts { request: Some(150 * MS), ..Timeouts::default() };
    let caller = world.caller(limited(Protocol::Http1, vec![world.meshed(&receiver)], timeouts));
    let (head, body) = get(&caller, "").await;
    assert!(head.starts_with("http/1.1 504"), "{head}");
    assert!(head.contains("x-weft-reason: deadline-exceeded"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("the deadline of the request has passed"));
    app.given_up().await;
    assert!((1..=150).contains(&told(&app.requests()[0])), "{:?}", app.requests());
    caller.counted("weft_requests_total", &[r#"code="504""#], 1.0).await;
}

#[tokio::test]
async fn the_callers_deadline_is_lowered_on_each_hop_and_holds_where_the_route_says_nothing() {
    let (world, app) =
        (World::new(), Script::start(|index| if index == 0 { OK } else { Act::Hang("") }).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Http1);
    let (head, _) = get(&caller, "x-weft-deadline: 5000\r\n").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!((1..=5000).contains(&told(&app.requests()[0])), "{:?}", app.requests());
    let (head, _) = get(&caller, "x-weft-deadline: 100\r\n").await;
    assert!(head.starts_with("http/1.1 504"), "{head}");
    // One that is over already does not start.
    let (head, _) = get(&caller, "x-weft-deadline: 0\r\n").await;
    assert!(head.starts_with("http/1.1 504"), "{head}");
    assert_eq!(app.requests().len(), 2);
}

#[tokio::test]
async fn the_time_an_application_takes_before_it_calls_another_is_not_left_to_that_one() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Http1);
    get(&caller, "x-weft-deadline: 120\r\n").await;
    let copied = format!("x-weft-deadline: {}\r\n", value(&app.requests()[0]));
    get(&caller, &copied).await;
    assert!(told(&app.requests()[1]) <= 120, "{:?}", app.requests());
    tokio::time::sleep(130 * MS).await;
    let (head, _) = get(&caller, &copied).await;
    assert!(head.starts_with("http/1.1 504"), "{head}");
    assert_eq!(app.requests().len(), 2, "what is over does not start");
}

#[tokio::test]
async fn a_route_bounds_a_caller_that_asks_for_more_and_nonsense_is_ignored() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let timeouts = Timeouts { request: Some(3000 * MS), ..Timeouts::default() };
    let caller = world.caller(limited(Protocol::Http1, vec![plain(app.addr)], timeouts));
    for value in ["99999999999999999999999", "-5", "soon", "1e3"] {
        let (head, _) = get(&caller, &format!("x-weft-deadline: {value}\r\n")).await;
        assert!(head.starts_with("http/1.1 200"), "{value}: {head}");
        assert!((1..=3000).contains(&told(app.requests().last().unwrap())), "{value}");
    }
}

#[tokio::test]
async fn without_a_deadline_none_is_made_up() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Http1);
    get(&caller, "").await;
    assert!(!app.requests()[0].contains("deadline"), "{:?}", app.requests());
}

#[tokio::test]
async fn a_response_that_is_half_there_is_cut_and_its_rest_given_up() {
    let (world, mut app) = (World::new(), Script::start(|_| Act::Hang(HALF)).await);
    let receiver = world.receiver(app.addr);
    let timeouts = Timeouts { request: Some(200 * MS), ..Timeouts::default() };
    let caller = world.caller(limited(Protocol::Http1, vec![world.meshed(&receiver)], timeouts));
    let mut client = connect(caller.outbound).await;
    client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    let ended = tokio::time::timeout(LIMIT, client.read_to_end(&mut seen)).await.expect("an end");
    let text = String::from_utf8_lossy(&seen).into_owned();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("half"), "{ended:?} {text}");
    app.given_up().await;
    caller.counted("weft_errors_total", &["deadline-exceeded"], 1.0).await;
}

#[tokio::test]
async fn a_try_that_is_too_long_ends_with_504_and_its_own_reason() {
    let (world, mut app) = (World::new(), Script::start(|_| Act::Hang("")).await);
    let timeouts = Timeouts { request: Some(8000 * MS), per_try: Some(80 * MS), ..Timeouts::default() };
    let caller = world.caller(limited(Protocol::Http1, vec![plain(app.addr)], timeouts));
    let (head, body) = get(&caller, "").await;
    assert!(head.starts_with("http/1.1 504") && head.contains("x-weft-reason: try-timeout"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("within the 80ms of a try"));
    app.given_up().await;
}

/// An HTTP/2 application that never ends a response: `/head` stays without a head, others without an end. It tells
/// each request's deadline, and when a stream was reset.
async fn endless() -> (std::net::SocketAddr, mpsc::Receiver<String>) {
    struct Told(mpsc::Sender<String>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.try_send("reset".into());
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (events, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        loop {
            let io = TokioIo::new(listener.accept().await.unwrap().0);
            let events = events.clone();
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let told = Told(events.clone());
                async move {
                    let timeout = request.headers().get("grpc-timeout").cloned();
                    let _ = told.0.try_send(format!("{:?}", timeout.unwrap()));
                    if request.uri().path() == "/head" {
                        std::future::pending::<()>().await;
                    }
                    let (frames, body) = mpsc::channel::<Result<Frame<Bytes>, std::convert::Infallible>>(1);
                    tokio::spawn(async move {
                        let _ = frames.send(Ok(Frame::data(Bytes::from_static(b"part")))).await;
                        frames.closed().await;
                        drop(told);
                    });
                    Ok::<_, std::convert::Infallible>(http::Response::new(Received(body)))
                }
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(io, service));
        }
    });
    (addr, receiver)
}

type Frames = Result<Frame<Bytes>, std::convert::Infallible>;

/// A body of what comes over a channel.
struct Received(mpsc::Receiver<Frames>);

impl hyper::body::Body for Received {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Frames>> {
        self.0.poll_recv(cx)
    }
}

#[tokio::test]
async fn grpc_is_told_deadline_exceeded_before_and_within_a_response_and_its_streams_are_reset() {
    let (world, (app, mut events)) = (World::new(), endless().await);
    let (caller, _receiver) = world.pair(app, Protocol::Http2);
    let io = TokioIo::new(connect(caller.outbound).await);
    let handshake = hyper::client::conn::http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), io);
    let (mut client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    for path in ["/head", "/stream"] {
        let request = Request::post(format!("http://reviews:8080{path}"))
            .header("content-type", "application/grpc")
            .header("grpc-timeout", "250m")
            .body(Empty::new())
            .unwrap();
        let response = tokio::time::timeout(LIMIT, client.send_request(request)).await.unwrap().unwrap();
        let in_head = response.headers().get("grpc-status").cloned();
        let rest = tokio::time::timeout(LIMIT, response.into_body().collect()).await.unwrap().unwrap();
        let in_trailers = rest.trailers().and_then(|trailers| trailers.get("grpc-status")).cloned();
        assert_eq!(in_head.or(in_trailers).unwrap(), "4", "{path}");
        let told = events.recv().await.unwrap();
        let left: u64 = told.trim_matches('"').trim_end_matches('m').parse().unwrap();
        assert!((1..=250).contains(&left), "{told}");
        let reset = tokio::time::timeout(LIMIT, events.recv()).await.expect("the stream is reset");
        assert_eq!(reset.unwrap(), "reset");
    }
    caller.counted("weft_requests_total", &[r#"grpc_status="4""#], 2.0).await;
}
