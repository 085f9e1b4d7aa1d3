//! Traces: what a collector is told of calls between two proxies, and what arrives at the application.

mod collector;
mod http_collector;
mod logs;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use self::collector::{Collector, attribute, hex};
use self::http_collector::HttpCollector;
use super::grpc_server::{FAILURES, Say};
use super::harness::{
    LIMIT, Proxy, SERVICE, Start, World, connect, destination, nobody, plain, read_response,
};
use super::recorder::Recorder;
use super::script::{self, Act, Script};
use crate::access::{Builder, Default};
use crate::asking::Asks;
use crate::drain::Outcome;
use crate::otlp;
use crate::state::{
    BudgetLimits, Destination, Endpoint, MtlsMode, OutboundPolicy, Protocol, Retries, RetryOn,
};
use crate::trace::{Sampling, Tracing};
use crate::wire::opentelemetry::trace::Span;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const GET: &str = "GET /f?secret=1 HTTP/1.1\r\nhost: reviews.shop:8080\r\n\r\n";
/// What the mesh knows the collector by.
const COLLECTOR: ([u8; 4], u16) = ([10, 96, 0, 7], 4317);

fn tracing(protocol: otlp::Protocol, share: u32) -> Option<Arc<Tracing>> {
    let asks = Some(Asks { service: "observability/collector".into(), addr: COLLECTOR.into() });
    let collector = otlp::Collector { asks, protocol };
    Some(Arc::new(Tracing { collector, sampling: Sampling::millionths(share) }))
}

/// A proxy that knows `collector`, and has so many of a million traces told to it.
fn proxy(
    world: &World,
    account: &'static str,
    (original, endpoints): (SocketAddr, Vec<Endpoint>),
    collector: SocketAddr,
    share: u32,
) -> Proxy {
    proxy_to(world, account, (original, destination(Protocol::Http1, endpoints)), collector, share)
}

/// The same, with a Service that has routes of its own.
fn proxy_to(
    world: &World,
    account: &'static str,
    (original, service): (SocketAddr, Destination),
    collector: SocketAddr,
    share: u32,
) -> Proxy {
    let proxy = world.start(Start {
        account,
        original,
        destinations: HashMap::from([
            (SERVICE.into(), Arc::new(service)),
            (
                SocketAddr::from(COLLECTOR).into(),
                Arc::new(destination(Protocol::Http2, vec![plain(collector)])),
            ),
        ]),
        inbound_mode: MtlsMode::Permissive,
        inbound_protocol: Protocol::Http1,
        needs_requests: false,
        policy: OutboundPolicy::AllowAny,
        ingress_mode: false,
    });
    proxy.change_workload(|workload| workload.tracing = tracing(otlp::Protocol::Grpc, share));
    proxy
}

/// The caller's proxy and the receiver's, in front of `app`.
fn pair(world: &World, app: SocketAddr, collector: SocketAddr, share: u32) -> (Proxy, Proxy) {
    let receiver = proxy(world, "reviews", (app, Vec::new()), collector, share);
    let endpoints = vec![world.meshed(&receiver)];
    (proxy(world, "web", (SERVICE, endpoints), collector, share), receiver)
}

async fn ask(proxy: SocketAddr, request: &str) -> String {
    let mut io = connect(proxy).await;
    io.write_all(request.as_bytes()).await.unwrap();
    read_response(&mut io).await.0
}

fn of_kind(spans: &[Span], kind: i32, root: bool) -> &Span {
    let is_one = |span: &&Span| span.kind == kind && span.parent_span_id.is_empty() == root;
    spans.iter().find(is_one).unwrap_or_else(|| panic!("no span of kind {kind} in {spans:#?}"))
}

