//! Bodies of which somebody is told before they go on.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::harness::{LIMIT, World, connect, dechunk, plain, read_response};
use super::super::peer::Wire;
use super::super::recorder::Recorder;
use super::super::script::{Act, Script};
use super::authorizer::{Authorizer, allowed};
use super::over_http::{asking, http_check};
use super::{OK, check, enforce, post, receiver, receiver_of, say};
use crate::external_check::{BodyRule, ExternalCheck, OverHttp};
use crate::state::Protocol;
use crate::wire::envoy::service::auth::v3 as auth;

const YES: Act = Act::Say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");

fn rule(most: usize, partial: bool) -> Option<BodyRule> {
    Some(BodyRule { most, partial, patience: LIMIT })
}

/// The request to `path` as it arrived.
fn arrived(app: &Recorder, path: &str) -> (String, String) {
    let all = app.seen().concat();
    let requests = all.split("POST ").filter(|request| request.starts_with(&format!("{path} ")));
    let (head, body) = requests.last().unwrap().split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

fn telling(most: usize, partial: bool) -> ExternalCheck {
    ExternalCheck { body: rule(most, partial), ..http_check() }
}

#[tokio::test]
async fn a_body_is_told_whole_and_arrives_as_it_was() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let server = Script::start(|_| YES).await;
    let receiver = asking(&world, &app, &server, telling(6, false));
    for wire in [Wire::H1, Wire::Tunnel, Wire::Plain] {
        let (head, _) = post(&world, &receiver, wire).await;
        assert!(head.starts_with("http/1.1 200 "), "{wire:?}: {head}");
    }
    for question in server.requests() {
        assert!(question.contains("\r\ncontent-length: 6\r\n"), "{question}");
        assert!(question.ends_with("\r\n\r\nsecret"), "{question}");
        assert!(question.contains("\r\nx-envoy-auth-partial-body: false\r\n"), "{question}");
    }
    assert_eq!(app.seen().concat().matches("content-length: 6\r\n").count(), 3);
    assert_eq!(app.seen().concat().matches("\r\n\r\nsecret").count(), 3);
    let chunked = "POST /chunked HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nse\r\n1\r\nc\r\n3\r\nret\r\n0\r\nx-sum: 1\r\n\r\n";
    assert!(say(&mut connect(receiver.inbound).await, chunked).await.0.starts_with("http/1.1 200 "));
    assert!(server.requests()[3].ends_with("\r\n\r\nsecret"), "{:?}", server.requests());
    let (head, body) = arrived(&app, "/chunked");
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    assert!(!head.contains("content-length"), "nobody has told a length: {head}");
    assert_eq!(dechunk(body.as_bytes()), b"secret");
    assert!(body.ends_with("\r\nx-sum: 1\r\n\r\n"), "{body}");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_unasked_or_its_beginning_is_told() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let server = Script::start(|_| YES).await;
    // What its caller chooses is no failure of who is asked.
    let strict = ExternalCheck { allows_on_failure: true, ..telling(5, false) };
    let receiver = asking(&world, &app, &server, strict.clone());
    let told = "POST /f HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nsecret";
    let chunked = "POST /chunked HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nsec\r\n3\r\nret\r\n0\r\n\r\n";
    // Nothing of it needs to be there.
    let expecting = "POST /f HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 6\r\n\r\n";
    for request in [told, chunked, expecting] {
        let (head, _) = say(&mut connect(receiver.inbound).await, request).await;
        assert!(head.starts_with("http/1.1 413 ") && head.contains("check-body-too-long"), "{head}");
    }
    assert_eq!((server.requests().len(), app.seen()), (0, Vec::new()));
    assert_eq!(strict.tally.denied.load(Ordering::Relaxed), 3);
    let rehearsal = ExternalCheck { dry_run: true, ..telling(5, false) };
    enforce(&receiver, vec![rehearsal.clone()]);
    assert!(say(&mut connect(receiver.inbound).await, told).await.0.starts_with("http/1.1 200 "));
    assert_eq!(rehearsal.tally.would_refuse.load(Ordering::Relaxed), 1);
    // One after the other, by rules of their own.
    enforce(&receiver, vec![telling(2, true), telling(5, true), telling(6, false)]);
    for request in [told, chunked] {
        let before = server.requests().len();
        assert!(say(&mut connect(receiver.inbound).await, request).await.0.starts_with("http/1.1 200 "));
        for (question, (body, partial)) in
            server.requests()[before..].iter().zip([("se", "true"), ("secre", "true"), ("secret", "false")])
        {
            assert!(question.ends_with(&format!("\r\n\r\n{body}")), "{question}");
            assert!(
                question.contains(&format!("\r\nx-envoy-auth-partial-body: {partial}\r\n")),
                "{question}"
            );
        }
        assert_eq!(server.requests().len(), before + 3);
    }
    assert_eq!(arrived(&app, "/f").1, "secret");
    assert_eq!(dechunk(arrived(&app, "/chunked").1.as_bytes()), b"secret");
}

