//! Tokens that somebody might believe.

use super::lines::Headers;
use super::{ES, bearer, now, payload};
use crate::jwt::{Algorithm, Material};
use crate::test_util::{Signer, base64url};

/// The same with another signature.
pub fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{other}{}", &signature[1..])
}

/// A signature of Es256 as X.509 has it.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let bytes = [&[0][..], bytes].concat();
        [vec![2, bytes.len() as u8], bytes].concat()
    };
    let body = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [vec![0x30, body.len() as u8], body].concat()
}

/// Tokens that somebody might believe, each with a name.
pub fn confusions(signer: &Signer, other: &Signer, stranger: &Signer) -> Vec<(String, Headers)> {
    let good = signer.token(Algorithm::Es256, ES, &payload(&[]));
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!() };
    let mut all: Vec<(String, Headers)> = Vec::new();
    let mut add = |name: &str, headers: Headers| all.push((name.to_owned(), headers));

    for alg in ["none", "None", "nOnE", "NONE", ""] {
        let header = base64url(format!(r#"{{"alg":"{alg}","kid":"es"}}"#).as_bytes());
        add(&format!("alg {alg:?} without a signature"), bearer(format!("{header}.{claims}.")));
        add(&format!("alg {alg:?} with one"), bearer(format!("{header}.{claims}.{signature}")));
    }
    let secrets = [
        match signer.material(Algorithm::Es256) {
            Material::P256(point) => point,
            _ => panic!(),
        },
        match signer.material(Algorithm::Rs256) {
            Material::Rsa { modulus, .. } => modulus,
            _ => panic!(),
        },
        Vec::new(),
    ];
    for (secret, kid) in secrets.iter().zip(["es", "rs", "es"]) {
        let header = format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
        add("HMAC under a public key", bearer(Signer::hmac_token(secret, &header, &payload(&[]))));
    }
    let headers = [
        ("alg in lower case", r#"{"alg":"es256","kid":"es"}"#),
        ("no alg", r#"{"kid":"es"}"#),
        ("alg that is not text", r#"{"alg":["ES256"],"kid":"es"}"#),
        ("alg twice", r#"{"alg":"none","alg":"ES256","kid":"es"}"#),
        ("alg of another key", r#"{"alg":"RS256","kid":"es"}"#),
        ("kid of another key", r#"{"alg":"ES256","kid":"rs"}"#),
        ("kid of another key of the same kind", r#"{"alg":"ES256","kid":"es-2"}"#),
        ("kid that is not known", r#"{"alg":"ES256","kid":"../../dev/null"}"#),
        ("kid that is empty", r#"{"alg":"ES256","kid":""}"#),
        ("kid that is not text", r#"{"alg":"ES256","kid":1}"#),
        ("no kid where two keys might be meant", r#"{"alg":"ES256"}"#),
        ("crit", r#"{"alg":"ES256","kid":"es","crit":["exp"],"exp":1}"#),
        ("crit that is empty", r#"{"alg":"ES256","kid":"es","crit":[]}"#),
        ("b64", r#"{"alg":"ES256","kid":"es","b64":false}"#),
        ("a token for logging out", r#"{"alg":"ES256","kid":"es","typ":"logout+jwt"}"#),
        ("a token that proves a key", r#"{"alg":"ES256","kid":"es","typ":"dpop+jwt"}"#),
        ("typ that is not text", r#"{"alg":"ES256","kid":"es","typ":null}"#),
        ("a token in a token", r#"{"alg":"ES256","kid":"es","cty":"JWT"}"#),
        ("header that is a list", r#"["ES256"]"#),
        ("header that is not JSON", r#"{"alg":"ES256","kid":"es""#),
    ];
    for (name, header) in headers {
        add(name, bearer(signer.token(Algorithm::Es256, header, &payload(&[]))));
    }
    for (name, algorithm, header) in [
        ("the key of RS256 for PS256", Algorithm::Ps256, r#"{"alg":"PS256","kid":"rs"}"#),
        ("the key of PS256 for RS256", Algorithm::Rs256, r#"{"alg":"RS256","kid":"ps"}"#),
        ("RS512 under the name of RS256", Algorithm::Rs512, r#"{"alg":"RS256","kid":"rs"}"#),
        ("PS256 under the name of RS256", Algorithm::Ps256, r#"{"alg":"RS256","kid":"rs"}"#),
        ("P-384 under the name of P-256", Algorithm::Es384, r#"{"alg":"ES256","kid":"es"}"#),
        ("P-256 under the name of P-384", Algorithm::Es256, r#"{"alg":"ES384","kid":"e3"}"#),
    ] {
        add(name, bearer(signer.token(algorithm, header, &payload(&[]))));
    }
    let Material::P256(point) = stranger.material(Algorithm::Es256) else { panic!() };
    let jwk = format!(
        r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#,
        base64url(&point[1..33]),
        base64url(&point[33..])
    );
    for (name, member) in [
        ("a key of its own", format!(r#""jwk":{jwk}"#)),
        ("keys of its own", r#""jku":"https://evil.example/keys""#.to_owned()),
        ("a certificate of its own", r#""x5u":"https://evil.example/cert""#.to_owned()),
        ("a chain of its own", r#""x5c":["MIIB"]"#.to_owned()),
        ("a stranger", r#""x":1"#.to_owned()),
    ] {
        let header = format!(r#"{{"alg":"ES256","kid":"es",{member}}}"#);
        add(name, bearer(stranger.token(Algorithm::Es256, &header, &payload(&[]))));
    }
    add(
        "the key of another issuer with the same kid",
        bearer(other.token(Algorithm::Es256, ES, &payload(&[]))),
    );
    let foreign = [("iss", r#""https://other.example""#)];
    let of_other = other.token(Algorithm::Es256, ES, &payload(&foreign));
    add("another issuer's token where ours stand", bearer(&of_other));
    add("our token where another issuer's stand", vec![("x-token", good.clone())]);
    add(
        "another issuer by our key",
        vec![("x-token", signer.token(Algorithm::Es256, ES, &payload(&foreign)))],
    );

    let (past, future) = ((now() - 31).to_string(), (now() + 120).to_string());
    let claims_of = [
        ("iss", r#""https://id.example/""#),
        ("iss", r#""HTTPS://ID.EXAMPLE""#),
        ("iss", r#""https://id.example.evil""#),
        ("iss", r#"["https://id.example"]"#),
        ("iss", ""),
        ("aud", ""),
        ("aud", "[]"),
        ("aud", r#""shop-2""#),
        ("aud", r#""Shop""#),
        ("aud", r#""shop other""#),
        ("aud", r#"["other"]"#),
        ("aud", r#"["shop",7]"#),
        ("aud", r#"[["shop"]]"#),
        ("aud", r#"{"shop":true}"#),
        ("exp", ""),
        ("exp", "null"),
        ("exp", r#""9999999999""#),
        ("exp", "-1"),
        ("exp", "0"),
        ("exp", "99999999999999999999999"),
        ("exp", "[9999999999]"),
        ("exp", &past),
        ("nbf", &future),
        ("nbf", r#""0""#),
        ("iat", &future),
        ("iat", "true"),
    ];
    for (name, value) in claims_of {
        let token = signer.token(Algorithm::Es256, ES, &payload(&[(name, value)]));
        add(&format!("{name} {value}"), bearer(token));
    }
    for (name, member) in [("exp", "1"), ("iss", r#""https://id.example""#), ("groups", r#"["x"]"#)] {
        let twice = format!(r#"{{"{name}":{member},{}"#, &payload(&[])[1..]);
        add(&format!("{name} twice"), bearer(signer.token(Algorithm::Es256, ES, &twice)));
    }
    let nested = format!("{}1{}", "[".repeat(20), "]".repeat(20));
    let deep = signer.token(Algorithm::Es256, ES, &payload(&[("x", &nested)]));
    add("claims that nest deep", bearer(deep));
    let long = format!(r#""{}""#, "x".repeat(8 * 1024));
    add("a long token", bearer(signer.token(Algorithm::Es256, ES, &payload(&[("x", &long)]))));

    let raw = signer.sign(Algorithm::Es256, format!("{header}.{claims}").as_bytes());
    let flipped: Vec<_> = raw.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 40)).collect();
    let signatures = [
        ("no signature", String::new()),
        ("a signature of zeros", base64url(&[0; 64])),
        ("a signature as X.509 has it", base64url(&der(&raw))),
        ("half a signature", base64url(&raw[..32])),
        ("more than a signature", base64url(&[&raw[..], &[0]].concat())),
        ("another bit", base64url(&flipped)),
    ];
    for (name, signature) in signatures {
        add(name, bearer(format!("{header}.{claims}.{signature}")));
    }
    let admin = base64url(payload(&[("sub", r#""admin""#)]).as_bytes());
    let others = signer.token(Algorithm::Es256, ES, &payload(&[("groups", r#"["guests"]"#)]));
    let guest = others.rsplit_once('.').unwrap().1;
    for (name, token) in [
        ("other claims", format!("{header}.{admin}.{signature}")),
        ("the signature of another token", format!("{header}.{claims}.{guest}")),
        ("padding", format!("{header}.{claims}.{signature}==")),
        ("the other alphabet", format!("{header}.{claims}.{}+", &signature[..85])),
        ("a space in it", format!("{header}.{claims}. {signature}")),
        ("a space behind it", format!("{good} x")),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{good}.{signature}")),
        ("five parts", format!("{header}..{claims}.{signature}.x")),
        (
            "a token as JSON",
            format!(r#"{{"payload":"{claims}","protected":"{header}","signature":"{signature}"}}"#),
        ),
        ("not text", "\u{7f}".replace('\u{7f}', "~")),
        ("nothing", String::new()),
        ("two in a list", format!("{good}, {good}")),
        ("a comma behind it", format!("{good},")),
    ] {
        add(name, bearer(token));
    }
    add("a tab", vec![("authorization", format!("Bearer\t{good}"))]);
    add("a comma", vec![("authorization", format!("Bearer,{good}"))]);
    let one = || ("authorization", format!("Bearer {good}"));
    add("twice", vec![one(), one()]);
    add("with a password before it", vec![("authorization", "Basic YTpi".to_owned()), one()]);
    add("with a password behind it", vec![one(), ("authorization", "Basic YTpi".to_owned())]);
    add("in two places", vec![one(), ("x-token", of_other.clone())]);
    add("the other one twice", vec![("x-token", of_other.clone()), ("x-token", of_other)]);
    all
}
