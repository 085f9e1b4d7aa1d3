//! How many requests a pod sends to others, over real sockets: what is one too many leaves it to nobody.

use std::io::{BufRead, BufReader, pipe};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, Request};
use http_body_util::Empty;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::app::App;
use super::harness::{Proxy, SERVICE, World, connect, destination, plain, read_response};
use super::outside::{Decoy, PUBLIC, leads, start};
use super::recorder::Recorder;
use super::script::{BROKEN, OK, Script};
use crate::egress::Speaks;
use crate::http::Wire;
use crate::rate_limit::{Cost, KeyPart, RateLimit};
use crate::state::{
    Abort, BudgetLimits, CallerLimit, Destination, Fault, OutboundPolicy, Protocol, Retries, RetryOn, Share,
    TargetKind,
};
use crate::telemetry::AccessLog;

/// Nothing is whole again while a test runs.
const LONG: Duration = Duration::from_secs(1000);

fn limit(name: &str, burst: u32, key: &[KeyPart], dry_run: bool) -> RateLimit {
    RateLimit::new(("shop/orders".into(), name.into()), (1, LONG, burst, 1), key.into(), dry_run)
}

/// On what goes to the Service that these tests call.
fn to_reviews(limit: RateLimit) -> CallerLimit {
    CallerLimit { kind: TargetKind::Service, namespace: "shop".into(), name: "reviews".into(), limit }
}

fn change(caller: &Proxy, limits: Vec<CallerLimit>) {
    caller.change_workload(|workload| {
        let before = workload.clone();
        workload.caller_limits = limits;
        workload.carry_on(&before);
    });
}

/// A caller of `app` with these limits.
fn limited(world: &World, described: Destination, limits: Vec<CallerLimit>) -> Proxy {
    let caller = world.caller(described);
    change(&caller, limits);
    caller
}

fn without_proxy(app: SocketAddr) -> Destination {
    destination(Protocol::Http1, vec![plain(app)])
}

async fn get_with(client: &mut TcpStream, headers: &str) -> String {
    client.write_all(format!("GET /f HTTP/1.1\r\nhost: a\r\n{headers}\r\n").as_bytes()).await.unwrap();
    read_response(client).await.0
}

async fn get(caller: &Proxy) -> String {
    get_with(&mut connect(caller.outbound).await, "").await
}

fn retries(on: RetryOn, statuses: &[u16]) -> Retries {
    let budget = BudgetLimits { percent: 100, interval: Duration::from_secs(10), min_per_second: 1000 };
    Retries {
        attempts: 2,
        on: vec![on],
        statuses: statuses.to_vec(),
        methods: vec![Method::GET],
        budget,
        ..Retries::default()
    }
}

#[tokio::test]
async fn one_too_many_is_answered_by_the_proxy_of_the_caller_and_neither_arrives_nor_is_tried_again() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let receiver = world.receiver(app.addr);
    let mut described = destination(Protocol::Http1, vec![world.meshed(&receiver)]);
    described.routes[0].retries = Some(Box::new(retries(RetryOn::GatewayError, &[429])));
    let caller = limited(&world, described, vec![to_reviews(limit("reviews", 2, &[], false))]);
    let mut client = connect(caller.outbound).await;
    let first = get_with(&mut client, "").await;
    assert!(
        first.starts_with("http/1.1 200 ") && first.contains("ratelimit: \"reviews\";r=1;t=1000"),
        "{first}"
    );
    assert!(get_with(&mut client, "").await.starts_with("http/1.1 200 "));
    for _ in 0..2 {
        let refused = get_with(&mut client, "").await;
        assert!(refused.starts_with("http/1.1 429 "), "{refused}");
        for field in ["x-weft-reason: rate-limited", "ratelimit: \"reviews\";r=0;t="] {
            assert!(refused.contains(field), "{field} in {refused}");
        }
        let (_, wait) = refused.split_once("retry-after: ").expect("it says when to come back");
        let wait: u64 = wait.split("\r\n").next().unwrap().parse().unwrap();
        assert!((900..=1000).contains(&wait), "{wait} s, and some have passed");
    }
    assert_eq!(app.requests().len(), 2, "nothing else arrived");
    let labels = [r#"port="""#, r#"policy="shop/orders""#, r#"limit="reviews""#];
    caller.counted("weft_rate_limit_refused_total", &labels, 2.0).await;
    assert_eq!(caller.count("weft_retries_total", &[]), 0.0, "and nobody tried it again");
    assert_eq!(receiver.count("weft_rate_limit_refused_total", &[]), 0.0);
    // Twice as much, of which half has been taken.
    change(&caller, vec![to_reviews(limit("reviews", 4, &[], false))]);
    let codes = [get(&caller).await, get(&caller).await, get(&caller).await];
    assert!(codes[1].starts_with("http/1.1 200 ") && codes[2].starts_with("http/1.1 429 "), "{codes:?}");
    change(&caller, Vec::new());
    let free = get_with(&mut client, "").await;
    assert!(free.starts_with("http/1.1 200 ") && !free.contains("ratelimit"), "{free}");
}

