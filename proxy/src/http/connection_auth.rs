//! Callers that prove to the application who they are once for a whole connection: NTLM, and Negotiate as many servers take it.
//!
//! Whatever comes over such a connection later counts as theirs, so it may carry nobody else's requests. Two things see to
//! that. A connection over which credentials or a challenge of this kind have passed goes back to no pool, whoever sent them.
//! And a caller's connection that uses them has connections to upstreams of its own from then on: between proxies too, where
//! strangers otherwise share one, so that each hop can tell whose requests it has. HAProxy and nginx do the same.
//!
//! HTTP/2 has no such connections (RFC 9113 8.1 takes each request for itself, and browsers ask again over HTTP/1.1): a request
//! with such credentials goes to the application over a connection that is used once.

use std::cell::RefCell;
use std::rc::Rc;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, WWW_AUTHENTICATE};

use super::{Seen, Upstream, h1};

/// Schemes whose credentials are for the connection rather than for the request.
const SCHEMES: [&[u8]; 2] = [b"ntlm", b"negotiate"];

/// Connections to upstreams that one caller's connection alone uses.
#[derive(Debug, Default)]
pub struct OwnConnections {
    /// Between two requests: at most one to each upstream.
    idle: RefCell<Vec<(Rc<Upstream>, Rc<h1::Connection>)>>,
}

/// Whether a request with these headers, of which these are `seen`, authenticates its connection.
pub fn authenticates(headers: &HeaderMap, seen: Seen) -> bool {
    seen.any(Seen::CREDENTIALS) && any(headers, [AUTHORIZATION, PROXY_AUTHORIZATION])
}

/// Whether a response with these headers, of which these are `seen`, asks for that, or goes on with it.
pub fn challenges(headers: &HeaderMap, seen: Seen) -> bool {
    seen.any(Seen::CHALLENGE) && any(headers, [WWW_AUTHENTICATE, PROXY_AUTHENTICATE])
}

/// Whether the value of one of these headers names such a scheme; a list of challenges may name several.
pub fn names_scheme(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|element| {
        let element = element.trim_ascii();
        let scheme = element.split(|byte| *byte == b' ').next().unwrap_or_default();
        SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known))
    })
}

fn any(headers: &HeaderMap, names: [HeaderName; 2]) -> bool {
    names.iter().any(|name| headers.get_all(name).iter().any(|value| names_scheme(value.as_bytes())))
}

// === impl OwnConnections ===

impl OwnConnections {
    /// The one to `upstream`, if it is there and open.
    pub fn take(&self, upstream: &Rc<Upstream>) -> Option<Rc<h1::Connection>> {
        let mut idle = self.idle.borrow_mut();
        let index = idle.iter().position(|(to, _)| Rc::ptr_eq(to, upstream))?;
        let (_, connection) = idle.swap_remove(index);
        connection.is_open().then_some(connection)
    }

    /// Whether there is one to `upstream`.
    pub fn has(&self, upstream: &Rc<Upstream>) -> bool {
        self.idle.borrow().iter().any(|(to, _)| Rc::ptr_eq(to, upstream))
    }

    /// Keeps `connection` for the next request, if another may follow on it.
    pub fn give_back(&self, upstream: Rc<Upstream>, connection: Rc<h1::Connection>) {
        if connection.is_reusable() {
            self.idle.borrow_mut().push((upstream, connection));
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_schemes_of_connections_count_wherever_they_stand_in_a_list() {
        for (value, counts) in [
            ("NTLM", true),
            ("NTLM TlRMTVNTUAAB", true),
            ("negotiate", true),
            ("Negotiate oYG2MIGz", true),
            ("Basic realm=\"a\", NTLM", true),
            ("Basic realm=\"a\",Negotiate", true),
            ("Basic TlRMTTo=", false),
            ("Bearer NTLM", false),
            ("Bearer a.b.c", false),
            ("NTLMv2 x", false),
            ("", false),
        ] {
            assert_eq!(names_scheme(value.as_bytes()), counts, "{value}");
        }
    }

    #[test]
    fn requests_and_responses_say_it_in_their_own_headers() {
        for (name, request, response) in [
            (AUTHORIZATION, true, false),
            (PROXY_AUTHORIZATION, true, false),
            (WWW_AUTHENTICATE, false, true),
            (PROXY_AUTHENTICATE, false, true),
            (HeaderName::from_static("x-authorization"), false, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(&name, HeaderValue::from_static("Basic x"));
            headers.append(&name, HeaderValue::from_static("NTLM x"));
            let seen = Seen::of(&headers);
            assert_eq!(
                (authenticates(&headers, seen), challenges(&headers, seen)),
                (request, response),
                "{name}"
            );
        }
    }
}
