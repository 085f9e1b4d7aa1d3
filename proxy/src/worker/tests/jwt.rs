//! Who has a token: by a peer with a good certificate that does not run our proxy, over each of its three wires, and in plain text. The
//! application keeps what it is sent: what is refused is not there.

mod confusions;
mod limits;
mod lines;

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use self::confusions::{confusions, forged};
use self::lines::{Headers, Lines};
use super::harness::{Proxy, World};
use super::peer::{WIRES, Wire};
use super::recorder::Recorder;
use crate::access::{Access, Builder, Condition, Default, Effect, Grant, Kind, Mode, Subject};
use crate::jwt::{Algorithm, Claim, Issuer, Location, TokenCondition, Tokens};
use crate::test_util::Signer;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const ES: &str = r#"{"alg":"ES256","kid":"es"}"#;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// Claims of a good token, with `claims` in the place of those of the same name; what is empty there is left out.
fn payload(claims: &[(&str, &str)]) -> String {
    let exp = (now() + 600).to_string();
    let good = [
        ("iss", r#""https://id.example""#),
        ("aud", r#""shop""#),
        ("exp", exp.as_str()),
        ("groups", r#"["staff"]"#),
    ];
    let given = |name: &str| claims.iter().any(|(other, _)| *other == name);
    let members = good.iter().filter(|(name, _)| !given(name)).chain(claims);
    let members = members.filter(|(_, value)| !value.is_empty());
    let members: Vec<_> = members.map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
    format!("{{{}}}", members.join(","))
}

fn bearer(token: impl AsRef<str>) -> Headers {
    vec![("authorization", format!("Bearer {}", token.as_ref()))]
}

fn issuer(id: &str, keys: Vec<crate::jwt::Key>, location: Location) -> Issuer {
    let (name, audiences) = ("shop/id".into(), vec!["shop".into()]);
    Issuer { name, id: id.into(), audiences, keys, skew: 30, location, removed: false }
}

/// Both issuers, who have keys of the same name.
fn tokens(signer: &Signer, other: &Signer, removed: bool) -> Tokens {
    let mut first = issuer(
        "https://id.example",
        vec![
            signer.key(Some("es"), Algorithm::Es256),
            other.key(Some("es-2"), Algorithm::Es256),
            signer.key(Some("e3"), Algorithm::Es384),
            signer.key(Some("rs"), Algorithm::Rs256),
            signer.key(Some("r5"), Algorithm::Rs512),
            signer.key(Some("r3"), Algorithm::Rs384),
            signer.key(Some("ps"), Algorithm::Ps256),
            signer.key(Some("p3"), Algorithm::Ps384),
            signer.key(Some("p5"), Algorithm::Ps512),
            signer.key(Some("ed"), Algorithm::EdDsa),
        ],
        Location::Bearer,
    );
    first.removed = removed;
    let second = issuer(
        "https://other.example",
        vec![other.key(Some("es"), Algorithm::Es256)],
        Location::Header("x-token".parse().unwrap()),
    );
    let claim = Claim { path: vec!["groups".into()], any_of: vec!["staff".into()] };
    let conditions = vec![
        TokenCondition { issuer: 0, claims: vec![claim] },
        TokenCondition { issuer: 1, claims: Vec::new() },
    ];
    Tokens::new(vec![first, second], conditions)
}

const STAFF: Condition = Condition { kind: Kind::Token(0), inverted: false };
const OF_OTHER: Condition = Condition { kind: Kind::Token(1), inverted: false };

fn web() -> Condition {
    let kind = Kind::Identity("spiffe://cluster.local/ns/shop/sa/web".into());
    Condition { kind, inverted: false }
}

/// A binding, named `shop/rule-0` and so on, for each subject.
fn rules(default: Default, tokens: Tokens, rules: Vec<(Vec<Condition>, Effect, Mode)>) -> Access {
    let names: Vec<_> = (0..rules.len()).map(|rule| format!("shop/rule-{rule}")).collect();
    let mut builder = Builder::new(default, names.iter().map(String::as_str));
    builder.permission(Vec::new(), Vec::new(), Vec::new(), Vec::new());
    builder.tokens(tokens);
    for (binding, (who, effect, mode)) in rules.into_iter().enumerate() {
        builder.subject(Subject(who), [Grant { permission: 0, binding, effect, mode }]);
    }
    builder.build([7; 32])
}

fn receiver(world: &World, app: SocketAddr, access: Access) -> Proxy {
    let receiver = world.receiver(app);
    receiver.change_workload(|workload| workload.access = Some(access.into()));
    receiver
}

#[tokio::test]
async fn no_confusion_of_a_token_arrives_over_any_wire() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let [signer, other, stranger] = [(); 3].map(|()| Signer::generate());
    let subjects =
        vec![(vec![STAFF], Effect::Allow, Mode::Enforce), (vec![OF_OTHER], Effect::Allow, Mode::Enforce)];
    let receiver = receiver(&world, app.addr, rules(Default::Deny, tokens(&signer, &other, false), subjects));
    let mut lines = Lines::open(&world, &receiver).await;
    let confusions = confusions(&signer, &other, &stranger);
    assert!(confusions.len() > 90, "{}", confusions.len());
    for (name, headers) in &confusions {
        for wire in WIRES {
            let told = lines.told(wire, headers).await;
            let refused = (401, "invalid-token".to_owned(), r#"bearer error="invalid_token""#.to_owned());
            assert_eq!(told, refused, "{name} over {wire:?}: {headers:?}");
        }
    }
    let arrived = app.seen();
    assert!(arrived.is_empty(), "{arrived:?}");
    let refused = [r#"verdict="denied""#, r#"binding="invalid-token:bad-signature""#, r#"peer="""#];
    assert!(receiver.count("weft_access_verdicts_total", &refused) > 5.0);
}

#[tokio::test]
async fn a_good_token_arrives_as_it_came_in_each_of_its_forms() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let [signer, other] = [(); 2].map(|()| Signer::generate());
    let subjects =
        vec![(vec![STAFF], Effect::Allow, Mode::Enforce), (vec![OF_OTHER], Effect::Allow, Mode::Enforce)];
    let receiver = receiver(&world, app.addr, rules(Default::Deny, tokens(&signer, &other, false), subjects));
    let mut lines = Lines::open(&world, &receiver).await;
    let mut good: Vec<Headers> = Vec::new();
    for (algorithm, header) in [
        (Algorithm::Es256, ES),
        (Algorithm::Es384, r#"{"alg":"ES384","kid":"e3"}"#),
        (Algorithm::Es384, r#"{"alg":"ES384"}"#),
        (Algorithm::Rs256, r#"{"alg":"RS256","kid":"rs"}"#),
        (Algorithm::Rs384, r#"{"alg":"RS384","kid":"r3"}"#),
        (Algorithm::Rs512, r#"{"alg":"RS512","kid":"r5"}"#),
        (Algorithm::Ps256, r#"{"alg":"PS256","kid":"ps","typ":"JWT"}"#),
        (Algorithm::Ps384, r#"{"alg":"PS384","kid":"p3","typ":"at+jwt"}"#),
        (Algorithm::Ps512, r#"{"alg":"PS512","kid":"p5","typ":"application/at+JWT"}"#),
        (Algorithm::EdDsa, r#"{"alg":"EdDSA","jku":"https://evil.example/keys"}"#),
    ] {
        good.push(bearer(signer.token(algorithm, header, &payload(&[]))));
    }
    let (past, soon) = ((now() - 5).to_string(), (now() + 20).to_string());
    let fraction = format!("{}.5", now() + 60);
    for claims in [
        &[("aud", r#"["other","shop"]"#)][..],
        &[("exp", past.as_str())],
        &[("exp", &fraction)],
        &[("nbf", &soon), ("iat", &soon)],
        &[("groups", r#""staff""#)],
        &[("x", r#"{"y":[{"z":null}]}"#)],
    ] {
        good.push(bearer(signer.token(Algorithm::Es256, ES, &payload(claims))));
    }
    let token = signer.token(Algorithm::Es256, ES, &payload(&[]));
    good.push(vec![("authorization", format!("bearer   {token}"))]);
    let of_other = other.token(Algorithm::Es256, ES, &payload(&[("iss", r#""https://other.example""#)]));
    good.push(vec![("x-token", of_other.clone())]);
    good.push(vec![("x-token", of_other), ("authorization", "Basic YTpi".to_owned())]);
    for headers in &good {
        for wire in WIRES {
            // Again, as one that was verified before.
            for _ in 0..2 {
                let told = lines.told(wire, headers).await;
                assert_eq!((told.0, told.1.as_str()), (200, ""), "{wire:?} {headers:?}");
            }
        }
    }
    let arrived: String = app.seen().concat();
    assert_eq!(arrived.matches("GET ").count(), good.len() * WIRES.len() * 2);
    for (_, value) in good.iter().flatten() {
        assert!(arrived.contains(value.as_str()), "{value}");
    }
}

#[tokio::test]
async fn nobody_is_let_in_without_a_token_or_by_other_claims() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let [signer, other] = [(); 2].map(|()| Signer::generate());
    let subjects = vec![
        (vec![STAFF, web()], Effect::Allow, Mode::Enforce),
        (vec![OF_OTHER], Effect::Deny, Mode::Enforce),
    ];
    let receiver = receiver(&world, app.addr, rules(Default::Deny, tokens(&signer, &other, false), subjects));
    let mut lines = Lines::open(&world, &receiver).await;
    let staff = bearer(signer.token(Algorithm::Es256, ES, &payload(&[])));
    let guest = bearer(signer.token(Algorithm::Es256, ES, &payload(&[("groups", r#"["guests"]"#)])));
    let denied = other.token(Algorithm::Es256, ES, &payload(&[("iss", r#""https://other.example""#)]));
    let required = (401, "token-required");
    for (headers, wire, (status, reason)) in [
        (&staff, Wire::H1, (200, "")),
        (&staff, Wire::H2, (200, "")),
        (&staff, Wire::Tunnel, (200, "")),
        (&staff, Wire::Plain, (403, "access-denied")),
        (&Vec::new(), Wire::Plain, (403, "access-denied")),
        (&guest, Wire::H2, (403, "access-denied")),
        (&Vec::new(), Wire::H1, required),
        (&Vec::new(), Wire::H2, required),
        (&vec![("authorization", "Basic YTpi".to_owned())], Wire::H2, required),
        (&vec![("authorization", "BearerToken x".to_owned())], Wire::H2, required),
        (&vec![("x-token", denied)], Wire::H2, (403, "access-denied")),
    ] {
        let told = lines.told(wire, headers).await;
        assert_eq!((told.0, told.1.as_str()), (status, reason), "{wire:?} {headers:?}");
        let challenge = if status == 401 { "bearer" } else { "" };
        assert_eq!(told.2, challenge, "{told:?}");
    }
    assert_eq!(app.seen().concat().matches("GET ").count(), 3);
}

#[tokio::test]
async fn who_has_no_token_can_be_a_subject_and_an_invalid_one_is_not_none() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let [signer, other] = [(); 2].map(|()| Signer::generate());
    let none = vec![Condition { inverted: true, ..STAFF }, Condition { inverted: true, ..OF_OTHER }, web()];
    let subjects = vec![(none, Effect::Allow, Mode::Enforce)];
    let receiver = receiver(&world, app.addr, rules(Default::Deny, tokens(&signer, &other, false), subjects));
    let mut lines = Lines::open(&world, &receiver).await;
    let staff = signer.token(Algorithm::Es256, ES, &payload(&[]));
    let broken = forged(&staff);
    for (headers, status) in [(Vec::new(), 200), (bearer(staff), 403), (bearer(broken), 401)] {
        assert_eq!(lines.told(Wire::H2, &headers).await.0, status);
    }
    assert_eq!(app.seen().concat().matches("GET ").count(), 1);
}

#[tokio::test]
async fn a_rehearsal_by_tokens_refuses_nobody_and_where_none_is_asked_for_nobody_looks() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let [signer, other] = [(); 2].map(|()| Signer::generate());
    let subjects = vec![(vec![STAFF], Effect::Deny, Mode::DryRun)];
    let access = rules(Default::Allow, tokens(&signer, &other, true), subjects);
    let receiver = receiver(&world, app.addr, access);
    let mut lines = Lines::open(&world, &receiver).await;
    let staff = bearer(signer.token(Algorithm::Es256, ES, &payload(&[])));
    for headers in [&staff, &bearer("x.y.z"), &Vec::new()] {
        assert_eq!(lines.told(Wire::H2, headers).await.0, 200, "{headers:?}");
    }
    for binding in ["shop/rule-0", "invalid-token:malformed"] {
        let labels = [r#"verdict="would-deny""#, &format!(r#"binding="{binding}""#)];
        receiver.counted("weft_access_verdicts_total", &labels, 1.0).await;
    }
    // Its issuer wants it taken off, which happens to what was verified only.
    let arrived = app.seen().concat();
    assert!(!arrived.contains(&staff[0].1) && arrived.contains("x.y.z"), "{arrived}");
    let plain = vec![(vec![web()], Effect::Allow, Mode::Enforce)];
    let unasked = rules(Default::Deny, tokens(&signer, &other, true), plain);
    let receiver = super::jwt::receiver(&world, app.addr, unasked);
    let mut lines = Lines::open(&world, &receiver).await;
    assert_eq!(lines.told(Wire::H2, &bearer("x.y.z")).await.0, 200);
}
