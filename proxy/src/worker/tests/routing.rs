use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use tokio::io::AsyncWriteExt;

use super::app::App;
use super::harness::{World, backend, connect, destination, plain, read_response};
use super::script::{OK, Script};
use crate::http::Wire;
use crate::state::{
    Actions, Answer, Caller, DirectResponse, HeaderChanges, Host, Match, MessageChanges, PathChange,
    PathMatch, Protocol, QueryMatch, Redirect, Rewrite, Route, Scheme, ValueCondition, WeightedBackend,
};

fn route(name: &str, matches: Vec<Match>, backend: usize) -> Route {
    Route {
        name: name.into(),
        matches,
        split: vec![WeightedBackend { backend, weight: 1, ..Default::default() }],
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

fn text(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static(name), HeaderValue::from_static(value))
}

fn under(prefix: &str) -> Vec<Match> {
    vec![Match { path: Some(PathMatch::Prefix(prefix.into())), ..Match::default() }]
}

#[tokio::test]
async fn hosts_paths_and_headers_arrive_as_the_route_changes_them() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let receiver = world.receiver(app.addr);
    let mut destination = destination(Protocol::Http1, vec![world.meshed(&receiver)]);
    let host = Host { authority: "inner".parse().unwrap(), value: HeaderValue::from_static("inner") };
    let path = Some(PathChange::Prefix("/head".into()));
    let mut changed = route("changed", under("/api/v1"), 0);
    changed.actions = Some(Box::new(Actions {
        headers: MessageChanges {
            request: HeaderChanges {
                remove: vec![HeaderName::from_static("x-secret")],
                set: vec![text("x-set", "new")],
                add: vec![text("x-many", "2")],
            },
            response: HeaderChanges { set: vec![text("x-answer", "1")], ..HeaderChanges::default() },
        },
        rewrite: Some(Rewrite { host: Some(host), path }),
        ..Actions::default()
    }));
    changed.split[0].headers = Some(Box::new(MessageChanges {
        request: HeaderChanges { set: vec![text("x-share", "0")], ..HeaderChanges::default() },
        response: HeaderChanges { add: vec![text("x-answer", "2")], ..HeaderChanges::default() },
    }));
    destination.routes = vec![changed, route("rest", Vec::new(), 0)];
    let caller = world.caller(destination);
    let mut client = connect(caller.outbound).await;
    let sent = "host: outer\r\nx-secret: 1\r\nx-set: old\r\nx-many: 1\r\n\r\n";
    client.write_all(format!("GET /api/v1?q=1 HTTP/1.1\r\n{sent}").as_bytes()).await.unwrap();
    let (head, body) = read_response(&mut client).await;
    let body = String::from_utf8(body).unwrap();
    assert!(body.starts_with("GET /head?q=1 HTTP/1.1\n"), "{body}");
    for line in [
        r#""host": "inner""#,
        r#""x-set": "new""#,
        r#""x-many": "1""#,
        r#""x-many": "2""#,
        r#""x-share": "0""#,
    ] {
        assert!(body.contains(line), "{line} is not in {body}");
    }
    assert!(!body.contains("secret") && !body.contains("outer") && !body.contains("old"), "{body}");
    assert!(head.contains("x-answer: 1\r\n") && head.contains("x-answer: 2\r\n"), "{head}");

    client.write_all(format!("GET /head HTTP/1.1\r\n{sent}").as_bytes()).await.unwrap();
    let (head, body) = read_response(&mut client).await;
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("outer") && body.contains("secret") && !head.contains("x-answer"), "{head}{body}");
}

