//! Limits that a service counts for all pods: a gRPC server, honest or not, and what arrives at the application.

mod counter;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderName, Method, Request};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use self::counter::{Counter, header, said, say, status};
use super::grpc_server::{FAILURES, Say};
use super::harness::{LIMIT, Proxy, Start, World, connect, destination, nobody, plain, read_response};
use super::peer;
use super::recorder::Recorder;
use crate::asking::{Asks, CAUSES};
use crate::rate_limit::{Cost, Counted, KeyPart, RateLimit};
use crate::shared_limit::{OnFailure, SharedLimit, SharedLimits};
use crate::state::{Endpoint, MtlsMode, OutboundPolicy, Protocol};
use crate::tls::Alpn;
use crate::wire::envoy::service::ratelimit::v3 as rls;
use rls::rate_limit_response::Code;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-cost: 7\r\n\r\nok";
const GET: &str = "GET /f HTTP/1.1\r\nhost: a\r\n\r\n";
/// What the mesh knows the Service by that counts.
const SERVICE: ([u8; 4], u16) = ([10, 96, 0, 9], 8081);
/// Nothing is whole again while a test runs.
const HOUR: Duration = Duration::from_secs(3_600);

/// A limit of so many an hour, which two pods would share.
fn limit(name: &str, requests: u32, key: &[KeyPart]) -> RateLimit {
    let amounts = (requests, HOUR, requests, 2);
    RateLimit::new(("shop/limits".into(), name.into()), amounts, key.into(), false)
}

fn shared(limits: Vec<(RateLimit, OnFailure)>) -> SharedLimits {
    let asks = Asks { service: "limits/ratelimit".into(), addr: SERVICE.into() };
    SharedLimits {
        service: "limits/ratelimit:8081".into(),
        asks: Some(asks),
        domain: "weft".into(),
        timeout: LIMIT,
        limits: limits.into_iter().map(|(limit, on_failure)| SharedLimit::new(limit, on_failure)).collect(),
        tally: Arc::default(),
    }
}

fn one(limit: RateLimit) -> SharedLimits {
    shared(vec![(limit, OnFailure::Deny)])
}

/// A proxy in front of `app`, whose mesh knows `endpoint` as the Service that counts.
fn receiver(world: &World, app: SocketAddr, endpoint: Option<Endpoint>, limits: Vec<SharedLimits>) -> Proxy {
    let destinations = endpoint.map(|endpoint| {
        (SocketAddr::from(SERVICE).into(), Arc::new(destination(Protocol::Http2, vec![endpoint])))
    });
    let receiver = world.start(Start {
        account: "reviews",
        original: app,
        destinations: HashMap::from_iter(destinations),
        inbound_mode: MtlsMode::Permissive,
        inbound_protocol: Protocol::Http1,
        needs_requests: true,
        policy: OutboundPolicy::AllowAny,
        ingress_mode: false,
    });
    receiver.change_workload(|workload| workload.inbound_ports[0].shared_limits = limits);
    receiver
}

