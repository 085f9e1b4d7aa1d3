//! What the proxy says it would do with a request, beside what it does with the same one, over both wires; and that saying so leaves
//! nothing behind.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Empty;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::app::App;
use super::harness::{
    LIMIT, Proxy, SERVICE, Start, World, backend, connect, destination, nobody, on_header, plain,
    read_response,
};
use super::peer;
use super::recorder::Recorder;
use super::script::{Act, BROKEN, Script};
use crate::access::{Access, Builder, Condition, Default, Effect, Grant, Kind, Mode, Pattern, Subject};
use crate::egress::{ExternalService, HostPattern, Originate, Speaks};
use crate::external_check::ExternalCheck;
use crate::http::Wire;
use crate::rate_limit::RateLimit;
use crate::shared_limit::{OnFailure, SharedLimit, SharedLimits};
use crate::state::{
    Actions, Caller, HeaderChanges, Limits, Match, MessageChanges, MtlsMode, OutboundPolicy, Outliers,
    PathChange, PathMatch, Protocol, QueryMatch, Retries, Rewrite, Route, Timeouts, ValueCondition,
    WeightedBackend,
};
use crate::tls::{Alpn, Demand};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn question(to: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)]) -> Value {
    json!({ "to": to, "method": method, "target": target, "authority": "reviews:8080", "headers": headers })
}

fn get(target: &str, headers: &[(&str, &str)]) -> Value {
    question(SERVICE, "GET", target, headers)
}

fn route(name: &str, matches: Vec<Match>, backend: usize) -> Route {
    let split = vec![WeightedBackend { backend, weight: 1, ..WeightedBackend::default() }];
    Route { name: name.into(), matches, split, ..Route::default() }
}

/// The stages of an answer with their verdicts.
fn stages(answer: &Value) -> Vec<(&str, &str)> {
    let stages = answer["stages"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
    stages.iter().map(|one| (one["stage"].as_str().unwrap(), one["verdict"].as_str().unwrap())).collect()
}

fn stage<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let found = answer["stages"].as_array().unwrap().iter().find(|one| one["stage"] == name);
    found.unwrap_or_else(|| panic!("{name} in {answer:#}"))
}

