//! Access rules of a workload.

use super::*;

fn access_golden() -> wire::Access {
    wire::Workload::decode(golden("workload-access").as_slice()).unwrap().access.unwrap()
}

#[test]
fn golden_access_rules_mean_what_their_author_wrote() {
    use crate::access::{Question, Who};

    let access = workload(&golden("workload-access")).unwrap().access.unwrap();
    let headers = |value: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-group", value.parse().unwrap());
        headers
    };
    let web = SpiffeId::new("cluster.local", "shop", "web");
    let other = SpiffeId::new("cluster.local", "qa", "load");
    for (identity, ip, method, path, group, allowed, by) in [
        (Some(&web), "10.0.0.1", "GET", "/api/items/7", "staff", true, "shop/web-reads"),
        (Some(&web), "10.0.0.1", "GET", "/api/items/7", "guests", false, "default"),
        (Some(&web), "10.0.0.1", "POST", "/api/items/7", "staff", false, "default"),
        (Some(&web), "10.0.0.1", "GET", "/api/items/7/secrets", "staff", false, "default"),
        (Some(&web), "10.9.0.1", "GET", "/api/items/7", "staff", false, "shop/not-from-there"),
        (Some(&other), "10.9.0.1", "GET", "/anything", "", false, "default"),
        (Some(&other), "10.0.0.1", "POST", "/shop.Reviews/Get", "", true, "shop/qa-everything"),
        (None, "10.0.0.1", "GET", "/healthz", "", true, "shop/health"),
        (None, "10.0.0.1", "GET", "/api/items/7", "staff", false, "default"),
    ] {
        let who = Who { identity, ip: ip.parse().ok() };
        let method: Method = method.parse().unwrap();
        let headers = headers(group);
        let verdict = access.judge(
            &access.standing(who, 8080),
            &Question { method: &method, path, headers: &headers, token: None },
        );
        let found = (verdict.allowed, access.name(verdict.by));
        assert_eq!(found, (allowed, by), "{identity:?} {ip} {method} {path} {group}");
    }
    // And the whole workload goes where its feature is not known.
    let mut newer = wire::Workload::decode(golden("workload-access").as_slice()).unwrap();
    assert_eq!(newer.critical_features, ["workload.access"]);
    newer.critical_features.push("workload.access.later".to_owned());
    assert!(workload(&newer.encode_to_vec()).is_err());
}

/// `weft authz` answers by `src/model/judge/judge-call.ts`, which wrote the table: what it says is what happens.
#[test]
fn calls_are_judged_as_the_command_line_says() {
    use crate::access::{Question, Who, normal};

    let table = std::fs::read_to_string(format!("{GOLDEN}/verdicts.tsv")).unwrap();
    let mut wire = wire::Workload::decode(golden("workload-verdicts").as_slice()).unwrap().access.unwrap();
    let [allow, would_deny, deny] = [
        wire::AccessDefault::AllowByDefault,
        wire::AccessDefault::WouldDenyByDefault,
        wire::AccessDefault::DenyByDefault,
    ]
    .map(|default| {
        wire.default_access = default.into();
        access::access(&wire).unwrap()
    });
    let mut lines = 0;
    for line in table.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let [default, identity, ip, port, method, path, headers, verdict, by, rehearsed] = fields[..] else {
            panic!("{line}")
        };
        let access = match default {
            "allow" => &allow,
            "wouldDeny" => &would_deny,
            "deny" => &deny,
            _ => panic!("{line}"),
        };
        let parts: Vec<_> = identity.split(' ').collect();
        let identity = match parts[..] {
            [domain, namespace, account] => Some(SpiffeId::new(domain, namespace, account)),
            _ => None,
        };
        let port: u16 = port.parse().unwrap();
        let standing = access.standing(Who { identity: identity.as_ref(), ip: ip.parse().ok() }, port);
        let found = if method == "-" {
            Some(access.judge_bytes(&standing))
        } else if access.asks_about_paths(port) && normal(path).is_err() {
            None
        } else {
            let mut lines = http::HeaderMap::new();
            for (name, value) in headers.split('&').filter_map(|header| header.split_once('=')) {
                lines.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            let method: Method = method.parse().unwrap();
            Some(access.judge(&standing, &Question { method: &method, path, headers: &lines, token: None }))
        };
        let Some(found) = found else {
            assert_eq!(verdict, "ambiguous", "{line}");
            continue;
        };
        assert_eq!(if found.allowed { "allowed" } else { "denied" }, verdict, "{line}");
        // Of several that decide the proxy names one.
        assert!(by.split(',').any(|name| name == access.name(found.by)), "{line}: {found:?}");
        let differs = found.rehearsed.map(|would| access.name(would.by));
        assert_eq!(differs.is_some(), rehearsed != "-", "{line}: {found:?}");
        assert!(differs.is_none_or(|name| rehearsed.split(',').any(|one| one == name)), "{line}: {found:?}");
        lines += 1;
    }
    assert!(lines > 1_000, "{lines}");
}