async fn ask(io: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> (String, String) {
    io.write_all(request.as_bytes()).await.unwrap();
    let (head, body) = read_response(io).await;
    (head, String::from_utf8(body).unwrap())
}

/// The status of each of so many requests, and the last head.
async fn statuses(io: &mut (impl AsyncRead + AsyncWrite + Unpin), times: usize) -> (Vec<String>, String) {
    let (mut codes, mut last) = (Vec::new(), String::new());
    for _ in 0..times {
        last = ask(io, GET).await.0;
        codes.push(last[9..12].to_owned());
    }
    (codes, last)
}

async fn reaches(counter: &AtomicU64, count: u64) {
    let deadline = Instant::now() + LIMIT;
    while counter.load(Ordering::Relaxed) < count {
        assert!(Instant::now() < deadline, "{counter:?} does not reach {count}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn pods_together_let_in_what_the_service_counts_and_not_one_more() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let counter = Counter::counting().await;
    let limits = one(limit("all", 5, &[]));
    let pods = [(); 2].map(|()| receiver(&world, app.addr, Some(plain(counter.addr)), vec![limits.clone()]));
    let mut ios = [connect(pods[0].inbound).await, connect(pods[1].inbound).await];
    let mut codes = Vec::new();
    for index in 0..8 {
        codes.extend(statuses(&mut ios[index % 2], 1).await.0);
    }
    assert_eq!(codes, ["200", "200", "200", "200", "200", "429", "429", "429"]);
    assert_eq!(app.seen().concat().matches("GET /f").count(), 5);
    let question = counter.questions().remove(0);
    assert_eq!((&*question.domain, question.hits_addend), ("weft", 1));
    let [descriptor] = &question.descriptors[..] else { panic!("{question:?}") };
    let [entry] = &descriptor.entries[..] else { panic!("{descriptor:?}") };
    assert_eq!((&*entry.key, &*entry.value), ("limit", "shop/limits/all"));
    let amount = descriptor.limit.as_ref().unwrap();
    assert_eq!((amount.requests_per_unit, amount.unit()), (5, rls::RateLimitUnit::Hour));
    assert_eq!(limits.limits[0].limit.tally().refused.load(Ordering::Relaxed), 3);
    assert_eq!(limits.tally.under.load(Ordering::Relaxed), 5);
    assert_eq!(limits.tally.over.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn one_question_is_about_all_limits_that_count_the_request_in_the_words_of_their_keys() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let counter = Counter::start(|_| say(said(Code::Ok, Vec::new()))).await;
    let user = KeyPart::Header(HeaderName::from_static("x-user"));
    let posts = Counted { method: Some(Method::POST), ..Counted::default() };
    let constant = KeyPart::Constant { name: "generic_key".into(), value: "logins".into() };
    let named = RateLimit::new(
        ("shop/limits".into(), "logins".into()),
        (0, Duration::ZERO, 0, 1),
        [constant, KeyPart::ServiceAccount].into(),
        false,
    );
    let limits = shared(vec![
        (limit("posts", 5, &[]).only([posts].into()), OnFailure::Deny),
        (limit("users", 9, &[user]).at(Cost { amount: 3, ..Cost::default() }), OnFailure::Allow),
        (named, OnFailure::Allow),
    ]);
    let receiver = receiver(&world, app.addr, Some(plain(counter.addr)), vec![limits]);
    let mut io = peer::dial(&world, &receiver, Alpn::H1).await;
    let request = "GET /f HTTP/1.1\r\nhost: a\r\nx-user: ann\r\n\r\n";
    assert!(ask(&mut io, request).await.0.starts_with("http/1.1 200 "));
    let question = counter.questions().remove(0);
    let entries = |place: usize| {
        let descriptor: &rls::RateLimitDescriptor = &question.descriptors[place];
        let pairs = descriptor.entries.iter().map(|entry| format!("{}={}", entry.key, entry.value));
        (pairs.collect::<Vec<_>>().join(" "), descriptor.hits_addend, descriptor.limit.is_some())
    };
    assert_eq!(question.descriptors.len(), 2, "what does not count the request is not asked about");
    assert_eq!(entries(0), ("limit=shop/limits/users x-user=ann".to_owned(), Some(3), true));
    let logins = "generic_key=logins service_account=spiffe://cluster.local/ns/shop/sa/web";
    assert_eq!(entries(1), (logins.to_owned(), Some(1), false), "the service knows the amount by itself");
    assert_eq!(counter.questions().len(), 1);
}

#[tokio::test]
async fn who_is_one_too_many_is_told_when_to_come_back_and_what_the_service_says() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let counter = Counter::start(|index| match index % 2 {
        0 => say(said(Code::Ok, vec![status(Code::Ok, 7)])),
        _ => say(rls::RateLimitResponse {
            response_headers_to_add: vec![
                header("x-quota", "none"),
                header("content-length", "1"),
                header("grpc-status", "0"),
                header("x-weft-reason", "mine"),
            ],
            raw_body: b"come back later".to_vec(),
            ..said(Code::OverLimit, vec![status(Code::OverLimit, 0)])
        }),
    })
    .await;
    let receiver = receiver(&world, app.addr, Some(plain(counter.addr)), vec![one(limit("all", 5, &[]))]);
    let mut io = peer::dial(&world, &receiver, Alpn::H1).await;
    let (head, _) = ask(&mut io, GET).await;
    assert!(head.contains("ratelimit: \"all\";r=7;t=30"), "{head}");
    assert!(head.contains("ratelimit-policy: \"all\";q=100;w=3600"), "the service knows better: {head}");
    let (head, body) = ask(&mut io, GET).await;
    assert!(head.starts_with("http/1.1 429 "), "{head}");
    for field in
        ["x-weft-reason: rate-limited", "ratelimit: \"all\";r=0;t=30", "retry-after: 30", "x-quota: none"]
    {
        assert!(head.contains(field), "{field} in {head}");
    }
    assert!(!head.contains("grpc-status"), "{head}");
    assert_eq!(body, "come back later");
    assert!(ask(&mut io, GET).await.0.starts_with("http/1.1 200 "));
    let sender = peer::dial_h2(&world, &receiver).await;
    let call = Request::post("http://a/svc/M").header("content-type", "application/grpc").body(()).unwrap();
    let answer = peer::ask(&sender, call).await.unwrap();
    let told = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!([told("grpc-status"), told("grpc-retry-pushback-ms")], ["8", "29500"]);
    assert_eq!(app.seen().concat().matches(" /").count(), 2, "what is refused does not arrive");
}

#[tokio::test]
async fn a_service_that_lets_in_may_add_headers_but_not_those_that_frame_or_address() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let counter = Counter::start(|_| {
        say(rls::RateLimitResponse {
            request_headers_to_add: vec![header("x-tier", "gold"), header("host", "evil"), header("te", "x")],
            response_headers_to_add: vec![header("x-left", "7"), header("transfer-encoding", "chunked")],
            ..said(Code::Ok, Vec::new())
        })
    })
    .await;
    let receiver = receiver(&world, app.addr, Some(plain(counter.addr)), vec![one(limit("all", 5, &[]))]);
    let request = "GET /f HTTP/1.1\r\nhost: a\r\nx-tier: platinum\r\n\r\n";
    let (head, body) = ask(&mut connect(receiver.inbound).await, request).await;
    assert!(head.contains("x-left: 7") && !head.contains("transfer-encoding") && body == "ok", "{head}");
    let seen = app.seen().concat().to_lowercase();
    assert!(seen.contains("x-tier: gold") && !seen.contains("platinum"), "{seen}");
    assert!(seen.contains("host: a\r\n") && !seen.contains("evil"), "{seen}");
}

/// What three requests meet where the pod's share is two, and nobody answers.
async fn without_answer(world: &World, endpoint: Option<Endpoint>, limits: SharedLimits) -> Vec<String> {
    let app = Recorder::start(OK, false).await;
    let receiver = receiver(world, app.addr, endpoint, vec![limits]);
    let (codes, last) = statuses(&mut connect(receiver.inbound).await, 3).await;
    let arrived = app.seen().concat().matches("GET /f").count();
    assert_eq!(arrived, codes.iter().filter(|code| *code == "200").count());
    assert_eq!(codes[0] == "503", last.contains("x-weft-reason: rate-limit-failed"), "{last}");
    codes
}

#[tokio::test]
async fn without_a_usable_answer_the_limit_says_what_happens() {
    for (fails, cause) in FAILURES {
        let world = World::new();
        let counter = Counter::start(move |_| fails.clone()).await;
        let timeout = if cause == "timeout" { Duration::from_millis(100) } else { LIMIT };
        for (on_failure, expected) in [
            (OnFailure::Allow, ["200", "200", "200"]),
            (OnFailure::Deny, ["503", "503", "503"]),
            (OnFailure::PodShare, ["200", "200", "429"]),
        ] {
            let limits = SharedLimits { timeout, ..shared(vec![(limit("all", 4, &[]), on_failure)]) };
            let codes = without_answer(&world, Some(plain(counter.addr)), limits.clone()).await;
            assert_eq!(codes, expected, "{cause} {on_failure:?}");
            let place = CAUSES.iter().position(|one| *one == cause).unwrap();
            assert_eq!(limits.tally.causes[place].load(Ordering::Relaxed), 3, "{cause}: {:?}", limits.tally);
            let counted = &limits.limits[0].unanswered[on_failure as usize];
            assert_eq!(counted.load(Ordering::Relaxed), 3, "{cause} {on_failure:?}");
        }
    }
}

#[tokio::test]
async fn where_nobody_can_be_asked_the_limit_says_what_happens() {
    let world = World::new();
    let limits = || shared(vec![(limit("all", 4, &[]), OnFailure::PodShare)]);
    let no_service = SharedLimits { asks: None, ..limits() };
    for (endpoint, limits) in [(None, limits()), (None, no_service), (Some(plain(nobody())), limits())] {
        assert_eq!(without_answer(&world, endpoint, limits).await, ["200", "200", "429"]);
    }
}

#[tokio::test]
async fn a_service_that_comes_back_counts_again() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let counter = Counter::start(|index| match index {
        1..4 => Say::Garbage,
        _ => say(said(Code::Ok, vec![status(Code::Ok, 9)])),
    })
    .await;
    let limits = shared(vec![(limit("all", 2, &[]), OnFailure::PodShare)]);
    let receiver = receiver(&world, app.addr, Some(plain(counter.addr)), vec![limits]);
    let (codes, _) = statuses(&mut connect(receiver.inbound).await, 5).await;
    assert_eq!(codes, ["200", "200", "429", "429", "200"], "the pod's share was one");
}

#[tokio::test]
async fn what_the_service_refuses_the_pod_has_not_counted() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let counter = Counter::start(|index| match index {
        0..3 => say(said(Code::OverLimit, Vec::new())),
        _ => say(said(Code::Ok, Vec::new())),
    })
    .await;
    let receiver = receiver(&world, app.addr, Some(plain(counter.addr)), vec![one(limit("all", 5, &[]))]);
    let own = RateLimit::new(("shop/limits".into(), "own".into()), (1, HOUR, 1, 1), [].into(), false);
    receiver.change_workload(|workload| workload.inbound_ports[0].rate_limits = vec![own.clone()]);
    let (codes, last) = statuses(&mut connect(receiver.inbound).await, 5).await;
    assert_eq!(codes, ["429", "429", "429", "200", "429"]);
    assert!(last.contains("ratelimit: \"own\";r=0"), "{last}");
    assert_eq!(counter.questions().len(), 4, "what the pod refuses nobody else is asked about");
}

