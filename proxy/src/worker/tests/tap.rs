//! What somebody who watches is told of real requests, over both wires, with and without the mesh: of those that were carried, and of
//! those that were refused, given up or broken off.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::app::App;
use super::explain::really;
use super::harness::{LIMIT, World, connect, destination, is_refused, nobody, plain, read_response};
use super::script::{Act, BROKEN, OK, Script};
use crate::access::{Access, Builder, Condition, Default, Effect, Grant, Kind, Mode, Pattern, Subject};
use crate::http::Wire;
use crate::state::{Actions, Answer, BudgetLimits, DirectResponse, Protocol, Retries, RetryOn, Timeouts};
use crate::telemetry::tap::Watch;

/// The next line, as it is.
async fn any(watch: &mut Watch) -> Option<Value> {
    let frame = tokio::time::timeout(LIMIT, watch.frame()).await.expect("a line in time")?;
    Some(serde_json::from_slice(frame.unwrap().data_ref().unwrap()).unwrap())
}

/// The next request.
async fn next(watch: &mut Watch) -> Value {
    loop {
        let line = any(watch).await.expect("the tap is on");
        if line.get("tap").is_none() {
            return line;
        }
    }
}

/// What is told until the tap ends, without that.
async fn rest(watch: &mut Watch) -> (Vec<Value>, Value) {
    let mut told = Vec::new();
    loop {
        let line = any(watch).await.expect("the tap says why it ends");
        match line["tap"].as_str() {
            Some("ended") => return (told, line),
            Some(_) => {}
            None => told.push(line),
        }
    }
}

/// Nobody may ask for `/admin`, says `shop/no-admin`.
fn no_admin() -> Access {
    let mut builder = Builder::new(Default::Allow, ["shop/no-admin"]);
    builder.permission(Vec::new(), Vec::new(), vec![Pattern::parse("/admin").unwrap()], Vec::new());
    let grant = Grant { permission: 0, binding: 0, effect: Effect::Deny, mode: Mode::Enforce };
    builder.subject(Subject(vec![Condition { kind: Kind::Anyone, inverted: false }]), [grant]);
    builder.build([0; 32])
}

fn header<'a>(line: &'a Value, of: &str, name: &str) -> Option<&'a str> {
    let headers = line[of].as_array().unwrap();
    headers.iter().find(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap())
}

fn stages(line: &Value) -> Vec<(&str, &str)> {
    let stages = line["stages"].as_array().unwrap();
    stages.iter().map(|one| (one["stage"].as_str().unwrap(), one["verdict"].as_str().unwrap())).collect()
}

