use std::time::Duration;

use prost::Message as _;

use super::{golden, wire, workload};
use crate::rate_limit::{Cost, KeyPart};
use crate::shared_limit::OnFailure;

#[test]
fn golden_shared_limits_are_what_they_were_written_as() {
    let decoded = workload(&golden("workload-shared-limits")).unwrap();
    let port = &decoded.inbound_ports[0];
    assert!(port.needs_requests && port.rate_limits.len() == 1, "whoever calls is counted");
    let [enforced, rehearsed] = port.shared_limits.as_slice() else { panic!("{port:?}") };
    let asks = enforced.asks.as_ref().unwrap();
    assert_eq!((&*asks.service, asks.addr), ("limits/ratelimit", ([10, 96, 0, 9], 8081).into()));
    assert_eq!((&*enforced.service, &*enforced.domain), ("limits/ratelimit:8081", "weft"));
    assert_eq!((enforced.timeout, enforced.dry_run()), (Duration::from_millis(100), false));
    let [all, logins] = &*enforced.limits else { panic!("{enforced:?}") };
    assert_eq!((all.on_failure, logins.on_failure), (OnFailure::PodShare, OnFailure::Deny));
    let limit = &all.limit;
    assert_eq!((limit.requests, limit.per, limit.burst, limit.pods), (300, Duration::from_secs(60), 30, 3));
    assert_eq!(limit.cost, Cost { amount: 5, header: Some("x-cost".parse().unwrap()), field: None });
    let constant = KeyPart::Constant { name: "generic_key".into(), value: "logins".into() };
    assert_eq!((logins.limit.requests, &*logins.limit.key), (0, &[constant, KeyPart::Network][..]));
    assert!(rehearsed.asks.is_none() && rehearsed.dry_run());
    assert_eq!(
        (&*rehearsed.service, rehearsed.limits[0].on_failure),
        ("limits/absent:8081", OnFailure::Allow)
    );
}

#[test]
fn a_shared_limit_whose_words_got_lost_or_are_not_known_is_rejected() {
    let golden = wire::Workload::decode(golden("workload-shared-limits").as_slice()).unwrap();
    let changed = |change: fn(&mut wire::SharedLimits)| {
        let mut wire = golden.clone();
        change(&mut wire.inbound_ports[0].shared_limits[0]);
        workload(&wire.encode_to_vec())
    };
    fn limit(shared: &mut wire::SharedLimits, place: usize) -> &mut wire::RateLimit {
        shared.limits[place].limit.as_mut().unwrap()
    }
    assert!(changed(|_| {}).is_ok());
    for (change, reason) in [
        ((|shared| shared.timeout_ms = 0) as fn(&mut wire::SharedLimits), "is not set"),
        (|shared| shared.domain.clear(), "is not set"),
        (|shared| shared.limits.clear(), "is not set"),
        (|shared| shared.port = 0, "0 is no port"),
        (|shared| shared.address.truncate(3), "an address has 4 or 16 bytes"),
        (|shared| shared.limits[0].limit = None, "limits[0]: limit is not set"),
        (|shared| shared.limits[0].on_failure = 0, "all: on_failure is not set"),
        (|shared| shared.limits[0].on_failure = 9, "all: on_failure 9 is unknown"),
        (|shared| limit(shared, 0).per_ms = 90_000, "all: 90s is not what a service counts by"),
        (|shared| limit(shared, 0).pods = 0, "all: pods is 0"),
        (|shared| shared.limits[1].on_failure = 3, "without an amount there is no share of it"),
        (|shared| limit(shared, 1).key.clear(), "nothing to find it by"),
        (|shared| limit(shared, 1).per_ms = 1, "requests is 0, and per_ms or burst is not"),
        (|shared| limit(shared, 1).dry_run = true, "some limits are dry runs, and others are not"),
        (
            |shared| {
                let constant = wire::Constant::default();
                limit(shared, 1).key[0].part = Some(wire::rate_limit_key::Part::Constant(constant));
            },
            "a constant of a rate limit's key is empty",
        ),
    ] {
        let error = changed(change).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
