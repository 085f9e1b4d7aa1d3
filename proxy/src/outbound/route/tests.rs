use http::HeaderName;

use super::*;
use crate::identity::SpiffeId;
use crate::state::{HeaderMatch, PathMatch, ValueCondition};
use http::HeaderValue;
use regex::Regex;

fn route(matches: Vec<Match>) -> Route {
    Route { name: "r".into(), matches, ..Route::default() }
}

fn header(name: &'static str, condition: ValueCondition, invert: bool) -> HeaderMatch {
    HeaderMatch { name: HeaderName::from_static(name), condition, invert }
}

fn on_headers(headers: Vec<HeaderMatch>) -> Match {
    Match { headers, ..Match::default() }
}

fn on_path(path: PathMatch) -> Match {
    Match { path: Some(path), ..Match::default() }
}

fn takes(condition: Match, path: &'static str, headers: &[(&'static str, &'static str)]) -> bool {
    let mut request = get(path);
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    takes_request(condition, &request)
}

fn takes_request(condition: Match, request: &Request<()>) -> bool {
    chosen(&[route(vec![condition])], request).is_some()
}

fn get(path: &'static str) -> Request<()> {
    Request::get(path).body(()).unwrap()
}

/// The caller is a pod of shop/web with label `version=v1`.
pub(super) fn caller() -> Workload {
    let mut workload = Workload::unconfigured("web-1", SpiffeId::new("cluster.local", "shop", "web"));
    workload.labels.insert("version".to_owned(), "v1".to_owned());
    workload
}

fn chosen(routes: &[Route], request: &Request<()>) -> Option<usize> {
    RouteIndex::new(routes).first_match(routes, RouteQuery::new(request, &caller())).map(|taken| taken.route)
}

#[test]
fn a_route_for_bytes_takes_them_and_no_request() {
    let bytes = || Route { bytes_only: true, ..route(Vec::new()) };
    let api = || route(vec![on_path(PathMatch::Prefix("/api".into()))]);
    let routes = [bytes(), api(), route(Vec::new())];
    assert_eq!(first_for_bytes(&routes, &caller(), None), Some(0));
    assert_eq!(chosen(&routes, &get("/api/x")), Some(1));
    assert_eq!(chosen(&routes, &get("/x")), Some(2));
    assert_eq!(chosen(&routes[..2], &get("/x")), None);
    assert_eq!(chosen(&routes[..1], &get("/x")), None);
}

#[test]
fn the_first_route_that_matches_wins() {
    let beta = on_headers(vec![header("x-group", ValueCondition::Exact("beta".into()), false)]);
    let api = on_path(PathMatch::Prefix("/api".into()));
    let routes = [route(vec![beta]), route(vec![api]), route(Vec::new())];
    assert_eq!(chosen(&routes, &get("/x")), Some(2));
    let mut request = get("/api/x");
    assert_eq!(chosen(&routes, &request), Some(1));
    request.headers_mut().insert("x-group", HeaderValue::from_static("beta"));
    assert_eq!(chosen(&routes, &request), Some(0));
    assert_eq!(chosen(&routes[..1], &get("/")), None);
    assert_eq!(first_for_bytes(&routes, &caller(), None), Some(2));
    assert_eq!(first_for_bytes(&routes[..2], &caller(), None), None);
}

#[test]
fn a_prefix_takes_whole_segments() {
    let prefix = |text: &str| on_path(PathMatch::Prefix(text.into()));
    for (text, path, expected) in [
        ("/api", "/api", true),
        ("/api", "/api/x?y=z", true),
        ("/api", "/api?y=z", true),
        ("/api", "/apix", false),
        ("/api/", "/api", true),
        ("/api/", "/api/x", true),
        ("/", "/anything", true),
        ("/api", "/", false),
    ] {
        assert_eq!(takes(prefix(text), path, &[]), expected, "{text} on {path}");
    }
}

#[test]
fn paths_match_exactly_and_by_regex_without_their_query() {
    assert!(takes(on_path(PathMatch::Exact("/a".into())), "/a?b", &[]));
    assert!(!takes(on_path(PathMatch::Exact("/a".into())), "/a/", &[]));
    let regex = || on_path(PathMatch::Regex(Regex::new("^(?:/v[0-9]+/.*)$").unwrap()));
    assert!(takes(regex(), "/v12/x", &[]));
    assert!(!takes(regex(), "/x/v12/x", &[]));
}

#[test]
fn all_conditions_of_a_match_must_hold() {
    let both = || Match {
        headers: vec![
            header("x-a", ValueCondition::Prefix("on".into()), false),
            header("x-b", ValueCondition::Present(false), false),
        ],
        path: Some(PathMatch::Prefix("/p".into())),
        ..Match::default()
    };
    assert!(takes(both(), "/p", &[("x-a", "one")]));
    assert!(!takes(both(), "/q", &[("x-a", "one")]));
    assert!(!takes(both(), "/p", &[("x-a", "two")]));
    assert!(!takes(both(), "/p", &[("x-a", "one"), ("x-b", "")]));
}

