//! Sessions: a request that carries a token goes to the endpoint that the token names, whatever weights and balancing say
//! (Gateway API, GEP-1619). The proxy of the caller gives the token with a response, as a cookie or in a header.
//!
//! A token is a number for an endpoint, the same in every proxy, and where sessions end the second of its first answer.
//! The number is made with a key that proxies have and callers have not (RFC 2104), so that it neither tells an address nor
//! can be made for one. It can only choose among the endpoints of its route; what it does not name any more, or what is
//! ejected, is balanced like a new request.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use super::balance::key;
use crate::state::{Backend, CookiePath, PathMatch, Route, Session, SessionCarrier, SessionKey};

/// Where the requests of a session go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    /// Index into the split of the route.
    pub share: usize,
    /// Index into the endpoints of its backend.
    pub endpoint: usize,
}

/// The endpoints of a route by their numbers.
#[derive(Debug)]
pub struct Sessions {
    key: Rc<hmac::Key>,
    homes: HashMap<u64, Home>,
}

// === impl Sessions ===

impl Sessions {
    /// Of a route whose sessions are kept; shares of weight 0 keep those that they have.
    pub fn new(route: &Route, backends: &[Arc<Backend>], SessionKey(key): &SessionKey) -> Option<Self> {
        route.session.as_ref()?;
        let key = &Rc::new(hmac::Key::new(hmac::HMAC_SHA256, key));
        let homes = route.split.iter().enumerate().flat_map(|(share, weighted)| {
            let backend = &backends[weighted.backend];
            let home = move |(endpoint, addr)| (number(key, &backend.name, addr), Home { share, endpoint });
            backend.endpoints.iter().map(|endpoint| endpoint.addr).enumerate().map(home)
        });
        Some(Self { homes: homes.collect(), key: key.clone() })
    }

    /// Where the token of a request says that it goes; nothing for none, for one that is too old and for one that names
    /// no endpoint of the route.
    pub fn home(&self, session: &Session, headers: &HeaderMap) -> Option<Home> {
        let token = match &session.carrier {
            SessionCarrier::Cookie(name) => key::cookie(headers, name)?,
            SessionCarrier::Header(name) => headers.get(name)?.as_bytes().into(),
        };
        let (number, began) = parse(std::str::from_utf8(&token).ok()?)?;
        if let Some(lifetime) = session.lifetime
            && unix_seconds().saturating_sub(began?) >= lifetime.as_secs()
        {
            return None;
        }
        self.homes.get(&number).copied()
    }

    /// Gives the token for the endpoint of `addr` with a response; `taken_by` is the path by which the route was taken.
    pub fn tell(
        &self,
        session: &Session,
        (backend, addr): (&Backend, SocketAddr),
        taken_by: Option<&PathMatch>,
        headers: &mut HeaderMap,
    ) {
        let mut token = format!("{:016x}", number(&self.key, &backend.name, addr));
        if session.lifetime.is_some() {
            let _ = write!(token, ".{:x}", unix_seconds());
        }
        match &session.carrier {
            SessionCarrier::Header(name) => {
                headers.insert(name, HeaderValue::try_from(token).expect("hexadecimal digits and a dot"));
            }
            SessionCarrier::Cookie(name) => {
                let path = match &session.path {
                    CookiePath::Unsaid => None,
                    CookiePath::OfMatch => Some(cookie_path(taken_by)),
                    CookiePath::Fixed(path) => Some(&**path),
                };
                if let Ok(value) = HeaderValue::try_from(cookie(session, name, &token, path)) {
                    headers.append(SET_COOKIE, value);
                }
            }
        }
    }
}

/// Not `Secure`: callers in the mesh speak plain HTTP to their proxy, and would not send it back.
fn cookie(session: &Session, name: &str, token: &str, path: Option<&str>) -> String {
    let mut cookie = format!("{name}={token}");
    if let Some(path) = path {
        let _ = write!(cookie, "; Path={path}");
    }
    if let Some(lifetime) = session.lifetime.filter(|_| session.permanent) {
        let _ = write!(cookie, "; Max-Age={}", lifetime.as_secs());
    }
    cookie + "; HttpOnly; SameSite=Strict"
}

/// What browsers should send it for: the path of the match; of an expression what stands before its first wildcard, up to
/// a whole segment. A `;` would end the attribute.
fn cookie_path(taken_by: Option<&PathMatch>) -> &str {
    let path = match taken_by {
        None => "/",
        Some(PathMatch::Exact(path) | PathMatch::Prefix(path)) => path,
        Some(PathMatch::Regex(regex)) => literal_segments(regex.as_str()),
    };
    if path.starts_with('/') && !path.contains(';') { path } else { "/" }
}

fn literal_segments(pattern: &str) -> &str {
    // As it was compiled, see `xds::decode`.
    let pattern = pattern.strip_prefix(r"\A(?:").unwrap_or(pattern);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'~' | b'%');
    let literal = pattern.bytes().position(|byte| !plain(byte)).unwrap_or(pattern.len());
    // One of several expressions says nothing of the others.
    let end = if pattern.contains('|') { 0 } else { pattern[..literal].rfind('/').unwrap_or(0) };
    &pattern[..end]
}