#[tokio::test]
async fn a_call_is_told_by_both_proxies_and_the_application_is_in_the_trace() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let collector = Collector::start(|_| Collector::taken()).await;
    let (caller, _receiver) = pair(&world, app.addr, collector.addr, 1_000_000);
    assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 200"));
    let spans = collector.spans(3).await;
    let (client, attempt, server) =
        (of_kind(&spans, 3, true), of_kind(&spans, 3, false), of_kind(&spans, 2, false));
    assert_eq!(attempt.parent_span_id, client.span_id);
    assert_eq!(server.parent_span_id, attempt.span_id, "joined by the header between the proxies");
    assert!(spans.iter().all(|span| span.trace_id == client.trace_id && span.trace_state == "ot=th:0"));
    let (trace, span) = (hex(&server.trace_id), hex(&server.span_id));
    let seen = app.seen().concat();
    assert!(seen.contains(&format!("traceparent: 00-{trace}-{span}-03\r\n")), "{seen}");
    for span in &spans {
        assert_eq!(span.name, "GET");
        assert_eq!(attribute(span, "http.request.method"), "GET");
        assert_eq!(attribute(span, "url.path"), "/f", "without the query");
        assert_eq!(attribute(span, "http.response.status_code"), "200");
        assert_eq!(attribute(span, "server.address"), "reviews.shop");
        assert_eq!(attribute(span, "server.port"), "8080");
        assert_eq!(attribute(span, "error.type"), "");
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano && span.status.is_none());
    }
    assert_eq!(attribute(server, "network.protocol.version"), "2", "between proxies");
    assert_eq!(attribute(client, "network.protocol.version"), "1.1");
    assert_eq!(attribute(client, "weft.destination"), "shop/reviews:8080");
    assert_eq!(attribute(client, "weft.peer.identity"), world.id("reviews").to_string());
    assert_eq!(attribute(server, "weft.peer.identity"), world.id("web").to_string());
    assert_eq!(attribute(attempt, "http.request.resend_count"), "");
    let mut resources = collector.resources();
    resources.sort();
    resources.dedup();
    let about = |name: &str| {
        let id = world.id(name);
        format!(
            "k8s.namespace.name=shop k8s.node.name=node-a k8s.pod.name={name}-1 service.instance.id=shop.{name}-1 service.name={name} service.namespace=shop service.version=v1 weft.identity={id}"
        )
    };
    assert_eq!(resources, [about("reviews"), about("web")]);
    caller.counted("weft_tracing_spans_total", &[r#"outcome="exported""#], 2.0).await;
    let calls = collector.traceparents();
    assert!(
        calls.iter().all(|parent| parent.ends_with("-00")),
        "a collector's proxy tells nothing of them: {calls:?}"
    );
}

#[tokio::test]
async fn nothing_is_touched_where_tracing_is_off_and_nothing_sent_where_nothing_is_sampled() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let collector = Collector::start(|_| Collector::taken()).await;
    let (caller, receiver) = pair(&world, app.addr, collector.addr, 0);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 200"));
    let seen = app.seen().concat();
    assert!(
        seen.contains("traceparent: 00-") && seen.contains("-02\r\n"),
        "a decision for all that follow: {seen}"
    );
    let with = |header: &str| format!("GET /a HTTP/1.1\r\nhost: a\r\n{header}\r\n\r\n");
    assert!(ask(caller.outbound, &with(&format!("traceparent: {parent}"))).await.starts_with("http/1.1 200"));
    assert!(app.seen().concat().contains(&format!("traceparent: {parent}\r\n")), "{:?}", app.seen());
    for proxy in [&caller, &receiver] {
        proxy.change_workload(|workload| workload.tracing = None);
    }
    let garbage = "traceparent: garbage\r\nb3: a\r\nb3: b\r\ntracestate: =,=";
    let answered = ask(caller.outbound, &with(garbage)).await;
    assert!(answered.starts_with("http/1.1 200"));
    let seen = app.seen().concat();
    assert!(
        ["traceparent: garbage\r\n", "b3: a\r\n", "b3: b\r\n", "tracestate: =,=\r\n"]
            .iter()
            .all(|line| seen.contains(line)),
        "{seen}"
    );
    // Spans that were to come would have come by the time that one which is wanted has.
    caller.change_workload(|workload| workload.tracing = tracing(otlp::Protocol::Grpc, 1_000_000));
    assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 200"));
    assert_eq!(collector.spans(2).await.len(), 2);
}

