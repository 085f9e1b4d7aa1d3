use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::app::App;
use super::harness::{
    LIMIT, Proxy, World, backend, connect, destination, nobody, on_header, plain, read_response,
};
use crate::http::Wire;
use crate::state::{Protocol, Route, WeightedBackend};
use crate::test_util::frame;

async fn client(proxy: &Proxy) -> SendRequest<Full<Bytes>> {
    let io = TokioIo::new(connect(proxy.outbound).await);
    let (sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("http://reviews:8080{path}")).body(Full::default()).unwrap()
}

#[tokio::test]
async fn prior_knowledge_http2_reaches_the_application_as_http2() {
    let (world, app) = (World::new(), App::start(Wire::H2).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Unknown);
    let mut client = client(&caller).await;
    let response = client.send_request(get("/head")).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = std::str::from_utf8(&body).unwrap();
    assert!(body.starts_with("GET http://reviews:8080/head HTTP/2.0"), "{body}");
    assert!(!body.contains("x-weft-proto"), "{body}");
}

#[tokio::test]
async fn many_requests_at_once_share_one_connection_on_every_hop() {
    let (world, app) = (World::new(), App::start(Wire::H2).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Http2);
    let client = client(&caller).await;
    let requests = (0..50).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { client.send_request(get("/name")).await.unwrap().status() })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(app.connections(), 1);
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// Asks `given_up` times and takes each back at once, then asks once more: the kind of frame that ends the wait for it.
async fn answer_after(caller: &Proxy, given_up: u32) -> u8 {
    // GET, http, /, and the authority in full (RFC 7541, 6.1 and 6.2.2).
    let head = [&[0x82, 0x86, 0x84, 0x01, 7], b"reviews".as_slice()].concat();
    // END_STREAM and END_HEADERS.
    let ask = |stream| frame(HEADERS, 5, stream, &head);
    let cancel = 8_u32.to_be_bytes();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let last = 2 * given_up + 1;
    for stream in (1..last).step_by(2) {
        bytes.extend(ask(stream));
        bytes.extend(frame(RST_STREAM, 0, stream, &cancel));
    }
    bytes.extend(ask(last));
    let mut client = connect(caller.outbound).await;
    client.write_all(&bytes).await.unwrap();
    loop {
        let mut head = [0; 9];
        tokio::time::timeout(LIMIT, client.read_exact(&mut head)).await.unwrap().unwrap();
        let [_, a, b, kind, _, stream @ ..] = head;
        client.read_exact(&mut vec![0; usize::from(u16::from_be_bytes([a, b]))]).await.unwrap();
        if kind == GOAWAY || (kind == HEADERS && u32::from_be_bytes(stream) == last) {
            return kind;
        }
    }
}

#[tokio::test]
async fn callers_that_leave_together_do_not_end_the_connection_that_others_share() {
    let (world, app) = (World::new(), App::start(Wire::H2).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Http2);
    for given_up in [0, 21, 64, 255] {
        assert_eq!(answer_after(&caller, given_up).await, HEADERS, "{given_up}");
    }
    // Rapid reset (CVE-2023-44487).
    assert_eq!(answer_after(&caller, 1000).await, GOAWAY);
}

