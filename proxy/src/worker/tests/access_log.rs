//! Requests through two proxies, and what both write about them.

use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::time::Duration;

use http::Method;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::harness::{Proxy, World, connect, destination, read_response};
use super::script::{Act, BROKEN, OK, Script};
use crate::state::{BudgetLimits, Limits, Outliers, Protocol, Retries, RetryOn, Timeouts};
use crate::telemetry::AccessLog;
use crate::telemetry::access_log::{Choice, Mode, Policy, Select};

/// A world whose proxies write where the test reads.
fn world() -> (World, AccessLog, BufReader<PipeReader>) {
    let (reader, writer) = pipe().unwrap();
    let log = AccessLog::start(writer, &mut Registry::default());
    let world = World::new();
    *world.access_log.borrow_mut() = Some(log.clone());
    (world, log, BufReader::new(reader))
}

async fn get(proxy: &Proxy, headers: &str) -> String {
    let mut client = connect(proxy.outbound).await;
    let head = format!("GET /a?b=c HTTP/1.1\r\nhost: reviews:8080\r\n{headers}\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    read_response(&mut client).await.0
}

/// The next lines. The request they are about may end a moment after its response has arrived.
async fn lines(reader: &mut BufReader<PipeReader>, count: usize) -> Vec<Value> {
    tokio::task::block_in_place(|| {
        let mut line = || {
            let mut text = String::new();
            reader.read_line(&mut text).unwrap();
            serde_json::from_str(&text).unwrap()
        };
        (0..count).map(|_| line()).collect()
    })
}

fn of<'a>(lines: &'a [Value], direction: &str, status: u16) -> &'a Value {
    let found = lines.iter().find(|line| line["direction"] == direction && line["status"] == status);
    found.unwrap_or_else(|| panic!("no {direction} line with {status} in {lines:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ends_of_a_request_that_was_tried_twice_are_written() {
    let (world, _log, mut written) = world();
    let app = Script::start(|index| if index == 0 { BROKEN } else { OK }).await;
    let receiver = world.receiver(app.addr);
    let mut target = destination(Protocol::Http1, vec![world.meshed(&receiver)]);
    let budget = BudgetLimits { percent: 100, interval: Duration::from_secs(10), min_per_second: 10 };
    let (on, methods) = (vec![RetryOn::GatewayError], vec![Method::GET]);
    let retries = Retries { attempts: 1, on, methods, budget, ..Retries::default() };
    target.routes[0].retries = Some(Box::new(retries));
    let caller = world.caller(target);
    let head = get(&caller, "x-weft-deadline: 8000\r\n").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let lines = lines(&mut written, 3).await;
    let outbound = of(&lines, "outbound", 200);
    assert_eq!(
        (&outbound["attempts"], &outbound["retried"]),
        (&2.into(), &serde_json::json!(["status"])),
        "{outbound}"
    );
    assert_eq!(
        (&outbound["path"], &outbound["authority"]),
        (&"/a?b=c".into(), &"reviews:8080".into()),
        "{outbound}"
    );
    assert_eq!(outbound["upstream"], receiver.inbound.to_string(), "{outbound}");
    assert!((1..8000).contains(&outbound["deadline_left_ms"].as_u64().unwrap()), "{outbound}");
    assert_eq!(outbound["bytes"], 2, "{outbound}");
    for (status, bytes) in [(503, 2), (200, 2)] {
        let inbound = of(&lines, "inbound", status);
        assert_eq!(
            (&inbound["bytes"], &inbound["upstream"]),
            (&bytes.into(), &app.addr.to_string().into()),
            "{inbound}"
        );
        assert_eq!(
            (&inbound["peer"], &inbound["tls"]),
            (&world.id("web").to_string().into(), &"mutual".into()),
            "{inbound}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_about_a_request_are_written_with_it() {
    let (world, _log, mut written) = world();
    let app = Script::start(|_| BROKEN).await;
    let receiver = world.receiver(app.addr);
    let mut target = destination(Protocol::Http1, vec![world.meshed(&receiver)]);
    let budget = BudgetLimits { percent: 0, interval: Duration::from_secs(10), min_per_second: 1 };
    let (on, methods) = (vec![RetryOn::GatewayError], vec![Method::GET]);
    let retries = Retries { attempts: 5, on, methods, budget, ..Retries::default() };
    target.routes[0].retries = Some(Box::new(retries));
    target.limits = Some(Box::new(Limits { max_requests: Some(9), ..Limits::default() }));
    let base = Duration::from_secs(60);
    let consecutive_failures = Some(2);
    target.outliers = Some(Box::new(Outliers {
        consecutive_failures,
        base,
        max: base,
        max_percent: 100,
        ..Outliers::default()
    }));
    let caller = world.caller(target);
    let head = get(&caller, "").await;
    assert!(head.starts_with("http/1.1 503"), "{head}");
    let lines = lines(&mut written, 3).await;
    let outbound = lines.iter().find(|line| line["direction"] == "outbound").unwrap();
    assert_eq!(outbound["withheld"], "budget", "{outbound}");
    assert_eq!(outbound["ejected"], serde_json::json!(["consecutive-failures"]), "{outbound}");
    assert_eq!((&outbound["budget_left"], &outbound["under_way"]), (&0.into(), &1.into()), "{outbound}");
    assert_eq!(outbound["attempts"], 2, "{outbound}");
    let inbound = lines.iter().find(|line| line["direction"] == "inbound").unwrap();
    for field in ["withheld", "ejected", "budget_left", "under_way"] {
        assert_eq!(inbound.get(field), None, "{inbound}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_proxy_answers_itself_says_why() {
    let (world, _log, mut written) = world();
    let app = Script::start(|_| Act::Hang("")).await;
    let receiver = world.receiver(app.addr);
    let mut target = destination(Protocol::Http1, vec![world.meshed(&receiver)]);
    target.routes[0].timeouts =
        Timeouts { request: Some(Duration::from_millis(1500)), ..Timeouts::default() };
    let caller = world.caller(target);
    assert!(get(&caller, "").await.starts_with("http/1.1 504"));
    let lines = lines(&mut written, 2).await;
    let outbound = of(&lines, "outbound", 504);
    assert_eq!(
        (&outbound["reason"], &outbound["deadline_left_ms"]),
        (&"deadline-exceeded".into(), &0.into()),
        "{outbound}"
    );
    assert!(outbound["duration_ms"].as_f64().unwrap() >= 80.0, "{outbound}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ejection_that_the_end_of_a_body_decides_is_written() {
    const ENDS_BADLY: Act = Act::Say(
        "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nok\r\n0\r\ngrpc-status: 14\r\n\r\n",
    );
    let (world, _log, mut written) = world();
    let app = Script::start(|_| ENDS_BADLY).await;
    let receiver = world.receiver(app.addr);
    let mut target = destination(Protocol::Http1, vec![world.meshed(&receiver)]);
    let base = Duration::from_secs(60);
    target.outliers = Some(Box::new(Outliers {
        consecutive_failures: Some(1),
        base,
        max: base,
        max_percent: 100,
        ..Outliers::default()
    }));
    let caller = world.caller(target);
    let head = get(&caller, "te: trailers\r\n").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let lines = lines(&mut written, 2).await;
    let outbound = of(&lines, "outbound", 200);
    assert_eq!(outbound["grpc_status"], 14, "{outbound}");
    assert_eq!(outbound["ejected"], serde_json::json!(["consecutive-failures"]), "{outbound}");
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_choose_while_the_proxy_runs_and_that_of_a_service_wins() {
    let (world, log, mut written) = world();
    *world.access_log.borrow_mut() = Some(log.by_policy());
    let app = Script::start(|index| if index % 2 == 0 { OK } else { BROKEN }).await;
    let receiver = world.receiver(app.addr);
    let caller = world.caller(destination(Protocol::Http1, vec![world.meshed(&receiver)]));
    assert!(get(&caller, "").await.starts_with("http/1.1 200"), "nobody wants it logged");
    let errors = Mode::Selected(Select { errors: true, ..Select::default() });
    caller.change_workload(|workload| {
        let choice = Choice { mode: errors, remove_query: true };
        workload.access_log = Some(Box::new(Policy { choice, ..Policy::default() }));
    });
    for status in [503, 200, 503] {
        assert!(get(&caller, "").await.starts_with(&format!("http/1.1 {status}")));
    }
    receiver.change_workload(|workload| {
        let choice = Choice { mode: Mode::All, remove_query: false };
        workload.inbound_ports[0].access_log = Some(Box::new(choice));
    });
    assert!(get(&caller, "").await.starts_with("http/1.1 200"));
    let lines = lines(&mut written, 3).await;
    let told = lines.iter().map(|line| format!("{} {} {}", line["direction"], line["status"], line["path"]));
    let mut told: Vec<_> = told.collect();
    // Each proxy has pages of its own.
    told.sort();
    let failed = r#""outbound" 503 "/a""#;
    assert_eq!(told, [r#""inbound" 200 "/a?b=c""#, failed, failed]);
}
