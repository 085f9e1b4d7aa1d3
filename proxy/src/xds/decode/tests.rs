mod access_logs;
mod access_rules;
mod external_checks;
mod external_services;
mod jwt_issuers;
mod origins;
mod rate_limits;
mod shared_limits;
mod tracings;

use super::*;
use crate::state::{Answer, Listed, PathChange};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/wire/golden");

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(format!("{GOLDEN}/{name}.pb")).unwrap()
}

#[test]
fn the_features_known_are_the_features_of_the_contract() {
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../src/wire/features.json")).unwrap();
    let mut contract: Vec<String> = serde_json::from_slice(&file).unwrap();
    contract.sort();
    assert_eq!(contract, KNOWN_FEATURES);
}

#[test]
fn every_golden_resource_decodes_but_the_one_with_an_unknown_feature() {
    let mut seen = 0;
    for file in std::fs::read_dir(GOLDEN).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "pb") {
            continue;
        }
        seen += 1;
        let (name, body) = (path.file_stem().unwrap().to_str().unwrap(), std::fs::read(&path).unwrap());
        let decoded = if name.starts_with("workload") {
            workload(&body).map(drop)
        } else {
            destination(&body).map(drop)
        };
        match (name, decoded) {
            ("unknown-feature", Err(Reject(reason))) => {
                assert!(reason.contains("critical feature `") && reason.contains("newer proxy"), "{reason}");
            }
            ("unknown-feature", Ok(())) => panic!("a feature nobody knows was accepted"),
            (_, decoded) => decoded.unwrap_or_else(|reason| panic!("{name}: {reason}")),
        }
    }
    assert!(seen >= 5, "golden bytes are missing, found {seen}");
}

#[test]
fn a_golden_canary_means_what_its_author_wrote() {
    let canary = destination(&golden("canary")).unwrap();
    assert_eq!(&*canary.key, "default/default/shop/reviews:8080/qa");
    assert_eq!(
        (canary.protocol, canary.target.kind, canary.target.port),
        (Protocol::Http2, TargetKind::Service, 8080)
    );
    let [testers, rest] = canary.routes.as_slice() else { panic!("{:?}", canary.routes) };
    let header = &testers.matches[0].headers[0];
    assert_eq!(header.name, "x-group");
    assert!(matches!(&header.condition, ValueCondition::Exact(value) if &**value == "beta"));
    assert!(matches!(&testers.matches[0].path, Some(PathMatch::Prefix(path)) if &**path == "/api"));
    assert_eq!(
        rest.split,
        [
            WeightedBackend { backend: 1, weight: 90, ..Default::default() },
            WeightedBackend { backend: 0, weight: 10, ..Default::default() }
        ]
    );
    let v2 = &canary.backends[0];
    assert_eq!(&*v2.name, "shop/reviews:8080{version=v2}");
    let far = &v2.endpoints[1];
    assert_eq!(far.addr.to_string(), "10.8.0.6:9080");
    assert_eq!(far.network.as_deref(), Some("far"));
    assert_eq!(far.peer.as_ref().unwrap().as_str(), "spiffe://cluster.local/ns/shop/sa/reviews-v2");
}

#[test]
fn golden_nodes_say_where_endpoints_are_and_who_keeps_to_one() {
    let decoded = destination(&golden("nodes")).unwrap();
    let [here, preferred] = &decoded.backends[..] else { panic!("{:?}", decoded.backends) };
    let nodes: Vec<_> = here.endpoints.iter().map(|endpoint| endpoint.node.as_deref()).collect();
    assert_eq!(nodes, [Some("node-1"), Some("node-2")]);
    assert_eq!((here.node, preferred.node), (NodePolicy::Only, NodePolicy::Prefer));
    assert_eq!((here.affinity, preferred.affinity), (Some(Duration::from_secs(10_800)), None));
    assert_eq!(decoded.session_key.0[..], std::array::from_fn::<u8, 32, _>(|index| index as u8));
    assert_eq!(workload(&golden("workload")).unwrap().node.as_deref(), Some("node-1"));
}

