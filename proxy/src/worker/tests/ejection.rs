use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{Proxy, World, connect, destination, nobody, plain, read_response};
use super::script::{Act, BROKEN, OK, Script};
use crate::state::{Algorithm, Destination, Endpoint, LoadBalancer, Outliers, Protocol, SuccessRate};

const MS: Duration = Duration::from_millis(1);
/// Slower than what fails at once.
const SLOW_OK: Act =
    Act::SayLate(Duration::from_millis(20), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
const HALF: Act = Act::Say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n");
const GRPC_UNAVAILABLE: Act = Act::Say(
    "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 14\r\ncontent-length: 0\r\n\r\n",
);

/// Three failures in a row eject, for long.
fn outliers() -> Outliers {
    let base = Duration::from_secs(60);
    let consecutive_failures = Some(3);
    Outliers {
        consecutive_failures,
        base,
        max: base,
        max_percent: 50,
        panic_percent: 50,
        ..Outliers::default()
    }
}

/// In turns, since the default soon leaves alone what fails.
fn watched(endpoints: Vec<Endpoint>, outliers: Outliers) -> Destination {
    let load_balancer = LoadBalancer { algorithm: Algorithm::RoundRobin, ..LoadBalancer::default() };
    let outliers = Some(Box::new(outliers));
    Destination { outliers, load_balancer, ..destination(Protocol::Http1, endpoints) }
}

async fn get(proxy: &Proxy) -> String {
    let mut client = connect(proxy.outbound).await;
    client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_response(&mut client).await.0
}

/// Sends a request and reads until the proxy has nothing more to say, whatever that is.
async fn whatever(proxy: &Proxy) {
    let mut client = connect(proxy.outbound).await;
    client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let _ = client.read_to_end(&mut Vec::new()).await;
}

/// The endpoint gets `limit` requests of many and no more, for `reason`.
async fn is_ejected(bad: &Script, caller: &Proxy, limit: usize, reason: &str) {
    for _ in 0..30 {
        whatever(caller).await;
    }
    assert_eq!(bad.requests().len(), limit, "{}", caller.metrics());
    caller.counted("weft_ejections_total", &[&format!(r#"reason="{reason}""#)], 1.0).await;
    caller.counted("weft_ejected_endpoints", &[r#"destination="shop/reviews:8080""#], 1.0).await;
}

#[tokio::test]
async fn a_replica_that_fails_every_request_gets_no_more_of_them() {
    let (world, bad, good) =
        (World::new(), Script::start(|_| BROKEN).await, Script::start(|_| SLOW_OK).await);
    let caller = world.caller(watched(vec![plain(bad.addr), plain(good.addr)], outliers()));
    is_ejected(&bad, &caller, 3, "consecutive-failures").await;
    assert_eq!(good.requests().len(), 27);
}

#[tokio::test]
async fn the_same_holds_between_proxies() {
    let (world, bad, good) =
        (World::new(), Script::start(|_| BROKEN).await, Script::start(|_| SLOW_OK).await);
    let (first, second) = (world.receiver(bad.addr), world.receiver(good.addr));
    let endpoints = vec![world.meshed(&first), world.meshed(&second)];
    let gateway = Outliers { consecutive_failures: None, consecutive_gateway_errors: Some(3), ..outliers() };
    let caller = world.caller(watched(endpoints, gateway));
    is_ejected(&bad, &caller, 3, "consecutive-gateway-errors").await;
}

#[tokio::test]
async fn grpc_says_that_it_fails_in_its_own_terms() {
    let (world, bad, good) =
        (World::new(), Script::start(|_| GRPC_UNAVAILABLE).await, Script::start(|_| SLOW_OK).await);
    let caller = world.caller(watched(vec![plain(bad.addr), plain(good.addr)], outliers()));
    is_ejected(&bad, &caller, 3, "consecutive-failures").await;
}

#[tokio::test]
async fn a_response_that_breaks_half_way_counts_as_none() {
    let (world, bad, good) = (World::new(), Script::start(|_| HALF).await, Script::start(|_| SLOW_OK).await);
    let local = Outliers { consecutive_failures: None, consecutive_local_errors: Some(3), ..outliers() };
    let caller = world.caller(watched(vec![plain(bad.addr), plain(good.addr)], local));
    is_ejected(&bad, &caller, 3, "consecutive-local-errors").await;
}

#[tokio::test]
async fn a_replica_that_is_not_there_is_ejected_and_no_request_is_lost() {
    let (world, good) = (World::new(), Script::start(|_| SLOW_OK).await);
    let local = Outliers { consecutive_failures: None, consecutive_local_errors: Some(1), ..outliers() };
    let caller = world.caller(watched(vec![plain(nobody()), plain(good.addr)], local));
    for _ in 0..50 {
        assert!(get(&caller).await.starts_with("http/1.1 200"));
    }
    caller.counted("weft_ejections_total", &[r#"reason="consecutive-local-errors""#], 1.0).await;
    caller.counted("weft_connect_failures_total", &[], 1.0).await;
}

#[tokio::test]
async fn a_replica_that_fails_every_second_request_is_found_by_its_rate() {
    let half = |index| if index % 2 == 0 { BROKEN } else { OK };
    let (world, bad, good) = (World::new(), Script::start(half).await, Script::start(|_| SLOW_OK).await);
    let rate = SuccessRate { below: 80, window: Duration::from_secs(10), min_requests: 10 };
    let by_rate = Outliers { success_rate: Some(rate), ..outliers() };
    let caller = world.caller(watched(vec![plain(bad.addr), plain(good.addr)], by_rate));
    for _ in 0..30 {
        whatever(&caller).await;
    }
    assert_eq!(bad.requests().len(), 11, "the tenth is a good one");
    caller.counted("weft_ejections_total", &[r#"reason="success-rate""#], 1.0).await;
}

#[tokio::test]
async fn an_ejected_replica_proves_itself_with_one_request_and_comes_back_when_it_is_well() {
    let well = Arc::new(AtomicBool::new(false));
    let act = well.clone();
    let bad = Script::start(move |_| if act.load(Ordering::SeqCst) { OK } else { BROKEN }).await;
    let (world, good) = (World::new(), Script::start(|_| SLOW_OK).await);
    let short = Outliers { base: 1500 * MS, max: 1500 * MS, ..outliers() };
    let caller = world.caller(watched(vec![plain(bad.addr), plain(good.addr)], short));
    while bad.requests().len() < 3 {
        whatever(&caller).await;
    }
    tokio::time::sleep(1600 * MS).await;
    for _ in 0..5 {
        whatever(&caller).await;
    }
    assert_eq!(bad.requests().len(), 4, "one request proves that it is not well");
    caller.counted("weft_ejections_total", &[r#"reason="probe""#], 1.0).await;
    well.store(true, Ordering::SeqCst);
    tokio::time::sleep(1600 * MS).await;
    for _ in 0..20 {
        assert!(get(&caller).await.starts_with("http/1.1 200"));
    }
    assert!(bad.requests().len() > 6, "{}", bad.requests().len());
    caller.counted("weft_ejected_endpoints", &[], 0.0).await;
}

#[tokio::test]
async fn when_all_fail_half_may_be_ejected_and_where_too_few_are_left_none_counts() {
    let world = World::new();
    let bad = [Script::start(|_| BROKEN).await, Script::start(|_| BROKEN).await];
    let caller = world.caller(watched(bad.iter().map(|bad| plain(bad.addr)).collect(), outliers()));
    for _ in 0..20 {
        assert!(get(&caller).await.starts_with("http/1.1 503 broken"));
    }
    caller.counted("weft_ejections_total", &[], 1.0).await;
    assert!(caller.count("weft_ejections_withheld_total", &[]) > 1.0);

    let alone = Script::start(|_| BROKEN).await;
    let caller = world.caller(watched(vec![plain(alone.addr)], outliers()));
    for _ in 0..10 {
        assert!(get(&caller).await.starts_with("http/1.1 503 broken"));
    }
    assert_eq!(alone.requests().len(), 10);
    caller.counted("weft_ejections_ignored_total", &[], 7.0).await;
}

#[tokio::test]
async fn a_caller_that_gives_up_blames_nobody() {
    let (world, mut slow) = (World::new(), Script::start(|_| Act::Hang("")).await);
    let one = Outliers { consecutive_failures: Some(1), ..outliers() };
    let caller = world.caller(watched(vec![plain(slow.addr)], one));
    for _ in 0..3 {
        let mut client = connect(caller.outbound).await;
        client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        tokio::time::sleep(20 * MS).await;
        drop(client);
        slow.given_up().await;
    }
    caller.counted("weft_requests_total", &[r#"code="499""#], 3.0).await;
    assert_eq!(caller.count("weft_ejections_total", &[]), 0.0);
}
