//! Whether a condition holds for a request: one reading of them, for whoever asks.

use std::borrow::Cow;

use http::header::COOKIE;
use http::{HeaderMap, HeaderName, Uri};

use super::{HeaderMatch, PathMatch, ValueCondition};

// === impl PathMatch ===

impl PathMatch {
    /// Whether it holds for a path, which is without its query.
    pub fn holds(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == &**exact,
            Self::Prefix(prefix) => has_segments(path, prefix),
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

impl PartialEq for PathMatch {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(one), Self::Exact(other)) | (Self::Prefix(one), Self::Prefix(other)) => one == other,
            (Self::Regex(one), Self::Regex(other)) => one.as_str() == other.as_str(),
            _ => false,
        }
    }
}

impl Eq for PathMatch {}

fn has_segments(path: &str, prefix: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

// === impl HeaderMatch ===

impl HeaderMatch {
    /// Whether it holds for a request with these.
    pub fn holds(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let value = joined(headers, &self.name).or_else(|| {
            // HTTP/2 and absolute-form requests name their host in the URI.
            let authority = uri.authority().filter(|_| self.name == http::header::HOST)?;
            Some(Cow::Borrowed(authority.as_str().as_bytes()))
        });
        self.condition.holds(value.as_deref()) != self.invert
    }
}

/// The value of a header, repeated ones joined as RFC 9110 5.3 says; cookies, which HTTP/2 may send one by one, as RFC 9113 8.2.3 does.
fn joined<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.as_bytes();
    let between: &[u8] = if *name == COOKIE { b"; " } else { b"," };
    let mut all = Cow::Borrowed(first);
    for value in values {
        let all = all.to_mut();
        all.extend_from_slice(between);
        all.extend_from_slice(value.as_bytes());
    }
    Some(all)
}

// === impl ValueCondition ===

impl ValueCondition {
    /// Whether it holds for a value, which may be absent.
    pub fn holds(&self, value: Option<&[u8]>) -> bool {
        match (self, value) {
            (Self::Present(present), value) => value.is_some() == *present,
            (_, None) => false,
            (Self::Exact(exact), Some(value)) => *value == *exact.as_bytes(),
            (Self::Prefix(prefix), Some(value)) => value.starts_with(prefix.as_bytes()),
            (Self::Regex(regex), Some(value)) => {
                std::str::from_utf8(value).is_ok_and(|value| regex.is_match(value))
            }
        }
    }
}

impl PartialEq for ValueCondition {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(one), Self::Exact(other)) | (Self::Prefix(one), Self::Prefix(other)) => one == other,
            (Self::Regex(one), Self::Regex(other)) => one.as_str() == other.as_str(),
            (Self::Present(one), Self::Present(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for ValueCondition {}
