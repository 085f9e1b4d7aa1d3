//! How many requests a port takes, and the pod sends.

use std::time::Duration;

use http::HeaderName;

use super::{Reject, budget, each, match_, wire};
use crate::rate_limit::{Cost, Counted, CountedBy, KeyPart, RateLimit};
use crate::state::{CallerLimit, Match, TargetKind};

/// Of a member of responses.
const COST_FIELD_NAMES: usize = 8;

/// A limit without an amount would refuse everything or nothing; neither is what somebody wrote.
pub fn rate_limit(wire: &wire::RateLimit, access: Option<&wire::Access>) -> Result<RateLimit, Reject> {
    let amount = |what: &str, amount: u32| match amount {
        0 => Err(reject!("{}: {what} is 0", wire.name)),
        amount => Ok(amount),
    };
    if wire.per_ms == 0 {
        return Err(reject!("{}: per_ms is 0", wire.name));
    }
    let (requests, burst) = (amount("requests", wire.requests)?, amount("burst", wire.burst)?);
    let pods = amount("pods", wire.pods)?;
    limit((requests, Duration::from_millis(wire.per_ms), burst, pods), wire, access)
}

/// Limits on what the pod sends. Their key has nothing that only who is called knows: it would count together what somebody wants
/// to have apart.
pub fn caller_limits(wire: &[wire::CallerLimit]) -> Result<Vec<CallerLimit>, Reject> {
    budget::check_caller_limits(wire)?;
    each("caller_limits", wire, caller_limit)
}

fn caller_limit(wire: &wire::CallerLimit) -> Result<CallerLimit, Reject> {
    use wire::caller_limit::To;
    let (kind, name) = match &wire.to {
        Some(To::Service(name)) => (TargetKind::Service, name),
        Some(To::ExternalService(name)) => (TargetKind::External, name),
        None => return Err(reject!("to is not set")),
    };
    let named = name.split_once('/').filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty());
    let (namespace, name) = named.ok_or_else(|| reject!("{name:?} is not a namespace and a name"))?;
    let limit = wire.limit.as_ref().ok_or_else(|| reject!("limit is not set"))?;
    let limit = rate_limit(limit, None)?;
    let known = |part: &KeyPart| matches!(part, KeyPart::Header(_) | KeyPart::Method | KeyPart::Path);
    if let Some(part) = limit.key.iter().find(|part| !known(part)) {
        return Err(reject!("{}: what a pod sends is not counted by {part:?}", limit.name));
    }
    Ok(CallerLimit { kind, namespace: namespace.into(), name: name.into(), limit })
}

/// One of which only the service that counts knows how much it is.
pub fn unknown_amount(wire: &wire::RateLimit, access: Option<&wire::Access>) -> Result<RateLimit, Reject> {
    if wire.per_ms != 0 || wire.burst != 0 {
        return Err(reject!("{}: requests is 0, and per_ms or burst is not", wire.name));
    }
    limit((0, Duration::ZERO, 0, 1), wire, access)
}

fn limit(
    amounts: (u32, Duration, u32, u32),
    wire: &wire::RateLimit,
    access: Option<&wire::Access>,
) -> Result<RateLimit, Reject> {
    let key: Result<_, _> = wire.key.iter().map(|part| key_part(part, access)).collect();
    let names = (wire.policy.as_str().into(), wire.name.as_str().into());
    let limit = RateLimit::new(names, amounts, key?, wire.dry_run);
    Ok(limit.only(each("matches", &wire.matches, counted)?.into()).at(cost(wire)?))
}

/// A condition that a limit does not look at would make it count more, or less, than somebody wrote.
fn counted(wire: &wire::Match) -> Result<Counted, Reject> {
    let Match { headers, path, query, method, from, server_names } = match_(wire)?;
    if !query.is_empty() || from.is_some() || !server_names.is_empty() {
        return Err(reject!("a rate limit counts by method, path and headers only"));
    }
    Ok(Counted { method, path, headers })
}

fn cost(wire: &wire::RateLimit) -> Result<Cost, Reject> {
    let named = |name: &String| {
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| reject!("{name:?} is not a valid header name"))
    };
    let header = Some(&wire.cost_header).filter(|name| !name.is_empty()).map(named).transpose()?;
    let names = &wire.cost_field;
    if names.len() > COST_FIELD_NAMES {
        return Err(reject!("cost_field has {} names, of {COST_FIELD_NAMES} at most", names.len()));
    }
    let field = (!names.is_empty()).then(|| names.iter().map(|name| name.as_str().into()).collect());
    if header.is_some() && field.is_some() {
        return Err(reject!("a header and a field cannot both say what a request cost"));
    }
    Ok(Cost { amount: wire.cost.max(1), header, field })
}

fn key_part(wire: &wire::RateLimitKey, access: Option<&wire::Access>) -> Result<KeyPart, Reject> {
    use wire::rate_limit_key::{Attribute, Part};
    match &wire.part {
        Some(Part::Header(name)) => HeaderName::from_bytes(name.as_bytes())
            .map(KeyPart::Header)
            .map_err(|_| reject!("{name:?} is not a valid header name")),
        Some(Part::Attribute(number)) => match Attribute::try_from(*number) {
            Ok(Attribute::ServiceAccount) => Ok(KeyPart::ServiceAccount),
            Ok(Attribute::Namespace) => Ok(KeyPart::Namespace),
            Ok(Attribute::Address) => Ok(KeyPart::Address),
            Ok(Attribute::Network) => Ok(KeyPart::Network),
            Ok(Attribute::Method) => Ok(KeyPart::Method),
            Ok(Attribute::Path) => Ok(KeyPart::Path),
            Ok(Attribute::Unspecified) | Err(_) => {
                Err(reject!("attribute {number} of a rate limit is unknown"))
            }
        },
        Some(Part::Claim(number)) => {
            access.and_then(|access| counted_by(access, *number)).map(KeyPart::Claim).ok_or_else(|| {
                reject!("claim {number} of a rate limit's key is not among those of the workload")
            })
        }
        Some(Part::Constant(wire::Constant { name, value })) => match name.is_empty() || value.is_empty() {
            true => Err(reject!("a constant of a rate limit's key is empty")),
            false => Ok(KeyPart::Constant { name: name.as_str().into(), value: value.as_str().into() }),
        },
        None => Err(reject!("part of a rate limit's key is not set")),
    }
}

fn counted_by(access: &wire::Access, number: u32) -> Option<CountedBy> {
    let place = (number as usize).checked_sub(1)?;
    let claim = access.counted_claims.get(place)?;
    let issuer = access.jwt_issuers.get((claim.issuer as usize).checked_sub(1)?)?;
    let path = claim.path.iter().map(|name| name.as_str().into()).collect();
    Some(CountedBy { place, issuer: issuer.issuer.as_str().into(), path })
}
