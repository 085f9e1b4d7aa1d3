//! Who else is asked about requests.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderName, Method};

use super::{Reject, each, wire};
use crate::asking::Asks;
use crate::external_check::{ExemptPath, Exemption, ExternalCheck};

/// What a failure means has no default, and a check without time would fail always.
pub fn external_check(wire: &wire::ExternalCheck) -> Result<ExternalCheck, Reject> {
    use wire::external_check::OnFailure;
    let allows_on_failure = match OnFailure::try_from(wire.on_failure) {
        Ok(OnFailure::Deny) => false,
        Ok(OnFailure::Allow) => true,
        Ok(OnFailure::Unspecified) => return Err(reject!("{}: on_failure is not set", wire.policy)),
        Err(_) => return Err(reject!("{}: on_failure {} is unknown", wire.policy, wire.on_failure)),
    };
    if wire.timeout_ms == 0 {
        return Err(reject!("{}: timeout_ms is 0", wire.policy));
    }
    let asks = match wire.address.is_empty() {
        true => None,
        false => Some(Asks {
            service: wire.service.as_str().into(),
            addr: SocketAddr::new(super::address(&wire.address)?, super::port(wire.port)?),
        }),
    };
    Ok(ExternalCheck {
        allows_on_failure,
        allowed_headers: each("allowed_headers", &wire.allowed_headers, |name| header(name))?.into(),
        exempt: each("exempt", &wire.exempt, exemption)?.into(),
        dry_run: wire.dry_run,
        ..ExternalCheck::new(&wire.policy, asks, Duration::from_millis(wire.timeout_ms))
    })
}

fn header(name: &str) -> Result<HeaderName, Reject> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| reject!("{name:?} is not a valid header name"))
}

fn exemption(wire: &wire::Exemption) -> Result<Exemption, Reject> {
    use wire::exemption::Path;
    let method = match wire.method.as_str() {
        "" => None,
        method => Some(
            Method::from_bytes(method.as_bytes()).map_err(|_| reject!("{method:?} is not a valid method"))?,
        ),
    };
    let path = match &wire.path {
        Some(Path::Exact(path)) if path.starts_with('/') => ExemptPath::Exact(path.as_str().into()),
        Some(Path::Prefix(path)) if path.starts_with('/') => ExemptPath::Prefix(path.as_str().into()),
        _ => return Err(reject!("an exemption has no path, or one that does not begin with a slash")),
    };
    Ok(Exemption { method, path })
}
