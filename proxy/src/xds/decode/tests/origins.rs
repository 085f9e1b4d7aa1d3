//! What is demanded of servers outside the mesh.

use super::*;

#[test]
fn golden_tls_is_of_backends_and_what_cannot_be_verified_refuses() {
    let decoded = destination(&golden("tls")).unwrap();
    let tls: Vec<_> = decoded.backends.iter().map(|backend| backend.tls.as_deref()).collect();
    let [Some(good), Some(refused), None] = tls.as_slice() else { panic!("{tls:?}") };
    assert_eq!((good.policy(), refused.policy()), ("shop/ratings", "shop/ratings-next"));
    assert!(good.refusal().is_none());
    let why = refused.refusal().unwrap().to_string();
    assert_eq!(why, "BackendTLSPolicy shop/ratings-next: ConfigMap shop/ca does not exist");
    assert!(decoded.originates_tls());
}

#[test]
fn what_a_policy_demands_is_equal_where_all_of_it_is() {
    let golden = wire::Destination::decode(golden("tls").as_slice()).unwrap();
    let origin_of = |change: &dyn Fn(&mut wire::BackendTls)| {
        let mut wire = golden.clone();
        change(&mut wire.tls[0]);
        let decoded = destination(&wire.encode_to_vec()).unwrap();
        decoded.backends[0].tls.clone().unwrap()
    };
    let same = origin_of(&|_| {});
    assert_eq!(same, origin_of(&|_| {}));
    let changes: [&dyn Fn(&mut wire::BackendTls); 7] = [
        &|tls| tls.policy.push('x'),
        &|tls| tls.server_name.push('x'),
        &|tls| tls.dns_names.clear(),
        &|tls| tls.uris = std::mem::take(&mut tls.dns_names),
        &|tls| tls.authorities[0].push(0),
        &|tls| tls.authorities.clear(),
        &|tls| tls.refused = "no".into(),
    ];
    for (index, change) in changes.iter().enumerate() {
        assert_ne!(same, origin_of(change), "change {index}");
    }
    let mut astray = golden.clone();
    astray.backends[0].tls = 3;
    assert!(destination(&astray.encode_to_vec()).unwrap_err().to_string().contains("tls 3 is not among 2"));
}

#[test]
fn certificates_beyond_the_budget_are_rejected() {
    let golden = wire::Destination::decode(golden("tls").as_slice()).unwrap();
    let with = |bytes: usize| {
        let mut wire = golden.clone();
        wire.tls = vec![wire::BackendTls { authorities: vec![vec![0; bytes]], ..Default::default() }; 2];
        destination(&wire.encode_to_vec()).map(drop).map_err(|Reject(reason)| reason)
    };
    assert_eq!(with(budget::TLS_BYTES / 2 - 4), Ok(()));
    let reason = with(budget::TLS_BYTES / 2).unwrap_err();
    assert!(reason.contains("bytes of certificates, of 524288 at most"), "{reason}");
}
