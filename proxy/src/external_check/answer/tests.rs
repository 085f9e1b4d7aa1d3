use super::*;

fn option(key: &str, value: &str) -> auth::HeaderValueOption {
    let header = auth::HeaderValue { key: key.into(), value: value.into(), raw_value: Vec::new() };
    auth::HeaderValueOption { header: Some(header), append: None, append_action: 0 }
}

fn status(code: i32) -> Option<crate::wire::google::rpc::Status> {
    Some(crate::wire::google::rpc::Status { code, ..Default::default() })
}

fn saying(code: Option<i32>, http_response: Option<HttpResponse>) -> auth::CheckResponse {
    auth::CheckResponse { status: code.and_then(status), http_response }
}

fn ok(ok: auth::OkHttpResponse) -> Result<Answer, Unusable> {
    understand(saying(Some(0), Some(HttpResponse::OkResponse(ok))))
}

#[test]
fn yes_is_a_status_of_zero_and_nothing_that_speaks_against_it() {
    let denied = || Some(HttpResponse::DeniedResponse(auth::DeniedHttpResponse::default()));
    let error = || Some(HttpResponse::ErrorResponse(auth::DeniedHttpResponse::default()));
    let ok = || Some(HttpResponse::OkResponse(auth::OkHttpResponse::default()));
    for (code, said) in [(Some(0), ok()), (Some(0), None), (None, ok())] {
        assert!(matches!(understand(saying(code, said)), Ok(Answer::Allowed(_))), "{code:?}");
    }
    for (code, said) in
        [(Some(7), None), (Some(16), ok()), (Some(-1), None), (Some(0), denied()), (None, denied())]
    {
        let answer = understand(saying(code, said));
        let Ok(Answer::Denied(denial)) = answer else { panic!("{code:?}: {answer:?}") };
        assert_eq!(denial.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(understand(saying(None, None)).unwrap_err(), Unusable::Nothing);
    for code in [None, Some(0), Some(13)] {
        assert_eq!(understand(saying(code, error())).unwrap_err(), Unusable::Undecided);
    }
}

#[test]
fn what_frames_a_message_or_is_the_mesh_s_own_stays_as_it_is() {
    let all = [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "upgrade",
        "te",
        "expect",
        "keep-alive",
    ];
    let others =
        ["x-weft-deadline", "X-Weft-Reason", "forwarded", "via", "trailer", "http2-settings", ":path"];
    let names = || all.iter().chain(&others);
    let answer = ok(auth::OkHttpResponse {
        headers: names().map(|name| option(name, "1")).collect(),
        headers_to_remove: names().map(|name| (*name).to_owned()).collect(),
        response_headers_to_add: names().map(|name| option(name, "1")).collect(),
        ..Default::default()
    });
    let Ok(Answer::Allowed(allowed)) = answer else { panic!("{answer:?}") };
    assert_eq!(allowed, Allowed::default());
}

#[test]
fn headers_are_set_added_and_removed_as_their_options_say() {
    let with = |key: &str, append: Option<bool>, action: i32| auth::HeaderValueOption {
        append,
        append_action: action,
        ..option(key, "new")
    };
    let answer = ok(auth::OkHttpResponse {
        headers: vec![
            with("x-set", None, 0),
            with("x-added", Some(true), 0),
            with("x-replaced", Some(false), 1),
            with("x-absent", None, 1),
            with("x-there", None, 1),
            with("x-only-there", None, 3),
            with("x-never", None, 3),
        ],
        headers_to_remove: vec!["Authorization".into(), "x-gone".into()],
        ..Default::default()
    });
    let Ok(Answer::Allowed(allowed)) = answer else { panic!("{answer:?}") };
    let mut headers = HeaderMap::new();
    for name in ["x-set", "x-added", "x-replaced", "x-there", "x-only-there", "authorization"] {
        headers.append(name, HeaderValue::from_static("old"));
    }
    headers.append("x-set", HeaderValue::from_static("older"));
    // Some applications read these as headers of the names that are set or removed.
    for name in ["x_set", "x_only-there", "x_gone", "x-setx"] {
        headers.append(name, HeaderValue::from_static("by the caller"));
    }
    allowed.request.apply(&mut headers);
    let values =
        |name: &str| headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
    for (name, expected) in [
        ("x-set", &["new"][..]),
        ("x-added", &["old", "new"]),
        ("x-replaced", &["new"]),
        ("x-absent", &["new"]),
        ("x-there", &["old"]),
        ("x-only-there", &["new"]),
        ("x-never", &[]),
        ("authorization", &[]),
        ("x_set", &[]),
        ("x_only-there", &[]),
        ("x_gone", &[]),
        ("x-setx", &["by the caller"]),
    ] {
        assert_eq!(values(name), expected, "{name}");
    }
}

#[test]
fn a_yes_that_cannot_be_carried_out_is_none() {
    let unusable = |answer| ok(answer).unwrap_err();
    let headers = |headers| auth::OkHttpResponse { headers, ..Default::default() };
    let parameter = || auth::QueryParameter { key: "a".into(), value: "b".into() };
    let unknown = auth::HeaderValueOption { append_action: 99, ..option("x-a", "b") };
    let bad = |name: &str| Unusable::Edits(BadEdits::BadHeader(name.into()));
    let too_much = || Unusable::Edits(BadEdits::TooMuch);
    for (answer, expected) in [
        (headers(vec![option("x-a", "b\r\nhost: evil")]), bad("x-a")),
        (headers(vec![option("x a", "b")]), bad("x a")),
        (headers(vec![auth::HeaderValueOption::default()]), bad("")),
        (headers(vec![unknown]), bad("x-a")),
        (headers(vec![option("x-a", "b"); 65]), too_much()),
        (headers(vec![option("x-a", &"b".repeat(17_000))]), too_much()),
        (
            auth::OkHttpResponse { query_parameters_to_set: vec![parameter()], ..Default::default() },
            Unusable::Query,
        ),
        (
            auth::OkHttpResponse { query_parameters_to_remove: vec!["a".into()], ..Default::default() },
            Unusable::Query,
        ),
        (auth::OkHttpResponse { headers_to_remove: vec!["a b".into()], ..Default::default() }, bad("a b")),
        (auth::OkHttpResponse { headers_to_remove: vec!["a".into(); 65], ..Default::default() }, too_much()),
    ] {
        assert_eq!(unusable(answer), expected);
    }
}

#[test]
fn no_stays_no_whatever_cannot_be_passed_on_of_it() {
    let denied = |code, headers| auth::DeniedHttpResponse {
        status: Some(auth::HttpStatus { code }),
        headers,
        body: "no".into(),
    };
    for (code, expected) in [(401, 401), (302, 302), (0, 403), (100, 403), (99_999, 403), (-1, 403)] {
        assert_eq!(denial(denied(code, Vec::new())).status.as_u16(), expected, "{code}");
    }
    let headers = vec![
        option("www-authenticate", "Basic"),
        option("content-length", "99"),
        option("x-weft-reason", "mine"),
        option("grpc-status", "0"),
        option("x-a", "b\r\nc: d"),
        option("b ad", "b"),
        option("set-cookie", "a=1"),
        option("set-cookie", "b=2"),
        option("x-long", &"x".repeat(20_000)),
    ];
    let denial = denial(denied(401, headers));
    let told: Vec<_> =
        denial.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(told, [("www-authenticate", "Basic"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]);
}
