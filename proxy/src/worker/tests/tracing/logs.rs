//! What a collector is told of the access log.

use std::io::{self, Write};
use std::sync::Mutex;

use prometheus_client::registry::Registry;

use super::collector::{among, hex};
use super::*;
use crate::telemetry::AccessLog;
use crate::telemetry::access_log::{Choice, Fields, Mode, Policy};

/// What the log writes.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has the proxies of a world log as policies say.
fn logging(world: &World) -> (AccessLog, Paper) {
    let paper = Paper::default();
    let log = AccessLog::start(paper.clone(), &mut Registry::default()).by_policy();
    *world.access_log.borrow_mut() = Some(log.clone());
    (log, paper)
}

/// Has `proxy` tell the collector of each request, and write none.
fn tells(proxy: &Proxy, protocol: otlp::Protocol, is_there: bool, change: impl FnOnce(&mut Policy)) {
    let asks = Asks { service: "observability/collector".into(), addr: COLLECTOR.into() };
    let mut policy = Policy {
        choice: Choice { mode: Mode::All, remove_query: false },
        collector: Some(otlp::Collector { asks: is_there.then_some(asks), protocol }),
        silent: true,
        ..Policy::default()
    };
    change(&mut policy);
    proxy.change_workload(|workload| workload.access_log = Some(Box::new(policy)));
}