/// Endpoint and result of each attempt.
fn attempts(line: &Value) -> Vec<(&str, &str)> {
    let attempts = line["attempts"].as_array().unwrap();
    attempts.iter().map(|one| (one["endpoint"].as_str().unwrap(), one["result"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn both_sides_tell_of_a_request_over_either_wire_with_the_mesh_and_without() {
    for (protocol, wire) in [(Protocol::Http1, Wire::H1), (Protocol::Http2, Wire::H2)] {
        for mesh in [true, false] {
            let (world, app) = (World::new(), App::start(wire).await);
            let receiver = world.receiver(app.addr);
            receiver.change_workload(|workload| workload.access = Some(no_admin().into()));
            let endpoint = if mesh { world.meshed(&receiver) } else { plain(receiver.inbound) };
            let caller = world.caller(destination(protocol, vec![endpoint]));
            let (mut calls, mut received) = (caller.tap(json!({})), receiver.tap(json!({})));
            let headers = [("authorization", "Bearer s3cret"), ("x-group", "beta")];
            assert_eq!(really(&caller, wire, "GET", "/a?b=c", &headers).await, 200);
            let (web, reviews) = (world.id("web").to_string(), world.id("reviews").to_string());
            let called = next(&mut calls).await;
            for (field, value) in [
                ("side", "caller"),
                ("method", "GET"),
                ("authority", "reviews:8080"),
                ("path", "/a?b=c"),
                ("verdict", "carried"),
                ("destination", "shop/reviews:8080"),
                ("route", "all"),
                ("caller", &web),
                ("receiver", if mesh { &reviews } else { "" }),
                ("tls", if mesh { "mutual" } else { "none" }),
            ] {
                assert_eq!(called[field], value, "{field} in {called:#}");
            }
            assert_eq!(called["status"], 200, "{called:#}");
            assert_eq!(attempts(&called), [(receiver.inbound.to_string().as_str(), "200")]);
            assert!(called["durationMs"].as_f64().unwrap() > 0.0 && called["receivedBytes"] != 0);
            let all = ["normalise", "route", "split", "deadline"];
            assert_eq!(stages(&called), all.map(|stage| (stage, "go")));
            assert_eq!(header(&called, "requestHeaders", "authorization"), Some("(redacted)"));
            assert_eq!(header(&called, "requestHeaders", "x-group"), Some("beta"));
            if !mesh {
                // The receiver reads it in plain text: where no rule is about requests, as bytes.
                continue;
            }
            let seen = next(&mut received).await;
            for (field, value) in
                [("side", "receiver"), ("caller", &web), ("receiver", &reviews), ("verdict", "carried")]
            {
                assert_eq!(seen[field], value, "{field} in {seen:#}");
            }
            assert_eq!(attempts(&seen), [(app.addr.to_string().as_str(), "200")]);
            assert_eq!(header(&seen, "requestHeaders", "authorization"), Some("(redacted)"));
            for line in [&called, &seen] {
                assert!(!line.to_string().contains("s3cret"), "{line:#}");
            }
        }
    }
}

#[tokio::test]
async fn a_denied_request_is_told_with_its_stage_and_rule_and_has_seen_no_endpoint() {
    for (protocol, wire) in [(Protocol::Http1, Wire::H1), (Protocol::Http2, Wire::H2)] {
        let (world, app) = (World::new(), App::start(wire).await);
        let receiver = world.receiver(app.addr);
        receiver.change_workload(|workload| workload.access = Some(no_admin().into()));
        let caller = world.caller(destination(protocol, vec![world.meshed(&receiver)]));
        let (mut denied, mut answers) =
            (receiver.tap(json!({ "verdict": "denied" })), caller.tap(json!({ "status": "4xx" })));
        assert_eq!(really(&caller, wire, "GET", "/a", &[]).await, 200);
        assert_eq!(really(&caller, wire, "GET", "/admin", &[]).await, 403);
        let line = next(&mut denied).await;
        assert_eq!((&line["path"], &line["status"]), (&"/admin".into(), &403.into()), "{line:#}");
        assert_eq!((&line["refusedBy"], &line["rule"]), (&"access".into(), &"shop/no-admin".into()));
        assert_eq!(stages(&line), [("normalise", "go"), ("access", "refuse")]);
        assert_eq!(line["stages"][1]["rule"], "shop/no-admin", "{line:#}");
        assert_eq!(attempts(&line), []);
        let line = next(&mut answers).await;
        assert_eq!((&line["path"], &line["verdict"]), (&"/admin".into(), &"carried".into()), "{line:#}");
    }
}

#[tokio::test]
async fn each_attempt_is_told_with_its_endpoint_and_what_it_came_to() {
    let (world, bad, good) = (World::new(), Script::start(|_| BROKEN).await, Script::start(|_| OK).await);
    let (first, second) = (world.receiver(bad.addr), world.receiver(good.addr));
    let mut target = destination(Protocol::Http1, vec![world.meshed(&first), world.meshed(&second)]);
    let budget = BudgetLimits { percent: 100, interval: Duration::from_secs(10), min_per_second: 1000 };
    let (on, methods) = (vec![RetryOn::GatewayError], vec![Method::GET]);
    target.routes[0].retries =
        Some(Box::new(Retries { attempts: 2, on, methods, budget, ..Retries::default() }));
    let caller = world.caller(target);
    let mut watch = caller.tap(json!({}));
    let (first, second) = (first.inbound.to_string(), second.inbound.to_string());
    // Which of both comes first is chance.
    let (mut tries, mut retried) = (0, 0);
    while retried == 0 && tries < 50 {
        assert_eq!(really(&caller, Wire::H1, "GET", "/", &[]).await, 200);
        let line = next(&mut watch).await;
        match attempts(&line)[..] {
            [(only, "200")] => assert_eq!(only, second),
            [(one, "503"), (other, "200")] => {
                assert_eq!((one, other), (first.as_str(), second.as_str()));
                retried += 1;
            }
            _ => panic!("{line:#}"),
        }
        tries += 1;
    }
    assert_eq!(retried, 1, "in {tries} requests");
}

#[tokio::test]
async fn how_a_request_ended_that_was_not_carried_is_told() {
    let (world, app) = (World::new(), Script::start(|_| Act::Hang("")).await);
    let receiver = world.receiver(app.addr);
    let mut target = destination(Protocol::Http1, vec![world.meshed(&receiver)]);
    let late = Timeouts { request: Some(Duration::from_millis(200)), ..Timeouts::default() };
    target.routes[0].timeouts = late;
    let caller = world.caller(target);
    let mut watch = caller.tap(json!({}));
    assert_eq!(really(&caller, Wire::H1, "GET", "/late", &[]).await, 504);
    let line = next(&mut watch).await;
    assert_eq!((&line["verdict"], &line["reason"]), (&"failed".into(), &"deadline-exceeded".into()));
    assert_eq!(attempts(&line), [(receiver.inbound.to_string().as_str(), "deadline-exceeded")]);

    // Its caller leaves before there is an answer.
    let caller = world.caller(destination(Protocol::Http1, vec![world.meshed(&receiver)]));
    let mut watch = caller.tap(json!({}));
    let mut client = connect(caller.outbound).await;
    client.write_all(b"GET /left HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    while app.requests().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(client);
    let line = next(&mut watch).await;
    assert_eq!((&line["path"], &line["verdict"]), (&"/left".into(), &"cancelled".into()), "{line:#}");

    // Nobody is there.
    let caller = world.caller(destination(Protocol::Http1, vec![plain(nobody())]));
    let mut watch = caller.tap(json!({ "verdict": "failed" }));
    assert_eq!(really(&caller, Wire::H1, "GET", "/", &[]).await, 503);
    assert_eq!(next(&mut watch).await["reason"], "connect-failed");

    // Its head cannot be read.
    let mut client = connect(caller.outbound).await;
    client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx y: z\r\n\r\n").await.unwrap();
    assert!(read_response(&mut client).await.0.starts_with("http/1.1 400"));
    let line = next(&mut watch).await;
    assert_eq!((&line["refusedBy"], &line["status"]), (&"normalise".into(), &400.into()), "{line:#}");
}

#[tokio::test]
async fn a_response_that_breaks_off_in_its_body_is_told_so() {
    const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    let world = World::new();
    for (hangs, verdict) in [(false, "broken-off"), (true, "cancelled")] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut io, _) = listener.accept().await.unwrap();
            io.read_exact(&mut [0; 16]).await.unwrap();
            io.write_all(HALF.as_bytes()).await.unwrap();
            if hangs {
                std::future::pending::<()>().await;
            }
            io.shutdown().await.unwrap();
        });
        let receiver = world.receiver(addr);
        let caller = world.caller(destination(Protocol::Http1, vec![world.meshed(&receiver)]));
        let taps = [caller.tap(json!({})), receiver.tap(json!({}))];
        let mut client = connect(caller.outbound).await;
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"half") {
            assert_ne!(client.read_buf(&mut seen).await.unwrap(), 0);
        }
        // Where the server has broken off, the caller hears of it from the proxy.
        if !hangs {
            let _ = client.read_to_end(&mut seen).await;
        }
        drop(client);
        for mut watch in taps {
            let line = next(&mut watch).await;
            assert_eq!((&line["verdict"], &line["status"]), (&verdict.into(), &200.into()), "{line:#}");
            assert_eq!(line["receivedBytes"], 4, "{line:#}");
        }
    }
}