#[tokio::test]
async fn a_policy_says_otherwise_for_traces_that_begin_with_its_service_at_both_ends() {
    let all = || Some(Box::new(Sampling::millionths(1_000_000)));
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let collector = Collector::start(|_| Collector::taken()).await;
    let (caller, receiver) = pair(&world, app.addr, collector.addr, 0);
    let sampled =
        Destination { sampling: all(), ..destination(Protocol::Http1, vec![world.meshed(&receiver)]) };
    caller.change_destination("2", sampled);
    // Until the worker has heard of it.
    while collector.so_far().is_empty() {
        assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 200"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let client = collector.spans(3).await;
    of_kind(&client, 3, true);

    let collector = Collector::start(|_| Collector::taken()).await;
    let receiver = proxy(&world, "reviews", (app.addr, Vec::new()), collector.addr, 0);
    receiver.change_workload(|workload| {
        workload.inbound_ports[0].sampling = all();
        workload.inbound_ports[0].needs_requests = true;
    });
    assert!(ask(receiver.inbound, GET).await.starts_with("http/1.1 200"));
    assert_eq!(of_kind(&collector.spans(1).await, 2, true).name, "GET", "of a caller without a proxy");
}

#[tokio::test]
async fn each_attempt_is_a_span_and_the_one_that_counts_has_the_answer() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let collector = Collector::start(|_| Collector::taken()).await;
    let gone = nobody();
    let endpoints = vec![plain(gone), plain(app.addr)];
    let caller = proxy(&world, "web", (SERVICE, endpoints), collector.addr, 1_000_000);
    let mut wanted = 0;
    // Which of both is tried first is chance.
    while caller.count("weft_retries_total", &[]) < 1.0 {
        wanted += 1;
        assert!(wanted < 100 && ask(caller.outbound, GET).await.starts_with("http/1.1 200"));
    }
    let spans = collector.spans(2 * wanted + 1).await;
    let again: Vec<_> =
        spans.iter().filter(|span| attribute(span, "http.request.resend_count") == "1").collect();
    let [again] = again[..] else { panic!("{spans:#?}") };
    let first = spans
        .iter()
        .find(|span| span.parent_span_id == again.parent_span_id && span.span_id != again.span_id)
        .unwrap();
    assert_eq!(attribute(first, "network.peer.port"), gone.port().to_string());
    assert_eq!(attribute(first, "error.type"), "connect-failed");
    assert_eq!(attribute(again, "network.peer.port"), app.addr.port().to_string());
    assert_eq!(attribute(again, "http.response.status_code"), "200");
    let seen = app.seen().concat();
    assert!(seen.contains(&format!("{}-{}-03", hex(&again.trace_id), hex(&again.span_id))), "{seen}");
}

#[tokio::test]
async fn an_attempt_ends_before_the_pause_after_it() {
    const BUSY: &str = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    let app = Script::start(|index| if index == 0 { Act::Say(BUSY) } else { script::OK }).await;
    let (world, collector) = (World::new(), Collector::start(|_| Collector::taken()).await);
    let mut service = destination(Protocol::Http1, vec![plain(app.addr)]);
    let budget = BudgetLimits { percent: 100, interval: Duration::from_secs(10), min_per_second: 1000 };
    let (on, methods) = (vec![RetryOn::GatewayError], vec![Method::GET]);
    service.routes[0].retries =
        Some(Box::new(Retries { attempts: 1, on, methods, budget, ..Retries::default() }));
    let caller = proxy_to(&world, "web", (SERVICE, service), collector.addr, 1_000_000);
    assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 200"));
    let mut attempts = collector.spans(3).await;
    attempts.retain(|span| !span.parent_span_id.is_empty());
    attempts.sort_by_key(|span| span.start_time_unix_nano);
    let [first, again] = &attempts[..] else { panic!("{attempts:#?}") };
    assert_eq!(attribute(first, "http.response.status_code"), "503");
    assert_eq!(attribute(first, "error.type"), "status");
    let pause = again.start_time_unix_nano - first.end_time_unix_nano;
    assert!(pause >= 900_000_000, "the pause that was asked for belongs to neither: {pause} ns");
}

#[tokio::test]
async fn spans_are_given_up_at_once_where_there_is_no_collector() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let caller = proxy(&world, "web", (SERVICE, vec![plain(app.addr)]), nobody(), 1_000_000);
    caller.change_workload(|workload| {
        let collector = otlp::Collector { asks: None, protocol: otlp::Protocol::Grpc };
        workload.tracing = Some(Arc::new(Tracing { collector, sampling: Sampling::millionths(1_000_000) }));
    });
    assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 200"));
    // Pauses between five tries would be longer than this waits.
    caller.counted("weft_tracing_spans_total", &[r#"outcome="failed""#], 2.0).await;
}

#[tokio::test]
async fn a_denied_call_says_by_which_stage_and_rule() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let collector = Collector::start(|_| Collector::taken()).await;
    let (caller, receiver) = pair(&world, app.addr, collector.addr, 1_000_000);
    receiver.change_workload(|workload| {
        workload.access = Some(Arc::new(Builder::new(Default::Deny, []).build([0; 32])));
    });
    assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 403"));
    let spans = collector.spans(3).await;
    let server = of_kind(&spans, 2, false);
    assert_eq!(attribute(server, "weft.refused_by"), "access");
    assert_eq!(attribute(server, "weft.reason"), "access-denied");
    assert_eq!(attribute(server, "weft.rule"), "default");
    assert_eq!(attribute(server, "error.type"), "access-denied");
    assert!(server.status.is_none(), "refusing is no error of the server");
    let client = of_kind(&spans, 3, true);
    assert_eq!(client.status.as_ref().unwrap().code, 2);
    assert_eq!(attribute(client, "error.type"), "403");
}