#[tokio::test]
async fn a_body_that_does_not_come_keeps_nobody_waiting_for_ever() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let server = Script::start(|_| YES).await;
    let soon = |partial| BodyRule { most: 100, partial, patience: Duration::from_millis(200) };
    let receiver = asking(&world, &app, &server, ExternalCheck { body: Some(soon(false)), ..http_check() });
    let half = "POST /f HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nsec";
    let (head, _) = say(&mut connect(receiver.inbound).await, half).await;
    assert!(head.starts_with("http/1.1 408 ") && head.contains("check-body-too-slow"), "{head}");
    // One that breaks off is nothing to ask about either.
    let mut io = connect(receiver.inbound).await;
    io.write_all(half.as_bytes()).await.unwrap();
    io.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(LIMIT, io.read_to_end(&mut rest)).await.expect("it ends");
    assert_eq!((server.requests().len(), app.seen()), (0, Vec::new()));
    enforce(&receiver, vec![ExternalCheck { body: Some(soon(true)), ..http_check() }]);
    let mut io = connect(receiver.inbound).await;
    io.write_all(half.as_bytes()).await.unwrap();
    let deadline = tokio::time::Instant::now() + LIMIT;
    while server.requests().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "it is asked about what has come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(server.requests()[0].ends_with("\r\n\r\nsec"), "{:?}", server.requests());
    io.write_all(b"ret").await.unwrap();
    assert!(read_response(&mut io).await.0.starts_with("http/1.1 200 "));
    assert!(app.seen().concat().ends_with("\r\n\r\nsecret"), "{:?}", app.seen());
}

#[tokio::test]
async fn who_expects_100_continue_is_asked_for_the_body_where_it_is_told() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let server = Script::start(|_| YES).await;
    let receiver = asking(&world, &app, &server, telling(6, false));
    let mut io = connect(receiver.inbound).await;
    let head = "POST /f HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 6\r\n\r\n";
    io.write_all(head.as_bytes()).await.unwrap();
    let mut said = [0; 25];
    tokio::time::timeout(LIMIT, io.read_exact(&mut said)).await.unwrap().unwrap();
    assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
    io.write_all(b"secret").await.unwrap();
    assert!(read_response(&mut io).await.0.starts_with("http/1.1 200 "));
    assert!(server.requests()[0].ends_with("\r\n\r\nsecret") && !server.requests()[0].contains("expect"));
    assert!(app.seen().concat().ends_with("\r\n\r\nsecret"), "{:?}", app.seen());
}

#[tokio::test]
async fn bodies_of_which_somebody_is_to_be_told_do_not_take_the_room_of_others() {
    let world = World::new();
    world.share.borrow_mut().bytes = 8 * 1024;
    let app = Recorder::start(OK, false).await;
    let server = Script::start(|_| YES).await;
    let open = ExternalCheck { allows_on_failure: true, ..telling(64 * 1024, true) };
    let receiver = asking(&world, &app, &server, open);
    let body = "x".repeat(6000);
    let request = format!("POST /f HTTP/1.1\r\nhost: a\r\ncontent-length: 6000\r\n\r\n{body}");
    let (head, _) = say(&mut connect(receiver.inbound).await, &request).await;
    assert!(head.starts_with("http/1.1 503 ") && head.contains("check-body-no-room"), "{head}");
    assert_eq!((server.requests().len(), app.seen()), (0, Vec::new()));
    let small = "POST /f HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nsecret";
    assert!(say(&mut connect(receiver.inbound).await, small).await.0.starts_with("http/1.1 200 "));
}