#[test]
fn a_golden_pod_address_is_opaque_and_of_ipv6() {
    let pod = destination(&golden("pod-ipv6")).unwrap();
    let endpoint = &pod.backends[0].endpoints[0];
    assert!(endpoint.addr.is_ipv6() && endpoint.opaque);
    assert_eq!((pod.target.kind, endpoint.zone.as_deref()), (TargetKind::Pod, Some("zone-a")));
}

#[test]
fn a_golden_caller_has_its_method_query_and_labels() {
    let decoded = destination(&golden("caller")).unwrap();
    let condition = &decoded.routes[0].matches[0];
    assert_eq!(condition.method, Some(Method::POST));
    assert_eq!((&*condition.query[0].name, condition.query[1].invert), ("lane", true));
    let from = condition.from.as_ref().unwrap();
    assert_eq!(from.service_accounts, [("shop".into(), "web".into())]);
    assert_eq!((from.namespaces.len(), from.labels.len()), (2, 1));
    assert_eq!(workload(&golden("workload")).unwrap().labels["version"], "v1");
}

#[test]
fn golden_actions_are_what_they_were_written_as() {
    let decoded = destination(&golden("actions")).unwrap();
    let [moved, healthy, changed] = decoded.routes.as_slice() else { panic!("{:?}", decoded.routes) };
    let actions = moved.actions.as_ref().unwrap();
    assert_eq!(actions.headers.response.set[0].0, "x-moved");
    let Some(Answer::Redirect(redirect)) = &actions.answer else { panic!("{actions:?}") };
    assert_eq!((redirect.port, redirect.status.as_u16()), (Some(8443), 308));
    assert!(matches!(&redirect.path, Some(PathChange::Prefix(path)) if &**path == "/new"));
    let Some(Answer::Direct(direct)) = &healthy.actions.as_ref().unwrap().answer else {
        panic!("{healthy:?}")
    };
    assert_eq!(&direct.body.as_ref().unwrap().0[..], b"{}");
    let actions = changed.actions.as_ref().unwrap();
    assert_eq!(actions.rewrite.as_ref().unwrap().host.as_ref().unwrap().authority, "reviews.internal");
    assert_eq!(actions.headers.request.remove, ["x-debug"]);
    assert_eq!(changed.split[0].headers.as_ref().unwrap().request.add[0].1, "first");
}

#[test]
fn a_golden_strict_workload_is_strict() {
    let strict = workload(&golden("workload-strict")).unwrap();
    assert_eq!(strict.mtls_mode, MtlsMode::Strict);
    assert_eq!(strict.mtls_mode(1), MtlsMode::Strict);
}

