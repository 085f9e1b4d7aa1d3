//! The port decides how it is read, not the peer: what the receiver's proxy makes of bytes where requests were declared, or where a
//! rule needs them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::harness::{LIMIT, Proxy, Start, World, connect, destination, plain, read_response};
use super::peer;
use super::recorder::{Recorder, sorted};
use crate::state::{MtlsMode, OutboundPolicy, Protocol};
use crate::tcp::encode_header;
use crate::tls::Alpn;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const GET: &str = "GET /f HTTP/1.1\r\nhost: a\r\n\r\n";

fn receiver(world: &World, app: SocketAddr, inbound_protocol: Protocol, needs_requests: bool) -> Proxy {
    world.start(Start {
        account: "reviews",
        original: app,
        destinations: HashMap::new(),
        inbound_mode: MtlsMode::Permissive,
        inbound_protocol,
        needs_requests,
        policy: OutboundPolicy::AllowAny,
        ingress_mode: false,
    })
}

async fn ended(mut io: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut all = Vec::new();
    // A reset is an end too.
    let _ = tokio::time::timeout(LIMIT, io.read_to_end(&mut all)).await.expect("it ends");
    all
}

#[tokio::test]
async fn a_tunnel_to_a_port_that_is_declared_http_is_read_as_requests() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let receiver = receiver(&world, app.addr, Protocol::Http1, false);
    let mut io = peer::dial_tunnel(&world, &receiver).await;
    for _ in 0..2 {
        io.write_all(GET.as_bytes()).await.unwrap();
        let (head, body) = read_response(&mut io).await;
        assert!(head.starts_with("http/1.1 200 ") && body == b"ok", "{head}");
    }
    receiver.counted("weft_requests_total", &[r#"direction="inbound""#, r#"tls="mutual""#], 2.0).await;
    assert_eq!(app.seen(), [GET.repeat(2)]);
    for (bytes, reason) in [
        ("GET /f HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "bad-host"),
        ("*1\r\n$4\r\nPING\r\n", "bad-request"),
    ] {
        let mut io = peer::dial_tunnel(&world, &receiver).await;
        io.write_all(bytes.as_bytes()).await.unwrap();
        let (head, _) = read_response(&mut io).await;
        assert!(head.starts_with("http/1.1 400 ") && head.contains(reason), "{head}");
    }
    assert_eq!(app.seen().len(), 1, "nothing else arrived");
}

#[tokio::test]
async fn a_tunnel_to_any_other_port_is_bytes() {
    for protocol in [Protocol::Unknown, Protocol::Opaque] {
        let (world, app) = (World::new(), Recorder::start(OK, false).await);
        let receiver = receiver(&world, app.addr, protocol, false);
        let mut io = peer::dial_tunnel(&world, &receiver).await;
        io.write_all(b"GET /f HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n").await.unwrap();
        assert!(read_response(&mut io).await.0.starts_with("http/1.1 200 "), "{protocol:?}");
    }
}

#[tokio::test]
async fn where_a_rule_needs_requests_plain_text_is_read_as_such_or_refused() {
    for protocol in [Protocol::Unknown, Protocol::Http1] {
        let (world, app) = (World::new(), Recorder::start(OK, false).await);
        let receiver = receiver(&world, app.addr, protocol, true);
        let mut plain = connect(receiver.inbound).await;
        plain.write_all(b"GET /f HTTP/1.1\r\nhost: a\r\nx-weft-proto: http/1.1\r\n\r\n").await.unwrap();
        assert!(read_response(&mut plain).await.0.starts_with("http/1.1 200 "), "{protocol:?}");
        receiver.counted("weft_requests_total", &[r#"peer="""#, r#"tls="none""#, r#"code="200""#], 1.0).await;
        assert_eq!(app.seen().iter().map(|text| sorted(text)).collect::<Vec<_>>(), [sorted(GET)]);
        let mut bytes = connect(receiver.inbound).await;
        bytes.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").await.unwrap();
        let answer = ended(bytes).await;
        let mut tunnelled = peer::dial_tunnel(&world, &receiver).await;
        tunnelled.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").await.unwrap();
        for answer in [answer, ended(tunnelled).await] {
            let fine = if protocol == Protocol::Unknown {
                answer.is_empty()
            } else {
                answer.starts_with(b"HTTP/1.1 400 ")
            };
            assert!(fine, "{protocol:?} {}", answer.escape_ascii());
        }
        let reason =
            if protocol == Protocol::Unknown { r#"reason="not-http""# } else { r#"reason="bad-request""# };
        receiver.counted("weft_errors_total", &[reason], 2.0).await;
        assert_eq!(app.seen().len(), 1, "nothing else arrived");
    }
}

/// What proxies tell each other is no business of a caller without one.
#[tokio::test]
async fn plain_callers_are_not_told_to_go_elsewhere() {
    let world = World::new();
    let receiver = receiver(&world, super::harness::nobody(), Protocol::Http1, true);
    let mut plain = connect(receiver.inbound).await;
    plain.write_all(GET.as_bytes()).await.unwrap();
    let (head, body) = read_response(&mut plain).await;
    assert!(head.starts_with("http/1.1 503 ") && !head.contains("x-weft-elsewhere"), "{head}");
    // Nor is where the application is.
    assert_eq!(String::from_utf8_lossy(&body), "weft: connect-failed\n", "{head}");
}

/// The first segment of a peer's handshake was lost, and the application spoke meanwhile.
#[tokio::test]
async fn a_handshake_behind_the_greeting_of_the_application_is_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::new();
    let receiver = world.receiver(listener.local_addr().unwrap());
    // The greeting waits a moment only, and this machine may be slower.
    for _ in 0..10 {
        let tcp = connect(receiver.inbound).await;
        let (mut app, _) = tokio::time::timeout(LIMIT, listener.accept()).await.unwrap().unwrap();
        app.write_all(b"5.5.5-10.11\0").await.unwrap();
        let client = crate::tls::Client::new(world.ca.certs("shop", "web"));
        let Ok((mut io, _)) = client.connect(tcp, &world.id("reviews"), &[Alpn::Tcp]).await else { continue };
        io.write_all(&encode_header("cluster/net/shop/reviews:8080/-")).await.unwrap();
        let (mut app, _) = tokio::time::timeout(LIMIT, listener.accept()).await.unwrap().unwrap();
        app.write_all(b"hello").await.unwrap();
        let mut greeting = [0; 5];
        tokio::time::timeout(LIMIT, io.read_exact(&mut greeting)).await.unwrap().unwrap();
        assert_eq!(&greeting, b"hello");
        return;
    }
    panic!("the handshake failed each time");
}

/// And where there is no peer the greeting arrives, behind its moment.
#[tokio::test]
async fn the_greeting_of_the_application_reaches_a_silent_caller() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::new();
    let receiver = world.receiver(listener.local_addr().unwrap());
    let mut plain = connect(receiver.inbound).await;
    let (mut app, _) = tokio::time::timeout(LIMIT, listener.accept()).await.unwrap().unwrap();
    app.write_all(b"220 ready\r\n").await.unwrap();
    let mut greeting = [0; 11];
    tokio::time::timeout(LIMIT, plain.read_exact(&mut greeting)).await.unwrap().unwrap();
    assert_eq!(&greeting, b"220 ready\r\n");
}

#[tokio::test]
async fn a_silent_caller_of_nobody_is_counted() {
    let world = World::new();
    let receiver = world.receiver(super::harness::nobody());
    let plain = connect(receiver.inbound).await;
    receiver.counted("weft_errors_total", &[r#"reason="connect-failed""#], 1.0).await;
    assert!(tokio::time::timeout(Duration::from_secs(5), ended(plain)).await.is_ok());
}

/// A server that takes a connection for what its first request is, as cmux does, and answers 415 to the other kind.
async fn by_connection() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let io = listener.accept().await.unwrap().0;
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(io).await.unwrap();
                let mut kind = None;
                while let Some(Ok((request, mut reply))) = connection.accept().await {
                    let grpc =
                        request.headers().get("content-type").is_some_and(|kind| kind == "application/grpc");
                    let status = if *kind.get_or_insert(grpc) == grpc { 200 } else { 415 };
                    let response = http::Response::builder().status(status).body(()).unwrap();
                    let _ = reply.send_response(response, true);
                }
            });
        }
    });
    addr
}

#[tokio::test]
async fn grpc_and_other_requests_do_not_share_a_connection_to_the_application() {
    for meshed in [true, false] {
        let (world, app) = (World::new(), by_connection().await);
        let receiver = world.receiver(app);
        let endpoint = if meshed { world.meshed(&receiver) } else { plain(app) };
        let caller = world.caller(destination(Protocol::Http2, vec![endpoint]));
        let mut callers = Vec::new();
        for _ in 0..2 {
            let (sender, connection) = h2::client::handshake(connect(caller.outbound).await).await.unwrap();
            tokio::spawn(connection);
            callers.push(sender);
        }
        for _ in 0..3 {
            for (sender, kind) in callers.iter().zip(["application/grpc", "application/json"]) {
                let request = http::Request::post("http://a/").header("content-type", kind).body(()).unwrap();
                let answer = peer::ask(sender, request).await.expect("an answer");
                assert_eq!(answer.status(), 200, "{kind}, meshed: {meshed}");
            }
        }
    }
}
