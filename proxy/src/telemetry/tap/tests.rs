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

#[tokio::test(start_paused = true)]
async fn a_tap_that_nobody_reads_ends_in_time_all_the_same() {
    let taps = Taps::default();
    let unread = taps.open(parse(json!({ "seconds": 30 })).unwrap(), "web").unwrap();
    let longer = taps.open(parse(json!({})).unwrap(), "web").unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(31)).await;
    assert_eq!(taps.lock().len(), 1);
    drop(unread);
    assert!(taps.is_on(), "the end of one is not that of another");
    drop(longer);
    assert!(!taps.is_on() && taps.current().is_none());
}
