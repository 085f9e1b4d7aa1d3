use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::app::App;
use super::harness::{LIMIT, World, backend, connect, destination, nobody, read_response};
use crate::detect::{DETECT_TIMEOUT, QUIET};
use crate::http::Wire;
use crate::state::{Endpoint, Match, Protocol, Route, WeightedBackend};

#[tokio::test]
async fn the_end_of_one_side_passes_through_both_proxies_and_the_other_stays_open() {
    let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (caller, receiver) = world.pair(app.local_addr().unwrap(), Protocol::Unknown);
    let server = tokio::spawn(async move {
        let (mut io, _) = app.accept().await.unwrap();
        let mut question = Vec::new();
        io.read_to_end(&mut question).await.unwrap();
        // Only now, after the caller's end, comes the answer.
        io.write_all(&vec![9; 3_000_000]).await.unwrap();
        question
    });
    let mut client = connect(caller.outbound).await;
    client.write_all(b"\x00\x01 not http").await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, client.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer.len(), 3_000_000);
    assert_eq!(server.await.unwrap(), b"\x00\x01 not http");
    let reviews = r#"peer="spiffe://cluster.local/ns/shop/sa/reviews",tls="mutual""#;
    caller.counted("weft_tcp_received_bytes_total", &[reviews], 3_000_000.0).await;
    let web = r#"peer="spiffe://cluster.local/ns/shop/sa/web",tls="mutual""#;
    receiver.counted("weft_tcp_sent_bytes_total", &[web], 11.0).await;
    receiver.counted("weft_tcp_connections_open", &[], 0.0).await;
}

#[tokio::test]
async fn on_a_declared_opaque_port_the_server_speaks_first_without_waiting() {
    let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (caller, _receiver) = world.pair(app.local_addr().unwrap(), Protocol::Opaque);
    tokio::spawn(async move {
        let (mut io, _) = app.accept().await.unwrap();
        io.write_all(b"220 hello\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let mut client = connect(caller.outbound).await;
    let mut greeting = [0; 11];
    let soon = std::time::Duration::from_millis(1500);
    tokio::time::timeout(soon, client.read_exact(&mut greeting))
        .await
        .expect("before detection would end")
        .unwrap();
    assert_eq!(&greeting, b"220 hello\r\n");
}

#[tokio::test]
async fn bytes_go_to_another_endpoint_when_one_is_dead() {
    let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let receiver = world.receiver(app.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut io, _) = app.accept().await.unwrap();
            tokio::spawn(async move { io.write_all(b"ok").await });
        }
    });
    let alive = world.meshed(&receiver);
    let dead = Endpoint { addr: nobody(), ..world.meshed(&receiver) };
    let caller = world.caller(destination(Protocol::Opaque, vec![dead, alive]));
    for _ in 0..10 {
        let mut client = connect(caller.outbound).await;
        let mut answer = String::new();
        tokio::time::timeout(LIMIT, client.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer, "ok");
    }
}

#[tokio::test]
async fn a_server_that_speaks_first_on_an_undeclared_port_is_heard_on_both_halves() {
    let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (caller, receiver) = world.pair(app.local_addr().unwrap(), Protocol::Unknown);
    tokio::spawn(async move {
        loop {
            let (mut io, _) = app.accept().await.unwrap();
            tokio::spawn(async move {
                io.write_all(b"220 hello\r\n").await.unwrap();
                let mut answer = [0; 4];
                io.read_exact(&mut answer).await.unwrap();
                io.write_all(&answer).await.unwrap();
            });
        }
    });
    for addr in [caller.outbound, receiver.inbound] {
        let mut client = connect(addr).await;
        let mut greeting = [0; 11];
        let soon = std::time::Duration::from_millis(1500);
        tokio::time::timeout(soon, client.read_exact(&mut greeting))
            .await
            .expect("before detection ends")
            .unwrap();
        assert_eq!(&greeting, b"220 hello\r\n");
        client.write_all(b"EHLO").await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(LIMIT, client.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer, "EHLO");
    }
}

#[tokio::test]
async fn a_caller_that_thinks_before_it_speaks_http_is_served_http() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let (caller, receiver) = world.pair(app.addr, Protocol::Unknown);
    let request = b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n";
    // Longer than the quiet that makes the proxy listen to the server too; and as a pool does that opens connections ahead.
    for (index, pause) in [3 * QUIET, DETECT_TIMEOUT + 3 * QUIET].into_iter().enumerate() {
        let mut early = connect(caller.outbound).await;
        tokio::time::sleep(pause).await;
        for half in request.chunks(9) {
            early.write_all(half).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(read_response(&mut early).await.1, b"app");
        caller.counted("weft_requests_total", &[r#"code="200""#], index as f64 + 1.0).await;
    }

    let mut plain = connect(receiver.inbound).await;
    tokio::time::sleep(3 * QUIET).await;
    plain.write_all(request).await.unwrap();
    assert_eq!(read_response(&mut plain).await.1, b"app");
}

/// Three applications with TLS of their own behind one address: who is asked for gets the connection, unopened.
#[tokio::test]
async fn tls_that_is_not_opened_goes_by_the_server_name_it_asks_for() {
    let world = World::new();
    let mut receivers = Vec::new();
    let mut backends = Vec::new();
    for name in ["first", "second", "rest"] {
        let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = world.receiver(app.local_addr().unwrap());
        backends.push(Arc::new(backend(name, vec![world.meshed(&receiver)])));
        receivers.push(receiver);
        tokio::spawn(async move {
            loop {
                let (mut io, _) = app.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut hello = [0; 5];
                    io.read_exact(&mut hello).await.unwrap();
                    assert_eq!(hello[0], 22, "the ClientHello arrives whole");
                    io.write_all(name.as_bytes()).await.unwrap();
                });
            }
        });
    }
    for protocol in [Protocol::Opaque, Protocol::Unknown] {
        let mut destination = destination(protocol, Vec::new());
        destination.backends = backends.clone();
        let route = |names: &[&str], backend| Route {
            matches: vec![Match {
                server_names: names.iter().map(|name| Box::from(*name)).collect(),
                ..Match::default()
            }],
            split: vec![WeightedBackend { backend, weight: 1, ..Default::default() }],
            ..Route::default()
        };
        let rest = Route { matches: Vec::new(), ..route(&[], 2) };
        destination.routes = vec![route(&["a.example.org"], 0), route(&["*.example.org"], 1), rest];
        let caller = world.caller(destination);
        for (asked, expected) in [("a.example.org", "first"), ("B.example.org", "second"), ("other", "rest")]
        {
            let mut client = connect(caller.outbound).await;
            for half in client_hello(asked).chunks(100) {
                client.write_all(half).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut answer = vec![0; expected.len()];
            tokio::time::timeout(LIMIT, client.read_exact(&mut answer)).await.unwrap().unwrap();
            assert_eq!(answer, expected.as_bytes(), "{protocol:?} {asked}");
        }
    }
}

fn client_hello(name: &str) -> Vec<u8> {
    let config = rustls::ClientConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let mut client = rustls::ClientConnection::new(config.into(), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}
