use super::*;
use crate::rate_limit::{Cost, Counted, CountedBy, KeyPart};
use crate::state::TargetKind;

#[test]
fn golden_rate_limits_are_what_they_were_written_as() {
    let decoded = workload(&golden("workload-rate-limits")).unwrap();
    let port = &decoded.inbound_ports[0];
    assert!(port.needs_requests, "whoever calls is counted");
    let [all, caller, place, logins, tokens] = port.rate_limits.as_slice() else { panic!("{port:?}") };
    assert_eq!((&*all.policy, &*all.name, all.pods, all.burst), ("shop/reviews", "all", 3, 30));
    assert_eq!((caller.requests, caller.per, caller.dry_run), (10, Duration::from_secs(60), false));
    let user = KeyPart::Header("x-user".parse().unwrap());
    assert_eq!(*caller.key, [KeyPart::ServiceAccount, KeyPart::Method, user]);
    assert_eq!(*place.key, [KeyPart::Namespace, KeyPart::Network, KeyPart::Address, KeyPart::Path]);
    assert!(place.dry_run && place.counted.is_empty() && place.cost == Cost::default());
    let [posted, versioned] = &*logins.counted else { panic!("{logins:?}") };
    let path = Some(PathMatch::Prefix("/login".into()));
    let condition = ValueCondition::Exact("web".into());
    let headers = vec![HeaderMatch { name: "x-app".parse().unwrap(), condition, invert: true }];
    assert_eq!(*posted, Counted { method: Some(Method::POST), path, headers });
    assert!(matches!(&versioned.path, Some(PathMatch::Regex(_))) && versioned.method.is_none());
    assert_eq!(logins.cost, Cost { amount: 5, header: Some("x-cost".parse().unwrap()), field: None });
    let field = Some(["usage".into(), "total_tokens".into()].into());
    assert_eq!(tokens.cost, Cost { amount: 500, header: None, field });
}

