use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use tokio::io::AsyncWriteExt;

use super::app::App;
use super::harness::{Proxy, World, backend, connect, destination, plain, read_response};
use super::script::{Act, OK, Script};
use crate::http::Wire;
use crate::state::{
    Abort, Actions, Backend, Compared, Destination, Endpoint, Fault, HeaderChanges, MessageChanges, Mirror,
    Protocol, Share,
};

const SENT: &str = "weft_mirrored_requests_total";
const SKIPPED: &str = "weft_mirrors_skipped_total";
const COMPARED: &str = "weft_mirror_comparisons_total";

/// One route to `server` with a mirror for every request.
fn mirrored(server: Endpoint, mirror: Vec<Endpoint>) -> Destination {
    let mut destination = destination(Protocol::Http1, vec![server]);
    destination.backends.push(Arc::new(backend("shop/next:8080", mirror)));
    let every = NonZeroU32::new(1).unwrap();
    let mirror = Mirror { backend: 1, numerator: 1, denominator: every, compare: None };
    destination.routes[0].actions = Some(Box::new(Actions { mirrors: vec![mirror], ..Actions::default() }));
    destination
}

fn actions(destination: &mut Destination) -> &mut Actions {
    destination.routes[0].actions.as_mut().unwrap()
}

async fn post(proxy: &Proxy, body: &str) -> (String, Vec<u8>) {
    let mut client = connect(proxy.outbound).await;
    let head = format!("POST /echo?q=1 HTTP/1.1\r\nhost: shop\r\ncontent-length: {}\r\n\r\n", body.len());
    client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    read_response(&mut client).await
}

async fn received(script: &Script, count: usize) -> Vec<String> {
    while script.requests().len() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    script.requests()
}

