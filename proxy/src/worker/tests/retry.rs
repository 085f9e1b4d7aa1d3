use std::time::Duration;

use http::Method;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::harness::{Proxy, World, connect, destination, plain, read_response};
use super::script::{Act, BROKEN, OK, Script};
use crate::state::{BudgetLimits, Destination, Endpoint, Protocol, Retries, RetryOn, Timeouts};

const PLENTY: BudgetLimits =
    BudgetLimits { percent: 100, interval: Duration::from_secs(10), min_per_second: 1000 };

fn retried(endpoints: Vec<Endpoint>, on: RetryOn, budget: BudgetLimits) -> Destination {
    let mut destination = destination(Protocol::Http1, endpoints);
    let methods = vec![Method::GET, Method::PUT];
    let retries = Retries { attempts: 2, on: vec![on], methods, budget, ..Retries::default() };
    destination.routes[0].retries = Some(Box::new(retries));
    destination
}

async fn send(proxy: &Proxy, method: &str, body: &str) -> String {
    let mut client = connect(proxy.outbound).await;
    let head = format!(
        "{method} /a HTTP/1.1\r\nhost: a\r\nx-weft-attempt: 7\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    read_response(&mut client).await.0
}

#[tokio::test]
async fn a_replica_that_fails_every_request_costs_none_that_may_be_repeated() {
    let (world, bad, good) = (World::new(), Script::start(|_| BROKEN).await, Script::start(|_| OK).await);
    let (first, second) = (world.receiver(bad.addr), world.receiver(good.addr));
    let endpoints = vec![world.meshed(&first), world.meshed(&second)];
    let caller = world.caller(retried(endpoints, RetryOn::GatewayError, PLENTY));
    for _ in 0..20 {
        let head = send(&caller, "PUT", "the body").await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
    }
    let tried_again = bad.requests().len();
    assert!(tried_again > 0);
    for request in bad.requests() {
        assert!(!request.contains("x-weft-attempt"), "the first try is told apart: {request}");
    }
    let requests = good.requests();
    assert_eq!(requests.len(), 20);
    assert!(requests.iter().all(|request| request.ends_with("\r\n\r\nthe body")), "{requests:?}");
    let told = requests.iter().filter(|request| request.contains("x-weft-attempt: 2\r\n")).count();
    assert_eq!(told, tried_again);
    caller.counted("weft_retries_total", &[r#"reason="status""#], tried_again as f64).await;
}

#[tokio::test]
async fn no_attempts_at_all_send_nothing_twice_though_nobody_has_seen_it() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let nobody = "127.0.0.1:1".parse().unwrap();
    let off = Retries { attempts: 0, ..Retries::default() };
    for (retries, some_fail) in [(None, false), (Some(Box::new(off)), true)] {
        let mut destination = destination(Protocol::Http1, vec![plain(nobody), plain(app.addr)]);
        destination.routes[0].retries = retries;
        let caller = world.caller(destination);
        let mut failed = 0;
        for _ in 0..30 {
            failed += u32::from(send(&caller, "GET", "").await.starts_with("http/1.1 503"));
        }
        assert_eq!(failed > 0, some_fail, "{failed} failed");
    }
}

#[tokio::test]
async fn what_may_have_changed_something_is_not_repeated() {
    let (world, app) = (World::new(), Script::start(|_| BROKEN).await);
    let caller = world.caller(retried(vec![plain(app.addr)], RetryOn::GatewayError, PLENTY));
    assert!(send(&caller, "POST", "pay").await.starts_with("http/1.1 503"));
    assert_eq!(app.requests().len(), 1);
    assert!(send(&caller, "GET", "").await.starts_with("http/1.1 503"));
    assert_eq!(app.requests().len(), 4, "two more for the second request");
    caller.counted("weft_retries_withheld_total", &[r#"reason="attempts""#], 1.0).await;
}

#[tokio::test]
async fn when_every_replica_fails_the_budget_bounds_the_load() {
    let (world, app) = (World::new(), Script::start(|_| BROKEN).await);
    let budget = BudgetLimits { percent: 20, min_per_second: 0, ..PLENTY };
    let caller = world.caller(retried(vec![plain(app.addr)], RetryOn::GatewayError, budget));
    for _ in 0..100 {
        assert!(send(&caller, "GET", "").await.starts_with("http/1.1 503"));
    }
    let load = app.requests().len();
    assert!((110..=120).contains(&load), "{load} requests for 100");
    assert!(caller.count("weft_retries_withheld_total", &[r#"reason="budget""#]) > 50.0);
}

#[tokio::test]
async fn a_budget_that_refuses_answers_503_in_the_place_of_the_last_try() {
    const FAILED: Act = Act::Say("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n");
    let (world, app) = (World::new(), Script::start(|_| FAILED).await);
    for (refuses, status) in [(false, "500"), (true, "503")] {
        let budget = BudgetLimits { percent: 0, min_per_second: 0, ..PLENTY };
        let mut destination = retried(vec![plain(app.addr)], RetryOn::ServerError, budget);
        destination.routes[0].retries.as_mut().unwrap().budget_refuses = refuses;
        let caller = world.caller(destination);
        let head = send(&caller, "GET", "").await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        assert_eq!(head.contains("x-weft-reason: retry-budget"), refuses, "{head}");
        let head = send(&caller, "POST", "pay").await;
        assert!(head.starts_with("http/1.1 500 "), "nobody wanted this again: {head}");
    }
    assert_eq!(app.requests().len(), 4);
}

#[tokio::test]
async fn no_retry_is_sent_before_the_pause_that_its_route_asks_for() {
    let (world, app) = (World::new(), Script::start(|index| if index < 2 { BROKEN } else { OK }).await);
    let mut destination = retried(vec![plain(app.addr)], RetryOn::GatewayError, PLENTY);
    destination.routes[0].retries.as_mut().unwrap().backoff = Some(Duration::from_millis(200));
    let caller = world.caller(destination);
    let began = Instant::now();
    assert!(send(&caller, "GET", "").await.starts_with("http/1.1 200"));
    assert!(began.elapsed() >= Duration::from_millis(200 + 400), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_connection_that_ends_before_the_response_is_repeated_with_the_whole_body() {
    let app = Script::start(|index| if index == 0 { Act::Close } else { OK }).await;
    let world = World::new();
    let caller = world.caller(retried(vec![plain(app.addr)], RetryOn::Reset, PLENTY));
    let body = "x".repeat(40_000);
    assert!(send(&caller, "PUT", &body).await.starts_with("http/1.1 200"));
    assert_eq!(app.requests().len(), 2);
    assert!(app.requests().iter().all(|request| request.ends_with(&body)));
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_sent_once_and_said_to_be() {
    let (world, app) = (World::new(), Script::start(|_| BROKEN).await);
    let caller = world.caller(retried(vec![plain(app.addr)], RetryOn::GatewayError, PLENTY));
    let body = "x".repeat(65_537);
    assert!(send(&caller, "PUT", &body).await.starts_with("http/1.1 503"));
    assert_eq!(app.requests().len(), 1);
    assert!(app.requests()[0].ends_with(&body));
    caller.counted("weft_retries_withheld_total", &[r#"reason="body-too-long""#], 1.0).await;
}

#[tokio::test]
async fn a_try_that_is_too_long_is_repeated_within_the_time_of_the_request() {
    let mut app = Script::start(|index| if index == 0 { Act::Hang("") } else { OK }).await;
    let world = World::new();
    let mut destination = retried(vec![plain(app.addr)], RetryOn::GatewayError, PLENTY);
    let ms = Duration::from_millis;
    destination.routes[0].timeouts =
        Timeouts { request: Some(ms(8000)), per_try: Some(ms(100)), ..Timeouts::default() };
    let caller = world.caller(destination);
    assert!(send(&caller, "GET", "").await.starts_with("http/1.1 200"));
    app.given_up().await;
    caller.counted("weft_retries_total", &[r#"reason="try-timeout""#], 1.0).await;
}

#[tokio::test]
async fn a_server_that_asks_to_be_left_alone_is_and_for_too_long_is_not_asked_again() {
    const SOON: &str = "HTTP/1.1 503 No\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    const LATE: &str = "HTTP/1.1 503 No\r\nretry-after: 6\r\ncontent-length: 0\r\n\r\n";
    let act = |index| match index {
        0 => Act::Say(SOON),
        1 => OK,
        _ => Act::Say(LATE),
    };
    let (world, app) = (World::new(), Script::start(act).await);
    let caller = world.caller(retried(vec![plain(app.addr)], RetryOn::GatewayError, PLENTY));
    let began = Instant::now();
    assert!(send(&caller, "GET", "").await.starts_with("http/1.1 200"));
    assert!(began.elapsed() >= Duration::from_secs(1));
    let head = send(&caller, "GET", "").await;
    assert!(head.starts_with("http/1.1 503") && head.contains("retry-after: 6"), "{head}");
    assert_eq!(app.requests().len(), 3);
    caller.counted("weft_retries_withheld_total", &[r#"reason="retry-after""#], 1.0).await;
}

#[tokio::test]
async fn a_grpc_server_says_how_long_the_next_try_waits_or_that_there_is_none() {
    macro_rules! exhausted {
        ($pushback:literal) => {
            concat!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 14\r\n",
                "grpc-retry-pushback-ms: ",
                $pushback,
                "\r\ncontent-length: 0\r\n\r\n"
            )
        };
    }
    for (pushback, tries, least) in
        [(exhausted!("300"), 3, 600), (exhausted!("-1"), 1, 0), (exhausted!("soon"), 1, 0)]
    {
        let (world, app) = (World::new(), Script::start(move |_| Act::Say(pushback)).await);
        let caller = world.caller(retried(vec![plain(app.addr)], RetryOn::Grpc(14), PLENTY));
        let (began, mut client) = (Instant::now(), connect(caller.outbound).await);
        let call =
            "POST /a/B HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n";
        client.write_all(call.as_bytes()).await.unwrap();
        let (head, _) = read_response(&mut client).await;
        assert!(head.contains("grpc-status: 14"), "{head}");
        assert_eq!(app.requests().len(), tries, "{pushback}");
        assert!(began.elapsed() >= Duration::from_millis(least), "{:?}", began.elapsed());
        let withheld = if tries == 1 { "pushback" } else { "attempts" };
        caller.counted("weft_retries_withheld_total", &[&format!("reason=\"{withheld}\"")], 1.0).await;
    }
}

#[tokio::test]
async fn another_endpoint_is_tried_at_once_whatever_one_asks_for() {
    const LATE: Act = Act::Say("HTTP/1.1 503 No\r\nretry-after: 60\r\ncontent-length: 0\r\n\r\n");
    let (world, bad, good) = (World::new(), Script::start(|_| LATE).await, Script::start(|_| OK).await);
    let endpoints = vec![plain(bad.addr), plain(good.addr)];
    let caller = world.caller(retried(endpoints, RetryOn::GatewayError, PLENTY));
    let began = Instant::now();
    for _ in 0..20 {
        assert!(send(&caller, "GET", "").await.starts_with("http/1.1 200"));
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(!bad.requests().is_empty());
}
