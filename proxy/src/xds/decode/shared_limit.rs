//! Limits that a service counts.

use std::net::SocketAddr;
use std::time::Duration;

use super::rate_limit::{rate_limit, unknown_amount};
use super::{Reject, each, wire};
use crate::asking::Asks;
use crate::shared_limit::{OnFailure, SharedLimit, SharedLimits, Unit};

/// A question without time would fail always, and one without a domain is none.
pub fn shared_limits(
    wire: &wire::SharedLimits,
    access: Option<&wire::Access>,
) -> Result<SharedLimits, Reject> {
    let service = &wire.service;
    if wire.timeout_ms == 0 || wire.domain.is_empty() || wire.limits.is_empty() {
        return Err(reject!("{service}: timeout_ms, domain or limits is not set"));
    }
    let port = super::port(wire.port)?;
    let addr = (!wire.address.is_empty()).then(|| super::address(&wire.address)).transpose()?;
    let limits = each("limits", &wire.limits, |limit| shared_limit(limit, access))?;
    if limits.iter().any(|shared| shared.limit.dry_run) && !limits.iter().all(|shared| shared.limit.dry_run) {
        return Err(reject!("{service}: some limits are dry runs, and others are not"));
    }
    Ok(SharedLimits {
        service: format!("{service}:{port}").into(),
        asks: addr.map(|addr| Asks { service: service.as_str().into(), addr: SocketAddr::new(addr, port) }),
        domain: wire.domain.as_str().into(),
        timeout: Duration::from_millis(wire.timeout_ms),
        limits: limits.into(),
        tally: Default::default(),
    })
}

fn shared_limit(wire: &wire::SharedLimit, access: Option<&wire::Access>) -> Result<SharedLimit, Reject> {
    use wire::shared_limit::OnFailure as Wire;

    let limit = wire.limit.as_ref().ok_or_else(|| reject!("limit is not set"))?;
    let name = &limit.name;
    let on_failure = match Wire::try_from(wire.on_failure) {
        Ok(Wire::Allow) => OnFailure::Allow,
        Ok(Wire::Deny) => OnFailure::Deny,
        Ok(Wire::PodShare) => OnFailure::PodShare,
        Ok(Wire::Unspecified) => return Err(reject!("{name}: on_failure is not set")),
        Err(_) => return Err(reject!("{name}: on_failure {} is unknown", wire.on_failure)),
    };
    if limit.requests > 0 {
        let limit = rate_limit(limit, access)?;
        if Unit::of(limit.per).is_none() {
            return Err(reject!("{name}: {:?} is not what a service counts by", limit.per));
        }
        return Ok(SharedLimit::new(limit, on_failure));
    }
    if on_failure == OnFailure::PodShare || limit.key.is_empty() {
        return Err(reject!("{name}: without an amount there is no share of it, and nothing to find it by"));
    }
    Ok(SharedLimit::new(unknown_amount(limit, access)?, on_failure))
}
