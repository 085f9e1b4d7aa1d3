use super::*;
use crate::state::Origins;

fn cors(origins: &str, credentials: bool) -> Cors {
    Cors {
        origins: vec![Origins::parse(origins).unwrap()],
        methods: Listed::Every,
        headers: Listed::These(HeaderValue::from_static("x-a, x-b")),
        expose: Listed::Every,
        credentials,
        max_age: HeaderValue::from(5),
    }
}

fn asked(origin: &'static str) -> HeaderMap {
    [
        (ORIGIN, HeaderValue::from_static(origin)),
        (ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT")),
        (ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("x-a")),
    ]
    .into_iter()
    .collect()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn a_preflight_gets_what_is_allowed_in_terms_that_hold_with_credentials_too() {
    for (origins, credentials, origin, allowed, methods) in [
        ("*", false, "https://a.example", Some("*"), Some("*")),
        ("*", true, "https://a.example", Some("https://a.example"), Some("PUT")),
        ("https://*.example", false, "https://a.example", Some("https://a.example"), Some("*")),
        ("https://*.example", true, "https://a.elsewhere", None, None),
    ] {
        let response = preflight(&cors(origins, credentials), &asked(origin));
        assert_eq!(response.status(), 204);
        let headers = response.headers();
        assert_eq!(text(headers, ACCESS_CONTROL_ALLOW_ORIGIN), allowed, "{origins} {credentials}");
        assert_eq!(text(headers, ACCESS_CONTROL_ALLOW_METHODS), methods);
        assert_eq!(text(headers, ACCESS_CONTROL_ALLOW_HEADERS), allowed.map(|_| "x-a, x-b"));
        assert_eq!(text(headers, ACCESS_CONTROL_MAX_AGE), allowed.map(|_| "5"));
        let told = allowed.filter(|_| credentials).map(|_| "true");
        assert_eq!(text(headers, ACCESS_CONTROL_ALLOW_CREDENTIALS), told);
        assert!(text(headers, VARY).unwrap().starts_with("origin"));
    }
}

#[test]
fn what_the_application_says_itself_is_replaced() {
    let own = || -> HeaderMap {
        [
            (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
            (HeaderName::from_static("x-own"), HeaderValue::from_static("1")),
        ]
        .into_iter()
        .collect()
    };
    let origin = HeaderValue::from_static("https://a.example");
    let mut headers = own();
    tell(&cors("https://*.example", true), Some(&origin), &mut headers);
    assert_eq!(text(&headers, ACCESS_CONTROL_ALLOW_ORIGIN), Some("https://a.example"));
    assert_eq!(text(&headers, ACCESS_CONTROL_EXPOSE_HEADERS), Some("x-own"));
    assert_eq!(text(&headers, VARY), Some("origin"));
    for origin in [None, Some(HeaderValue::from_static("https://elsewhere"))] {
        let mut headers = own();
        tell(&cors("https://*.example", true), origin.as_ref(), &mut headers);
        assert_eq!(text(&headers, ACCESS_CONTROL_ALLOW_ORIGIN), None);
        // A cache must not give this answer to a page that may read it.
        assert_eq!(text(&headers, VARY), Some("origin"));
    }
    let mut headers = own();
    tell(&cors("*", false), Some(&origin), &mut headers);
    assert_eq!(text(&headers, ACCESS_CONTROL_EXPOSE_HEADERS), Some("*"));
    assert_eq!(text(&headers, VARY), None);
}

#[test]
fn only_options_with_an_origin_and_a_method_is_a_preflight() {
    let ask = |method: Method, headers: HeaderMap| {
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        asked_about(&request)
    };
    assert_eq!(ask(Method::OPTIONS, asked("https://a")), Some(Method::PUT));
    assert_eq!(ask(Method::GET, asked("https://a")), None);
    let mut without = asked("https://a");
    without.remove(ACCESS_CONTROL_REQUEST_METHOD);
    assert_eq!(ask(Method::OPTIONS, without), None);
}
