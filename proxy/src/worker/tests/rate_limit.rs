//! How many requests a port takes, over real sockets: what is one too many arrives nowhere.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderName, Method, Request};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::harness::{Proxy, Start, World, connect, read_response};
use super::peer;
use super::recorder::Recorder;
use crate::rate_limit::{Cost, Counted, FieldPath, KeyPart, RateLimit};
use crate::state::{MtlsMode, OutboundPolicy, PathMatch, Protocol};
use crate::tls::Alpn;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const GET: &str = "GET /f HTTP/1.1\r\nhost: a\r\n\r\n";

/// Nothing is whole again while a test runs.
const LONG: Duration = Duration::from_secs(1000);

fn limit(name: &str, burst: u32, key: &[KeyPart], dry_run: bool) -> RateLimit {
    RateLimit::new(("shop/limits".into(), name.into()), (1, LONG, burst, 1), key.into(), dry_run)
}

fn receiver(world: &World, app: SocketAddr, limits: Vec<RateLimit>) -> Proxy {
    let receiver = world.start(Start {
        account: "reviews",
        original: app,
        destinations: HashMap::new(),
        inbound_mode: MtlsMode::Permissive,
        inbound_protocol: Protocol::Http1,
        needs_requests: true,
        policy: OutboundPolicy::AllowAny,
        ingress_mode: false,
    });
    change(&receiver, limits);
    receiver
}

fn change(receiver: &Proxy, limits: Vec<RateLimit>) {
    receiver.change_workload(|workload| {
        let before = workload.clone();
        workload.inbound_ports[0].rate_limits = limits;
        workload.carry_on(&before);
    });
}

async fn get(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    io.write_all(GET.as_bytes()).await.unwrap();
    read_response(io).await.0
}

#[tokio::test]
async fn one_too_many_is_answered_429_with_when_to_come_back_and_does_not_arrive() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let receiver = receiver(&world, app.addr, vec![limit("all", 2, &[], false)]);
    let mut io = peer::dial(&world, &receiver, Alpn::H1).await;
    let first = get(&mut io).await;
    assert!(first.starts_with("http/1.1 200 ") && first.contains("ratelimit: \"all\";r=1;t=1000"), "{first}");
    assert!(first.contains("ratelimit-policy: \"all\";q=1;w=1000"), "{first}");
    assert!(get(&mut io).await.starts_with("http/1.1 200 "));
    for _ in 0..2 {
        let refused = get(&mut io).await;
        assert!(refused.starts_with("http/1.1 429 "), "{refused}");
        for field in ["x-weft-reason: rate-limited", "ratelimit: \"all\";r=0;t=1000", "retry-after: 1000"] {
            assert!(refused.contains(field), "{field} in {refused}");
        }
    }
    assert_eq!(app.seen().concat().matches("GET /f").count(), 2, "nothing else arrived");
    receiver.counted("weft_requests_total", &[r#"code="429""#], 2.0).await;
    let mut plain = connect(receiver.inbound).await;
    assert!(get(&mut plain).await.starts_with("http/1.1 429 "), "no way around it without mutual TLS");
}

#[tokio::test]
async fn what_a_limit_has_counted_outlives_its_change() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let receiver = receiver(&world, app.addr, vec![limit("all", 1, &[], false)]);
    let mut io = connect(receiver.inbound).await;
    assert!(get(&mut io).await.starts_with("http/1.1 200 "));
    change(&receiver, vec![limit("other", 5, &[], false), limit("all", 1, &[], false)]);
    assert!(get(&mut io).await.starts_with("http/1.1 429 "));
    change(&receiver, vec![limit("all", 2, &[], false)]);
    assert!(get(&mut io).await.starts_with("http/1.1 200 "), "it allows one more now");
    change(&receiver, Vec::new());
    let free = get(&mut io).await;
    assert!(free.starts_with("http/1.1 200 ") && !free.contains("ratelimit"), "{free}");
}