#[tokio::test]
async fn what_the_proxy_answers_itself_is_told_so() {
    let world = World::new();
    let mut target = destination(Protocol::Http1, vec![plain(nobody())]);
    let answer = Some(Answer::Direct(DirectResponse { status: http::StatusCode::GONE, body: None }));
    target.routes[0].actions = Some(Box::new(Actions { answer, ..Actions::default() }));
    let caller = world.caller(target);
    let mut watch = caller.tap(json!({}));
    assert_eq!(really(&caller, Wire::H2, "GET", "/", &[]).await, 410);
    let line = next(&mut watch).await;
    assert_eq!((&line["verdict"], &line["status"]), (&"answered".into(), &410.into()), "{line:#}");
    assert_eq!(stages(&line), [("normalise", "go"), ("route", "go"), ("own-answer", "answer")]);
    assert_eq!(attempts(&line), []);
}

#[tokio::test]
async fn connections_of_bytes_are_told_at_their_end_and_refused_ones_with_the_rule() {
    let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (caller, receiver) = world.pair(app.local_addr().unwrap(), Protocol::Opaque);
    tokio::spawn(async move {
        loop {
            let (mut io, _) = app.accept().await.unwrap();
            io.read_to_end(&mut Vec::new()).await.unwrap();
            io.write_all(b"220 hello\r\n").await.unwrap();
        }
    });
    let mut taps = [caller.tap(json!({})), receiver.tap(json!({}))];
    let mut greeting = Vec::new();
    let mut client = connect(caller.outbound).await;
    client.write_all(b"EHLO").await.unwrap();
    client.shutdown().await.unwrap();
    tokio::time::timeout(LIMIT, client.read_to_end(&mut greeting)).await.unwrap().unwrap();
    drop(client);
    for watch in &mut taps {
        let line = next(watch).await;
        assert_eq!((&line["kind"], &line["verdict"]), (&"bytes".into(), &"carried".into()), "{line:#}");
        assert_eq!((&line["sentBytes"], &line["receivedBytes"]), (&4.into(), &11.into()), "{line:#}");
        assert_eq!(line["caller"], world.id("web").to_string(), "{line:#}");
        assert!(line.get("status").is_none(), "{line:#}");
    }
    receiver.change_workload(|workload| {
        workload.access = Some(Builder::new(Default::Deny, []).build([0; 32]).into());
    });
    assert!(is_refused(caller.outbound).await);
    let line = next(&mut taps[1]).await;
    assert_eq!((&line["verdict"], &line["rule"]), (&"denied".into(), &"default".into()), "{line:#}");
    assert_eq!(line["caller"], world.id("web").to_string(), "{line:#}");
}

