use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::app::App;
use super::harness::{LIMIT, World, connect, dechunk, destination, plain, read_response};
use crate::http::Wire;
use crate::state::Protocol;

#[tokio::test]
async fn requests_of_one_connection_reach_the_application_as_they_were_sent() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let (caller, receiver) = world.pair(app.addr, Protocol::Unknown);
    let mut client = connect(caller.outbound).await;
    for _ in 0..3 {
        client
            .write_all(b"GET /head?a=b HTTP/1.1\r\nHost: reviews\r\nX-Mine: 1\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n")
            .await
            .unwrap();
        let (head, body) = read_response(&mut client).await;
        let body = String::from_utf8(body).unwrap();
        assert!(head.starts_with("http/1.1 200 ok"), "{head}");
        assert!(body.starts_with("GET /head?a=b HTTP/1.1\n"), "{body}");
        assert!(body.contains(r#""host": "reviews""#) && body.contains(r#""x-mine": "1""#), "{body}");
        assert!(!body.contains("x-hop") && !body.contains("x-weft-proto"), "{body}");
    }
    assert_eq!(app.connections(), 1, "the connection to the application is kept");
    let web = r#"peer="spiffe://cluster.local/ns/shop/sa/web""#;
    let reviews = r#"peer="spiffe://cluster.local/ns/shop/sa/reviews""#;
    let outbound = [
        reviews,
        r#"direction="outbound""#,
        r#"destination="shop/reviews:8080""#,
        r#"route="all""#,
        r#"code="200""#,
        r#"tls="mutual""#,
    ];
    caller.counted("weft_requests_total", &outbound, 3.0).await;
    receiver
        .counted(
            "weft_requests_total",
            &[web, r#"direction="inbound""#, r#"destination="shop/reviews:"#],
            3.0,
        )
        .await;
}

#[tokio::test]
async fn chunks_and_trailers_pass() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Http1);
    let mut client = connect(caller.outbound).await;
    client
        .write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        .await
        .unwrap();
    let (head, body) = read_response(&mut client).await;
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    assert_eq!(dechunk(&body), b"abcde");

    client.write_all(b"GET /trailers HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n").await.unwrap();
    let (_, body) = read_response(&mut client).await;
    let body = String::from_utf8(body).unwrap();
    assert!(body.ends_with("0\r\ngrpc-status: 5\r\n\r\n"), "{body:?}");
}

#[tokio::test]
async fn heads_without_bodies_and_http10_are_answered_as_their_callers_expect() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Unknown);
    let mut client = connect(caller.outbound).await;
    client
        .write_all(b"HEAD /name HTTP/1.1\r\nhost: a\r\n\r\nGET /empty HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut seen = Vec::new();
    tokio::time::timeout(LIMIT, async {
        while !String::from_utf8_lossy(&seen).to_lowercase().contains("204 no content") {
            assert_ne!(client.read_buf(&mut seen).await.unwrap(), 0);
        }
    })
    .await
    .unwrap();
    let text = String::from_utf8(seen).unwrap().to_lowercase();
    assert!(text.starts_with("http/1.1 200 ok") && text.contains("content-length: 3"), "{text}");

    let mut old = connect(caller.outbound).await;
    old.write_all(b"GET /trailers HTTP/1.0\r\n\r\n").await.unwrap();
    let mut all = String::new();
    tokio::time::timeout(LIMIT, old.read_to_string(&mut all))
        .await
        .expect("closed after the response")
        .unwrap();
    assert!(all.starts_with("HTTP/1.0 200 OK") && all.ends_with("message"), "{all}");
}

#[tokio::test]
async fn large_bodies_stream_both_ways_at_once() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Unknown);
    let client = connect(caller.outbound).await;
    let (mut reader, mut writer) = client.into_split();
    const SIZE: usize = 24 * 1024 * 1024;
    let head = format!("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: {SIZE}\r\n\r\n");
    let write = async move {
        writer.write_all(head.as_bytes()).await.unwrap();
        let chunk: Vec<u8> = (0..65536u32).map(|n| (n % 251) as u8).collect();
        for _ in 0..SIZE / chunk.len() {
            writer.write_all(&chunk).await.unwrap();
        }
        writer
    };
    let read = read_response(&mut reader);
    let (_writer, (head, body)) = tokio::join!(write, read);
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let length = body.len();
    assert!(length >= SIZE, "{length}");
}

#[tokio::test]
async fn a_slow_reader_holds_the_sender_back_instead_of_filling_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::new();
    let (caller, _receiver) = world.pair(listener.local_addr().unwrap(), Protocol::Http1);
    let mut client = connect(caller.outbound).await;
    client.write_all(b"POST /in HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n").await.unwrap();
    // The application accepts, and reads nothing.
    let (_app, _) = tokio::time::timeout(LIMIT, listener.accept()).await.unwrap().unwrap();
    let chunk = vec![0; 65536];
    let mut written = 0;
    while let Ok(result) = tokio::time::timeout(Duration::from_millis(500), client.write(&chunk)).await {
        written += result.unwrap();
        assert!(written < 60_000_000, "nothing holds the sender back");
    }
}

#[tokio::test]
async fn an_upgrade_ties_both_ends_together() {
    let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (caller, _receiver) = world.pair(app.local_addr().unwrap(), Protocol::Unknown);
    let server = tokio::spawn(async move {
        let (mut io, _) = app.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            io.read_buf(&mut seen).await.unwrap();
        }
        let head = String::from_utf8(seen).unwrap().to_lowercase();
        assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
        io.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello",
        )
        .await
        .unwrap();
        let mut got = [0; 4];
        io.read_exact(&mut got).await.unwrap();
        got
    });
    let mut client = connect(caller.outbound).await;
    client
        .write_all(b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")
        .await
        .unwrap();
    let (head, mut rest) = read_response(&mut client).await;
    assert!(head.starts_with("http/1.1 101") && head.contains("upgrade: websocket"), "{head}");
    while rest.len() < 5 {
        client.read_buf(&mut rest).await.unwrap();
    }
    assert_eq!(rest, b"hello");
    client.write_all(b"back").await.unwrap();
    assert_eq!(&tokio::time::timeout(LIMIT, server).await.unwrap().unwrap(), b"back");
}

#[tokio::test]
async fn a_destination_without_proxy_is_called_in_plain_text() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let caller = world.caller(destination(Protocol::Http1, vec![plain(app.addr)]));
    let mut client = connect(caller.outbound).await;
    for _ in 0..2 {
        client.write_all(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert_eq!(read_response(&mut client).await.1, b"app");
    }
    assert_eq!(app.connections(), 1);
    caller.counted("weft_requests_total", &[r#"peer="",tls="none""#, r#"code="200""#], 2.0).await;
}