#[tokio::test]
async fn a_limit_counts_what_goes_to_whom_it_names_and_nothing_else() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let named = |kind, namespace: &str, name: &str| CallerLimit {
        kind,
        namespace: namespace.into(),
        name: name.into(),
        limit: limit("other", 1, &[], false),
    };
    let others = vec![
        named(TargetKind::Service, "shop", "ratings"),
        named(TargetKind::Service, "other", "reviews"),
        named(TargetKind::External, "shop", "reviews"),
    ];
    let caller = limited(&world, without_proxy(app.addr), others);
    for _ in 0..3 {
        let head = get(&caller).await;
        assert!(head.starts_with("http/1.1 200 ") && !head.contains("ratelimit"), "{head}");
    }
}

#[tokio::test]
async fn grpc_is_told_in_its_own_words() {
    let (world, app) = (World::new(), App::start(Wire::H2).await);
    let receiver = world.receiver(app.addr);
    let described = destination(Protocol::Http2, vec![world.meshed(&receiver)]);
    let caller = limited(&world, described, vec![to_reviews(limit("reviews", 1, &[], false))]);
    let io = TokioIo::new(connect(caller.outbound).await);
    let (mut sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let mut ask = async || {
        let request = Request::post("http://reviews:8080/a.B/C").header("content-type", "application/grpc");
        sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap()
    };
    assert!(!ask().await.headers().contains_key("x-weft-reason"));
    let refused = ask().await;
    assert_eq!(refused.status(), 200);
    assert_eq!(refused.headers()["grpc-status"], "8");
    assert_eq!(refused.headers()["x-weft-reason"], "rate-limited");
    let wait: u64 = refused.headers()["grpc-retry-pushback-ms"].to_str().unwrap().parse().unwrap();
    assert!((900_000..=1_000_000).contains(&wait), "{wait} ms, and some have passed");
    receiver.counted("weft_requests_total", &[], 1.0).await;
}

#[tokio::test]
async fn a_dry_run_sends_everything_and_says_what_it_would_not() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let caller = limited(&world, without_proxy(app.addr), vec![to_reviews(limit("reviews", 1, &[], true))]);
    for _ in 0..3 {
        let head = get(&caller).await;
        assert!(head.starts_with("http/1.1 200 ") && !head.contains("ratelimit"), "{head}");
    }
    caller.counted("weft_rate_limit_would_refuse_total", &[r#"limit="reviews""#], 2.0).await;
}

#[tokio::test]
async fn requests_are_told_apart_by_a_header_and_one_without_it_has_a_limit_too() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let by_tenant = KeyPart::Header(HeaderName::from_static("x-tenant"));
    let limits = vec![to_reviews(limit("tenants", 1, &[by_tenant], false))];
    let caller = limited(&world, without_proxy(app.addr), limits);
    let mut client = connect(caller.outbound).await;
    for (headers, status) in [
        ("x-tenant: a\r\n", 200),
        ("x-tenant: a\r\n", 429),
        ("x-tenant: b\r\n", 200),
        ("", 200),
        ("", 429),
        ("x-tenant: a\r\nx-tenant: c\r\n", 200),
    ] {
        let head = get_with(&mut client, headers).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{headers}: {head}");
    }
}

#[tokio::test]
async fn a_request_counts_once_however_often_it_is_sent_and_not_where_it_is_sent_nowhere() {
    let (world, app) = (World::new(), Script::start(|index| if index % 2 == 0 { BROKEN } else { OK }).await);
    let described = || {
        let mut described = without_proxy(app.addr);
        described.routes[0].retries = Some(Box::new(retries(RetryOn::GatewayError, &[])));
        described
    };
    let caller = limited(&world, described(), vec![to_reviews(limit("reviews", 2, &[], false))]);
    assert!(get(&caller).await.starts_with("http/1.1 200 "));
    assert_eq!(app.requests().len(), 2, "it was sent twice");
    let always = Share { hit: 1, of: NonZeroU32::new(1).unwrap() };
    let abort = Some(Abort { share: always, status: http::StatusCode::IM_A_TEAPOT, grpc_status: 14 });
    let failing = Fault { delay: None, abort, slow_body: None, max_active: 8 };
    let mut aborted = described();
    aborted.routes[0].fault = Some(Box::new(failing));
    caller.change_destination("2", aborted);
    for _ in 0..3 {
        assert!(get(&caller).await.starts_with("http/1.1 418 "), "what fails on purpose is not counted");
    }
    caller.change_destination("3", described());
    assert!(get(&caller).await.starts_with("http/1.1 200 "));
    assert!(get(&caller).await.starts_with("http/1.1 429 "));
}

#[tokio::test]
async fn what_a_response_says_that_it_cost_is_paid_by_whoever_called() {
    const SAYS: &[u8] = b"HTTP/1.1 200 OK\r\nx-tokens: 7\r\ncontent-length: 2\r\n\r\nok";
    let (world, app) = (World::new(), Recorder::start(SAYS, false).await);
    let cost = Cost { amount: 1, header: Some(HeaderName::from_static("x-tokens")), field: None };
    let limits = vec![to_reviews(limit("tokens", 10, &[], false).at(cost))];
    let caller = limited(&world, without_proxy(app.addr), limits);
    // 10 and 3 are left when they come; then 4 are owed.
    let mut client = connect(caller.outbound).await;
    for status in [200, 200, 429] {
        let head = get_with(&mut client, "").await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
    }
}

#[tokio::test]
async fn what_leaves_the_mesh_is_counted_by_the_external_service_that_lets_it_out() {
    let (world, app, decoy) = (World::new(), Script::start(|_| OK).await, Decoy::start().await);
    leads(&world, "api.example.com", PUBLIC, app.addr);
    leads(&world, "files.example.com", PUBLIC, app.addr);
    let services = vec![
        decoy.service("shop/api", &["api.example.com"], Speaks::Http),
        decoy.service("shop/files", &["files.example.com"], Speaks::Http),
    ];
    let caller = start(&world, decoy.addr, OutboundPolicy::RegistryOnly, services);
    let to_api = CallerLimit {
        kind: TargetKind::External,
        name: "api".into(),
        ..to_reviews(limit("api", 1, &[], false))
    };
    change(&caller, vec![to_api]);
    let ask = |host: &'static str| json!({ "to": decoy.addr, "method": "GET", "target": "/", "authority": host, "headers": [] });
    assert_eq!(verdict(&caller.explain(ask("api.example.com")).await), ("let-out", Some("go")));
    let mut client = connect(caller.outbound).await;
    for (host, status) in [
        ("api.example.com", 200),
        ("api.example.com", 429),
        ("files.example.com", 200),
        ("files.example.com", 200),
        ("api.example.com", 429),
    ] {
        client.write_all(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
        let (head, _) = read_response(&mut client).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{host}: {head}");
    }
    assert_eq!((app.requests().len(), decoy.app.connections()), (3, 0));
    assert_eq!(verdict(&caller.explain(ask("api.example.com")).await), ("refused", Some("refuse")));
    assert_eq!(verdict(&caller.explain(ask("files.example.com")).await), ("let-out", None));
}

/// Of an explanation, and of the stage in it.
fn verdict(answer: &Value) -> (&str, Option<&str>) {
    let stages = answer["stages"].as_array().into_iter().flatten();
    let said = stages.filter(|one| one["stage"] == "rate-limit").find_map(|one| one["verdict"].as_str());
    (answer["verdict"].as_str().unwrap_or_else(|| panic!("{answer:#}")), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_and_the_access_log_name_the_stage_and_asking_counts_nothing() {
    let (reader, writer) = pipe().unwrap();
    let log = AccessLog::start(writer, &mut Registry::default());
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    *world.access_log.borrow_mut() = Some(log);
    let caller = limited(&world, without_proxy(app.addr), vec![to_reviews(limit("reviews", 1, &[], false))]);
    let question =
        json!({ "to": SERVICE, "method": "GET", "target": "/f", "authority": "reviews:8080", "headers": [] });
    for _ in 0..3 {
        let answer = caller.explain(question.clone()).await;
        assert_eq!(verdict(&answer), ("sent", Some("go")), "{answer:#}");
    }
    assert!(get(&caller).await.starts_with("http/1.1 200 "));
    let answer = caller.explain(question).await;
    assert_eq!(verdict(&answer), ("refused", Some("refuse")), "{answer:#}");
    let stages = answer["stages"].as_array().unwrap();
    assert_eq!(stages.last().unwrap()["rule"], "shop/orders reviews");
    assert!(get(&caller).await.starts_with("http/1.1 429 "));
    let lines: Vec<Value> = tokio::task::block_in_place(|| {
        let lines = BufReader::new(reader).lines().take(2);
        lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    });
    let refused = lines.iter().find(|line| line["status"] == 429).unwrap_or_else(|| panic!("{lines:#?}"));
    assert_eq!((&refused["direction"], &refused["refused_by"]), (&json!("outbound"), &json!("rate-limit")));
}
