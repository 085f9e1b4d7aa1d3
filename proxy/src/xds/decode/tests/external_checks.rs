use std::time::Duration;

use http::{HeaderName, Method};
use prost::Message as _;

use super::{golden, wire, workload};

#[test]
fn golden_external_checks_are_what_they_were_written_as() {
    let decoded = workload(&golden("workload-external-check")).unwrap();
    let port = &decoded.inbound_ports[0];
    assert!(port.needs_requests, "whoever calls is asked about");
    let [first, second, third] = port.external_checks.as_slice() else { panic!("{port:?}") };
    let asks = first.asks.as_ref().unwrap();
    assert_eq!((&*asks.service, asks.addr), ("policy/opa", ([10, 96, 0, 9], 9191).into()));
    assert_eq!(
        (first.timeout, first.allows_on_failure, first.dry_run),
        (Duration::from_millis(500), false, false)
    );
    assert!(first.exempts(&Method::GET, "/healthz") && first.exempts(&Method::PUT, "/public/a"));
    assert!(!first.exempts(&Method::PUT, "/healthz") && first.allowed_headers.is_empty());
    assert_eq!((&second.asks, second.allows_on_failure, second.dry_run), (&None, true, true));
    assert_eq!(*second.allowed_headers, ["authorization", "cookie"].map(HeaderName::from_static));
    assert_eq!((&first.over_http, first.body), (&None, None));
    let http = third.over_http.as_ref().unwrap();
    assert_eq!(&*http.prefix, "/auth");
    assert_eq!(*http.to_application, [HeaderName::from_static("x-user")]);
    assert_eq!(*http.to_caller, [http::header::SET_COOKIE]);
    let body = third.body.unwrap();
    assert_eq!((body.most, body.partial), (8192, true));
}

#[test]
fn a_check_whose_words_got_lost_or_are_not_known_is_rejected() {
    let golden = wire::Workload::decode(golden("workload-external-check").as_slice()).unwrap();
    let changed = |change: fn(&mut wire::ExternalCheck)| {
        let mut wire = golden.clone();
        // The third has everything but exemptions.
        let checks = &mut wire.inbound_ports[0].external_checks;
        (checks[0].http, checks[0].body) = (checks[2].http.clone(), checks[2].body);
        change(&mut checks[0]);
        workload(&wire.encode_to_vec())
    };
    assert!(changed(|_| {}).is_ok());
    for (change, reason) in [
        ((|check| check.on_failure = 0) as fn(&mut wire::ExternalCheck), "on_failure is not set"),
        (|check| check.on_failure = 9, "on_failure 9 is unknown"),
        (|check| check.timeout_ms = 0, "timeout_ms is 0"),
        (|check| check.address.truncate(3), "an address has 4 or 16 bytes"),
        (|check| check.port = 0, "0 is no port"),
        (|check| check.allowed_headers.push("a b".into()), "header name"),
        (|check| check.exempt[0].path = None, "an exemption has no path"),
        (
            |check| check.exempt[0].path = Some(wire::exemption::Path::Prefix(String::new())),
            "an exemption has no path",
        ),
        (|check| check.exempt[0].method = "G T".into(), "not a valid method"),
        (|check| check.body.as_mut().unwrap().on_too_long = 0, "on_too_long is not set"),
        (|check| check.body.as_mut().unwrap().on_too_long = 9, "on_too_long 9 is unknown"),
        (|check| check.body.as_mut().unwrap().max_bytes = 0, "max_bytes 0 is not between"),
        (|check| check.body.as_mut().unwrap().max_bytes = 1 << 21, "is not between 1 and 1048576"),
        (|check| check.http.as_mut().unwrap().prefix = "auth".into(), "read in one way only"),
        (|check| check.http.as_mut().unwrap().prefix = "/auth/".into(), "read in one way only"),
        (|check| check.http.as_mut().unwrap().prefix = "/a/../b".into(), "read in one way only"),
        (|check| check.http.as_mut().unwrap().to_application.push("a b".into()), "header name"),
        (|check| check.http.as_mut().unwrap().to_caller.push("a b".into()), "header name"),
    ] {
        let error = changed(change).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
