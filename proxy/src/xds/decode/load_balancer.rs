//! How an endpoint is chosen.

use std::time::Duration;

use http::HeaderName;

use super::{Reject, each, some_time};
use crate::{
    state::{Algorithm, HashInput, LoadBalancer, ZonePolicy},
    wire::weft::v1 as wire,
};

pub(super) fn load_balancer(wire: &wire::LoadBalancer) -> Result<LoadBalancer, Reject> {
    let algorithm = algorithm(wire.algorithm)?;
    let hash = each("hash", &wire.hash, hash_input)?;
    if matches!(algorithm, Algorithm::RingHash | Algorithm::Maglev) && hash.is_empty() {
        return Err(reject!("{algorithm:?} has nothing to hash"));
    }
    if (1..100).contains(&wire.max_load_percent) {
        return Err(reject!(
            "max_load_percent {} is less than the mean, which nobody could keep to",
            wire.max_load_percent
        ));
    }
    Ok(LoadBalancer {
        algorithm,
        hash,
        max_load_percent: (wire.max_load_percent > 0).then_some(wire.max_load_percent),
        zone: zone(wire.zone)?,
        slow_start: some_time(wire.slow_start_ms).filter(|time| *time > Duration::ZERO),
    })
}

fn algorithm(number: i32) -> Result<Algorithm, Reject> {
    use wire::load_balancer::Algorithm as Wire;

    match Wire::try_from(number) {
        Ok(Wire::Unspecified | Wire::PeakEwma) => Ok(Algorithm::PeakEwma),
        Ok(Wire::LeastRequest) => Ok(Algorithm::LeastRequest),
        Ok(Wire::RoundRobin) => Ok(Algorithm::RoundRobin),
        Ok(Wire::Random) => Ok(Algorithm::Random),
        Ok(Wire::RingHash) => Ok(Algorithm::RingHash),
        Ok(Wire::Maglev) => Ok(Algorithm::Maglev),
        Err(_) => Err(reject!("load balancer algorithm {number} is unknown")),
    }
}

fn hash_input(wire: &wire::HashInput) -> Result<HashInput, Reject> {
    use wire::hash_input::Input;

    Ok(match wire.input.as_ref().ok_or_else(|| reject!("nothing to hash that this proxy knows"))? {
        Input::Header(name) => {
            let valid = HeaderName::from_bytes(name.as_bytes());
            HashInput::Header(valid.map_err(|_| reject!("`{}` is no header name", name.escape_default()))?)
        }
        Input::Cookie(name) => HashInput::Cookie(name.as_str().into()),
        Input::Query(name) => HashInput::Query(name.as_str().into()),
        Input::Path(_) => HashInput::Path,
        Input::SourceAddress(_) => HashInput::SourceAddress,
    })
}

fn zone(number: i32) -> Result<ZonePolicy, Reject> {
    use wire::load_balancer::Zone;

    match Zone::try_from(number) {
        Ok(Zone::Any) => Ok(ZonePolicy::Any),
        Ok(Zone::Prefer) => Ok(ZonePolicy::Prefer),
        Ok(Zone::Strict) => Ok(ZonePolicy::Strict),
        Err(_) => Err(reject!("zone policy {number} is unknown")),
    }
}
