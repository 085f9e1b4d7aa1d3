//! How requests of one session keep to one endpoint.

use std::time::Duration;

use http::HeaderName;

use super::Reject;
use crate::state::{CookiePath, Session, SessionCarrier};
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
    let path = match wire.path.as_str() {
        "" if wire.by_path => CookiePath::OfMatch,
        "" => CookiePath::Unsaid,
        path if is_cookie_path(path) => CookiePath::Fixed(path.into()),
        path => return Err(reject!("session: `{}` is no path for a cookie", path.escape_default())),
    };
    Ok(Session { carrier, lifetime, permanent: wire.permanent, path })
}

/// A semicolon would end the attribute.
fn is_cookie_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b';')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn for_path(path: &str, by_path: bool) -> Result<CookiePath, Reject> {
        let carrier = Some(wire::session::Carrier::Cookie("sid".into()));
        session(&wire::Session { carrier, path: path.into(), by_path, ..Default::default() })
            .map(|read| read.path)
    }

    #[test]
    fn what_the_cookie_is_for() {
        assert_eq!(for_path("", false).unwrap(), CookiePath::Unsaid);
        assert_eq!(for_path("", true).unwrap(), CookiePath::OfMatch);
        assert_eq!(for_path("/cart", true).unwrap(), CookiePath::Fixed("/cart".into()));
        for wrong in ["cart", "/a; Domain=b", "/a\r\nx: y", "/\u{e4}"] {
            assert!(for_path(wrong, false).is_err(), "{wrong}");
        }
    }
}
