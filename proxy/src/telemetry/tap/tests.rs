use serde_json::json;

use super::*;

fn parse(question: serde_json::Value) -> Result<Question, String> {
    Question::parse(question.to_string().as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn what_is_wrong_with_a_question_is_said() {
    for (question, wrong) in [
        (json!({ "body": true }), "unknown field `body`"),
        (json!({ "status": "6x" }), "`6x` is not a status such as 404 or 5xx"),
        (json!({ "method": "G T" }), "`G T` is not a method"),
        (json!({ "side": "server" }), "`server` is not a side: caller or receiver"),
        (json!({ "minLatencyMs": -1 }), "`-1` is not a latency"),
        (json!({ "headers": [["x y", "1"]] }), "`x y` is not a name of a header"),
        (json!({ "max": 0 }), "max must be between 1 and 10000"),
        (json!({ "rate": 1001 }), "rate must be between 1 and 1000"),
        (json!({ "seconds": 601 }), "seconds must be between 1 and 600"),
        (json!({ "showHeaders": vec!["a"; 17] }), "at most 16 headers"),
        (json!({ "headers": [["Authorization", "Bearer a"]] }), "--show-header authorization"),
    ] {
        let error = parse(question.clone()).unwrap_err();
        assert!(error.contains(wrong), "{question}: {error}");
    }
    let shown = json!({ "headers": [["Authorization", "a"]], "showHeaders": ["AUTHORIZATION"] });
    assert_eq!(parse(shown).unwrap().shows, ["authorization"]);
}

fn labels() -> crate::telemetry::ConnectionLabels {
    crate::telemetry::ConnectionLabels {
        direction: crate::telemetry::Direction::Outbound,
        destination: "shop/db:5432".into(),
        route: String::new(),
        peer: String::new(),
        tls: crate::telemetry::Tls::None,
    }
}

#[tokio::test]
async fn of_a_request_that_no_tap_can_want_nothing_is_kept() {
    use crate::telemetry::Direction::{Inbound, Outbound};

    let taps = Taps::default();
    let kept = |side, request: &http::Request<()>| Trail::begin(&taps, side, request).is_some();
    let request = http::Request::get("/api/a?b").header("x-group", "beta").body(()).unwrap();
    assert!(!kept(Outbound, &request), "nobody watches");
    for (question, wanted) in [
        (json!({}), true),
        (
            json!({ "side": "caller", "method": "GET", "path": "/api", "headers": [["x-group", "beta"]] }),
            true,
        ),
        (json!({ "side": "receiver" }), false),
        (json!({ "method": "POST" }), false),
        (json!({ "path": "/other" }), false),
        (json!({ "headers": [["x-group", "alpha"]] }), false),
    ] {
        let watch = taps.open(parse(question.clone()).unwrap(), "web").unwrap();
        assert_eq!(kept(Outbound, &request), wanted, "{question}");
        drop(watch);
    }
    let watch = taps.open(parse(json!({ "side": "receiver" })).unwrap(), "web").unwrap();
    let (of_thread, mut trail) = (taps.current().unwrap(), Trail::begin(&taps, Inbound, &request).unwrap());
    drop(watch);
    // What would have ended it in time goes when the runtime has its turn.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(of_thread[0].strong_count(), 0, "what threads and requests remember holds no queue");
    trail.answered(&http::HeaderMap::new());
    assert!(trail.request.is_empty(), "a long answer keeps nothing for who has gone");
}

#[tokio::test(start_paused = true)]
async fn a_tap_that_nobody_reads_ends_in_time_all_the_same() {
    let taps = Taps::default();
    let unread = taps.open(parse(json!({ "seconds": 30 })).unwrap(), "web").unwrap();
    let labels = labels();
    let event = Event::of_bytes(&labels, std::time::Duration::ZERO, (0, 0));
    taps.current().unwrap()[0].upgrade().unwrap().offer(&event);
    assert_eq!(unread.waiting(), 1);
    let longer = taps.open(parse(json!({})).unwrap(), "web").unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(31)).await;
    assert_eq!((taps.lock().len(), unread.waiting()), (1, 0), "and keeps nothing for who does not read");
    drop(unread);
    assert!(taps.is_on(), "the end of one is not that of another");
    drop(longer);
    assert!(!taps.is_on() && taps.current().is_none());
}

#[test]
fn of_headers_a_line_has_a_bounded_part_whatever_came() {
    let pair = |name: &str, value: &str| {
        (HeaderName::try_from(name).unwrap(), http::HeaderValue::try_from(value).unwrap())
    };
    let long = "n".repeat(1_000);
    let few: http::HeaderMap =
        [pair("x-group", "beta"), pair(&long, &"v".repeat(1_000))].into_iter().collect();
    let told = event::shown_of(Some(&few), &[]);
    assert!(told.contains(&("x-group".to_owned(), "beta".to_owned())), "{told:?}");
    assert!(told.contains(&("n".repeat(128), "v".repeat(512))), "{told:?}");

    let many = (0..60).map(|at| pair(&format!("x-{at}-{long}"), &"v".repeat(1_000)));
    let many: http::HeaderMap = many.chain([pair("x-request-id", "a1")]).collect();
    let told = event::shown_of(Some(&many), &[]);
    let bytes: usize = told.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!((7 * 1024..=8 * 1024).contains(&bytes), "{bytes}");
    assert!(told.contains(&("x-request-id".to_owned(), "a1".to_owned())), "what is short still fits");

    // A name that is cut hides what the whole of it hides.
    let secret: http::HeaderMap = [pair(&format!("x-{long}-token"), "s3cret")].into_iter().collect();
    assert_eq!(event::shown_of(Some(&secret), &[])[0].1, crate::explain::REDACTED);
}