#[tokio::test]
async fn redirects_and_direct_responses_reach_no_destination() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let mut destination = destination(Protocol::Http1, vec![plain(app.addr)]);
    let answering = |prefix, answer| Route {
        actions: Some(Box::new(Actions { answer: Some(answer), ..Actions::default() })),
        split: Vec::new(),
        ..route(prefix, under(prefix), 0)
    };
    let redirect = Redirect {
        scheme: Some(Scheme::Https),
        host: None,
        port: None,
        path: Some(PathChange::Prefix("/new".into())),
        status: StatusCode::PERMANENT_REDIRECT,
    };
    let body = Some(("closed".into(), HeaderValue::from_static("text/plain")));
    destination.routes = vec![
        answering("/old", Answer::Redirect(redirect)),
        answering(
            "/closed",
            Answer::Direct(DirectResponse { status: StatusCode::SERVICE_UNAVAILABLE, body }),
        ),
        route("rest", Vec::new(), 0),
    ];
    let caller = world.caller(destination);
    let mut client = connect(caller.outbound).await;
    client
        .write_all(b"POST /old/a?b=c HTTP/1.1\r\nhost: reviews:8080\r\ncontent-length: 2\r\n\r\nhi")
        .await
        .unwrap();
    let (head, _) = read_response(&mut client).await;
    assert!(head.starts_with("http/1.1 308 "), "{head}");
    assert!(head.contains("location: https://reviews/new/a?b=c\r\n"), "{head}");
    let mut client = connect(caller.outbound).await;
    client.write_all(b"GET /closed HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let (head, body) = read_response(&mut client).await;
    assert!(head.starts_with("http/1.1 503 ") && !head.contains("x-weft-reason"), "{head}");
    assert_eq!(body, b"closed");
    assert_eq!(app.connections(), 0);
    caller.counted("weft_requests_total", &[r#"route="/old""#, r#"code="308""#], 1.0).await;
}

#[tokio::test]
async fn each_status_of_a_redirect_is_told_and_the_query_kept() {
    let (world, script) = (World::new(), Script::start(|_| OK).await);
    let mut destination = destination(Protocol::Http1, vec![plain(script.addr)]);
    let statuses = [301, 302, 303, 307, 308];
    let redirect = |status: u16| {
        let (host, path) = (Some("else.example".into()), Some(PathChange::Full("/there".into())));
        let status_code = StatusCode::from_u16(status).unwrap();
        let redirect = Redirect { scheme: None, host, port: Some(8443), path, status: status_code };
        Route {
            actions: Some(Box::new(Actions {
                answer: Some(Answer::Redirect(redirect)),
                ..Actions::default()
            })),
            split: Vec::new(),
            ..route("redirect", under(&format!("/{status}")), 0)
        }
    };
    destination.routes = statuses.map(redirect).into();
    let caller = world.caller(destination);
    for status in statuses {
        let mut client = connect(caller.outbound).await;
        let request = format!("POST /{status}/x?a=b HTTP/1.1\r\nhost: shop\r\ncontent-length: 2\r\n\r\nhi");
        client.write_all(request.as_bytes()).await.unwrap();
        let (head, _) = read_response(&mut client).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        assert!(head.contains("location: http://else.example:8443/there?a=b\r\n"), "{head}");
    }
    assert!(script.requests().is_empty());
}

#[tokio::test]
async fn a_prefix_is_replaced_by_segments_and_the_query_stays_as_it_was() {
    let (world, script) = (World::new(), Script::start(|_| OK).await);
    let mut destination = destination(Protocol::Http1, vec![plain(script.addr)]);
    let rewritten = |(prefix, replacement): (&'static str, &'static str)| {
        let path = Some(PathChange::Prefix(replacement.into()));
        let rewrite = Some(Rewrite { host: None, path });
        let actions = Some(Box::new(Actions { rewrite, ..Actions::default() }));
        Route { actions, ..route("rewritten", under(prefix), 0) }
    };
    destination.routes = [("/a", "/"), ("/b/", "/x/"), ("/c", "/x"), ("/", "/root")].map(rewritten).into();
    let caller = world.caller(destination);
    let mut client = connect(caller.outbound).await;
    for (asked, arrived) in [
        ("/a/k?q=1", "/k?q=1"),
        ("/a", "/"),
        ("/a?q", "/?q"),
        ("/a/", "/"),
        ("/ab", "/root/ab"),
        ("/b/k", "/x/k"),
        ("/b", "/x/"),
        ("/c/", "/x/"),
        ("/c//k?", "/x//k?"),
        ("/d?a=%2f&b=%3f", "/root/d?a=%2f&b=%3f"),
    ] {
        client.write_all(format!("GET {asked} HTTP/1.1\r\nhost: shop\r\n\r\n").as_bytes()).await.unwrap();
        read_response(&mut client).await;
        let line = script.requests().pop().unwrap();
        assert!(line.starts_with(&format!("get {arrived} http/1.1\r\n")), "{asked}: {line}");
    }
}

#[tokio::test]
async fn one_percent_of_the_traffic_is_one_percent() {
    let (world, script) = (World::new(), Script::start(|_| OK).await);
    let mut destination = destination(Protocol::Http1, vec![plain(script.addr)]);
    destination.backends.push(Arc::new(backend("lab/reviews:8080", vec![plain(script.addr)])));
    let share = |backend, weight| WeightedBackend { backend, weight, ..Default::default() };
    destination.routes[0].split = vec![share(0, 99), share(1, 1)];
    let caller = world.caller(destination);
    let mut client = connect(caller.outbound).await;
    for _ in 0..5_000 {
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        read_response(&mut client).await;
    }
    caller.counted("weft_requests_total", &[], 5_000.0).await;
    // Binomial(5000, 0.01) has a standard deviation of 7.04; 5 of them hold all but 6 in ten million runs.
    let canary = caller.count("weft_requests_total", &[r#"backend="lab/reviews:8080""#]);
    assert!((canary - 50.0).abs() <= 35.0, "{canary}");
}