/// A field that got lost on the way, or that a newer control plane meant otherwise, opens nothing.
#[test]
fn access_rules_with_anything_missing_or_unknown_reject_the_workload() {
    type Damage = fn(&mut wire::Access);
    let damages: [(&str, Damage); 20] = [
        ("default_access is not set", |wire| wire.default_access = 0),
        ("default_access 9 is unknown", |wire| wire.default_access = 9),
        ("effect 0", |wire| wire.subjects[0].grants[0].effect = 0),
        ("effect 9", |wire| wire.subjects[0].grants[0].effect = 9),
        ("mode 0", |wire| wire.subjects[0].grants[0].mode = 0),
        ("mode 9", |wire| wire.subjects[0].grants[0].mode = 9),
        ("permission 0 is not among", |wire| wire.subjects[0].grants[0].permission = 0),
        ("permission 99 is not among", |wire| wire.subjects[0].grants[0].permission = 99),
        ("binding 0 is not among", |wire| wire.subjects[0].grants[0].binding = 0),
        ("it has no condition", |wire| wire.subjects[0].all_of.clear()),
        ("no condition this proxy knows", |wire| wire.subjects[0].all_of[0].who = None),
        ("it is there twice", |wire| wire.subjects.push(wire.subjects[0].clone())),
        ("no condition this proxy knows", |wire| wire.permissions[0].headers[0].condition = None),
        ("is not the name of a header", |wire| wire.permissions[0].headers[0].name = "a b".into()),
        ("is not a pattern", |wire| wire.permissions[0].paths[0] = "/a/../b".into()),
        ("is not a pattern", |wire| wire.permissions[0].paths[0] = String::new()),
        ("is not a method", |wire| wire.permissions[0].methods[0] = String::new()),
        ("0 is no port", |wire| wire.permissions[0].ports[0] = 0),
        ("is not of the form", |wire| {
            wire.subjects[0].all_of[0].who =
                Some(wire::subject_condition::Who::Namespace("spiffe://cluster.local/ns/".into()));
        }),
        ("more bits", |wire| {
            let block = wire::IpBlock { address: vec![10, 0, 0, 0], length: 33 };
            wire.subjects[0].all_of[0].who = Some(wire::subject_condition::Who::IpBlock(block));
        }),
    ];
    assert!(access::access(&access_golden()).is_ok());
    for (reason, damage) in damages {
        let mut wire = access_golden();
        damage(&mut wire);
        let Err(Reject(found)) = access::access(&wire) else { panic!("{reason}: it was taken") };
        assert!(found.contains(reason), "{reason}: {found}");
    }
}

#[test]
fn access_rules_beyond_the_budget_are_rejected_and_those_at_it_are_taken() {
    let with = |fill: &dyn Fn(&mut wire::Access)| {
        let mut wire = access_golden();
        fill(&mut wire);
        access::access(&wire).map(drop).map_err(|Reject(reason)| reason)
    };
    let grants = |count: usize| {
        move |wire: &mut wire::Access| {
            let grant = wire.subjects[0].grants[0];
            wire.permissions[0].paths.truncate(1);
            wire.subjects.truncate(1);
            wire.subjects[0].grants = vec![grant; count];
        }
    };
    let paths = |count: usize| {
        move |wire: &mut wire::Access| {
            grants(64)(wire);
            wire.permissions[0].paths = (0..count / 64).map(|path| format!("/{path}")).collect();
        }
    };
    assert_eq!(with(&grants(access::GRANTS)), Ok(()));
    assert!(with(&grants(access::GRANTS + 1)).unwrap_err().starts_with("too large: 16385 grants"));
    assert_eq!(with(&paths(access::ENTRIES)), Ok(()));
    assert!(with(&paths(access::ENTRIES + 64)).unwrap_err().starts_with("too large: 65600 paths"));
    let long = |wire: &mut wire::Access| wire.bindings[0] = "a".repeat(access::ACCESS_BYTES);
    assert!(with(&long).unwrap_err().contains("bytes of access rules"));
}
