//! Which pages of other origins browsers let read the answers of a destination (Fetch standard, CORS protocol).

use http::HeaderValue;

/// What a route says to browsers.
#[derive(Debug)]
pub struct Cors {
    /// Pages of these origins.
    pub origins: Vec<Origins>,
    /// With these methods beside GET, HEAD and POST.
    pub methods: Listed,
    /// With these headers beside those that are always allowed.
    pub headers: Listed,
    /// May read these headers of answers beside the basic ones.
    pub expose: Listed,
    /// Cookies and credentials may be sent along.
    pub credentials: bool,
    /// Seconds a browser may remember the permission.
    pub max_age: HeaderValue,
}

/// Some origins: scheme, host and perhaps port.
#[derive(Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every one.
    Every,
    /// This one.
    One(Box<str>),
    /// Every host between scheme and the rest: `https://` and `.shop.example:8443`.
    Hosts {
        /// The scheme with its `://`.
        scheme: Box<str>,
        /// Where the host ends, with its port.
        suffix: Box<str>,
    },
}

/// Names in a header of the CORS protocol.
#[derive(Debug, PartialEq, Eq)]
pub enum Listed {
    /// None.
    Nothing,
    /// Every one.
    Every,
    /// These, as the header has them.
    These(HeaderValue),
}

// === impl Cors ===

impl Cors {
    /// Whether a page of `origin` may read answers.
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.origins.iter().any(|some| some.hold(origin)))
    }

    /// Whether answers are the same for every origin, so that caches need not tell them apart.
    pub fn same_for_all(&self) -> bool {
        !self.credentials && self.origins.contains(&Origins::Every)
    }
}

// === impl Origins ===

impl Origins {
    /// Of an entry of the policy; `None` where it is no origin.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Every);
        }
        let (scheme, rest) = text.split_at(text.find("://")? + 3);
        Some(match rest.strip_prefix('*') {
            _ if rest.is_empty() => return None,
            None => Self::One(text.into()),
            Some(suffix) => Self::Hosts { scheme: scheme.into(), suffix: suffix.into() },
        })
    }

    fn hold(&self, origin: &str) -> bool {
        match self {
            Self::Every => true,
            Self::One(one) => **one == *origin,
            Self::Hosts { scheme, suffix } => origin
                .strip_prefix(&**scheme)
                .and_then(|rest| rest.strip_suffix(&**suffix))
                .is_some_and(|host| !host.is_empty() && !host.contains([':', '/'])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_hosts_and_for_nothing_else() {
        for (some, origin, expected) in [
            ("*", "null", true),
            ("https://shop.example", "https://shop.example", true),
            ("https://shop.example", "http://shop.example", false),
            ("https://shop.example", "https://shop.example:8443", false),
            ("https://*.shop.example", "https://a.b.shop.example", true),
            ("https://*.shop.example", "https://shop.example", false),
            ("https://*.shop.example", "https://.shop.example", false),
            ("https://*.shop.example", "https://evil.example/.shop.example", false),
            ("https://*.shop.example", "https://a.shop.example.evil.example", false),
            ("https://*.shop.example:8443", "https://a.shop.example:8443", true),
            ("https://*.shop.example:8443", "https://a.shop.example", false),
            ("https://*", "https://anyone.example", true),
            ("https://*", "https://anyone.example:1", false),
            ("https://*:1", "https://anyone.example:1", true),
            ("https://*", "http://anyone.example", false),
        ] {
            let held = Origins::parse(some).unwrap().hold(origin);
            assert_eq!(held, expected, "{some} on {origin}");
        }
        assert_eq!(Origins::parse("shop.example"), None);
        assert_eq!(Origins::parse("https://"), None);
    }
}
