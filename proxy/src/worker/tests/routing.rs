use std::sync::Arc;

use http::Method;
use tokio::io::AsyncWriteExt;

use super::app::App;
use super::harness::{World, backend, connect, destination, plain, read_response};
use crate::http::Wire;
use crate::state::{Caller, Match, Protocol, QueryMatch, Route, ValueCondition, WeightedBackend};

fn route(name: &str, matches: Vec<Match>, backend: usize) -> Route {
    Route {
        name: name.into(),
        matches,
        split: vec![WeightedBackend { backend, weight: 1 }],
        ..Route::default()
    }
}

#[tokio::test]
async fn method_query_and_caller_choose_the_route() {
    let (world, v1, v2) = (World::new(), App::named(Wire::H1, "v1").await, App::named(Wire::H1, "v2").await);
    let mut destination = destination(Protocol::Http1, vec![plain(v1.addr)]);
    destination.backends.push(Arc::new(backend("shop/reviews:8080{version=v2}", vec![plain(v2.addr)])));
    let calls = |account: &str| Caller {
        namespaces: vec!["shop".into()],
        service_accounts: vec![("shop".into(), account.into())],
        labels: vec![("version".into(), "v1".into())],
    };
    let lane = QueryMatch {
        name: "lane".into(),
        condition: ValueCondition::Exact("deep blue".into()),
        invert: false,
    };
    destination.routes = vec![
        route("others", vec![Match { from: Some(calls("other")), ..Match::default() }], 1),
        route("lane", vec![Match { query: vec![lane], from: Some(calls("web")), ..Match::default() }], 1),
        route("put", vec![Match { method: Some(Method::PUT), ..Match::default() }], 1),
        route("rest", Vec::new(), 0),
    ];
    let caller = world.caller(destination);
    let mut client = connect(caller.outbound).await;
    for (asked, expected) in [
        ("GET /name", "v1"),
        ("GET /name?lane=deep%20blue", "v2"),
        ("GET /name?lane=red&lane=deep+blue", "v1"),
        ("PUT /name", "v2"),
        ("POST /name", "v1"),
    ] {
        let request = format!("{asked} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(read_response(&mut client).await.1, expected.as_bytes(), "{asked}");
    }
    caller.counted("weft_requests_total", &[r#"route="lane""#], 1.0).await;
}