#[tokio::test]
async fn callers_are_limited_each_for_itself_and_what_one_limit_refuses_no_other_counts() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let limits = vec![limit("all", 3, &[], false), limit("caller", 1, &[KeyPart::ServiceAccount], false)];
    let receiver = receiver(&world, app.addr, limits);
    let mut web = peer::dial(&world, &receiver, Alpn::H1).await;
    assert!(get(&mut web).await.starts_with("http/1.1 200 "));
    for _ in 0..5 {
        let refused = get(&mut web).await;
        assert!(refused.starts_with("http/1.1 429 ") && refused.contains("\"caller\""), "{refused}");
    }
    let mut plain = connect(receiver.inbound).await;
    assert!(get(&mut plain).await.starts_with("http/1.1 200 "), "the limit of all has not counted refusals");
}

#[tokio::test]
async fn a_dry_run_lets_everything_in_and_tells_nobody() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let receiver = receiver(&world, app.addr, vec![limit("all", 1, &[], true)]);
    let mut io = connect(receiver.inbound).await;
    for _ in 0..3 {
        let head = get(&mut io).await;
        assert!(head.starts_with("http/1.1 200 ") && !head.contains("ratelimit"), "{head}");
    }
}

/// Asks over HTTP/1.1 and over HTTP/2 in turn, as often as there are `paths`; gives the status of each answer.
async fn ask_each(world: &World, receiver: &Proxy, paths: &[&str]) -> Vec<u16> {
    let mut h1 = peer::dial(world, receiver, Alpn::H1).await;
    let h2 = peer::dial_h2(world, receiver).await;
    let mut codes = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        codes.push(if index % 2 == 0 {
            let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
            h1.write_all(head.as_bytes()).await.unwrap();
            let (head, _) = read_response(&mut h1).await;
            head.split(' ').nth(1).unwrap().parse().unwrap()
        } else {
            let request = Request::post(format!("http://a{path}")).header("x-weft-proto", "http/1.1");
            let request = request.body(()).unwrap();
            peer::ask(&h2, request).await.unwrap().status().as_u16()
        });
    }
    codes
}

#[tokio::test]
async fn requests_that_do_not_match_pass_and_no_way_to_write_a_path_is_a_way_around() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let path = Some(PathMatch::Exact("/login".into()));
    let counted = Counted { method: Some(Method::POST), path, headers: Vec::new() };
    let limits = vec![limit("logins", 2, &[], false).only([counted].into())];
    let receiver = receiver(&world, app.addr, limits);
    let paths =
        ["/f", "/login", "/f", "/login", "/f", "/login", "//login", "/%6cogin", "/x/../login", "/f", "/f"];
    let codes = ask_each(&world, &receiver, &paths).await;
    assert_eq!(codes, [200, 200, 200, 200, 200, 429, 429, 429, 429, 200, 200]);
    let arrived = app.seen().concat();
    assert_eq!((arrived.matches("POST ").count(), arrived.matches("login").count()), (7, 2), "{arrived}");
    let mut io = connect(receiver.inbound).await;
    let other = get(&mut io).await;
    assert!(other.starts_with("http/1.1 200 ") && !other.contains("ratelimit"), "{other}");
}

#[tokio::test]
async fn each_request_takes_what_it_costs() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let receiver = receiver(
        &world,
        app.addr,
        vec![limit("all", 10, &[], false).at(Cost { amount: 4, header: None, field: None })],
    );
    assert_eq!(ask_each(&world, &receiver, &["/f"; 4]).await, [200, 200, 429, 429]);
    assert_eq!(app.seen().concat().matches("POST ").count(), 2);
}

