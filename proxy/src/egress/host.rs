//! Names of hosts, in the one form in which they are compared and asked for.

use std::fmt;
use std::sync::Arc;

use http::uri::Authority;
use http::{Request, header};

/// As long as a DNS name can be (RFC 1035 2.3.4).
const LONGEST: usize = 253;
/// The same of a part of it.
const LONGEST_LABEL: usize = 63;

/// The name of a host: in lower case and ASCII, without a dot at its end, and no address in any notation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(Arc<str>);

/// A name, or `*.` and a name below which all are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This one.
    Exact(HostName),
    /// Every one below it, however deep.
    Below(HostName),
}

// === impl HostName ===

impl HostName {
    /// What a client wrote; `None` where it is no name. Its last part begins with a letter, so that nothing passes for a name that a
    /// resolver takes for an address: `127.1`, `0x7f.1`, `2130706433`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let labels_are_good = text.split('.').all(|label| {
            (1..=LONGEST_LABEL).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        });
        let last = text.rsplit('.').next()?;
        let is_name = last.starts_with(|first: char| first.is_ascii_alphabetic());
        (text.len() <= LONGEST && labels_are_good && is_name).then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// The host that a request is for: of its target, else of its field Host. Whether both agree is judged with its frame.
    pub fn of_request<B>(request: &Request<B>) -> Option<Self> {
        match request.uri().authority() {
            Some(authority) => Self::parse(authority.host()),
            None => Self::of_field(request.headers().get(header::HOST)?.as_bytes()),
        }
    }

    /// The host that a field Host names.
    pub fn of_field(value: &[u8]) -> Option<Self> {
        Self::parse(Authority::try_from(value).ok()?.host())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

// === impl HostPattern ===

impl HostPattern {
    /// What a user wrote.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("*.") {
            None => HostName::parse(text).map(Self::Exact),
            Some(below) => HostName::parse(below).map(Self::Below),
        }
    }

    /// How closely it names `host`; `None`: it does not.
    pub fn takes(&self, host: &HostName) -> Option<usize> {
        match self {
            Self::Exact(name) => (name == host).then_some(usize::MAX),
            Self::Below(name) => {
                let above = host.0.strip_suffix(&*name.0)?;
                above.ends_with('.').then_some(name.0.len())
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(out),
            Self::Below(name) => write!(out, "*.{name}"),
        }
    }
}
