//! Who else is asked about requests.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderName, Method};

use super::{Reject, each, wire};
use crate::access::normal;
use crate::asking::Asks;
use crate::external_check::{BodyRule, ExemptPath, Exemption, ExternalCheck, OverHttp};

/// What is told of a body at most, whatever is wanted: each request may hold so much twice.
const LONGEST_BODY: usize = 1024 * 1024;
/// How long a body may take to come of which somebody is told first.
const BODY_PATIENCE: Duration = Duration::from_secs(5);

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
        over_http: wire.http.as_ref().map(over_http).transpose()?,
        body: wire.body.as_ref().map(|body| body_rule(&wire.policy, body)).transpose()?,
        exempt: each("exempt", &wire.exempt, exemption)?.into(),
        dry_run: wire.dry_run,
        ..ExternalCheck::new(&wire.policy, asks, Duration::from_millis(wire.timeout_ms))
    })
}

fn over_http(wire: &wire::CheckOverHttp) -> Result<OverHttp, Reject> {
    let prefix = wire.prefix.as_str();
    if !prefix.is_empty() && (prefix.ends_with('/') || normal(prefix).is_err()) {
        return Err(reject!("the prefix {prefix:?} is not a path that can be read in one way only"));
    }
    let headers = |what, names: &[String]| each(what, names, |name| header(name));
    Ok(OverHttp {
        prefix: prefix.into(),
        to_application: headers("to_application", &wire.to_application)?.into(),
        to_caller: headers("to_caller", &wire.to_caller)?.into(),
    })
}

fn body_rule(policy: &str, wire: &wire::CheckBody) -> Result<BodyRule, Reject> {
    use wire::check_body::OnTooLong;
    let partial = match OnTooLong::try_from(wire.on_too_long) {
        Ok(OnTooLong::Deny) => false,
        Ok(OnTooLong::SendPartial) => true,
        Ok(OnTooLong::Unspecified) => return Err(reject!("{policy}: on_too_long is not set")),
        Err(_) => return Err(reject!("{policy}: on_too_long {} is unknown", wire.on_too_long)),
    };
    match usize::try_from(wire.max_bytes) {
        Ok(most @ 1..=LONGEST_BODY) => Ok(BodyRule { most, partial, patience: BODY_PATIENCE }),
        _ => Err(reject!("{policy}: max_bytes {} is not between 1 and {LONGEST_BODY}", wire.max_bytes)),
    }
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