/// A proxy that tells `collector` of each request for `app`.
fn telling(world: &World, app: SocketAddr, collector: SocketAddr) -> Proxy {
    let caller = proxy(world, "web", (SERVICE, vec![plain(app)]), collector, 0);
    tells(&caller, otlp::Protocol::Grpc, true, |_| {});
    caller
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_told_as_a_record_of_its_trace_by_both_proxies_and_not_written() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let (log, paper) = logging(&world);
    let collector = Collector::of_logs(|_| Collector::taken()).await;
    let (caller, receiver) = pair(&world, app.addr, collector.addr, 1_000_000);
    for proxy in [&caller, &receiver] {
        tells(proxy, otlp::Protocol::Grpc, true, |policy| {
            policy.omit = Fields::named(["bytes"]);
            policy.headers = vec!["x-request-id".parse().unwrap()];
        });
    }
    let request = "GET /f?secret=1 HTTP/1.1\r\nhost: reviews.shop:8080\r\nx-request-id: 7\r\n\r\n";
    assert!(ask(caller.outbound, request).await.starts_with("http/1.1 200"));
    let records = collector.records(2).await;
    let of = |name: &str| records.iter().find(|(by, _)| by == name).map(|(_, record)| record).unwrap();
    let (outbound, inbound) = (of("web"), of("reviews"));
    // The application is in the span of the receiver.
    let (trace, span) = (hex(&inbound.trace_id), hex(&inbound.span_id));
    let seen = app.seen().concat();
    assert!(seen.contains(&format!("traceparent: 00-{trace}-{span}-03\r\n")), "{seen}");
    assert_eq!((hex(&outbound.trace_id), inbound.flags), (trace, 3));
    assert_ne!(outbound.span_id, inbound.span_id);
    for (record, direction) in [(outbound, "outbound"), (inbound, "inbound")] {
        assert_eq!((record.severity_number, &*record.severity_text), (9, "INFO"));
        assert!(record.observed_time_unix_nano >= record.time_unix_nano && record.time_unix_nano > 0);
        assert!(format!("{:?}", record.body).contains("\"GET /f 200\""), "{:?}", record.body);
        for (name, value) in [
            ("weft.direction", direction),
            ("http.request.method", "GET"),
            ("url.path", "/f"),
            ("url.query", "secret=1"),
            ("server.address", "reviews.shop"),
            ("server.port", "8080"),
            ("http.response.status_code", "200"),
            ("weft.tls", "mutual"),
            ("weft.bytes", ""),
            ("error.type", ""),
        ] {
            assert_eq!(among(&record.attributes, name), value, "{name} of {direction}");
        }
        assert!(among(&record.attributes, "http.request.header.x-request-id").contains("\"7\""));
        assert!(among(&record.attributes, "weft.duration_ms").contains("Double"));
    }
    assert_eq!(among(&outbound.attributes, "network.peer.address"), "127.0.0.1");
    assert_eq!(among(&inbound.attributes, "weft.upstream"), app.addr.to_string());
    assert_eq!(among(&inbound.attributes, "weft.peer.identity"), world.id("web").to_string());
    caller.counted("weft_access_log_records_total", &[r#"outcome="exported""#], 1.0).await;
    // What was to be written would have been put down with the record.
    log.flush(LIMIT).await;
    assert!(paper.0.lock().unwrap().is_empty(), "nothing is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_and_what_is_refused_is_more_severe_and_a_removed_query_goes_nowhere() {
    let app = Script::start(|_| Act::Say("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")).await;
    let world = World::new();
    logging(&world);
    let collector = Collector::of_logs(|_| Collector::taken()).await;
    let (caller, receiver) = pair(&world, app.addr, collector.addr, 0);
    for proxy in [&caller, &receiver] {
        tells(proxy, otlp::Protocol::Grpc, true, |policy| policy.choice.remove_query = true);
    }
    assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 503"));
    receiver.change_workload(|workload| {
        workload.access = Some(Arc::new(Builder::new(Default::Deny, []).build([0; 32])));
    });
    assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 403"));
    let records = collector.records(4).await;
    assert!(records.iter().all(|(_, record)| !format!("{record:?}").contains("secret")), "{records:#?}");
    let severities = |name: &str| -> Vec<_> {
        let of = records.iter().filter(|(by, _)| by == name);
        of.map(|(_, record)| (record.severity_number, among(&record.attributes, "error.type"))).collect()
    };
    let pairs = |texts: [(i32, &str); 2]| texts.map(|(number, text)| (number, text.to_owned()));
    // To a server a 4xx is no error (semantic conventions of HTTP).
    assert_eq!(severities("reviews"), pairs([(17, "503"), (13, "")]));
    assert_eq!(severities("web"), pairs([(17, "503"), (9, "403")]), "who refuses says more");
    let unsampled =
        records.iter().all(|(_, record)| record.trace_id.len() == 16 && record.span_id.is_empty());
    assert!(unsampled, "the trace is known, and has no span of these");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_collector_does_requests_go_on_and_records_are_counted() {
    for (say, outcome) in [
        (Collector::taken(), "exported"),
        (Collector::rejecting(1), "rejected"),
        (Say::Reset, "exported"),
        (Say::Http(503), "exported"),
        (Say::Garbage, "failed"),
        (Say::Grpc("3"), "failed"),
    ] {
        let (world, app) = (World::new(), Recorder::start(OK, false).await);
        logging(&world);
        let said = say.clone();
        let collector =
            Collector::of_logs(move |index| if index == 0 { said.clone() } else { Collector::taken() }).await;
        let caller = telling(&world, app.addr, collector.addr);
        assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 200"), "{say:?}");
        caller.counted("weft_access_log_records_total", &[&format!("outcome={outcome:?}")], 1.0).await;
    }
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    logging(&world);
    let collector = Collector::of_logs(|_| Say::Hang).await;
    let caller = telling(&world, app.addr, collector.addr);
    for _ in 0..3 {
        let asked = timeout(LIMIT, ask(caller.outbound, GET)).await;
        assert!(asked.unwrap().starts_with("http/1.1 200"), "a collector that hangs holds up nobody");
        collector.records(1).await;
    }
    let caller = telling(&world, app.addr, nobody());
    tells(&caller, otlp::Protocol::Grpc, false, |_| {});
    assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 200"));
    caller.counted("weft_access_log_records_total", &[r#"outcome="failed""#], 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_records_go_to_their_own_path_and_a_drain_waits_for_them() {
    const TAKEN: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
    // What holds up the drain is the record, and no connection of the application.
    let (world, app) = (World::new(), Recorder::start(OK, true).await);
    logging(&world);
    let collector = HttpCollector::start(vec![TAKEN]).await;
    let caller = telling(&world, app.addr, collector.addr);
    tells(&caller, otlp::Protocol::Http, true, |_| {});
    assert!(ask(caller.outbound, GET).await.starts_with("http/1.1 200"));
    assert_eq!(caller.drain.drain(LIMIT).await, Outcome::Drained);
    let told = collector.told_records();
    let [(head, records)] = &told[..] else { panic!("{told:#?}") };
    assert!(head.starts_with("POST /v1/logs HTTP/1.1\r\n"), "{head}");
    assert_eq!(among(&records[0].attributes, "url.path"), "/f");
}
