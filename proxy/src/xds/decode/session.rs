//! How requests of one session keep to one endpoint.

use std::time::Duration;

use http::HeaderName;

use super::Reject;
use crate::state::{Session, SessionCarrier};
use crate::wire::weft::v1 as wire;

/// How the sessions of a route are kept.
pub(super) fn session(wire: &wire::Session) -> Result<Session, Reject> {
    use wire::session::Carrier;

    // Both are tokens of RFC 9110, a cookie's name of any case.
    let token = |name: &str| {
        HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| reject!("session: `{}` is no name of a header or cookie", name.escape_default()))
    };
    let carrier = match wire.carrier.as_ref() {
        Some(Carrier::Header(name)) => SessionCarrier::Header(token(name)?),
        Some(Carrier::Cookie(name)) => token(name).map(|_| SessionCarrier::Cookie(name.as_str().into()))?,
        None => return Err(reject!("session: no carrier this proxy knows")),
    };
    let lifetime = (wire.lifetime_s > 0).then(|| Duration::from_secs(wire.lifetime_s.into()));
    Ok(Session { carrier, lifetime, permanent: wire.permanent, by_path: wire.by_path })
}