#[tokio::test]
async fn what_a_response_says_that_it_cost_is_paid_and_what_is_owed_closes_the_limit() {
    const SAYS: &[u8] = b"HTTP/1.1 200 OK\r\nx-tokens: 7\r\ncontent-length: 2\r\n\r\nok";
    let (world, app) = (World::new(), Recorder::start(SAYS, false).await);
    let cost =
        |name: &str| Cost { amount: 1, header: Some(HeaderName::try_from(name).unwrap()), field: None };
    let limits = vec![
        limit("tokens", 15, &[], false).at(cost("x-tokens")),
        limit("never-told", 4, &[], false).at(cost("x-other")),
    ];
    let receiver = receiver(&world, app.addr, limits);
    // 15, 8 and 1 are left when they come; then 6 are owed.
    assert_eq!(ask_each(&world, &receiver, &["/f"; 6]).await, [200, 200, 200, 429, 429, 429]);
    let seen = app.seen().concat();
    assert_eq!(seen.matches("POST ").count(), 3, "{seen}");
    let mut io = connect(receiver.inbound).await;
    let refused = get(&mut io).await;
    assert!(refused.contains("\"tokens\"") && refused.contains("retry-after: 7000"), "{refused}");
    change(&receiver, vec![limit("never-told", 4, &[], false).at(cost("x-other"))]);
    assert_eq!(ask_each(&world, &receiver, &["/f"; 2]).await, [200, 429], "without a word each is one");
}

#[tokio::test]
async fn a_trailer_may_say_what_a_response_cost() {
    const SAYS: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-tokens\r\n\r\n2\r\nok\r\n0\r\nx-tokens: 50\r\n\r\n";
    let (world, app) = (World::new(), Recorder::start(SAYS, false).await);
    let cost = Cost { amount: 1, header: Some(HeaderName::from_static("x-tokens")), field: None };
    let receiver = receiver(&world, app.addr, vec![limit("tokens", 10, &[], false).at(cost)]);
    assert_eq!(ask_each(&world, &receiver, &["/f"; 2]).await, [200, 429]);
}

/// Bodies arrive as they were sent, whatever is read in them.
#[tokio::test]
async fn a_member_of_a_json_response_says_what_it_cost_and_the_body_stays_as_it_is() {
    const JSON: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: 40\r\n\r\n{\"text\":\"a\",  \"usage\":{\"n\":7, \"m\":[1]}}\n";
    const EVENTS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n1d\r\ndata: {\"usage\":{\"n\":1}}\n\ndata\r\n19\r\n: {\"usage\": {\"n\" : 7 }}\n\n\r\n0\r\n\r\n";
    const ZIPPED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 17\r\n\r\n{\"usage\":{\"n\":7}}";
    const TEXT: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 17\r\n\r\n{\"usage\":{\"n\":7}}";
    let field: FieldPath = ["usage".into(), "n".into()].into();
    for (answer, body, codes) in [
        (JSON, "{\"text\":\"a\",  \"usage\":{\"n\":7, \"m\":[1]}}\n", [200, 200, 200, 429]),
        (EVENTS, "data: {\"usage\":{\"n\":1}}\n\ndata: {\"usage\": {\"n\" : 7 }}\n\n", [200, 200, 200, 429]),
        (ZIPPED, "{\"usage\":{\"n\":7}}", [200; 4]),
        (TEXT, "{\"usage\":{\"n\":7}}", [200; 4]),
    ] {
        let (world, app) = (World::new(), Recorder::start(answer, false).await);
        let cost = Cost { amount: 2, header: None, field: Some(field.clone()) };
        let receiver = receiver(&world, app.addr, vec![limit("tokens", 17, &[], false).at(cost)]);
        let h2 = peer::dial_h2(&world, &receiver).await;
        let ask = || Request::get("http://a/f").header("x-weft-proto", "http/1.1").body(()).unwrap();
        for (index, code) in codes.into_iter().enumerate() {
            let answer = peer::ask(&h2, ask()).await.unwrap();
            assert_eq!(answer.status(), code, "{index}, {body}");
            if code == 200 {
                assert_eq!(String::from_utf8_lossy(answer.body()), body);
            }
        }
        let arrived = codes.iter().filter(|code| **code == 200).count();
        assert_eq!(app.seen().concat().matches("GET ").count(), arrived, "{body}");
    }
}