/// The status that the proxy really answers, over HTTP/1.1 or HTTP/2.
pub async fn really(caller: &Proxy, wire: Wire, method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
    if wire == Wire::H1 {
        let mut text = format!("{method} {target} HTTP/1.1\r\nhost: reviews:8080\r\n");
        headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
        let mut client = connect(caller.outbound).await;
        client.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
        return read_response(&mut client).await.0.split(' ').nth(1).unwrap().parse().unwrap();
    }
    let io = TokioIo::new(connect(caller.outbound).await);
    let (mut sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(format!("http://reviews:8080{target}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    sender.send_request(request).await.unwrap().status().as_u16()
}

/// Method, target and headers of a request, and the route that takes it.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)], Option<&'static str>);

/// Routes by each kind of condition.
fn routes() -> Vec<Route> {
    let path = |path| Match { path: Some(path), ..Match::default() };
    let lane =
        QueryMatch { name: "lane".into(), condition: ValueCondition::Exact("blue".into()), invert: false };
    let qa = Caller { namespaces: vec!["qa".into()], service_accounts: Vec::new(), labels: Vec::new() };
    vec![
        route("testers", vec![on_header("x-group", "beta")], 0),
        route("lanes", vec![Match { query: vec![lane], ..path(PathMatch::Prefix("/api".into())) }], 0),
        route("put", vec![Match { method: Some(Method::PUT), ..Match::default() }], 0),
        route("qa", vec![Match { from: Some(qa), ..Match::default() }], 0),
        route("exact", vec![path(PathMatch::Exact("/one".into()))], 0),
        route("api", vec![path(PathMatch::Prefix("/api".into()))], 0),
    ]
}

#[tokio::test]
async fn the_route_that_is_named_is_the_one_real_requests_take() {
    for (protocol, wire) in [(Protocol::Http1, Wire::H1), (Protocol::Http2, Wire::H2)] {
        let (world, app) = (World::new(), App::start(wire).await);
        let receiver = world.receiver(app.addr);
        let mut described = destination(protocol, vec![world.meshed(&receiver)]);
        described.routes = routes();
        let caller = world.caller(described);
        let cases: [Case; 7] = [
            ("GET", "/x", &[("x-group", "beta")], Some("testers")),
            ("GET", "/api/v1?lane=blue", &[], Some("lanes")),
            ("GET", "/api/v1?lane=red", &[("x-group", "alpha")], Some("api")),
            ("PUT", "/one", &[], Some("put")),
            ("GET", "/one", &[], Some("exact")),
            ("GET", "/apix", &[], None),
            ("GET", "/one/two", &[], None),
        ];
        for (method, target, headers, expected) in cases {
            let answer = caller.explain(question(SERVICE, method, target, headers)).await;
            assert_eq!(answer["route"].as_str(), expected, "{method} {target} {answer:#}");
            let route = format!(r#"route="{}""#, expected.unwrap_or_default());
            let before = caller.count("weft_requests_total", &[&route]);
            let status = really(&caller, wire, method, target, headers).await;
            assert_eq!(status, if expected.is_some() { 200 } else { 404 }, "{method} {target}");
            caller.counted("weft_requests_total", &[&route], before + 1.0).await;
            let verdict = if expected.is_some() { "sent" } else { "refused" };
            assert_eq!(answer["verdict"], verdict, "{answer:#}");
            // Each route before the one that takes it says what differs, and none behind it says anything.
            let mut taken = false;
            for route in answer["routes"].as_array().unwrap() {
                let said = route["verdict"].as_str().unwrap();
                match (taken, Some(route["name"].as_str().unwrap()) == expected) {
                    (_, true) => (taken, _) = (true, assert_eq!(said, "taken")),
                    (true, false) => assert_eq!(said, "not-reached"),
                    (false, false) => {
                        assert_eq!(said, "not-matched");
                        assert!(route["differs"][0]["part"].is_string(), "{route:#}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn the_first_condition_that_differs_is_named_with_what_was_found() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let mut described = destination(Protocol::Http1, vec![plain(app.addr)]);
    described.routes = routes();
    let caller = world.caller(described);
    let answer = caller.explain(get("/api/v1?lane=red", &[("x-group", "alpha")])).await;
    let differs: Vec<_> = answer["routes"].as_array().unwrap().iter().map(|one| &one["differs"][0]).collect();
    let part = |part, name: Option<&str>, wanted, found: &str| json!({ "part": part, "name": name, "wanted": wanted, "found": found });
    assert_eq!(*differs[0], part("header", Some("x-group"), "exactly beta", "alpha"));
    assert_eq!(*differs[1], part("query", Some("lane"), "exactly blue", "red"));
    assert_eq!(*differs[2], part("method", None, "PUT", "GET"));
    assert_eq!(*differs[3], part("from", None, "namespace qa", "shop/web"));
    assert_eq!(*differs[4], part("path", None, "exactly /one", "/api/v1"));
    assert_eq!(answer["routes"][5]["matched"], "path below /api");
}

/// All that a route can do, with what it would do to this request.
#[tokio::test]
async fn what_a_route_does_is_told_and_nothing_of_it_is_done() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let mut described = destination(Protocol::Http1, vec![plain(app.addr), plain(nobody())]);
    described.backends.push(Arc::new(backend("shop/none:8080", Vec::new())));
    described.limits = Some(Box::new(Limits { max_requests: Some(1), ..Limits::default() }));
    described.outliers = Some(Box::new(Outliers { consecutive_failures: Some(1), ..Outliers::default() }));
    let set = (http::HeaderName::from_static("x-set"), http::HeaderValue::from_static("new"));
    let changes = HeaderChanges { set: vec![set], ..HeaderChanges::default() };
    described.routes = vec![Route {
        split: vec![
            WeightedBackend { backend: 0, weight: 9, ..WeightedBackend::default() },
            WeightedBackend { backend: 1, weight: 1, ..WeightedBackend::default() },
        ],
        timeouts: Timeouts { request: Some(Duration::from_secs(2)), ..Timeouts::default() },
        retries: Some(Box::new(Retries { attempts: 2, statuses: vec![503], ..Retries::default() })),
        actions: Some(Box::new(Actions {
            headers: MessageChanges { request: changes, ..MessageChanges::default() },
            rewrite: Some(Rewrite { host: None, path: Some(PathChange::Full("/new".into())) }),
            ..Actions::default()
        })),
        ..route("all", Vec::new(), 0)
    }];
    let caller = world.caller(described);
    let answer = caller.explain(get("/old?q=1", &[])).await;
    // The destination is there for a person to look at now, and has series of its own. From here on nothing may change.
    let before = (caller.metrics(), caller.view().await["cluster/net/shop/reviews:8080/-"]["limits"].clone());
    for _ in 0..3 {
        assert_eq!(caller.explain(get("/old?q=1", &[])).await["verdict"], "sent");
    }
    let after = (caller.metrics(), caller.view().await["cluster/net/shop/reviews:8080/-"]["limits"].clone());
    assert_eq!(before, after);
    assert!(!before.0.contains("weft_requests_total{"), "{}", before.0);
    assert!(app.seen().is_empty(), "nothing was sent");
    assert_eq!(
        stages(&answer),
        [
            ("normalise", "go"),
            ("route", "go"),
            ("split", "depends"),
            ("deadline", "go"),
            ("limits", "go"),
            ("changes", "go"),
            ("attempts", "go"),
        ]
    );
    assert_eq!(answer["changes"], json!({ "headers": { "x-set": "new" }, "path": "/new?q=1" }));
    assert_eq!(answer["policies"]["timeouts"]["request"], "2s");
    assert_eq!(answer["policies"]["retries"]["attempts"], 2);
    let [first, second] = &answer["split"].as_array().unwrap()[..] else { panic!("{answer:#}") };
    assert_eq!((&first["percent"], &second["percent"]), (&json!(90.0), &json!(10.0)));
    assert_eq!(second["refusal"], "shop/none:8080 has no ready endpoint");
    assert_eq!(first["endpoints"][0]["address"], app.addr.to_string());
}

#[tokio::test]
async fn an_ejected_endpoint_is_shown_as_one_and_a_full_limit_refuses() {
    let bad = Script::start(|_| BROKEN).await;
    let (world, good) = (World::new(), App::start(Wire::H1).await);
    let mut described = destination(Protocol::Http1, vec![plain(bad.addr), plain(good.addr)]);
    let base = Duration::from_secs(600);
    described.outliers = Some(Box::new(Outliers {
        consecutive_failures: Some(1),
        base,
        max: base,
        max_percent: 50,
        panic_percent: 0,
        ..Outliers::default()
    }));
    let caller = world.caller(described);
    let ejected = |answer: &Value| {
        answer["split"][0]["endpoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|endpoint| endpoint["ejected"].as_bool().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(ejected(&caller.explain(get("/", &[])).await), [false, false]);
    while caller.count("weft_ejections_total", &[]) < 1.0 {
        really(&caller, Wire::H1, "GET", "/name", &[]).await;
    }
    assert_eq!(ejected(&caller.explain(get("/", &[])).await), [true, false]);
    let slow = Script::start(|_| Act::Hang("")).await;
    let mut narrow = destination(Protocol::Http1, vec![plain(slow.addr)]);
    narrow.limits = Some(Box::new(Limits { max_requests: Some(1), ..Limits::default() }));
    let caller = world.caller(narrow);
    assert_eq!(stage(&caller.explain(get("/", &[])).await, "limits")["verdict"], "go");
    let mut client = connect(caller.outbound).await;
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::timeout(LIMIT, async {
        while slow.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the first request is under way");
    let answer = caller.explain(get("/", &[])).await;
    assert_eq!(
        (stage(&answer, "limits")["reason"].as_str(), &answer["verdict"]),
        (Some("max-requests"), &json!("refused"))
    );
    assert_eq!(really(&caller, Wire::H1, "GET", "/", &[]).await, 503, "and so it is");
}

#[tokio::test]
async fn what_the_mesh_does_not_know_and_what_it_takes_for_bytes_is_said() {
    let world = World::new();
    let elsewhere: SocketAddr = "10.9.9.9:80".parse().unwrap();
    for (policy, verdict) in [
        (OutboundPolicy::AllowAny, "passed-through"),
        (OutboundPolicy::DryRun, "passed-through"),
        (OutboundPolicy::RegistryOnly, "refused"),
    ] {
        let caller = world.start(Start {
            account: "web",
            original: elsewhere,
            destinations: HashMap::new(),
            inbound_mode: MtlsMode::Permissive,
            inbound_protocol: Protocol::Unknown,
            needs_requests: false,
            policy,
            ingress_mode: false,
        });
        let answer = caller.explain(question(elsewhere, "GET", "/", &[])).await;
        assert_eq!(
            (&answer["verdict"], &answer["destination"]["state"]),
            (&json!(verdict), &json!("unknown"))
        );
        caller.change_workload(|pod| {
            pod.external_services = [Arc::new(ExternalService {
                name: "shop/reviews-outside".into(),
                hosts: vec![HostPattern::parse("reviews.example.com").unwrap()],
                ports: vec![(80, Speaks::Http)],
                tls: Vec::new(),
                addresses: Vec::new(),
                private_addresses: false,
                permitted: true,
            })]
            .into();
        });
        let mut declared = question(elsewhere, "GET", "/", &[]);
        declared["authority"] = json!("reviews.example.com");
        let let_out = if policy == OutboundPolicy::AllowAny { verdict } else { "let-out" };
        assert_eq!(caller.explain(declared.clone()).await["verdict"], let_out);
        // Under every policy where the proxy opens TLS.
        caller.change_workload(|pod| {
            let demand = Demand::refused("ExternalService", "shop/reviews-outside", "it has no authority");
            let mut service = (*pod.external_services[0]).clone();
            service.tls = vec![Originate { port: 80, to: 8443, demand: Arc::new(demand) }];
            pod.external_services = [Arc::new(service)].into();
        });
        let answer = caller.explain(declared).await;
        assert_eq!(answer["verdict"], "let-out");
        let why = answer["why"].as_str().unwrap();
        assert!(why.contains("TLS at port 8443") && why.ends_with("503: it has no authority"), "{why}");
    }
    let caller = world.caller(destination(Protocol::Opaque, vec![plain(elsewhere)]));
    let answer = caller.explain(get("/", &[])).await;
    assert!(answer["why"].as_str().unwrap().contains("declared as bytes"), "{answer:#}");
    assert_eq!(answer["split"][0]["endpoints"][0]["address"], "10.9.9.9:80");
    let caller = world.caller(destination(Protocol::Http1, Vec::new()));
    let answer = caller.explain(get("/", &[])).await;
    assert_eq!(answer["why"], "shop/reviews:8080 has no ready endpoint");
    let mut two_hosts = get("/", &[]);
    two_hosts["headers"] = json!([["host", "b"]]);
    assert_eq!(stages(&caller.explain(two_hosts).await), [("normalise", "refuse")]);
}

/// Allows `web` to read below `/api`, and nobody anything else.
fn web_reads() -> Access {
    let mut builder = Builder::new(Default::Deny, ["shop/web-reads", "shop/no-admin"]);
    let paths = |path: &str| vec![Pattern::parse(path).unwrap()];
    builder.permission(Vec::new(), vec![Method::GET], paths("/api/*"), Vec::new());
    builder.permission(Vec::new(), Vec::new(), paths("/api/admin/*"), Vec::new());
    let is = |kind| Subject(vec![Condition { kind, inverted: false }]);
    let mode = Mode::Enforce;
    let web = Kind::Identity("spiffe://cluster.local/ns/shop/sa/web".into());
    builder.subject(is(web), [Grant { permission: 0, binding: 0, effect: Effect::Allow, mode }]);
    builder.subject(is(Kind::Anyone), [Grant { permission: 1, binding: 1, effect: Effect::Deny, mode }]);
    builder.build([0; 32])
}

#[tokio::test]
async fn a_receiver_names_the_rule_by_which_it_really_decides() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let receiver = world.receiver(app.addr);
    receiver.change_workload(|workload| workload.access = Some(web_reads().into()));
    let ask = |method: &str, target: &str, identity: Option<&str>| {
        let mut asked = question(app.addr, method, target, &[]);
        let identity = identity.map(|account| format!("spiffe://cluster.local/ns/shop/sa/{account}"));
        asked["receiver"] = json!({ "identity": identity, "from": "10.0.0.7" });
        asked
    };
    for (method, target, status, rule) in [
        ("GET", "/api/a", 200, "shop/web-reads"),
        ("POST", "/api/a", 403, "default"),
        ("GET", "/api/admin/a", 403, "shop/no-admin"),
        ("GET", "/api/%2fadmin", 400, ""),
    ] {
        let answer = receiver.explain(ask(method, target, Some("web"))).await;
        let said = stage(&answer, "access");
        assert_eq!(said["rule"].as_str().unwrap_or_default(), rule, "{method} {target} {answer:#}");
        assert_eq!(answer["verdict"], if status == 200 { "sent" } else { "refused" }, "{answer:#}");
        let request = Request::builder().method(method).uri(format!("http://a{target}"));
        let request = request.header("x-weft-proto", "http/1.1").body(()).unwrap();
        let told = peer::ask(&peer::dial_h2(&world, &receiver).await, request).await.unwrap();
        assert_eq!(told.status().as_u16(), status, "h2 {method} {target}");
        let mut io = peer::dial(&world, &receiver, Alpn::H1).await;
        io.write_all(format!("{method} {target} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        let (head, _) = read_response(&mut io).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "h1 {method} {target}: {head}");
    }
    let before = receiver.metrics();
    let stranger = receiver.explain(ask("GET", "/api/a", Some("other"))).await;
    assert_eq!(
        (stage(&stranger, "access")["rule"].as_str(), &stranger["verdict"]),
        (Some("default"), &json!("refused"))
    );
    let unproved = receiver.explain(ask("GET", "/api/a", None)).await;
    assert_eq!(unproved["verdict"], "refused", "{unproved:#}");
    assert_eq!(receiver.metrics(), before, "no refusal was counted");
    receiver.change_workload(|workload| workload.inbound_ports[0].mtls_mode = MtlsMode::Strict);
    let strict = receiver.explain(ask("GET", "/api/a", None)).await;
    assert_eq!(
        (stages(&strict), &strict["reason"]),
        (vec![("mutual-tls", "refuse")], &json!("mtls-required"))
    );
}

#[tokio::test]
async fn a_receiver_tells_what_is_left_of_its_limits_and_whom_it_would_ask_and_does_neither() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let receiver = world.receiver(app.addr);
    let names = ("shop/limits".into(), "all".into());
    let limit = RateLimit::new(names, (1, Duration::from_secs(1000), 2, 1), [].into(), false);
    receiver.change_workload(|workload| {
        workload.inbound_ports[0].needs_requests = true;
        workload.inbound_ports[0].rate_limits = vec![limit];
    });
    let ask = || {
        let mut asked = question(app.addr, "GET", "/", &[]);
        asked["receiver"] = json!({ "identity": "spiffe://cluster.local/ns/shop/sa/web" });
        asked
    };
    for left in [1, 0] {
        for _ in 0..3 {
            let answer = receiver.explain(ask()).await;
            let why = stage(&answer, "rate-limit")["why"].as_str().unwrap();
            assert!(why.starts_with(&format!("{left} would be left of 2 at once")), "{why}");
        }
        let mut io = peer::dial(&world, &receiver, Alpn::H1).await;
        io.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(read_response(&mut io).await.0.starts_with("http/1.1 200 "));
    }
    let answer = receiver.explain(ask()).await;
    assert_eq!(
        (&answer["reason"], &stage(&answer, "rate-limit")["rule"]),
        (&json!("rate-limited"), &json!("shop/limits all"))
    );
    let check = ExternalCheck::new("shop/ask-opa", None, Duration::from_secs(1));
    receiver.change_workload(|workload| {
        workload.inbound_ports[0].rate_limits = Vec::new();
        workload.inbound_ports[0].external_checks = vec![check];
    });
    let answer = receiver.explain(ask()).await;
    let said = stage(&answer, "external-check");
    assert_eq!((&said["verdict"], &said["rule"]), (&json!("would-ask"), &json!("shop/ask-opa")));
    let names = ("shop/shared".into(), "all".into());
    let shared = RateLimit::new(names, (1, Duration::from_secs(1), 1, 1), [].into(), false);
    receiver.change_workload(|workload| {
        workload.inbound_ports[0].external_checks = Vec::new();
        workload.inbound_ports[0].shared_limits = vec![SharedLimits {
            service: "ops/ratelimit:8081".into(),
            asks: None,
            domain: "weft".into(),
            timeout: Duration::from_secs(1),
            limits: [SharedLimit::new(shared, OnFailure::PodShare)].into(),
            tally: Arc::default(),
        }];
    });
    let answer = receiver.explain(ask()).await;
    let said = stage(&answer, "shared-limit");
    assert_eq!((&said["verdict"], &said["rule"]), (&json!("would-ask"), &json!("shop/shared all")));
    assert!(said["why"].as_str().unwrap().ends_with("is counted by the pod's share"), "{said}");
    assert_eq!(app.seen().concat().matches("GET /").count(), 2, "nothing else arrived");
}
