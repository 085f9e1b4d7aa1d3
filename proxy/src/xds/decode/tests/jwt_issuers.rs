//! Issuers of tokens and what is asked of these, from the bytes that the control plane writes.

use super::*;

#[test]
fn golden_issuers_and_claims_come_whole_or_reject_the_workload() {
    use crate::jwt::Location;

    let wire = wire::Workload::decode(golden("workload-jwt").as_slice()).unwrap();
    assert_eq!(
        wire.critical_features,
        ["workload.access", "workload.access.jwt", "workload.rate-limits", "workload.rate-limits.claim"]
    );
    let access = workload(&golden("workload-jwt")).unwrap().access.unwrap();
    assert!(access.asks_for_tokens(8080) && access.goes_by_tokens(8080) && !access.asks_for_tokens(9090));
    let issuers = [0, 1, 2].map(|place| access.tokens().issuer(place).unwrap());
    assert_eq!(issuers.map(|issuer| issuer.keys.len()), [4, 0, 1]);
    assert_eq!(issuers.map(|issuer| issuer.skew), [30, 0, 60]);
    assert_eq!(issuers.map(|issuer| issuer.removed), [false, true, false]);
    let header = Location::Header("x-partner-token".parse().unwrap());
    let locations = [Location::Bearer, header, Location::Cookie("session".into())];
    assert_eq!(issuers.map(|issuer| issuer.location.clone()), locations);

    type Damage = fn(&mut wire::Access);
    let damages: [(&str, Damage); 17] = [
        ("must be set", |wire| wire.jwt_issuers[0].issuer.clear()),
        ("must be set", |wire| wire.jwt_issuers[0].audiences.clear()),
        ("must be set", |wire| wire.jwt_issuers[0].audiences[0].clear()),
        ("a clock skew of 61 s", |wire| wire.jwt_issuers[0].clock_skew_seconds = 61),
        ("no location", |wire| wire.jwt_issuers[0].location = None),
        ("no location", |wire| {
            wire.jwt_issuers[0].location = Some(wire::jwt_issuer::Location::Bearer(false));
        }),
        ("forwarding 0", |wire| wire.jwt_issuers[0].forwarding = 0),
        ("forwarding 9", |wire| wire.jwt_issuers[0].forwarding = 9),
        ("it is for no algorithm", |wire| wire.jwt_issuers[0].keys[0].algorithms.clear()),
        ("`none` is not known", |wire| wire.jwt_issuers[0].keys[0].algorithms[0] = "none".into()),
        ("is not for keys of this type", |wire| wire.jwt_issuers[0].keys[0].algorithms[0] = "ES384".into()),
        ("no kind of key", |wire| wire.jwt_issuers[0].keys[0].material = None),
        ("two keys are named", |wire| {
            let key = wire.jwt_issuers[0].keys[0].clone();
            wire.jwt_issuers[0].keys.push(key);
        }),
        ("is there twice", |wire| wire.jwt_issuers[1].issuer = wire.jwt_issuers[0].issuer.clone()),
        ("issuer 0 is not among 3", |wire| token_condition(wire).issuer = 0),
        ("issuer 4 is not among 3", |wire| token_condition(wire).issuer = 4),
        ("path and any_of must be set", |wire| token_condition(wire).claims[0].any_of.clear()),
    ];
    for (reason, damage) in damages {
        let mut damaged = wire.access.clone().unwrap();
        damage(&mut damaged);
        let Err(Reject(found)) = access::access(&damaged) else { panic!("{reason}: it was taken") };
        assert!(found.contains(reason), "{reason}: {found}");
    }
}

fn token_condition(wire: &mut wire::Access) -> &mut wire::JwtCondition {
    let conditions = wire.subjects.iter_mut().flat_map(|subject| &mut subject.all_of);
    let mut tokens = conditions.filter_map(|condition| match &mut condition.who {
        Some(wire::subject_condition::Who::Jwt(condition)) => Some(condition),
        _ => None,
    });
    tokens.next().unwrap()
}
