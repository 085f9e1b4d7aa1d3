//! Dials and who waits for them, towards servers that are played.

use bytes::BytesMut;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use super::*;
use crate::test_util::{TestCa, frame};

const SETTINGS: u8 = 4;
const HEADERS: u8 = 1;

fn get() -> Request<Upload> {
    Request::get("http://a/").body(Upload::default()).unwrap()
}

/// An upstream whose server says hello, takes one stream and answers once it is told to go on.
async fn slow(limit: u32) -> (Rc<Upstream>, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (go_on, told) = oneshot::channel();
    spawn_local(async move {
        let mut told = Some(told);
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            if let Some(told) = told.take() {
                told.await.ok();
            }
            spawn_local(async move {
                let settings = [&[0, 3][..], &limit.to_be_bytes()].concat();
                tcp.write_all(&frame(SETTINGS, 0, 0, &settings)).await.unwrap();
                let mut seen = BytesMut::new();
                tcp.read_exact(&mut [0; 24]).await.unwrap();
                let mut answered = 0;
                loop {
                    while seen.len() >= 9 {
                        let length = usize::from(seen[1]) * 256 + usize::from(seen[2]);
                        if seen.len() < 9 + length {
                            break;
                        }
                        let whole = seen.split_to(9 + length);
                        if whole[3] == HEADERS {
                            answered += 1;
                            assert!(answered <= limit, "more streams than it takes");
                            let stream = u32::from_be_bytes(whole[5..9].try_into().unwrap());
                            tcp.write_all(&frame(HEADERS, 4, stream, &[0x88])).await.unwrap();
                        }
                    }
                    if tcp.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
            });
        }
    });
    let upstreams = Upstreams::new(
        tls::Client::new(TestCa::new("cluster.local").certs("shop", "web")),
        Arc::new([]),
        Goaways::default(),
    );
    (upstreams.get(UpstreamKey { addr, peer: None, tunnel: None, tls: None }), go_on)
}

#[tokio::test]
async fn a_request_with_little_patience_does_not_end_the_dial_for_others() {
    LocalSet::new()
        .run_until(async {
            let (upstream, go_on) = slow(100).await;
            let hasty = Patience { connect: Some(Duration::from_millis(10)), short: false };
            let (hasty_one, other) = (upstream.clone(), upstream.clone());
            let hasty = spawn_local(async move {
                hasty_one.send(get(), Seen::default(), Wire::H2, hasty, Over::Shared).await.map(drop)
            });
            tokio::task::yield_now().await;
            let patient = spawn_local(async move {
                other.send(get(), Seen::default(), Wire::H2, Patience::FULL, Over::Shared).await
            });
            match hasty.await.unwrap() {
                Err(SendError::Connect(error, _)) => assert_eq!(error.reason(), "connect-timeout"),
                other => panic!("{other:?}"),
            }
            assert!(!patient.is_finished());
            go_on.send(()).unwrap();
            assert_eq!(patient.await.unwrap().unwrap().0.status(), 200);
        })
        .await;
}

#[tokio::test]
async fn a_burst_is_bound_to_no_connection_that_takes_less() {
    LocalSet::new()
        .run_until(async {
            let (upstream, go_on) = slow(2).await;
            go_on.send(()).unwrap();
            let asking: Vec<_> = (0..20)
                .map(|_| {
                    let upstream = upstream.clone();
                    spawn_local(async move {
                        upstream.send(get(), Seen::default(), Wire::H2, Patience::FULL, Over::Shared).await
                    })
                })
                .collect();
            // None of the answers ends, so each connection carries two and no more.
            let mut answered = Vec::new();
            for asked in asking {
                answered.push(asked.await.unwrap().unwrap());
            }
            assert_eq!(answered.len(), 20);
        })
        .await;
}