/// The same in every proxy that has the key, and nothing to those who have not.
fn number(key: &hmac::Key, backend: &str, addr: SocketAddr) -> u64 {
    let tag = hmac::sign(key, format!("session {backend} {addr}").as_bytes());
    tag.as_ref().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// The number, and when the session began if that is said.
fn parse(token: &str) -> Option<(u64, Option<u64>)> {
    let (number, began) = match token.split_once('.') {
        None => (token, None),
        Some((number, began)) => (number, Some(u64::from_str_radix(began, 16).ok()?)),
    };
    Some((u64::from_str_radix(number, 16).ok()?, began))
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderName;

    use super::*;
    use crate::state::{Endpoint, WeightedBackend};

    const HEADER: HeaderName = HeaderName::from_static("x-session");

    fn by_header(lifetime: Option<Duration>) -> Session {
        Session {
            carrier: SessionCarrier::Header(HEADER),
            lifetime,
            permanent: false,
            path: CookiePath::OfMatch,
        }
    }

    fn backend(name: &str, ports: &[u16]) -> Arc<Backend> {
        let endpoint = |port: &u16| {
            let addr = SocketAddr::from(([10, 0, 0, 1], *port));
            let weight = Endpoint::USUAL_WEIGHT;
            Arc::new(Endpoint {
                addr,
                peer: None,
                network: None,
                zone: None,
                node: None,
                opaque: false,
                weight,
            })
        };
        let endpoints = ports.iter().map(endpoint).collect();
        Arc::new(Backend { name: name.into(), endpoints, ..Backend::default() })
    }

    fn sessions(session: &Session, backends: &[Arc<Backend>]) -> Sessions {
        let share = |backend| WeightedBackend { backend, weight: 0, ..WeightedBackend::default() };
        let split = (0..backends.len()).map(share).collect();
        let route = Route { split, session: Some(Box::new(session.clone())), ..Route::default() };
        Sessions::new(&route, backends, &key_of(1)).unwrap()
    }

    fn key_of(seed: u8) -> SessionKey {
        SessionKey([seed; 32].into())
    }

    fn with(token: &str) -> HeaderMap {
        HeaderMap::from_iter([(HEADER, HeaderValue::from_str(token).unwrap())])
    }

    #[test]
    fn a_token_names_its_endpoint_among_all_shares_and_nothing_else() {
        let session = by_header(None);
        let backends = [backend("shop/v1:80", &[1, 2]), backend("shop/v2:80", &[1, 3])];
        let known = sessions(&session, &backends);
        for (share, backend) in backends.iter().enumerate() {
            for (endpoint, described) in backend.endpoints.iter().enumerate() {
                let mut headers = HeaderMap::new();
                known.tell(&session, (backend, described.addr), None, &mut headers);
                assert_eq!(known.home(&session, &headers), Some(Home { share, endpoint }));
                assert!(!headers[HEADER].to_str().unwrap().contains("10.0.0.1"));
            }
        }
        for token in ["", "x", "0", "10.0.0.1:1", "ffffffffffffffffff", "1.2.3"] {
            assert_eq!(known.home(&session, &with(token)), None, "{token}");
        }
        assert_eq!(known.home(&session, &HeaderMap::new()), None);
    }

    #[test]
    fn a_token_is_made_with_the_key_and_only_with_it() {
        let session = by_header(None);
        let backends = [backend("shop/v1:80", &[1, 2])];
        let addr = backends[0].endpoints[0].addr;
        let known = sessions(&session, &backends);
        let mut headers = HeaderMap::new();
        known.tell(&session, (&backends[0], addr), None, &mut headers);
        for other in [key_of(2), SessionKey::default()] {
            let route = Route {
                split: vec![WeightedBackend::default()],
                session: Some(Box::new(session.clone())),
                ..Route::default()
            };
            let other = Sessions::new(&route, &backends, &other).unwrap();
            let mut theirs = HeaderMap::new();
            other.tell(&session, (&backends[0], addr), None, &mut theirs);
            assert_ne!(headers[HEADER], theirs[HEADER]);
            assert_eq!((known.home(&session, &theirs), other.home(&session, &headers)), (None, None));
        }
        assert_eq!(format!("{:?}", key_of(7)), "SessionKey(32 bytes)", "no log shows it");
    }

    #[test]
    fn a_session_ends_after_its_lifetime() {
        let session = by_header(Some(Duration::from_secs(100)));
        let backends = [backend("shop/v1:80", &[1])];
        let known = sessions(&session, &backends);
        let number = number(&known.key, "shop/v1:80", backends[0].endpoints[0].addr);
        let begun = |ago: u64| format!("{number:016x}.{:x}", unix_seconds() - ago);
        assert!(known.home(&session, &with(&begun(90))).is_some());
        assert!(known.home(&session, &with(&begun(101))).is_none());
        assert!(known.home(&session, &with(&format!("{number:016x}"))).is_none(), "of unknown age");
    }

    #[test]
    fn a_cookie_is_for_the_path_by_which_the_route_was_taken() {
        let regex =
            |pattern: &str| PathMatch::Regex(regex::Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap());
        for (taken_by, path) in [
            (None, "/"),
            (Some(PathMatch::Exact("/cart".into())), "/cart"),
            (Some(PathMatch::Prefix("/shop/".into())), "/shop/"),
            (Some(PathMatch::Prefix("/a;Domain=b".into())), "/"),
            (Some(regex("/p1/p2/[^/]+/p3")), "/p1/p2"),
            (Some(regex("/p[12]")), "/"),
            (Some(regex("/p1/a|/p2/b")), "/"),
            (Some(regex(".*")), "/"),
        ] {
            assert_eq!(cookie_path(taken_by.as_ref()), path);
        }
        let permanent = Session { permanent: true, ..by_header(Some(Duration::from_secs(60))) };
        let full = cookie(&permanent, "sid", "1.2", Some("/cart"));
        assert_eq!(full, "sid=1.2; Path=/cart; Max-Age=60; HttpOnly; SameSite=Strict");
        assert_eq!(cookie(&by_header(None), "sid", "1", None), "sid=1; HttpOnly; SameSite=Strict");
    }
}