#[tokio::test]
async fn a_copy_is_marked_has_the_body_and_what_the_route_changes_but_not_what_the_share_does() {
    let (world, server, next) = (World::new(), Script::start(|_| OK).await, Script::start(|_| OK).await);
    let receiver = world.receiver(next.addr);
    let mut destination = mirrored(plain(server.addr), vec![world.meshed(&receiver)]);
    let set = |name, value| HeaderChanges {
        set: vec![(HeaderName::from_static(name), HeaderValue::from_static(value))],
        ..HeaderChanges::default()
    };
    actions(&mut destination).headers.request = set("x-route", "1");
    destination.routes[0].split[0].headers =
        Some(Box::new(MessageChanges { request: set("x-share", "1"), ..MessageChanges::default() }));
    let caller = world.caller(destination);
    for (count, body) in [(1, "the body"), (2, "")] {
        assert!(post(&caller, body).await.0.starts_with("http/1.1 200"));
        // Copies are sent beside their requests: a later one could be the first.
        received(&next, count).await;
    }
    let (copies, originals) = (received(&next, 2).await, server.requests());
    for (copy, body) in copies.iter().zip(["the body", ""]) {
        assert!(copy.starts_with("post /echo?q=1 http/1.1\r\n"), "{copy}");
        assert!(copy.contains("host: shop\r\n") && copy.contains("x-route: 1\r\n"), "{copy}");
        assert!(copy.contains("x-weft-mirror: 1\r\n") && !copy.contains("x-share"), "{copy}");
        assert!(copy.ends_with(&format!("\r\n\r\n{body}")), "{copy}");
    }
    for original in originals {
        assert!(original.contains("x-share: 1\r\n") && !original.contains("x-weft-mirror"), "{original}");
    }
    let labels = [r#"result="200""#, r#"destination="shop/reviews:8080""#, r#"backend="shop/next:8080""#];
    caller.counted(SENT, &labels, 2.0).await;
    caller.counted("weft_requests_total", &[r#"code="200""#], 2.0).await;
}

#[tokio::test]
async fn what_is_not_let_in_is_not_copied() {
    let (world, server, next) = (World::new(), Script::start(|_| OK).await, Script::start(|_| OK).await);
    let mut destination = mirrored(plain(server.addr), vec![plain(next.addr)]);
    let every = Share { hit: 1, of: NonZeroU32::new(1).unwrap() };
    let abort = Some(Abort { share: every, status: StatusCode::SERVICE_UNAVAILABLE, grpc_status: 14 });
    let fault = Fault { abort, delay: None, slow_body: None, max_active: 1 };
    destination.routes[0].fault = Some(Box::new(fault));
    let caller = world.caller(destination);
    for _ in 0..10 {
        assert!(post(&caller, "the body").await.0.starts_with("http/1.1 503"));
    }
    assert_eq!((server.requests(), next.requests()), (vec![], vec![]));
    assert_eq!(caller.count(SENT, &[]), 0.0);
}

#[tokio::test]
async fn nobody_waits_for_a_mirror_and_what_it_holds_is_bounded() {
    let (world, server) = (World::new(), Script::start(|_| OK).await);
    let next = Script::start(|_| Act::Hang("")).await;
    let caller = world.caller(mirrored(plain(server.addr), vec![plain(next.addr)]));
    let mut client = connect(caller.outbound).await;
    for _ in 0..140 {
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let (head, body) = read_response(&mut client).await;
        assert!(head.starts_with("http/1.1 200") && body == b"ok", "{head}");
    }
    caller.counted(SKIPPED, &[r#"reason="too-many""#], 12.0).await;
    assert_eq!(received(&next, 128).await.len(), 128);
}

#[tokio::test]
async fn a_mirror_that_fails_costs_the_request_nothing() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let broken = Script::start(|_| Act::Close).await;
    for (mirror, name, label) in [
        (vec![plain(broken.addr)], SENT, r#"result="connection-lost""#),
        (vec![plain(super::harness::nobody())], SENT, r#"result="connect-failed""#),
        (vec![], SKIPPED, r#"reason="no-endpoints""#),
    ] {
        let caller = world.caller(mirrored(plain(app.addr), mirror));
        assert_eq!(post(&caller, "the body").await.1, b"the body");
        caller.counted(name, &[label], 1.0).await;
    }
    let mut destination = mirrored(plain(app.addr), vec![]);
    let invalid = Backend { invalid: Some("no such Service".into()), ..backend("shop/gone:1", vec![]) };
    destination.backends[1] = Arc::new(invalid);
    let caller = world.caller(destination);
    assert!(post(&caller, "").await.0.starts_with("http/1.1 200"));
    caller.counted(SKIPPED, &[r#"reason="invalid-backend""#], 1.0).await;
}

#[tokio::test]
async fn a_long_body_arrives_whole_and_is_not_copied() {
    let (world, app, next) = (World::new(), App::start(Wire::H1).await, Script::start(|_| OK).await);
    let caller = world.caller(mirrored(plain(app.addr), vec![plain(next.addr)]));
    let long = "x".repeat(70_000);
    let (_, body) = post(&caller, &long).await;
    assert_eq!(body, long.as_bytes());
    caller.counted(SKIPPED, &[r#"reason="body-too-long""#], 1.0).await;
    // One whose length nobody says is found out on the way.
    let mut client = connect(caller.outbound).await;
    client.write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    for _ in 0..7 {
        client.write_all(format!("2710\r\n{}\r\n", "x".repeat(10_000)).as_bytes()).await.unwrap();
    }
    client.write_all(b"0\r\n\r\n").await.unwrap();
    assert_eq!(super::harness::dechunk(&read_response(&mut client).await.1).len(), 70_000);
    caller.counted(SKIPPED, &[r#"reason="body-too-long""#], 2.0).await;
    assert!(next.requests().is_empty());
}

#[tokio::test]
async fn a_part_of_the_requests_is_copied() {
    let (world, server, next) = (World::new(), Script::start(|_| OK).await, Script::start(|_| OK).await);
    let mut destination = mirrored(plain(server.addr), vec![plain(next.addr)]);
    actions(&mut destination).mirrors[0].denominator = NonZeroU32::new(4).unwrap();
    let caller = world.caller(destination);
    let mut client = connect(caller.outbound).await;
    for _ in 0..1_000 {
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        read_response(&mut client).await;
    }
    // Binomial(1000, 1/4) has a standard deviation of 13.7; 5 of them hold all but 6 in ten million runs.
    let copied = || caller.count(SENT, &[]) + caller.count(SKIPPED, &[]);
    assert!((copied() - 250.0).abs() < 68.5, "{}", copied());
}

#[tokio::test]
async fn answers_are_compared_on_demand_and_differences_counted_by_kind() {
    let same = "HTTP/1.1 200 OK\r\netag: a\r\nx-other: 1\r\ncontent-length: 2\r\n\r\nok";
    let answers = [
        same,
        "HTTP/1.1 200 OK\r\netag: a\r\nx-other: 2\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        "HTTP/1.1 201 OK\r\netag: b\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\netag: a\r\ncontent-length: 2\r\n\r\nno",
    ];
    let (world, server) = (World::new(), Script::start(move |_| Act::Say(same)).await);
    let next = Script::start(move |index| answers.get(index).map_or(Act::Close, |text| Act::Say(text))).await;
    let mut destination = mirrored(plain(server.addr), vec![plain(next.addr)]);
    let compared = Compared { headers: vec![HeaderName::from_static("etag")], body: true };
    actions(&mut destination).mirrors[0].compare = Some(Arc::new(compared));
    let caller = world.caller(destination);
    for round in 1..=5 {
        assert_eq!(post(&caller, "").await.1, b"ok");
        caller.counted(COMPARED, &[], f64::from(round)).await;
    }
    caller.counted(COMPARED, &[r#"result="same""#], 2.0).await;
    caller.counted(COMPARED, &[r#"result="different""#], 2.0).await;
    caller.counted(COMPARED, &[r#"result="incomplete""#], 1.0).await;
    for kind in ["status", "header:etag", "body"] {
        let label = format!(r#"kind="{kind}""#);
        caller.counted("weft_mirror_differences_total", &[&label], 1.0).await;
    }
}