#[test]
fn a_rate_limit_of_nothing_or_by_what_this_proxy_does_not_know_is_rejected() {
    let golden = wire::Workload::decode(golden("workload-rate-limits").as_slice()).unwrap();
    let changed = |change: fn(&mut wire::RateLimit)| {
        let mut wire = golden.clone();
        change(&mut wire.inbound_ports[0].rate_limits[1]);
        workload(&wire.encode_to_vec())
    };
    assert!(changed(|_| {}).is_ok());
    for (change, reason) in [
        ((|limit| limit.requests = 0) as fn(&mut wire::RateLimit), "per-caller: requests is 0"),
        (|limit| limit.per_ms = 0, "per-caller: per_ms is 0"),
        (|limit| limit.burst = 0, "per-caller: burst is 0"),
        (|limit| limit.pods = 0, "per-caller: pods is 0"),
        (|limit| limit.key[0].part = None, "part of a rate limit's key is not set"),
        (|limit| limit.key[0].part = Some(wire::rate_limit_key::Part::Attribute(99)), "attribute 99"),
        (|limit| limit.key[0].part = Some(wire::rate_limit_key::Part::Header("a b".into())), "header name"),
        (|limit| limit.cost_header = "a b".into(), "header name"),
        (
            |limit| (limit.cost_header, limit.cost_field) = ("a".into(), vec!["b".into()]),
            "a header and a field cannot both say what a request cost",
        ),
        (|limit| limit.cost_field = vec![String::new(); 9], "cost_field has 9 names, of 8 at most"),
        (
            |limit| limit.matches = vec![counted(|wire| wire.from = Some(wire::Caller::default()))],
            "counts by",
        ),
        (
            |limit| limit.matches = vec![counted(|wire| wire.query = vec![on_query()])],
            "matches[0]: a rate limit counts by method, path and headers only",
        ),
        (|limit| limit.matches = vec![counted(|wire| wire.server_names = vec!["a".into()])], "counts by"),
        (|limit| limit.matches = vec![counted(|wire| wire.method = "a b".into())], "method `a b` is none"),
        (|limit| limit.matches = vec![expression(); 65], "limits of shop/reviews are too large: 66 regular"),
        (|limit| limit.matches = vec![counted(|_| {}); 1025], "1027 matches, of 1024 at most"),
    ] {
        let error = changed(change).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

fn counted(change: impl FnOnce(&mut wire::Match)) -> wire::Match {
    let mut wire = wire::Match::default();
    change(&mut wire);
    wire
}

fn on_query() -> wire::QueryMatch {
    let condition = Some(wire::query_match::Condition::Present(true));
    wire::QueryMatch { name: "a".into(), condition, invert: false }
}

fn expression() -> wire::Match {
    let condition = Some(wire::path_match::Condition::Regex("a".into()));
    counted(|wire| wire.path = Some(wire::PathMatch { condition }))
}

#[test]
fn policies_that_meet_at_a_port_have_a_budget_each() {
    let mut wire = wire::Workload::decode(golden("workload-rate-limits").as_slice()).unwrap();
    let limits = &mut wire.inbound_ports[0].rate_limits;
    limits[0].matches = vec![expression(); 60];
    limits[1] = wire::RateLimit { policy: "shop/other".into(), ..limits[0].clone() };
    assert!(workload(&wire.encode_to_vec()).is_ok());
}

#[test]
fn a_limit_that_counts_by_a_claim_finds_it_among_those_that_tokens_keep() {
    let golden = wire::Workload::decode(golden("workload-jwt").as_slice()).unwrap();
    let decoded = workload(&golden.encode_to_vec()).unwrap();
    let path = ["realm".into(), "user".into()].into();
    let by = CountedBy { place: 0, issuer: "https://id.example".into(), path };
    let [limit] = &*decoded.inbound_ports[0].rate_limits else { panic!("{decoded:?}") };
    assert_eq!(*limit.key, [KeyPart::Claim(by), KeyPart::Path]);
    assert!(limit.asks_for_tokens());
    type Change = fn(&mut wire::Workload);
    let part = |wire: &mut wire::Workload, number| {
        let part = Some(wire::rate_limit_key::Part::Claim(number));
        wire.inbound_ports[0].rate_limits[0].key[0].part = part;
    };
    for number in [0, 3] {
        let mut wire = golden.clone();
        part(&mut wire, number);
        let error = workload(&wire.encode_to_vec()).unwrap_err().to_string();
        assert!(error.contains(&format!("claim {number} of a rate limit's key is not among")), "{error}");
    }
    for (change, reason) in [
        ((|wire| wire.access = None) as Change, "claim 1 of a rate limit's key is not among"),
        (
            |wire| wire.access.as_mut().unwrap().counted_claims[1].issuer = 9,
            "counted_claims[1]: issuer 9 is not",
        ),
        (
            |wire| wire.access.as_mut().unwrap().counted_claims[1].path.clear(),
            "counted_claims[1]: path must be set",
        ),
        (
            |wire| {
                let claims = &mut wire.access.as_mut().unwrap().counted_claims;
                *claims = vec![claims[0].clone(); 17];
            },
            "too large: 17 counted claims, of 16",
        ),
    ] {
        let mut wire = golden.clone();
        change(&mut wire);
        let error = workload(&wire.encode_to_vec()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn golden_limits_on_what_a_pod_sends_are_what_they_were_written_as() {
    let decoded = workload(&golden("workload-caller-limits")).unwrap();
    let [payments, stripe] = decoded.caller_limits.as_slice() else { panic!("{decoded:?}") };
    assert_eq!((payments.kind, &*payments.callee()), (TargetKind::Service, "billing/payments"));
    let limit = &payments.limit;
    assert_eq!((&*limit.policy, &*limit.name, limit.pods, limit.burst), ("shop/orders", "payments", 3, 10));
    assert_eq!((stripe.kind, &*stripe.callee()), (TargetKind::External, "shop/stripe"));
    let tenant = KeyPart::Header("x-tenant".parse().unwrap());
    assert_eq!(*stripe.limit.key, [tenant, KeyPart::Method, KeyPart::Path]);
    assert!(stripe.limit.dry_run && stripe.limit.counted[0].method == Some(Method::POST));
}

#[test]
fn a_limit_on_what_goes_to_nobody_or_by_what_a_pod_does_not_know_of_itself_is_rejected() {
    use wire::caller_limit::To;
    use wire::rate_limit_key::{Attribute, Part};
    type Change = fn(&mut wire::CallerLimit);
    fn by(wire: &mut wire::CallerLimit, part: Part) {
        wire.limit.as_mut().unwrap().key = vec![wire::RateLimitKey { part: Some(part) }];
    }
    let golden = wire::Workload::decode(golden("workload-caller-limits").as_slice()).unwrap();
    for (change, reason) in [
        ((|wire| wire.to = None) as Change, "caller_limits[0]: to is not set"),
        (|wire| wire.to = Some(To::Service("payments".into())), "is not a namespace and a name"),
        (|wire| wire.to = Some(To::ExternalService("/stripe".into())), "is not a namespace and a name"),
        (|wire| wire.limit = None, "limit is not set"),
        (|wire| wire.limit.as_mut().unwrap().requests = 0, "payments: requests is 0"),
        (|wire| by(wire, Part::Attribute(Attribute::ServiceAccount.into())), "not counted by ServiceAccount"),
        (|wire| by(wire, Part::Attribute(Attribute::Address.into())), "not counted by Address"),
        (|wire| by(wire, Part::Claim(1)), "claim 1 of a rate limit's key is not among"),
        (
            |wire| by(wire, Part::Constant(wire::Constant { name: "a".into(), value: "b".into() })),
            "not counted by Constant",
        ),
        (
            |wire| wire.limit.as_mut().unwrap().matches = vec![expression(); 65],
            "limits of shop/orders are too large: 65 regular expressions, of 64 at most",
        ),
    ] {
        let mut wire = golden.clone();
        change(&mut wire.caller_limits[0]);
        let error = workload(&wire.encode_to_vec()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
