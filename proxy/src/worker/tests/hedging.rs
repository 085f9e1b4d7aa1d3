use std::time::Duration;

use http::Method;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::harness::{Proxy, World, connect, destination, plain, read_response};
use super::script::{Act, BROKEN, OK, Script};
use crate::state::{BudgetLimits, Destination, Endpoint, HedgeAfter, Hedging, Protocol};

const MS: Duration = Duration::from_millis(1);
const PLENTY: BudgetLimits =
    BudgetLimits { percent: 100, interval: Duration::from_secs(10), min_per_second: 1000 };

fn hedged(endpoints: Vec<Endpoint>, after: HedgeAfter, budget: BudgetLimits) -> Destination {
    let mut destination = destination(Protocol::Http1, endpoints);
    let methods = vec![Method::GET, Method::PUT];
    destination.routes[0].hedging = Some(Box::new(Hedging { after, attempts: 1, methods, budget }));
    destination
}

async fn send(proxy: &Proxy, method: &str, body: &str) -> String {
    let mut client = connect(proxy.outbound).await;
    let head = format!("{method} /a HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
    client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    read_response(&mut client).await.0
}

/// The first request that any of two applications gets hangs, the others are answered.
async fn one_hangs() -> Script {
    Script::start(|index| if index == 0 { Act::Hang("") } else { OK }).await
}

#[tokio::test]
async fn a_slow_request_is_answered_by_its_copy_and_given_up_where_it_was_slow() {
    let (world, mut app) = (World::new(), one_hangs().await);
    let (first, second) = (world.receiver(app.addr), world.receiver(app.addr));
    let endpoints = vec![world.meshed(&first), world.meshed(&second)];
    let caller = world.caller(hedged(endpoints, HedgeAfter::Delay(100 * MS), PLENTY));
    let head = send(&caller, "PUT", "the body").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    app.given_up().await;
    let requests = app.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.ends_with("\r\n\r\nthe body")), "{requests:?}");
    assert!(requests[1].contains("x-weft-attempt: 2\r\n"), "{requests:?}");
    caller.counted("weft_hedges_total", &[r#"result="sent""#, r#"route="all""#], 1.0).await;
    caller.counted("weft_hedges_total", &[r#"result="won""#], 1.0).await;
    caller.counted("weft_requests_total", &[r#"code="200""#], 1.0).await;
}

#[tokio::test]
async fn what_may_have_changed_something_is_not_sent_twice_and_what_is_quick_neither() {
    let slow = Act::SayLate(200 * MS, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let (world, app) = (World::new(), Script::start(move |index| if index == 0 { slow } else { OK }).await);
    let caller = world.caller(hedged(vec![plain(app.addr)], HedgeAfter::Delay(50 * MS), PLENTY));
    assert!(send(&caller, "POST", "pay").await.starts_with("http/1.1 200"));
    assert_eq!(app.requests().len(), 1);
    let caller = world.caller(hedged(vec![plain(app.addr)], HedgeAfter::Delay(5000 * MS), PLENTY));
    assert!(send(&caller, "GET", "").await.starts_with("http/1.1 200"));
    assert_eq!(app.requests().len(), 2);
}

#[tokio::test]
async fn a_copy_that_fails_does_not_count_while_another_may_be_good() {
    let slow = Act::SayLate(400 * MS, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let app = Script::start(move |index| if index == 0 { slow } else { BROKEN }).await;
    let world = World::new();
    let caller = world.caller(hedged(vec![plain(app.addr)], HedgeAfter::Delay(50 * MS), PLENTY));
    assert!(send(&caller, "GET", "").await.starts_with("http/1.1 200"));
    assert_eq!(app.requests().len(), 2);
    caller.counted("weft_hedges_total", &[r#"result="sent""#], 1.0).await;
    assert_eq!(caller.count("weft_hedges_total", &[r#"result="won""#]), 0.0);
}

#[tokio::test]
async fn copies_stay_within_the_budget() {
    let slow = Act::SayLate(60 * MS, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let (world, app) = (World::new(), Script::start(move |_| slow).await);
    let budget = BudgetLimits { percent: 20, min_per_second: 0, ..PLENTY };
    let caller = world.caller(hedged(vec![plain(app.addr)], HedgeAfter::Delay(10 * MS), budget));
    for _ in 0..30 {
        assert!(send(&caller, "GET", "").await.starts_with("http/1.1 200"));
    }
    let load = app.requests().len();
    assert!((33..=36).contains(&load), "{load} requests for 30");
    assert!(caller.count("weft_hedges_total", &[r#"result="budget""#]) > 10.0);
}

#[tokio::test]
async fn a_percentile_of_what_was_seen_says_what_is_slow() {
    let (world, app) =
        (World::new(), Script::start(|index| if index == 70 { Act::Hang("") } else { OK }).await);
    let caller = world.caller(hedged(vec![plain(app.addr)], HedgeAfter::Percentile(99), PLENTY));
    let began = Instant::now();
    for _ in 0..100 {
        assert!(send(&caller, "GET", "").await.starts_with("http/1.1 200"));
    }
    assert!(began.elapsed() < 9000 * MS);
    assert!(caller.count("weft_hedges_total", &[r#"result="won""#]) >= 1.0, "{}", caller.metrics());
    let sent = caller.count("weft_hedges_total", &[r#"result="sent""#]);
    assert!(sent < 20.0, "{sent} copies of 100");
}
