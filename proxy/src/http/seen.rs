//! Which of the headers that proxies look for a message has, found in one pass.
//!
//! Nearly all of them are absent from nearly all messages. Asking a header map for each costs a hash apiece, a dozen for
//! each head; one look at the few that are there costs less than two of them.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::names::DEADLINE_HEADER;

/// A set of headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen(u32);

// === impl Seen ===

impl Seen {
    pub const CONNECTION: Self = Self(1);
    pub const KEEP_ALIVE: Self = Self(1 << 1);
    pub const PROXY_CONNECTION: Self = Self(1 << 2);
    pub const UPGRADE: Self = Self(1 << 3);
    pub const TRANSFER_ENCODING: Self = Self(1 << 4);
    pub const TE: Self = Self(1 << 5);
    /// `content-type`, and it is gRPC's.
    pub const GRPC: Self = Self(1 << 6);
    pub const GRPC_TIMEOUT: Self = Self(1 << 7);
    pub const GRPC_STATUS: Self = Self(1 << 8);
    /// `x-weft-deadline`.
    pub const DEADLINE: Self = Self(1 << 9);
    /// `x-weft-proto`.
    pub const PROTO: Self = Self(1 << 10);
    /// Any other of the mesh's own: `x-weft-...`.
    pub const WEFT: Self = Self(1 << 11);
    pub const CONTENT_LENGTH: Self = Self(1 << 12);
    pub const EXPECT: Self = Self(1 << 13);
    /// `authorization` or `proxy-authorization`.
    pub const CREDENTIALS: Self = Self(1 << 14);
    /// `www-authenticate` or `proxy-authenticate`.
    pub const CHALLENGE: Self = Self(1 << 15);

    /// What tells when the request must have ended.
    pub const DEADLINES: Self = Self(Self::DEADLINE.0 | Self::GRPC_TIMEOUT.0);
    /// What may not be forwarded.
    pub const HOP_BY_HOP: Self = Self(0b11_1111);

    /// Looks at each header once.
    pub fn of(headers: &HeaderMap) -> Self {
        headers.iter().fold(Self::default(), |seen, (name, value)| Self(seen.0 | Self::one(name, value).0))
    }

    fn one(name: &HeaderName, value: &HeaderValue) -> Self {
        // Most names are standard ones, which are told apart by a number.
        match *name {
            header::CONNECTION => Self::CONNECTION,
            header::UPGRADE => Self::UPGRADE,
            header::TRANSFER_ENCODING => Self::TRANSFER_ENCODING,
            header::TE => Self::TE,
            header::CONTENT_TYPE if is_grpc_type(value) => Self::GRPC,
            header::CONTENT_TYPE => Self::default(),
            header::CONTENT_LENGTH => Self::CONTENT_LENGTH,
            header::EXPECT => Self::EXPECT,
            header::AUTHORIZATION | header::PROXY_AUTHORIZATION => Self::CREDENTIALS,
            header::WWW_AUTHENTICATE | header::PROXY_AUTHENTICATE => Self::CHALLENGE,
            // Those that nearly every message has, and nobody here looks for.
            header::HOST | header::USER_AGENT | header::ACCEPT | header::ACCEPT_ENCODING => Self::default(),
            header::SERVER | header::DATE | header::ETAG | header::LAST_MODIFIED => Self::default(),
            _ => Self::other(name.as_str()),
        }
    }

    fn other(name: &str) -> Self {
        match name {
            "keep-alive" => Self::KEEP_ALIVE,
            "grpc-status" => Self::GRPC_STATUS,
            "grpc-timeout" => Self::GRPC_TIMEOUT,
            "proxy-connection" => Self::PROXY_CONNECTION,
            "x-weft-proto" => Self::PROTO,
            DEADLINE_HEADER => Self::DEADLINE,
            name if name.starts_with("x-weft-") => Self::WEFT,
            _ => Self::default(),
        }
    }

    /// Whether one of `others` is there.
    pub fn any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

/// `application/grpc`, `application/grpc+proto`, `application/grpc;charset=...`, but not `application/grpc-web`.
pub fn is_grpc_type(content_type: &HeaderValue) -> bool {
    let rest = content_type.as_bytes().strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest, [] | [b'+' | b';', ..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_seen_and_nothing_else() {
        for (name, expected) in [
            ("connection", Seen::CONNECTION),
            ("keep-alive", Seen::KEEP_ALIVE),
            ("proxy-connection", Seen::PROXY_CONNECTION),
            ("upgrade", Seen::UPGRADE),
            ("transfer-encoding", Seen::TRANSFER_ENCODING),
            ("te", Seen::TE),
            ("expect", Seen::EXPECT),
            ("authorization", Seen::CREDENTIALS),
            ("proxy-authorization", Seen::CREDENTIALS),
            ("www-authenticate", Seen::CHALLENGE),
            ("proxy-authenticate", Seen::CHALLENGE),
            ("content-length", Seen::CONTENT_LENGTH),
            ("content-type", Seen::default()),
            ("grpc-timeout", Seen::GRPC_TIMEOUT),
            ("grpc-status", Seen::GRPC_STATUS),
            ("x-weft-proto", Seen::PROTO),
            ("x-weft-deadline", Seen::DEADLINE),
            ("x-weft-attempt", Seen::WEFT),
            ("x-weft-elsewhere", Seen::WEFT),
            ("host", Seen::default()),
            ("x-weftless", Seen::default()),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static("host"), HeaderValue::from_static("a"));
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
            assert_eq!(Seen::of(&headers), expected, "{name}");
        }
    }
    #[test]
    fn grpc_is_seen_by_its_content_type() {
        for (content_type, expected) in
            [("application/grpc+proto", Seen::GRPC), ("application/grpc-web", Seen::default())]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            assert_eq!(Seen::of(&headers), expected, "{content_type}");
        }
    }
}
