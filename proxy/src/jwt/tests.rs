use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};

use super::*;
use crate::test_util::Signer;

const NOW: u64 = 2_000_000_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn issuer(keys: Vec<Key>, location: Location) -> Issuer {
    Issuer {
        name: "shop/id".into(),
        id: "https://id.example".into(),
        audiences: vec!["shop".into()],
        keys,
        skew: 30,
        location,
        removed: true,
    }
}

fn payload(exp: u64) -> String {
    format!(r#"{{"iss":"https://id.example","aud":"shop","exp":{exp},"sub":"ann"}}"#)
}

fn bearer(token: &str) -> HeaderMap {
    [(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())].into_iter().collect()
}

#[test]
fn a_token_that_was_verified_ends_with_its_time_and_with_the_keys() {
    let signer = Signer::generate();
    let tokens = |keys| Tokens::new(vec![issuer(keys, Location::Bearer)], Vec::new());
    let with_key = tokens(vec![signer.key(Some("a"), Algorithm::Es256)]);
    let without = tokens(Vec::new());
    let cache = TokenCache::default();
    let token = signer.token(Algorithm::Es256, r#"{"alg":"ES256","kid":"a"}"#, &payload(NOW));
    let read = |tokens: &Tokens, version, now| {
        tokens.read(&bearer(&token), &cache, &[version; 32], at(now)).map(|found| found.is_some())
    };
    assert_eq!(read(&with_key, 1, NOW - 9), Ok(true));
    assert_eq!(cache.len(), 1);
    assert_eq!(read(&with_key, 1, NOW + 29), Ok(true));
    assert_eq!(read(&with_key, 1, NOW + 30), Err(Invalid::Expired));
    assert_eq!(read(&without, 2, NOW - 9), Err(Invalid::Key));
    assert_eq!(cache.len(), 0);
}

#[test]
fn what_is_kept_is_bounded_and_what_is_not_believed_is_not_kept() {
    let signer = Signer::generate();
    let tokens =
        Tokens::new(vec![issuer(vec![signer.key(None, Algorithm::EdDsa)], Location::Bearer)], Vec::new());
    let cache = TokenCache::default();
    let read = |token: &str| tokens.read(&bearer(token), &cache, &[1; 32], at(NOW - 9)).map(drop);
    for number in 0..3_000 {
        let payload = payload(NOW).replace("ann", &number.to_string());
        let token = signer.token(Algorithm::EdDsa, r#"{"alg":"EdDSA"}"#, &payload);
        assert_eq!(read(&token), Ok(()));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { 'B' } else { 'A' };
        let forged = format!("{signed}.{other}{}", &signature[1..]);
        assert_eq!(read(&forged), Err(Invalid::Signature));
    }
    assert!((1024..=2048).contains(&cache.len()), "{}", cache.len());
}

#[test]
fn a_token_is_taken_off_and_nothing_else_is() {
    let signer = Signer::generate();
    let token = signer.token(Algorithm::EdDsa, r#"{"alg":"EdDSA"}"#, &payload(NOW));
    let cookies = |lines: &[String]| -> HeaderMap {
        lines.iter().map(|line| (COOKIE, line.parse().unwrap())).collect()
    };
    for (location, before, after) in [
        (Location::Bearer, bearer(&token), HeaderMap::new()),
        (
            Location::Cookie("id".into()),
            cookies(&["a=b; c".to_owned(), format!("id={token};ids=x")]),
            cookies(&["a=b; c; ids=x".to_owned()]),
        ),
        (Location::Cookie("id".into()), cookies(&[format!("id={token}")]), HeaderMap::new()),
    ] {
        let tokens =
            Tokens::new(vec![issuer(vec![signer.key(None, Algorithm::EdDsa)], location)], Vec::new());
        let found = tokens.read(&before, &TokenCache::default(), &[1; 32], at(NOW)).unwrap().unwrap();
        let mut headers = before;
        tokens.take_off(&found, &mut headers);
        assert_eq!(headers, after);
    }
}

#[test]
fn keys_are_for_algorithms_of_their_type_and_of_a_size_that_holds() {
    let signer = Signer::generate();
    let made = |algorithm, material: &Material| Key::new(None, &[algorithm], material).map(drop);
    let p256 = signer.material(Algorithm::Es256);
    let Material::P256(point) = &p256 else { panic!() };
    let Material::Rsa { modulus, exponent } = signer.material(Algorithm::Rs256) else { panic!() };
    let short = Material::Rsa { modulus: modulus[..128].to_vec(), exponent: exponent.clone() };
    let padded = Material::Rsa { modulus: [vec![0], modulus].concat(), exponent };
    let mut off_curve = point.clone();
    off_curve[64] ^= 1;
    for (algorithm, material, found) in [
        (Algorithm::Es256, &p256, Ok(())),
        (Algorithm::Es384, &p256, Err(BadKey::OtherType)),
        (Algorithm::Rs256, &p256, Err(BadKey::OtherType)),
        (Algorithm::EdDsa, &p256, Err(BadKey::OtherType)),
        (Algorithm::Es256, &signer.material(Algorithm::Rs256), Err(BadKey::OtherType)),
        (Algorithm::Es256, &Material::P256(point[1..].to_vec()), Err(BadKey::NotAKey)),
        (Algorithm::Es256, &Material::P256(off_curve), Err(BadKey::NotAKey)),
        (Algorithm::EdDsa, &Material::Ed25519(vec![1; 31]), Err(BadKey::NotAKey)),
        (Algorithm::Rs256, &short, Err(BadKey::NotAKey)),
        (Algorithm::Ps256, &padded, Err(BadKey::NotAKey)),
    ] {
        assert_eq!(made(algorithm, material), found, "{algorithm:?} {material:?}");
    }
}
