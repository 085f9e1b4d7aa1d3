//! What a route does to its requests beside choosing where they go.

use bytes::Bytes;
use http::header::HeaderMap;
use http::uri::Authority;
use http::{HeaderName, HeaderValue, StatusCode};

use super::{Cors, Mirror};

/// A route has these only if there are some: most routes just send on.
#[derive(Debug, Default)]
pub struct Actions {
    /// Changes of headers, before those of the share that was chosen.
    pub headers: MessageChanges,
    /// What the destination sees instead.
    pub rewrite: Option<Rewrite>,
    /// What browsers are told about pages of other origins.
    pub cors: Option<Box<Cors>>,
    /// Where copies go beside.
    pub mirrors: Vec<Mirror>,
    /// Instead of sending the request anywhere.
    pub answer: Option<Answer>,
}

/// Changes of the headers of a request and of its response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageChanges {
    /// On the way there.
    pub request: HeaderChanges,
    /// On the way back.
    pub response: HeaderChanges,
}

/// Done in this order: remove, set, add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderChanges {
    /// Taken away.
    pub remove: Vec<HeaderName>,
    /// Written over what is there.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Added to what is there.
    pub add: Vec<(HeaderName, HeaderValue)>,
}

/// A new path; the query stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathChange {
    /// The whole path.
    Full(Box<str>),
    /// In the place of the prefix that the route matched.
    Prefix(Box<str>),
}

/// What the destination sees.
#[derive(Debug)]
pub struct Rewrite {
    /// As host.
    pub host: Option<Host>,
    /// As path.
    pub path: Option<PathChange>,
}

/// A host in both forms that messages need.
#[derive(Clone, Debug)]
pub struct Host {
    /// For URIs.
    pub authority: Authority,
    /// For the header.
    pub value: HeaderValue,
}

/// An answer of the proxy itself.
#[derive(Debug)]
pub enum Answer {
    /// Elsewhere.
    Redirect(Redirect),
    /// This.
    Direct(DirectResponse),
}

/// Where else to ask.
#[derive(Debug)]
pub struct Redirect {
    /// `None`: the one the request came with, http.
    pub scheme: Option<Scheme>,
    /// `None`: the request's own.
    pub host: Option<Box<str>>,
    /// `None`: the usual one of `scheme` if that is given, else the request's own.
    pub port: Option<u16>,
    /// `None`: the request's own.
    pub path: Option<PathChange>,
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
}

/// What a redirect leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

/// A fixed answer.
#[derive(Debug)]
pub struct DirectResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its body, with its type.
    pub body: Option<(Bytes, HeaderValue)>,
}

// === impl HeaderChanges ===

impl HeaderChanges {
    /// Makes the changes.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }
}

// === impl PathChange ===

impl PathChange {
    /// The new path in the place of `path`, of which the route matched `prefix`.
    pub fn apply(&self, path: &str, prefix: &str) -> String {
        let replacement = match self {
            Self::Full(full) => return full.to_string(),
            Self::Prefix(replacement) => &**replacement,
        };
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        match path.strip_prefix(prefix) {
            Some("") | None if replacement.is_empty() => "/".to_owned(),
            Some("") | None => replacement.to_owned(),
            Some(rest) => format!("{}{rest}", replacement.strip_suffix('/').unwrap_or(replacement)),
        }
    }
}

// === impl Scheme ===

impl Scheme {
    /// As in a URI.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that needs not be written.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_replaced_by_whole_segments_as_gateway_api_says() {
        for (path, prefix, replacement, expected) in [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "/", "/bar"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
            ("/foo", "/foo/", "/", "/"),
            ("/bar", "/", "/xyz", "/xyz/bar"),
            ("/", "/", "/xyz", "/xyz/"),
        ] {
            let change = PathChange::Prefix(replacement.into());
            assert_eq!(change.apply(path, prefix), expected, "{path} {prefix} {replacement}");
        }
        assert_eq!(PathChange::Full("/all".into()).apply("/foo", ""), "/all");
    }

    #[test]
    fn headers_are_removed_set_and_added_in_this_order() {
        let text =
            |name: &'static str, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let mut headers: HeaderMap =
            [text("a", "1"), text("b", "1"), text("c", "1"), text("d", "1")].into_iter().collect();
        headers.append("a", HeaderValue::from_static("2"));
        HeaderChanges {
            remove: vec![HeaderName::from_static("d"), HeaderName::from_static("c")],
            set: vec![text("a", "3"), text("c", "4")],
            add: vec![text("b", "2"), text("e", "5")],
        }
        .apply(&mut headers);
        let expected: HeaderMap =
            [text("a", "3"), text("b", "1"), text("b", "2"), text("c", "4"), text("e", "5")]
                .into_iter()
                .collect();
        assert_eq!(headers, expected);
    }
}
