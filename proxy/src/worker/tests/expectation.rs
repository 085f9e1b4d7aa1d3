//! `Expect: 100-continue` through both halves: who is asked, and who hears it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::harness::{LIMIT, connect};
use super::recorder::{Path, Recorder, read_all, sorted};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The application decides whether the body is sent, and nothing of it arrives before it has.
#[tokio::test]
async fn whoever_expects_100_continue_hears_it_from_the_application() {
    const HEAD: &str = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
    for path in [Path::Mesh, Path::Plain] {
        for agrees in [true, false] {
            let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let recorder = Recorder::at(app.local_addr().unwrap());
            let (_world, proxies) = recorder.behind(path);
            let server = tokio::spawn(async move {
                let (mut io, _) = app.accept().await.unwrap();
                let mut seen = Vec::new();
                while !seen.ends_with(b"\r\n\r\n") {
                    io.read_buf(&mut seen).await.unwrap();
                }
                // Long enough for a body to arrive that was sent too early.
                tokio::time::sleep(Duration::from_millis(100)).await;
                if agrees {
                    io.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
                    while !seen.ends_with(b"body") {
                        io.read_buf(&mut seen).await.unwrap();
                    }
                    io.write_all(OK.as_bytes()).await.unwrap();
                } else {
                    io.write_all(b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n")
                        .await
                        .unwrap();
                    let _ = tokio::time::timeout(Duration::from_millis(100), io.read_buf(&mut seen)).await;
                }
                String::from_utf8(seen).unwrap()
            });
            let mut client = connect(proxies[0].outbound).await;
            client.write_all(HEAD.as_bytes()).await.unwrap();
            if agrees {
                let mut said = [0; 25];
                tokio::time::timeout(LIMIT, client.read_exact(&mut said)).await.unwrap().unwrap();
                assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
                client.write_all(b"body").await.unwrap();
            }
            let got = read_all(&mut client, |_| false).await;
            let seen = server.await.unwrap();
            let body = if agrees { "body" } else { "" };
            assert!(got.starts_with(if agrees { "HTTP/1.1 200" } else { "HTTP/1.1 417" }), "{path:?} {got}");
            assert_eq!(sorted(&seen), sorted(&format!("{HEAD}{body}")), "{path:?}");
        }
    }
}

#[tokio::test]
async fn an_application_that_ignores_the_expectation_gets_the_body_after_a_second() {
    let app = Recorder::start(OK.as_bytes(), false).await;
    let (_world, proxies) = app.behind(Path::Mesh);
    let mut client = connect(proxies[0].outbound).await;
    client
        .write_all(b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\nbody")
        .await
        .unwrap();
    let mut seen = Vec::new();
    tokio::time::timeout(LIMIT, async {
        while !seen.ends_with(b"ok") {
            assert_ne!(client.read_buf(&mut seen).await.unwrap(), 0);
        }
    })
    .await
    .unwrap();
    assert!(app.seen()[0].ends_with("\r\n\r\nbody"), "{:?}", app.seen());
}
