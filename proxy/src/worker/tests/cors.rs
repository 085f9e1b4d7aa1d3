use http::HeaderValue;
use tokio::io::AsyncWriteExt;

use super::app::App;
use super::harness::{World, connect, destination, nobody, plain, read_response};
use crate::http::Wire;
use crate::state::{
    Actions, Cors, HeaderChanges, Listed, Match, MessageChanges, Origins, PathMatch, Protocol, Route,
    WeightedBackend,
};

/// A route for PUT requests of pages, and one for the rest.
fn routes() -> Vec<Route> {
    let split = || vec![WeightedBackend { backend: 0, weight: 1, ..Default::default() }];
    let cors = Cors {
        origins: vec![Origins::parse("https://*.shop.example").unwrap()],
        methods: Listed::These(HeaderValue::from_static("PUT")),
        headers: Listed::These(HeaderValue::from_static("x-a")),
        expose: Listed::These(HeaderValue::from_static("x-total")),
        credentials: true,
        max_age: HeaderValue::from(600),
    };
    let set = vec![(http::header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))];
    // As an application would that says so by itself.
    let headers = MessageChanges {
        response: HeaderChanges { set, ..HeaderChanges::default() },
        ..MessageChanges::default()
    };
    let put = Match {
        method: Some(http::Method::PUT),
        path: Some(PathMatch::Prefix("/name".into())),
        ..Match::default()
    };
    vec![
        Route {
            name: "pages".into(),
            matches: vec![put],
            split: split(),
            actions: Some(Box::new(Actions { cors: Some(Box::new(cors)), headers, ..Actions::default() })),
            ..Route::default()
        },
        Route { name: "rest".into(), split: split(), ..Route::default() },
    ]
}

#[tokio::test]
async fn a_page_may_read_what_the_proxy_itself_answers() {
    let world = World::new();
    for (endpoints, reason) in [(vec![], "no-endpoints"), (vec![plain(nobody())], "connect-")] {
        let mut destination = destination(Protocol::Http1, endpoints);
        destination.routes = routes();
        let caller = world.caller(destination);
        for (origin, allowed) in [("https://www.shop.example", true), ("https://evil.example", false)] {
            let mut client = connect(caller.outbound).await;
            let request =
                format!("PUT /name HTTP/1.1\r\nhost: a\r\norigin: {origin}\r\ncontent-length: 0\r\n\r\n");
            client.write_all(request.as_bytes()).await.unwrap();
            let (head, _) = read_response(&mut client).await;
            assert!(head.starts_with("http/1.1 503 ") && head.contains(reason), "{head}");
            let told = head.contains("access-control-allow-origin: https://www.shop.example\r\n");
            assert_eq!(told, allowed, "{head}");
        }
    }
}

#[tokio::test]
async fn a_preflight_is_answered_here_by_the_route_of_the_request_it_announces() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let mut destination = destination(Protocol::Http1, vec![plain(app.addr)]);
    destination.routes = routes();
    let caller = world.caller(destination);
    let mut client = connect(caller.outbound).await;
    let mut ask = async |head: &str| {
        let request = format!("{head}\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let (head, body) = read_response(&mut client).await;
        (head, String::from_utf8(body).unwrap())
    };
    let page = "origin: https://www.shop.example";
    let announce = "access-control-request-method: PUT\r\naccess-control-request-headers: x-a";
    let (head, _) = ask(&format!("OPTIONS /name HTTP/1.1\r\n{page}\r\n{announce}")).await;
    assert!(head.starts_with("http/1.1 204 "), "{head}");
    for line in [
        "access-control-allow-origin: https://www.shop.example\r\n",
        "access-control-allow-credentials: true\r\n",
        "access-control-allow-methods: put\r\n",
        "access-control-allow-headers: x-a\r\n",
        "access-control-max-age: 600\r\n",
        "vary: origin, access-control-request-method, access-control-request-headers\r\n",
    ] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
    let (head, _) =
        ask(&format!("OPTIONS /name HTTP/1.1\r\norigin: https://evil.example\r\n{announce}")).await;
    assert!(head.starts_with("http/1.1 204 ") && !head.contains("access-control-allow"), "{head}");
    assert_eq!(app.connections(), 0);
    caller.counted("weft_requests_total", &[r#"route="pages""#, r#"code="204""#], 2.0).await;

    // The preflight of a request that another route takes, and OPTIONS that is none, reach the application.
    for head in [
        format!("OPTIONS /name HTTP/1.1\r\n{page}\r\naccess-control-request-method: DELETE"),
        format!("OPTIONS /name HTTP/1.1\r\n{page}"),
    ] {
        assert_eq!(ask(&head).await.1, "app");
    }

    let (head, body) = ask(&format!("PUT /name HTTP/1.1\r\n{page}")).await;
    assert_eq!(body, "app");
    for line in [
        "access-control-allow-origin: https://www.shop.example\r\n",
        "access-control-allow-credentials: true\r\n",
        "access-control-expose-headers: x-total\r\n",
        "vary: origin\r\n",
    ] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
    assert_eq!(head.matches("access-control-allow-origin").count(), 1);
    let (head, body) = ask("PUT /name HTTP/1.1\r\norigin: https://evil.example").await;
    assert!(body == "app" && !head.contains("access-control") && head.contains("vary: origin"), "{head}");
    let (head, _) = ask(&format!("GET /name HTTP/1.1\r\n{page}")).await;
    assert!(!head.contains("access-control") && !head.contains("vary"), "{head}");
}