#[tokio::test]
async fn trailers_of_grpc_pass_and_its_status_is_counted() {
    let (world, app) = (World::new(), App::start(Wire::H2).await);
    let (caller, receiver) = world.pair(app.addr, Protocol::Http2);
    let mut client = client(&caller).await;
    let response = client.send_request(get("/trailers")).await.unwrap();
    let all = response.into_body().collect().await.unwrap();
    assert_eq!(all.trailers().unwrap()["grpc-status"], "5");
    for proxy in [&caller, &receiver] {
        proxy.counted("weft_requests_total", &[r#"code="200""#, r#"grpc_status="5""#], 1.0).await;
    }
}

#[tokio::test]
async fn a_grpc_caller_is_told_unavailable_in_its_own_terms() {
    let world = World::new();
    let caller = world.caller(destination(Protocol::Http2, vec![plain(nobody())]));
    let mut client = client(&caller).await;
    let mut request = get("/shop.Reviews/Get");
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["grpc-status"], "14");
    assert_eq!(response.headers()["x-weft-reason"], "connect-failed");
    let message = response.headers()["grpc-message"].to_str().unwrap();
    assert!(message.contains("shop/reviews:8080"), "{message}");
}

#[tokio::test]
async fn headers_choose_the_route_before_weights_do() {
    let (world, v1, v2) = (World::new(), App::named(Wire::H1, "v1").await, App::named(Wire::H1, "v2").await);
    let (first, second) = (world.receiver(v1.addr), world.receiver(v2.addr));
    let mut destination = destination(Protocol::Http1, vec![world.meshed(&first)]);
    destination
        .backends
        .push(Arc::new(backend("shop/reviews:8080{version=v2}", vec![world.meshed(&second)])));
    let all = |backend| vec![WeightedBackend { backend, weight: 1, ..Default::default() }];
    destination.routes = vec![
        Route {
            name: "testers".into(),
            matches: vec![on_header("x-group", "beta")],
            split: all(1),
            ..Route::default()
        },
        Route { name: "rest".into(), split: all(0), ..Route::default() },
    ];
    let caller = world.caller(destination);
    let mut client = connect(caller.outbound).await;
    for (header, expected) in [("", "v1"), ("x-group: beta\r\n", "v2"), ("x-group: alpha\r\n", "v1")] {
        client.write_all(format!("GET /name HTTP/1.1\r\nhost: a\r\n{header}\r\n").as_bytes()).await.unwrap();
        assert_eq!(read_response(&mut client).await.1, expected.as_bytes());
    }
    let beta = [r#"route="testers""#, r#"backend="shop/reviews:8080{version=v2}""#];
    caller.counted("weft_requests_total", &beta, 1.0).await;
}

#[tokio::test]
async fn a_drain_ends_connections_between_proxies_and_no_request_fails() {
    let (world, app) = (World::new(), App::start(Wire::H2).await);
    let (caller, receiver) = world.pair(app.addr, Protocol::Http2);
    let client = client(&caller).await;
    let mut draining = None;
    for number in 0..200 {
        let mut client = client.clone();
        if number == 50 {
            let trigger = receiver.drain.clone();
            draining = Some(tokio::spawn(async move { trigger.drain(LIMIT).await }));
        }
        let response = client.send_request(get("/name")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(&body[..], b"app");
    }
    drop(client);
    let outcome = draining.unwrap().await.unwrap();
    assert_eq!(outcome, crate::drain::Outcome::Drained);
}

#[tokio::test]
async fn an_empty_body_ends_with_its_head() {
    let (world, app) = (World::new(), App::start(Wire::H2).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Http2);
    let io = TokioIo::new(connect(caller.outbound).await);
    let (mut sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://reviews/empty").body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(hyper::body::Body::is_end_stream(response.body()));
}

#[tokio::test]
async fn more_requests_than_one_connection_takes_go_over_another() {
    let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let caller = world.caller(destination(Protocol::Http2, vec![plain(app.local_addr().unwrap())]));
    // Takes two streams on each connection, and answers none before four are there.
    let waiting = Arc::new(tokio::sync::Barrier::new(4));
    tokio::spawn(async move {
        loop {
            let io = TokioIo::new(app.accept().await.unwrap().0);
            let waiting = waiting.clone();
            let service = service_fn(move |request: Request<_>| {
                let waiting = waiting.clone();
                async move {
                    if request.uri().path() != "/first" {
                        waiting.wait().await;
                    }
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("together")))
                }
            });
            let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.max_concurrent_streams(2).serve_connection(io, service));
        }
    });
    let mut client = client(&caller).await;
    // How many streams a connection takes is known once its settings have arrived.
    assert_eq!(client.send_request(get("/first")).await.unwrap().status(), StatusCode::OK);
    let requests = (0..4).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { client.send_request(get("/")).await.unwrap().status() })
    });
    for request in requests.collect::<Vec<_>>() {
        let status = tokio::time::timeout(LIMIT, request).await.expect("a stream for each request").unwrap();
        assert_eq!(status, StatusCode::OK);
    }
}

/// RFC 8441: a client may ask for it only where the server has said that it can.
#[tokio::test]
async fn extended_connect_is_not_offered_and_who_asks_all_the_same_loses_that_stream_alone() {
    let (world, app) = (World::new(), App::start(Wire::H2).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Http2);
    let io = connect(caller.outbound).await;
    let (h2, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let mut h2 = h2.ready().await.unwrap();
    let request = |method: http::Method| {
        Request::builder().method(method).uri("http://reviews:8080/name").body(()).unwrap()
    };
    let (response, _) = h2.send_request(request(http::Method::GET), true).unwrap();
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
    assert!(!h2.is_extended_connect_protocol_enabled());
    let mut asking = request(http::Method::CONNECT);
    asking.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    if let Ok((response, _)) = h2.send_request(asking, false) {
        let ended = tokio::time::timeout(LIMIT, response).await.expect("an answer");
        assert!(ended.is_err() || ended.unwrap().status() == StatusCode::NOT_IMPLEMENTED);
    }
    let mut h2 = h2.ready().await.unwrap();
    let (response, _) = h2.send_request(request(http::Method::GET), true).unwrap();
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
}