#[tokio::test]
async fn what_a_response_says_that_it_cost_is_told_by_a_second_question() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let counter = Counter::counting().await;
    let cost = |amount| Cost { amount, header: Some(HeaderName::from_static("x-cost")), field: None };
    let limits = shared(vec![
        (limit("dear", 10, &[]).at(cost(2)), OnFailure::Deny),
        (limit("cheap", 1_000, &[]).at(cost(9)), OnFailure::Deny),
    ]);
    let receiver = receiver(&world, app.addr, Some(plain(counter.addr)), vec![limits.clone()]);
    let mut io = connect(receiver.inbound).await;
    assert!(ask(&mut io, GET).await.0.starts_with("http/1.1 200 "));
    reaches(&limits.tally.charged, 1).await;
    let questions = counter.questions();
    let [_, charge] = &questions[..] else { panic!("{questions:?}") };
    assert_eq!(
        (charge.hits_addend, charge.descriptors.len()),
        (5, 1),
        "what was paid too much is not given back"
    );
    assert_eq!(charge.descriptors[0].entries[0].value, "shop/limits/dear");
    assert!(ask(&mut io, GET).await.0.starts_with("http/1.1 200 "), "7 and 2 are less than 10");
    reaches(&limits.tally.charged, 2).await;
    let (head, _) = ask(&mut io, GET).await;
    assert!(head.starts_with("http/1.1 429 ") && head.contains("\"dear\""), "{head}");
    assert_eq!(limits.tally.not_charged.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_dry_run_asks_by_itself_and_lets_everything_in_as_it_came() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let counter = Counter::start(|index| match index {
        0 => say(said(Code::OverLimit, Vec::new())),
        1 => Say::Garbage,
        _ => say(rls::RateLimitResponse {
            request_headers_to_add: vec![header("x-tier", "gold")],
            ..said(Code::Ok, vec![status(Code::Ok, 1)])
        }),
    })
    .await;
    let rehearsal = RateLimit::new(("shop/limits".into(), "all".into()), (5, HOUR, 5, 1), [].into(), true);
    let limits = one(rehearsal);
    let receiver = receiver(&world, app.addr, Some(plain(counter.addr)), vec![limits.clone()]);
    let (codes, last) = statuses(&mut connect(receiver.inbound).await, 3).await;
    assert_eq!(codes, ["200", "200", "200"]);
    assert!(!last.contains("ratelimit") && !app.seen().concat().contains("x-tier"), "{last}");
    assert_eq!(limits.limits[0].limit.tally().would_refuse.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn no_more_questions_about_limits_are_under_way_than_may_be() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let counter = Counter::start(|_| Say::Hang).await;
    let limits = one(limit("all", 5, &[]));
    let receiver = receiver(&world, app.addr, Some(plain(counter.addr)), vec![limits.clone()]);
    let mut under_way = Vec::new();
    for _ in 0..2 {
        let sender = peer::dial_h2(&world, &receiver).await;
        for _ in 0..150 {
            let request = Request::get("http://a/f").body(()).unwrap();
            under_way.push(sender.clone().ready().await.unwrap().send_request(request, true).unwrap());
        }
    }
    let too_many = CAUSES.iter().position(|cause| *cause == "too-many").unwrap();
    reaches(&limits.tally.causes[too_many], 44).await;
    assert_eq!((counter.questions().len() <= 256, app.seen().len()), (true, 0));
}

#[tokio::test]
async fn what_a_service_has_counted_outlives_a_change_and_metrics_tell_of_it() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let counter = Counter::start(|_| Say::Garbage).await;
    let before = shared(vec![(limit("all", 4, &[]), OnFailure::PodShare)]);
    let receiver = receiver(&world, app.addr, Some(plain(counter.addr)), vec![before.clone()]);
    let mut io = connect(receiver.inbound).await;
    assert_eq!(statuses(&mut io, 2).await.0, ["200", "200"]);
    let mut after = shared(vec![(limit("all", 4, &[]), OnFailure::PodShare)]);
    after.carry_on(&before);
    receiver.change_workload(|workload| workload.inbound_ports[0].shared_limits = vec![after.clone()]);
    assert_eq!(statuses(&mut io, 1).await.0, ["429"], "the share is used up");
    let unanswered = &after.limits[0].unanswered[OnFailure::PodShare as usize];
    assert_eq!(unanswered.load(Ordering::Relaxed), 3);
}
