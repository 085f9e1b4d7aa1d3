//! Issuers of tokens and what is asked of these, wire to state. Whatever is missing or not understood rejects the workload.

use http::HeaderName;

use super::{Reject, each};
use crate::jwt::{Algorithm, Claim, CountedClaim, Issuer, Key, Location, Material, TokenCondition};
use crate::wire::weft::v1 as wire;

/// By how much clocks may differ, in seconds.
const MAX_SKEW: u32 = 60;

/// Decodes one issuer.
pub(super) fn issuer(wire: &wire::JwtIssuer) -> Result<Issuer, Reject> {
    if wire.issuer.is_empty() || wire.audiences.is_empty() || wire.audiences.iter().any(String::is_empty) {
        return Err(reject!("issuer and audiences must be set"));
    }
    if wire.clock_skew_seconds > MAX_SKEW {
        return Err(reject!("a clock skew of {} s is not accepted", wire.clock_skew_seconds));
    }
    let keys = each("keys", &wire.keys, key)?;
    for (index, one) in wire.keys.iter().enumerate() {
        let same = |other: &&wire::JwtKey| {
            other.key_id == one.key_id && other.algorithms.iter().any(|name| one.algorithms.contains(name))
        };
        if !one.key_id.is_empty() && wire.keys[..index].iter().any(|other| same(&other)) {
            return Err(reject!("two keys are named `{}`", one.key_id.escape_default()));
        }
    }
    Ok(Issuer {
        name: wire.name.as_str().into(),
        id: wire.issuer.as_str().into(),
        audiences: wire.audiences.iter().map(|text| text.as_str().into()).collect(),
        keys,
        skew: wire.clock_skew_seconds.into(),
        location: location(wire.location.as_ref())?,
        removed: match wire::JwtForwarding::try_from(wire.forwarding) {
            Ok(wire::JwtForwarding::Keep) => false,
            Ok(wire::JwtForwarding::Remove) => true,
            Ok(wire::JwtForwarding::Unspecified) | Err(_) => {
                return Err(reject!("forwarding {} is not known", wire.forwarding));
            }
        },
    })
}

/// Of several issuers of one name it would not be known by which a token is judged.
pub(super) fn each_once(issuers: &[Issuer]) -> Result<(), Reject> {
    let twice = |(index, one): &(usize, &Issuer)| issuers[..*index].iter().any(|other| other.id == one.id);
    match issuers.iter().enumerate().find(twice) {
        Some((_, issuer)) => Err(reject!("issuer `{}` is there twice", issuer.id.escape_default())),
        None => Ok(()),
    }
}

/// Decodes a condition on tokens of one of so many issuers.
pub(super) fn condition(wire: &wire::JwtCondition, issuers: usize) -> Result<TokenCondition, Reject> {
    let issuer = (wire.issuer as usize).checked_sub(1).filter(|index| *index < issuers);
    let issuer = issuer.ok_or_else(|| reject!("issuer {} is not among {issuers}", wire.issuer))?;
    let claims = each("claims", &wire.claims, |wire| {
        if wire.path.is_empty() || wire.any_of.is_empty() {
            return Err(reject!("path and any_of must be set"));
        }
        let boxed = |texts: &[String]| texts.iter().map(|text| text.as_str().into()).collect();
        Ok(Claim { path: boxed(&wire.path), any_of: boxed(&wire.any_of) })
    })?;
    Ok(TokenCondition { issuer, claims })
}

/// Decodes a claim of tokens of one of so many issuers by which limits count.
pub(super) fn counted_claim(wire: &wire::CountedClaim, issuers: usize) -> Result<CountedClaim, Reject> {
    let issuer = (wire.issuer as usize).checked_sub(1).filter(|index| *index < issuers);
    let issuer = issuer.ok_or_else(|| reject!("issuer {} is not among {issuers}", wire.issuer))?;
    if wire.path.is_empty() {
        return Err(reject!("path must be set"));
    }
    Ok(CountedClaim { issuer, path: wire.path.iter().map(|name| name.as_str().into()).collect() })
}

fn location(wire: Option<&wire::jwt_issuer::Location>) -> Result<Location, Reject> {
    use wire::jwt_issuer::Location as Wire;

    match wire {
        Some(Wire::Bearer(true)) => Ok(Location::Bearer),
        Some(Wire::Header(name)) => HeaderName::from_bytes(name.as_bytes())
            .map(Location::Header)
            .map_err(|_| reject!("`{}` is not the name of a header", name.escape_default())),
        Some(Wire::Cookie(name)) if !name.is_empty() => Ok(Location::Cookie(name.as_str().into())),
        Some(Wire::Bearer(false) | Wire::Cookie(_)) | None => Err(reject!("no location this proxy knows")),
    }
}

fn key(wire: &wire::JwtKey) -> Result<Key, Reject> {
    use wire::jwt_key::Material as Wire;

    let algorithms = each("algorithms", &wire.algorithms, |name| {
        Algorithm::named(name).ok_or_else(|| reject!("`{}` is not known", name.escape_default()))
    })?;
    if algorithms.is_empty() {
        return Err(reject!("it is for no algorithm"));
    }
    let material = match &wire.material {
        Some(Wire::Rsa(rsa)) => {
            Material::Rsa { modulus: rsa.modulus.clone(), exponent: rsa.exponent.clone() }
        }
        Some(Wire::P256(point)) => Material::P256(point.clone()),
        Some(Wire::P384(point)) => Material::P384(point.clone()),
        Some(Wire::Ed25519(key)) => Material::Ed25519(key.clone()),
        None => return Err(reject!("no kind of key this proxy knows")),
    };
    let id = (!wire.key_id.is_empty()).then(|| wire.key_id.as_str().into());
    Key::new(id, &algorithms, &material).map_err(|error| reject!("{error}"))
}