/// A destination that decodes, to be spoiled.
fn good() -> wire::Destination {
    wire::Destination {
        key: "k".to_owned(),
        target: Some(wire::Target {
            kind: 1,
            namespace: "shop".to_owned(),
            name: "reviews".to_owned(),
            port: 80,
        }),
        endpoints: vec![wire::Endpoint { address: vec![10, 0, 0, 1], port: 80, ..Default::default() }],
        backends: vec![wire::Backend { name: "b".to_owned(), endpoints: vec![0], ..Default::default() }],
        routes: vec![wire::Route {
            name: "r".to_owned(),
            matches: vec![wire::Match::default()],
            split: vec![wire::WeightedBackend { backend: 0, weight: 1, ..Default::default() }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn header(name: &str, condition: Option<wire::header_match::Condition>) -> wire::Match {
    let header = wire::HeaderMatch { name: name.to_owned(), condition, invert: false };
    wire::Match { headers: vec![header], ..Default::default() }
}

fn balancer(algorithm: i32) -> Option<wire::LoadBalancer> {
    Some(wire::LoadBalancer { algorithm, ..Default::default() })
}

#[test]
fn whatever_cannot_be_honoured_is_rejected_with_its_place_and_reason() {
    use wire::header_match::Condition;

    type Spoil = fn(&mut wire::Destination);
    let cases: [(&str, Spoil); 31] = [
        ("there are no routes", |d| d.routes.clear()),
        ("target is not set", |d| d.target = None),
        ("target is of no kind", |d| d.target.as_mut().unwrap().kind = 9),
        ("0 is no port", |d| d.target.as_mut().unwrap().port = 0),
        ("protocol 9 is unknown", |d| d.protocol = 9),
        ("algorithm 9 is unknown", |d| d.load_balancer = balancer(9)),
        ("RingHash has nothing to hash", |d| d.load_balancer = balancer(5)),
        ("zone policy 9 is unknown", |d| {
            d.load_balancer = Some(wire::LoadBalancer { zone: 9, ..Default::default() });
        }),
        ("max_load_percent 99 is less than the mean", |d| {
            d.load_balancer = Some(wire::LoadBalancer { max_load_percent: 99, ..Default::default() });
        }),
        ("hash[0]: nothing to hash that this proxy knows", |d| {
            let hash = vec![wire::HashInput::default()];
            d.load_balancer = Some(wire::LoadBalancer { hash, ..Default::default() });
        }),
        ("endpoints[0]: an address has 4 or 16 bytes, not 3", |d| d.endpoints[0].address = vec![1, 2, 3]),
        ("endpoints[0]: 70000 is no port", |d| d.endpoints[0].port = 70_000),
        ("endpoints[0]: identity 1 is not among 0", |d| d.endpoints[0].identity = 1),
        ("identities[0]: `nobody` is not of the form", |d| d.identities = vec!["nobody".to_owned()]),
        ("backends[0]: endpoints[0]: endpoint 7 is not among 1", |d| d.backends[0].endpoints = vec![7]),
        ("routes[0]: split[0]: backend 3 is not among 1", |d| d.routes[0].split[0].backend = 3),
        ("routes[0]: no share of the split has a weight", |d| d.routes[0].split[0].weight = 0),
        ("routes[0]: no share of the split has a weight", |d| d.routes[0].split.clear()),
        ("matches[0]: headers[0]: `x y` is no header name", |d| {
            d.routes[0].matches = vec![header("x y", Some(Condition::Present(true)))];
        }),
        ("headers[0]: no condition this proxy knows", |d| d.routes[0].matches = vec![header("x", None)]),
        ("headers[0]: regex `a)|(b`", |d| {
            d.routes[0].matches = vec![header("x", Some(Condition::Regex("a)|(b".to_owned())))];
        }),
        ("headers[0]: regex `((a{100}){100}){100}`", |d| {
            d.routes[0].matches =
                vec![header("x", Some(Condition::Regex("((a{100}){100}){100}".to_owned())))];
        }),
        ("routes[0]: request_headers: set[0]: `a b` is no header name", |d| {
            let text = wire::HeaderText { name: "a b".to_owned(), value: String::new() };
            d.routes[0].request_headers = Some(wire::HeaderChanges { set: vec![text], ..Default::default() });
        }),
        ("split[0]: response_headers: add[0]: `x\\n` is no header value", |d| {
            let text = wire::HeaderText { name: "a".to_owned(), value: "x\n".to_owned() };
            d.routes[0].split[0].response_headers =
                Some(wire::HeaderChanges { add: vec![text], ..Default::default() });
        }),
        ("rewrite: path: `/a?b` is no path", |d| {
            let change = Some(wire::path_change::Change::Full("/a?b".to_owned()));
            let path = Some(wire::PathChange { change });
            d.routes[0].rewrite = Some(wire::Rewrite { path, ..Default::default() });
        }),
        ("redirect: 305 is no status of a redirect", |d| {
            d.routes[0].redirect = Some(wire::Redirect { status: 305, ..Default::default() });
        }),
        ("direct_response: 101 is no status of an answer", |d| {
            d.routes[0].direct_response = Some(wire::DirectResponse { status: 101, ..Default::default() });
        }),
        ("there are a redirect and a direct response", |d| {
            d.routes[0].redirect = Some(wire::Redirect { status: 302, ..Default::default() });
            d.routes[0].direct_response = Some(wire::DirectResponse { status: 200, ..Default::default() });
        }),
        ("matches[0]: method `G T` is none", |d| d.routes[0].matches[0].method = "G T".to_owned()),
        ("matches[0]: query[0]: no condition this proxy knows", |d| {
            d.routes[0].matches[0].query = vec![wire::QueryMatch::default()];
        }),
        ("matches[0]: path: no condition", |d| {
            d.routes[0].matches[0].path = Some(wire::PathMatch::default())
        }),
    ];
    destination(&good().encode_to_vec()).unwrap();
    for (expected, spoil) in cases {
        let mut spoiled = good();
        spoil(&mut spoiled);
        let Err(Reject(reason)) = destination(&spoiled.encode_to_vec()) else {
            panic!("accepted: {expected}")
        };
        assert!(reason.contains(expected), "got `{reason}`, want `{expected}`");
    }
    assert!(destination(&[0xff]).is_err());
}

#[test]
fn an_expression_must_match_the_whole_text() {
    let alternatives = regex("v1|v2").unwrap();
    assert!(alternatives.is_match("v1") && alternatives.is_match("v2"));
    assert!(!alternatives.is_match("v1x") && !alternatives.is_match("xv2") && !alternatives.is_match("v1\n"));
    assert!(regex("(?i)beta").unwrap().is_match("BETA"));
    assert!(regex(r"\w+@[\pL.]+").unwrap().is_match("a@b.c"));
}

/// A workload that says all it must.
fn wire_workload() -> wire::Workload {
    wire::Workload {
        identity: "spiffe://cluster.local/ns/shop/sa/web".to_owned(),
        mtls_mode: wire::MtlsMode::Strict.into(),
        outbound_policy: wire::OutboundPolicy::RegistryOnly.into(),
        ..Default::default()
    }
}

#[test]
fn ports_of_a_workload_are_found_whatever_their_order() {
    let inbound = |port, mtls_mode| wire::InboundPort { port, mtls_mode, ..Default::default() };
    let wire = wire::Workload { inbound_ports: vec![inbound(9090, 2), inbound(80, 1)], ..wire_workload() };
    let workload = workload(&wire.encode_to_vec()).unwrap();
    assert_eq!(workload.mtls_mode(80), MtlsMode::Permissive);
    assert_eq!(workload.mtls_mode(9090), MtlsMode::Strict);
    assert_eq!(workload.mtls_mode(1), MtlsMode::Strict);
    assert_eq!(workload.inbound_port(9090).unwrap().port, 9090);
}

#[test]
fn a_workload_whose_security_is_not_said_or_not_known_is_rejected() {
    let port = |mtls_mode| wire::InboundPort { port: 80, mtls_mode, ..Default::default() };
    type Set = fn(&mut wire::Workload, i32);
    let cases: [(Set, &str); 2] = [
        (|wire, mode| wire.mtls_mode = mode, "mtls_mode is not set"),
        (|wire, policy| wire.outbound_policy = policy, "outbound_policy is not set"),
    ];
    for (set, reason) in cases {
        let rejected = |number| {
            let mut wire = wire_workload();
            set(&mut wire, number);
            workload(&wire.encode_to_vec()).unwrap_err().to_string()
        };
        assert_eq!(rejected(0), reason);
        assert!(rejected(99).ends_with("99 is unknown"), "{}", rejected(99));
    }
    let wire = wire::Workload { inbound_ports: vec![port(1), port(0)], ..wire_workload() };
    let reason = workload(&wire.encode_to_vec()).unwrap_err().to_string();
    assert_eq!(reason, "inbound_ports[1]: mtls_mode is not set");
    assert!(workload(&wire_workload().encode_to_vec()).is_ok(), "what says both is taken");
}

#[test]
fn a_workload_that_needs_what_this_proxy_does_not_know_is_rejected() {
    let wire = wire::Workload { critical_features: vec!["access.roles".to_owned()], ..wire_workload() };
    let reason = workload(&wire.encode_to_vec()).unwrap_err().to_string();
    assert!(reason.starts_with("critical feature `access.roles` is unknown"), "{reason}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = (destination(&body), workload(&body));
    }

    #[test]
    fn no_damage_to_a_good_resource_makes_it_panic(at in 0..100usize, byte in proptest::num::u8::ANY) {
        let mut body = golden("canary");
        let at = at % body.len();
        body[at] = byte;
        let _ = destination(&body);
    }
}

#[test]
fn a_golden_mirror_and_permissions_for_browsers_are_what_their_author_wrote() {
    let decoded = destination(&golden("beside")).unwrap();
    let [pages, rest] = decoded.routes.as_slice() else { panic!("{:?}", decoded.routes) };
    let cors = pages.cors().unwrap();
    assert!(cors.allows(&http::HeaderValue::from_static("https://a.shop.example")));
    assert!(!cors.allows(&http::HeaderValue::from_static("https://b.example")));
    assert!(matches!(&cors.methods, Listed::These(these) if these == "PUT, DELETE"));
    assert_eq!((cors.credentials, cors.max_age.to_str().unwrap()), (true, "600"));
    assert_eq!(cors.headers, Listed::Every);
    let [compared, plain] = rest.actions.as_ref().unwrap().mirrors.as_slice() else { panic!("{rest:?}") };
    assert_eq!((compared.backend, compared.numerator, compared.denominator.get()), (1, 1, 10_000));
    assert_eq!(compared.compare.as_ref().unwrap().headers, ["content-type"]);
    assert!(plain.compare.is_none());
}

#[test]
fn copies_to_nowhere_and_origins_that_are_none_are_rejected() {
    let route = |fill: fn(&mut wire::Route)| {
        let mut wire = wire::Destination::decode(golden("canary").as_slice()).unwrap();
        fill(&mut wire.routes[0]);
        destination(&wire.encode_to_vec()).unwrap_err().to_string()
    };
    let reason = route(|route| {
        route.mirrors = vec![wire::Mirror { backend: 99, denominator: 1, ..Default::default() }]
    });
    assert!(reason.contains("routes[0]: mirrors[0]: backend 99 is not among"), "{reason}");
    let reason = route(|route| route.mirrors = vec![wire::Mirror::default()]);
    assert!(reason.contains("mirrors[0]: the denominator is 0"), "{reason}");
    let reason = route(|route| {
        let allow_origins = vec!["shop.example".to_owned()];
        route.cors = Some(wire::Cors { allow_origins, ..Default::default() });
    });
    assert!(reason.contains("cors: allow_origins[0]: `shop.example` is no origin"), "{reason}");
}

#[test]
fn a_destination_may_have_far_more_routes_than_one_object_holds() {
    let mut wire = wire::Destination::decode(golden("canary").as_slice()).unwrap();
    let route = |number: usize| {
        let exact = wire::path_match::Condition::Exact(format!("/shop/item-{number}"));
        let path = Some(wire::PathMatch { condition: Some(exact) });
        let matches = vec![wire::Match { path, ..Default::default() }];
        wire::Route { name: format!("route-{number}"), matches, ..wire.routes[1].clone() }
    };
    wire.routes = (0..budget::MATCHES).map(route).collect();
    let bytes = wire.encode_to_vec();
    assert!(bytes.len() < 256 * 1024, "{} bytes", bytes.len());
    assert_eq!(destination(&bytes).unwrap().routes.len(), budget::MATCHES);
}

#[test]
fn a_fault_that_cannot_be_is_rejected() {
    let rejected = |fault: wire::Fault| {
        let mut wire = wire::Destination::decode(golden("canary").as_slice()).unwrap();
        wire.routes[0].fault = Some(fault);
        destination(&wire.encode_to_vec()).unwrap_err().to_string()
    };
    let abort = wire::FaultAbort { numerator: 1, denominator: 100, status: 503, grpc_status: 14 };
    let aborting =
        |abort: wire::FaultAbort| wire::Fault { abort: Some(abort), max_active: 1, ..Default::default() };
    let reason = rejected(wire::Fault::default());
    assert!(reason.contains("routes[0]: fault: nothing says what is done"), "{reason}");
    let reason = rejected(aborting(wire::FaultAbort { denominator: 0, ..abort }));
    assert!(reason.contains("fault: the denominator is 0"), "{reason}");
    let reason = rejected(aborting(wire::FaultAbort { numerator: 101, ..abort }));
    assert!(reason.contains("less than the numerator, 101"), "{reason}");
    for status in [0, 100, 1000, 65_536 + 503] {
        let reason = rejected(aborting(wire::FaultAbort { status, ..abort }));
        assert!(reason.contains(&format!("fault: {status} is no status of an answer")), "{reason}");
    }
    let reason = rejected(aborting(wire::FaultAbort { grpc_status: 0, ..abort }));
    assert!(reason.contains("fault: 0 is no gRPC status of a failure"), "{reason}");
    let slow_body = Some(wire::FaultSlowBody { numerator: 1, denominator: 1, bytes_per_second: 0 });
    let reason = rejected(wire::Fault { slow_body, ..Default::default() });
    assert!(reason.contains("0 bytes a second never ends"), "{reason}");
}

#[test]
fn faults_are_read() {
    let read = destination(&golden("resilience")).unwrap();
    let fault = read.routes[0].fault.as_deref().unwrap();
    let (abort, delay) = (fault.abort.unwrap(), fault.delay.unwrap());
    assert_eq!((abort.share.hit, abort.share.of.get()), (1, 1000));
    assert_eq!((abort.status.as_u16(), abort.grpc_status), (503, 14));
    assert_eq!((delay.share.hit, delay.share.of.get(), delay.time.as_millis()), (5, 100, 200));
    let slow = fault.slow_body.unwrap();
    assert_eq!((slow.share.hit, slow.bytes_per_second.get()), (2, 1000));
    assert_eq!(fault.max_active, 10);
}

#[test]
fn a_destination_beyond_the_budget_is_rejected_by_what_is_too_much_and_one_at_it_is_taken() {
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../src/wire/budget.json")).unwrap();
    let table: std::collections::HashMap<String, usize> = serde_json::from_slice(&file).unwrap();
    assert_eq!(table["expressions"], budget::EXPRESSIONS);
    assert_eq!(table["matches"], budget::MATCHES);
    assert_eq!(table["routeBytes"], budget::ROUTE_BYTES);
    assert_eq!(table["endpointReferences"], budget::ENDPOINT_REFERENCES);
    assert_eq!(table["tlsBytes"], budget::TLS_BYTES);
    assert_eq!(table["accessGrants"], access::GRANTS);
    assert_eq!(table["accessEntries"], access::ENTRIES);
    assert_eq!(table["accessBytes"], access::ACCESS_BYTES);
    assert_eq!(table.len(), 8, "every number is checked");

    let with = |fill: &dyn Fn(&mut wire::Destination)| {
        let mut wire = wire::Destination::decode(golden("service").as_slice()).unwrap();
        fill(&mut wire);
        destination(&wire.encode_to_vec()).map(drop).map_err(|Reject(reason)| reason)
    };
    let path = |condition| wire::Match {
        path: Some(wire::PathMatch { condition: Some(condition) }),
        ..Default::default()
    };
    let regex = || path(wire::path_match::Condition::Regex("a".to_owned()));
    let prefix = || path(wire::path_match::Condition::Prefix("/a".to_owned()));
    let long = |length| path(wire::path_match::Condition::Exact("/".repeat(length)));
    type Case<'a> = (&'a dyn Fn(&mut wire::Destination, usize), usize, &'a str);
    let cases: [Case<'_>; 3] = [
        (&|wire, count| wire.routes[0].matches = vec![regex(); count], 64, "65 regular expressions, of 64"),
        (&|wire, count| wire.routes[0].matches = vec![prefix(); count], 1_024, "1025 matches, of 1024"),
        (
            &|wire, count| wire.backends[0].endpoints = vec![0; count],
            65_536,
            "65537 endpoints of backends, of 65536",
        ),
    ];
    for (fill, most, reason) in cases {
        assert_eq!(with(&|wire| fill(wire, most)), Ok(()));
        assert_eq!(with(&|wire| fill(wire, most + 1)), Err(format!("too large: {reason} at most")));
    }
    let reason = with(&|wire| wire.routes[0].matches = vec![long(256 * 1024)]).unwrap_err();
    assert!(reason.contains("bytes of routes, of 262144 at most"), "{reason}");
}