#[test]
fn repeated_headers_are_joined_and_conditions_can_be_inverted() {
    let exact = |invert| on_headers(vec![header("x-a", ValueCondition::Exact("1,2".into()), invert)]);
    assert!(takes(exact(false), "/", &[("x-a", "1"), ("x-a", "2")]));
    assert!(!takes(exact(true), "/", &[("x-a", "1"), ("x-a", "2")]));
    assert!(takes(exact(true), "/", &[]));
    let host = || on_headers(vec![header("host", ValueCondition::Exact("reviews:80".into()), false)]);
    assert!(takes(host(), "http://reviews:80/", &[]));
    assert!(takes(host(), "/", &[("host", "reviews:80")]));
    let regex = Regex::new("^(?:b(eta)?)$").unwrap();
    let regex = on_headers(vec![header("x-g", ValueCondition::Regex(regex), false)]);
    assert!(takes(regex, "/", &[("x-g", "beta")]));
}

#[test]
fn methods_and_parameters_of_the_query_choose() {
    let post = || Match { method: Some(Method::POST), ..Match::default() };
    assert!(takes_request(post(), &Request::post("/").body(()).unwrap()));
    assert!(!takes_request(post(), &get("/")));
    let lane = |condition, invert| Match {
        query: vec![QueryMatch { name: "lane".into(), condition, invert }],
        ..Match::default()
    };
    let blue = || ValueCondition::Exact("blue sky".into());
    assert!(takes(lane(blue(), false), "/?a=b&lane=blue%20sky", &[]));
    assert!(!takes(lane(blue(), false), "/?lane=red&lane=blue+sky", &[]));
    assert!(!takes(lane(blue(), false), "/", &[]));
    assert!(takes(lane(blue(), true), "/", &[]));
    assert!(takes(lane(ValueCondition::Present(true), false), "/?lane", &[]));
    assert!(takes(lane(ValueCondition::Prefix("bl".into()), false), "/?lane=blue", &[]));
}

#[test]
fn the_caller_is_this_pod() {
    let from = |namespaces: &[&str], accounts: &[(&str, &str)], labels: &[(&str, &str)]| {
        let pairs = |list: &[(&str, &str)]| list.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        let caller = Caller {
            namespaces: namespaces.iter().map(|namespace| (*namespace).into()).collect(),
            service_accounts: pairs(accounts),
            labels: pairs(labels),
        };
        route(vec![Match { from: Some(caller), ..Match::default() }])
    };
    for (route, expected) in [
        (from(&["qa", "shop"], &[], &[]), true),
        (from(&["qa"], &[], &[]), false),
        (from(&[], &[("shop", "web")], &[("version", "v1")]), true),
        (from(&[], &[("qa", "web")], &[]), false),
        (from(&["shop"], &[("shop", "other")], &[]), false),
        (from(&["shop"], &[], &[("version", "v2")]), false),
        (from(&[], &[], &[("version", "v1"), ("lane", "x")]), false),
    ] {
        assert_eq!(chosen(std::slice::from_ref(&route), &get("/")).is_some(), expected, "{route:?}");
        assert_eq!(
            first_for_bytes(std::slice::from_ref(&route), &caller(), None).is_some(),
            expected,
            "{route:?}"
        );
    }
}

#[test]
fn a_server_name_takes_tls_and_no_request() {
    let named = |names: &[&str]| Route {
        matches: vec![Match {
            server_names: names.iter().map(|name| Box::from(*name)).collect(),
            ..Match::default()
        }],
        ..Route::default()
    };
    let routes = [named(&["a.example.org", "b.example.org"]), named(&["*.example.org"]), Route::default()];
    for (name, expected) in [
        (Some("a.example.org"), 0),
        (Some("b.example.org"), 0),
        (Some("c.example.org"), 1),
        (Some("x.c.example.org"), 1),
        (Some("example.org"), 2),
        (Some("cexample.org"), 2),
        (Some(".example.org"), 2),
        (None, 2),
    ] {
        assert_eq!(first_for_bytes(&routes, &caller(), name), Some(expected), "{name:?}");
    }
    assert_eq!(first_for_bytes(&routes[..2], &caller(), None), None);
    // Any name at all, as against TLS without one and what is not TLS.
    let any = [named(&["a.example.org"]), named(&["*"]), Route::default()];
    for (name, expected) in [(Some("a.example.org"), 0), (Some("localhost"), 1), (None, 2)] {
        assert_eq!(first_for_bytes(&any, &caller(), name), Some(expected), "{name:?}");
    }
    let request = Request::get("http://a.example.org/").body(()).unwrap();
    assert!(!holds(&routes[0].matches[0], RouteQuery::new(&request, &caller())), "HTTP has no server name");
}

/// Browsers send HTTP/2 one cookie a field (RFC 9113 8.2.3).
#[test]
fn cookies_are_one_list_however_they_are_cut() {
    let both = || on_headers(vec![header("cookie", ValueCondition::Exact("a=1; b=2".into()), false)]);
    assert!(takes(both(), "/", &[("cookie", "a=1; b=2")]));
    assert!(takes(both(), "/", &[("cookie", "a=1"), ("cookie", "b=2")]));
    let second = ValueCondition::Regex(Regex::new("(?:^|; )b=2(?:;|$)").unwrap());
    let second = on_headers(vec![header("cookie", second, false)]);
    assert!(takes(second, "/", &[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")]));
}
