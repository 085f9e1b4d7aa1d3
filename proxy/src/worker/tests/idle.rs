//! Connections and messages that pause.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::app::App;
use super::harness::{World, connect, dechunk, read_response};
use crate::http::Wire;
use crate::state::Protocol;

/// Longer than anything waits by itself.
const PAUSE: Duration = Duration::from_millis(2300);

#[tokio::test]
async fn an_idle_connection_goes_on_where_it_was() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Http1);
    let mut client = connect(caller.outbound).await;
    for _ in 0..3 {
        client.write_all(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let (head, body) = read_response(&mut client).await;
        assert!(head.starts_with("http/1.1 200 ok"), "{head}");
        assert_eq!(body, b"app");
        sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn half_a_head_and_half_a_body_may_pause() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Http1);
    let mut client = connect(caller.outbound).await;
    for part in ["\r\nGET /na", "me HTTP/1.1\r\nhost:", " a\r\n\r\n"] {
        client.write_all(part.as_bytes()).await.unwrap();
        sleep(PAUSE).await;
    }
    assert_eq!(read_response(&mut client).await.1, b"app");
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
    for part in [head, "2\r\nd", "e\r\n", "0\r\n\r\n"] {
        client.write_all(part.as_bytes()).await.unwrap();
        sleep(PAUSE).await;
    }
    assert_eq!(dechunk(&read_response(&mut client).await.1), b"abcde");
}

#[tokio::test]
async fn a_response_that_pauses_comes_whole() {
    let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (caller, _receiver) = world.pair(app.local_addr().unwrap(), Protocol::Http1);
    tokio::spawn(async move {
        let (mut io, _) = app.accept().await.unwrap();
        let parts =
            ["", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "3\r\nabc\r\n", "0\r\n\r\n"];
        for part in parts {
            io.write_all(part.as_bytes()).await.unwrap();
            sleep(PAUSE).await;
        }
    });
    let mut client = connect(caller.outbound).await;
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert_eq!(dechunk(&read_response(&mut client).await.1), b"abc");
}