#[tokio::test]
async fn only_what_is_asked_for_is_told() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let (caller, receiver) = world.pair(app.addr, Protocol::Http1);
    let web = world.id("web").to_string();
    for (yes, no) in [
        (json!({ "method": "PUT" }), json!({ "method": "GET" })),
        (json!({ "path": "/api" }), json!({ "path": "/web" })),
        (json!({ "status": "2xx" }), json!({ "status": "201" })),
        (json!({ "minLatencyMs": 0.0 }), json!({ "minLatencyMs": 60000 })),
        (json!({ "headers": [["x-group", "beta"]] }), json!({ "headers": [["x-group", "bet"]] })),
        (json!({ "to": "reviews" }), json!({ "to": "review" })),
        (json!({ "from": web }), json!({ "from": "/ns/shop/sa/reviews" })),
        (json!({ "verdict": "carried" }), json!({ "verdict": "denied" })),
    ] {
        for (proxy, side, other) in [(&caller, "caller", "receiver"), (&receiver, "receiver", "caller")] {
            let of = |question: &Value, side: &str| {
                let mut question = question.clone();
                (question["side"], question["max"]) = (side.into(), 1.into());
                question
            };
            let mut taps = [proxy.tap(of(&yes, side)), proxy.tap(of(&no, side)), proxy.tap(of(&yes, other))];
            let mut last = proxy.tap(json!({ "path": "/last", "max": 1 }));
            assert_eq!(really(&caller, Wire::H1, "PUT", "/api/1", &[("x-group", "beta")]).await, 200);
            let line = next(&mut taps[0]).await;
            assert_eq!((&line["side"], &line["path"]), (&side.into(), &"/api/1".into()), "{yes}");
            // Once what came later is told, nothing of what came before may still come.
            assert_eq!(really(&caller, Wire::H1, "DELETE", "/last", &[]).await, 200);
            next(&mut last).await;
            assert_eq!(
                taps[1..].iter().map(Watch::waiting).sum::<usize>(),
                0,
                "{no}, or {yes} of the {other}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_too_much_for_a_watcher_is_counted_and_its_end_says_why() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let caller = world.caller(destination(Protocol::Http1, vec![plain(app.addr)]));
    let (mut slow, mut short) =
        (caller.tap(json!({ "rate": 3 })), caller.tap(json!({ "max": 5, "rate": 100 })));
    for _ in 0..20 {
        assert_eq!(really(&caller, Wire::H1, "GET", "/", &[]).await, 200);
    }
    let (told, end) = rest(&mut short).await;
    assert_eq!((told.len(), &end["why"], &end["leftOut"]), (5, &"max".into(), &0.into()));
    assert!(any(&mut short).await.is_none());
    let mut told = 0;
    let left_out = loop {
        let line = any(&mut slow).await.unwrap();
        match line["tap"].as_str() {
            None => told += 1,
            Some(_) if told > 0 => break line["leftOut"].as_u64().unwrap(),
            Some(_) => {}
        }
    };
    assert!((3..20).contains(&told), "{told}");
    assert_eq!(told + left_out, 20);
    let mut brief = caller.tap(json!({ "seconds": 1 }));
    let (told, end) = rest(&mut brief).await;
    assert_eq!((told.len(), &end["why"]), (0, &"time".into()));
}

#[tokio::test]
async fn a_tap_is_off_when_its_watcher_is_gone_and_there_are_only_so_many() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let caller = world.caller(destination(Protocol::Http1, vec![plain(app.addr)]));
    assert!(!caller.taps.is_on());
    let taps: Vec<_> = (0..4).map(|_| caller.tap(json!({}))).collect();
    let question = crate::telemetry::tap::Question::parse(b"{}").unwrap();
    let error = caller.taps.open(question, "web").unwrap_err().to_string();
    assert!(error.starts_with("4 taps are on in this proxy already"), "{error}");
    drop(taps);
    assert!(!caller.taps.is_on());
    // What began while nobody watched is not told.
    let mut client = connect(caller.outbound).await;
    client.write_all(b"GET /before HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_response(&mut client).await;
    let mut watch = caller.tap(json!({}));
    assert_eq!(really(&caller, Wire::H1, "GET", "/after", &[]).await, 200);
    assert_eq!(next(&mut watch).await["path"], "/after");
}

#[tokio::test]
async fn a_watcher_that_does_not_read_loses_lines_and_delays_nothing() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let caller = world.caller(destination(Protocol::Http1, vec![plain(app.addr)]));
    let mut watch = caller.tap(json!({ "rate": 1000, "max": 1000 }));
    let mut client = connect(caller.outbound).await;
    for _ in 0..300 {
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(read_response(&mut client).await.0.starts_with("http/1.1 200"));
    }
    // The last may be told a moment after its response has arrived.
    assert!((255..=256).contains(&watch.waiting()));
    for _ in 0..256 {
        next(&mut watch).await;
    }
    assert_eq!(really(&caller, Wire::H1, "GET", "/", &[]).await, 200);
    let lost = next(&mut watch).await["leftOut"].as_u64().unwrap();
    assert!((43..=44).contains(&lost), "{lost}");
}