#[tokio::test]
async fn whatever_a_collector_does_requests_go_on_and_spans_are_counted() {
    for (say, _) in FAILURES {
        let hangs = matches!(say, Say::Hang | Say::Stop);
        let again =
            matches!(say, Say::Reset | Say::Close | Say::NoTrailers | Say::Grpc("14") | Say::Http(503));
        // A message of no bytes is one: it has nothing to say.
        let outcome = match say {
            Say::Nothing => "exported",
            _ if again => "exported",
            _ => "failed",
        };
        let (world, app) = (World::new(), Recorder::start(OK, false).await);
        let said = say.clone();
        let collector =
            Collector::start(move |index| if index == 0 { said.clone() } else { Collector::taken() }).await;
        let caller = proxy(&world, "web", (SERVICE, vec![plain(app.addr)]), collector.addr, 1_000_000);
        assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 200"), "{say:?}");
        if hangs {
            collector.spans(2).await;
            assert!(
                timeout(LIMIT, ask(caller.outbound, GET)).await.unwrap().starts_with("http/1.1 200"),
                "{say:?}"
            );
            continue;
        }
        caller.counted("weft_tracing_spans_total", &[&format!("outcome={outcome:?}")], 2.0).await;
    }
}

#[tokio::test]
async fn what_a_collector_rejects_is_counted_and_a_pause_it_asks_for_is_made() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let collector = Collector::start(|_| Collector::rejecting(1)).await;
    let caller = proxy(&world, "web", (SERVICE, vec![plain(app.addr)]), collector.addr, 1_000_000);
    assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 200"));
    caller.counted("weft_tracing_spans_total", &[r#"outcome="rejected""#], 1.0).await;
    caller.counted("weft_tracing_spans_total", &[r#"outcome="exported""#], 1.0).await;
}

#[tokio::test]
async fn a_drain_waits_for_spans_and_not_for_a_collector_that_is_gone() {
    let (world, app) = (World::new(), Recorder::start(OK, true).await);
    let collector = Collector::start(|_| Collector::taken()).await;
    let caller = proxy(&world, "web", (SERVICE, vec![plain(app.addr)]), collector.addr, 1_000_000);
    assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 200"));
    assert_eq!(caller.drain.drain(LIMIT).await, Outcome::Drained);
    assert_eq!(collector.spans(2).await.len(), 2);
    caller.counted("weft_tracing_spans_total", &[r#"outcome="exported""#], 2.0).await;

    let caller = proxy(&world, "web", (SERVICE, vec![plain(app.addr)]), nobody(), 1_000_000);
    assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 200"));
    assert_eq!(caller.drain.drain(LIMIT).await, Outcome::Drained);
    caller.counted("weft_tracing_spans_total", &[r#"outcome="failed""#], 2.0).await;
}

#[tokio::test]
async fn over_http_the_same_is_told_and_a_collector_that_is_busy_is_asked_again() {
    const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    const TAKEN: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
    const BAD: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    for (answers, outcome) in [(vec![BUSY, TAKEN], "exported"), (vec![BAD], "failed")] {
        let (world, app) = (World::new(), Recorder::start(OK, false).await);
        let sends = answers.len();
        let collector = HttpCollector::start(answers).await;
        let caller = proxy(&world, "web", (SERVICE, vec![plain(app.addr)]), collector.addr, 1_000_000);
        caller.change_workload(|workload| workload.tracing = tracing(otlp::Protocol::Http, 1_000_000));
        assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 200"));
        caller.counted("weft_tracing_spans_total", &[&format!("outcome={outcome:?}")], 2.0).await;
        let told = collector.told();
        assert_eq!(told.len(), sends);
        for (head, spans) in told {
            assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
            assert!(head.contains("\r\ncontent-type: application/x-protobuf\r\n"), "{head}");
            assert!(head.contains("\r\nhost: collector.observability:4317\r\n"), "{head}");
            assert_eq!(spans.len(), 2);
            assert_eq!(attribute(&spans[1], "http.response.status_code"), "200");
        }
    }
}

#[tokio::test]
async fn a_caller_that_calls_traceparent_its_hop_s_own_does_not_end_the_trace() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    for flags in ["01", "00"] {
        let (world, app) = (World::new(), Recorder::start(OK, false).await);
        let collector = Collector::start(|_| Collector::taken()).await;
        let caller = proxy(&world, "web", (SERVICE, vec![plain(app.addr)]), collector.addr, 0);
        let request = format!(
            "GET / HTTP/1.1\r\nhost: reviews.shop:8080\r\nconnection: TraceParent, x-own\r\nx-own: 1\r\n\
             traceparent: 00-{TRACE}-00f067aa0ba902b7-{flags}\r\n\r\n"
        );
        assert!(ask(caller.outbound, &request).await.starts_with("http/1.1 200"));
        let seen = app.seen().concat();
        assert!(seen.contains(&format!("traceparent: 00-{TRACE}-")), "{seen}");
        assert!(!seen.contains("x-own"), "{seen}");
    }
}
