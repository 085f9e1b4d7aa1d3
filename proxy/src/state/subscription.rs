//! What a proxy asks the mesh about. Its text is the name of the resource that answers.

use std::{fmt, net::SocketAddr, sync::Arc};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subscription {
    /// The address a connection was made to: `ip/10.96.0.5:8080`.
    Address(SocketAddr),
    /// An endpoint that an ingress dialled, meaning the Service behind it; where there are several, the one of this host,
    /// in lower case: `endpoint/10.244.0.7:8080` or `endpoint/10.244.0.7:8080/reviews.shop.svc`.
    Endpoint(SocketAddr, Option<Arc<str>>),
}

// === impl Subscription ===

impl Subscription {
    /// What the name of a resource speaks of, if it is one of ours.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once('/')?;
        match kind {
            "ip" => Some(Self::Address(rest.parse().ok()?)),
            "endpoint" => {
                let (addr, host) =
                    rest.split_once('/').map_or((rest, None), |(addr, host)| (addr, Some(host)));
                Some(Self::Endpoint(addr.parse().ok()?, host.map(Arc::from)))
            }
            _ => None,
        }
    }

    /// One spelling for one address: IPv4 not mapped into IPv6, no scope.
    pub(crate) fn canonical(self) -> Self {
        match self {
            Self::Address(addr) => Self::Address(canonical(addr)),
            Self::Endpoint(addr, host) => Self::Endpoint(canonical(addr), host),
        }
    }
}

fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

impl From<SocketAddr> for Subscription {
    fn from(addr: SocketAddr) -> Self {
        Self::Address(addr)
    }
}

impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(addr) => write!(f, "ip/{addr}"),
            Self::Endpoint(addr, None) => write!(f, "endpoint/{addr}"),
            Self::Endpoint(addr, Some(host)) => write!(f, "endpoint/{addr}/{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_what_it_was_made_of() {
        for name in
            ["ip/10.96.0.5:8080", "ip/[fd00::5]:80", "endpoint/10.0.0.7:1", "endpoint/[fd00::7]:1/a.b"]
        {
            assert_eq!(Subscription::parse(name).unwrap().to_string(), name);
        }
        for name in ["", "ip", "ip/", "host/a.b:80", "endpoint/a.b", "endpoint//a.b"] {
            assert_eq!(Subscription::parse(name), None, "{name}");
        }
    }
}