#[tokio::test]
async fn bodies_count_together_and_twice_while_somebody_is_asked() {
    let world = World::new();
    world.share.borrow_mut().bytes = 8 * 1024;
    let app = Recorder::start(OK, false).await;
    let mut server = Script::start(|index| if index == 0 { Act::Hang("") } else { YES }).await;
    let receiver = asking(&world, &app, &server, telling(64 * 1024, true));
    let request = format!("POST /f HTTP/1.1\r\nhost: a\r\ncontent-length: 1500\r\n\r\n{}", "x".repeat(1500));
    let mut first = connect(receiver.inbound).await;
    first.write_all(request.as_bytes()).await.unwrap();
    let deadline = tokio::time::Instant::now() + LIMIT;
    while server.requests().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the first is asked about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (head, _) = say(&mut connect(receiver.inbound).await, &request).await;
    assert!(head.starts_with("http/1.1 503 ") && head.contains("check-body-no-room"), "{head}");
    // Who leaves takes what was held for it along.
    drop(first);
    server.given_up().await;
    while !say(&mut connect(receiver.inbound).await, &request).await.0.starts_with("http/1.1 200 ") {
        assert!(tokio::time::Instant::now() < deadline, "there is room again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(app.seen().concat().matches("POST /f").count(), 1);
}

#[tokio::test]
async fn a_rehearsal_lets_everything_through_but_a_body_that_broke_off() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let server = Script::start(|_| YES).await;
    let rehearsal = ExternalCheck { dry_run: true, ..telling(100, false) };
    let receiver = asking(&world, &app, &server, rehearsal.clone());
    let mut io = connect(receiver.inbound).await;
    io.write_all(b"POST /f HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nsec\r\n")
        .await
        .unwrap();
    io.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(LIMIT, io.read_to_end(&mut rest)).await.expect("it ends");
    assert_eq!((server.requests().len(), app.seen()), (0, Vec::new()));
    // The question would have a longer target than there is.
    let prefix = format!("/{}", "p".repeat(1000)).into();
    let over_http = Some(OverHttp { prefix, ..http_check().over_http.unwrap() });
    enforce(&receiver, vec![ExternalCheck { over_http: over_http.clone(), ..rehearsal.clone() }]);
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(65_000));
    let (head, _) = say(&mut connect(receiver.inbound).await, &long).await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert_eq!(rehearsal.tally.would_refuse.load(Ordering::Relaxed), 1);
    enforce(&receiver, vec![ExternalCheck { over_http, ..telling(100, false) }]);
    let (head, _) = say(&mut connect(receiver.inbound).await, &long).await;
    assert!(head.starts_with("http/1.1 414 "), "{head}");
    assert_eq!((server.requests().len(), app.seen().concat().matches("GET /").count()), (0, 1));
}

/// Answers as soon as it has read the head of a question, and then reads the rest or nothing more.
async fn hasty(answer: &'static str, reads: bool) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut io, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
                    if io.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                io.write_all(answer.as_bytes()).await.unwrap();
                if reads {
                    let _ = io.read_to_end(&mut seen).await;
                } else {
                    tokio::time::sleep(LIMIT).await;
                }
            });
        }
    });
    addr
}

#[tokio::test]
async fn who_answers_before_it_has_read_the_body_has_answered() {
    const NO: &str = "HTTP/1.1 403 No\r\nconnection: close\r\ncontent-length: 4\r\n\r\nno!\n";
    const EARLY_YES: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let body = "0123456789abcdef".repeat(64 * 1024);
    let request = format!("POST /f HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    for reads in [true, false] {
        for (answer, status) in [(NO, "403"), (EARLY_YES, "200")] {
            let (world, app) = (World::new(), Recorder::start(OK, false).await);
            let server = hasty(answer, reads).await;
            let told = telling(1024 * 1024, false);
            let receiver = receiver_of(&world, app.addr, Some(plain(server)), told, Protocol::Http1);
            for _ in 0..2 {
                let mut io = connect(receiver.inbound).await;
                let (head, _) = tokio::time::timeout(LIMIT, say(&mut io, &request)).await.unwrap();
                assert!(head.starts_with(&format!("http/1.1 {status} ")), "{status}, {reads}: {head}");
            }
            let arrived = app.seen().concat();
            let times = if status == "200" { 2 } else { 0 };
            assert_eq!(arrived.matches(&body).count(), times, "{status}, {reads}: {}", arrived.len());
            assert_eq!(arrived.is_empty(), times == 0, "no byte of what is denied arrives");
        }
    }
}

#[tokio::test]
async fn over_grpc_text_is_told_as_text_and_what_is_none_as_bytes() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let authorizer = Authorizer::start(|_| allowed(auth::OkHttpResponse::default())).await;
    let telling = ExternalCheck { body: rule(7, true), ..check() };
    let receiver = receiver(&world, app.addr, Some(plain(authorizer.addr)), telling);
    for body in ["{\"a\":1}", "{\"ä\":1}", "abcdefä"] {
        let request = format!("POST /f HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        assert!(say(&mut connect(receiver.inbound).await, &request).await.0.starts_with("http/1.1 200 "));
        assert_eq!(arrived(&app, "/f").1, body);
    }
    let told: Vec<_> = authorizer
        .questions()
        .into_iter()
        .map(|question| question.attributes.unwrap().request.unwrap().http.unwrap())
        .map(|http| (http.body, http.raw_body, http.headers["x-envoy-auth-partial-body"].clone()))
        .collect();
    let part = |text: &str, raw: &[u8], partial: &str| (text.to_owned(), raw.to_vec(), partial.to_owned());
    let cut = "abcdefä".as_bytes();
    assert_eq!(
        told,
        [part("{\"a\":1}", b"", "false"), part("{\"ä\":1", b"", "true"), part("", &cut[..7], "true"),]
    );
}
