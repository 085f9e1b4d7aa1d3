use std::sync::{Arc, Mutex};

use http::{Request, StatusCode};

use super::pages::MOST_BYTES;
use super::*;
use crate::telemetry::{Direction, Metrics, Series, Tls};

/// What was written so far; holding its lock stops the writer.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged() -> (Paper, AccessLog, std::rc::Rc<Series>) {
    let (paper, mut registry) = (Paper::default(), Registry::default());
    let log = AccessLog::start(paper.clone(), &mut registry);
    let metrics = Metrics::register(&mut registry).with_access_log(Some(log.clone()));
    let labels = RequestLabels {
        direction: Direction::Outbound,
        destination: "shop/reviews:8080".into(),
        backend: "shop/reviews:8080{version=v1}".into(),
        route: "canary".into(),
        peer: "spiffe://cluster.local/ns/shop/sa/reviews".into(),
        tls: Tls::Mutual,
    };
    (paper, log, Series::new(&metrics, labels))
}

fn request(path: &str) -> Request<()> {
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    Request::get(path).header("host", "reviews:8080").header("traceparent", traceparent).body(()).unwrap()
}

#[tokio::test]
async fn a_line_says_what_became_of_a_request() {
    let (paper, log, series) = logged();
    let mut record = series.begin(Instant::now());
    record.about(&request("/a?b=%22c%22"));
    record.upstream("10.0.0.7:8080".parse().unwrap());
    record.tried_again("connection-lost");
    record.deadline(Some(Instant::now() + Duration::from_secs(60)));
    record.sent(1234);
    record.answered(StatusCode::SERVICE_UNAVAILABLE, &http::HeaderMap::new());
    record.refused("no-endpoints");
    drop(record);
    log.flush(Duration::from_secs(5)).await;
    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(text.ends_with("}\n"), "{text}");
    for (field, expected) in [
        ("direction", serde_json::json!("outbound")),
        ("method", "GET".into()),
        ("authority", "reviews:8080".into()),
        ("path", "/a?b=%22c%22".into()),
        ("status", 503.into()),
        ("reason", "no-endpoints".into()),
        ("bytes", 1234.into()),
        ("destination", "shop/reviews:8080".into()),
        ("route", "canary".into()),
        ("backend", "shop/reviews:8080{version=v1}".into()),
        ("upstream", "10.0.0.7:8080".into()),
        ("peer", "spiffe://cluster.local/ns/shop/sa/reviews".into()),
        ("tls", "mutual".into()),
        ("attempts", 2.into()),
        ("retried", serde_json::json!(["connection-lost"])),
        ("trace_id", "0af7651916cd43dd8448eb211c80319c".into()),
        ("grpc_status", serde_json::Value::Null),
    ] {
        assert_eq!(line[field], expected, "{field} in {text}");
    }
    assert!((58_000..=60_000).contains(&line["deadline_left_ms"].as_u64().unwrap()), "{text}");
    assert!(line["duration_ms"].is_number() && line["time"].as_str().unwrap().ends_with('Z'), "{text}");
}

#[tokio::test]
async fn a_caller_that_writes_json_or_much_writes_one_bounded_line() {
    let (paper, log, series) = logged();
    let mut odd = request(&format!("/{}", "x".repeat(5000)));
    *odd.method_mut() = http::Method::from_bytes("X".repeat(9000).as_bytes()).unwrap();
    odd.headers_mut().insert("host", http::HeaderValue::from_static(r#"a","status":200,"b":""#));
    let mut record = series.begin(Instant::now());
    record.about(&odd);
    drop(record);
    log.flush(Duration::from_secs(5)).await;
    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["status"], 499, "{text}");
    assert!(text.lines().count() == 1 && text.len() < 2048, "{text}");
}

#[tokio::test]
async fn nobody_waits_for_a_reader_that_does_not_read_and_what_is_lost_is_counted() {
    let (paper, log, series) = logged();
    // Three pages full, of lines that are longer than this, and more.
    let all = 4 * MOST_BYTES as u64 / 256;
    {
        let _stuck = paper.0.lock().unwrap();
        for _ in 0..all {
            series.begin(Instant::now()).about(&request("/"));
        }
    }
    log.flush(Duration::from_secs(5)).await;
    let written = paper.0.lock().unwrap().iter().filter(|byte| **byte == b'\n').count() as u64;
    let dropped = log.pages.dropped().get();
    assert!(dropped >= 100, "{dropped}");
    assert_eq!(written + dropped, all);
}

#[tokio::test]
async fn without_a_log_nothing_is_gathered() {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let (_, _, logged) = logged();
    let mut record = logged.begin(Instant::now());
    assert!(!record.is_logged());
    record.about(&request("/"));
    assert!(record.is_logged());
    let mut record = Series::new(&metrics, logged.labels().clone()).begin(Instant::now());
    record.about(&request("/"));
    assert!(!record.is_logged());
}

#[tokio::test]
async fn a_policy_leaves_out_fields_and_queries_adds_headers_and_writes_text() {
    let (paper, log, series) = logged();
    let policy = |form| Policy {
        choice: Choice { mode: Mode::All, remove_query: true },
        form,
        omit: Fields::named(["peer", "trace_id", "attempts", "unknown"]),
        headers: vec!["x-request-id".parse().unwrap(), "x-absent".parse().unwrap()],
        ..Policy::default()
    };
    for form in [Form::Json, Form::Text] {
        let mut asked = request("/a=b?token=secret");
        asked.headers_mut().insert("x-request-id", http::HeaderValue::from_static("one \"two\""));
        let policy = policy(form);
        let mut record = series.begin(Instant::now());
        record.about_by(&asked, Some(&policy), None);
        record.would_refuse("access", "denied");
        record.answered(StatusCode::OK, &http::HeaderMap::new());
    }
    log.flush(Duration::from_secs(5)).await;
    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    let (json, text) = text.trim_end().split_once('\n').unwrap();
    let line: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(line["path"], "/a=b", "{json}");
    assert_eq!(line["headers"], serde_json::json!({ "x-request-id": "one \"two\"" }), "{json}");
    for field in ["peer", "trace_id", "attempts"] {
        assert_eq!(line.get(field), None, "{json}");
    }
    assert!(text.starts_with("time=20"), "{text}");
    for pair in [
        " direction=outbound method=GET authority=reviews:8080 path=\"/a=b\" status=200 ",
        " would_refuse=access:denied ",
        " tls=mutual headers.x-request-id=\"one \\\"two\\\"\"",
    ] {
        assert!(text.contains(pair), "{pair} is not in {text}");
    }
    assert!(!text.contains("secret") && !text.contains("peer="), "{text}");
}
