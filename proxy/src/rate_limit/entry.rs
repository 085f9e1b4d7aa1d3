//! What a service that counts is told of a request: the same that tells requests apart here, in words.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest::{SHA256, digest};
use http::Request;

use super::{KeyPart, Sender};
use crate::request::Caller;

/// The longest value that is told as it is: a caller should not make the service keep longer ones.
pub const LONGEST_VALUE: usize = 256;
/// The value of what a request lacks. All that lack it belong together.
const LACKING: &str = "-";

// === impl KeyPart ===

impl KeyPart {
    /// Its name, and the value that the request has. What is longer than [`LONGEST_VALUE`], or no UTF-8, is told by its SHA-256.
    pub fn entry<B>(&self, request: &Request<B>, sender: Sender<'_>) -> (String, String) {
        let identity = match sender.caller {
            Caller::Peer(identity) => Some(identity),
            Caller::Local | Caller::Plain => None,
        };
        let address = sender.address.map(|address| address.to_canonical());
        let (name, value) = match self {
            Self::ServiceAccount => ("service_account", identity.map(|identity| identity.as_str().into())),
            Self::Namespace => ("namespace", identity.map(|identity| identity.namespace_uri().into())),
            Self::Address => ("remote_address", address.map(|address| address.to_string().into())),
            Self::Network => ("masked_remote_address", address.map(|address| network(address).into())),
            Self::Header(name) => {
                let values: Vec<_> =
                    request.headers().get_all(name).iter().map(|value| value.as_bytes()).collect();
                (name.as_str(), Some(values.join(&b',')))
            }
            Self::Method => ("method", Some(request.method().as_str().into())),
            Self::Path => ("path", Some(request.uri().path().into())),
            Self::Claim(claim) => {
                let value = sender.token.and_then(|token| token.counted(claim.place));
                return (claim.path.join("."), value.map_or_else(|| LACKING.to_owned(), |value| hex(value)));
            }
            Self::Constant { name, value } => return (name.to_string(), value.to_string()),
        };
        let value = value.filter(|value| !value.is_empty());
        (name.to_owned(), value.map_or_else(|| LACKING.to_owned(), told))
    }
}

fn told(value: Vec<u8>) -> String {
    if value.len() > LONGEST_VALUE {
        return hex(digest(&SHA256, &value).as_ref());
    }
    String::from_utf8(value).unwrap_or_else(|error| hex(digest(&SHA256, error.as_bytes()).as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As [`KeyPart::Network`] takes it.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{}/24", Ipv4Addr::from_bits(address.to_bits() & (!0 << 8))),
        IpAddr::V6(address) => format!("{}/64", Ipv6Addr::from_bits(address.to_bits() & (!0 << 64))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::identity::SpiffeId;

    #[test]
    fn what_a_service_is_told_is_what_requests_are_told_apart_by() {
        let web = Caller::Peer(Arc::new(SpiffeId::new("cluster.local", "shop", "web")));
        let request =
            Request::post("/a/b?c").header("x-user", "ann").header("x-user", "bob").body(()).unwrap();
        let from =
            |address: &str| Sender { caller: &web, address: Some(address.parse().unwrap()), token: None };
        let v4 = from("::ffff:10.1.2.3");
        let header = |name: &'static str| KeyPart::Header(http::HeaderName::from_static(name));
        let constant = KeyPart::Constant { name: "generic_key".into(), value: "logins".into() };
        for (part, sender, name, value) in [
            (KeyPart::ServiceAccount, v4, "service_account", "spiffe://cluster.local/ns/shop/sa/web"),
            (KeyPart::Namespace, v4, "namespace", "spiffe://cluster.local/ns/shop"),
            (KeyPart::Address, v4, "remote_address", "10.1.2.3"),
            (KeyPart::Network, v4, "masked_remote_address", "10.1.2.0/24"),
            (KeyPart::Address, from("2001:db8:1:2:3::4"), "remote_address", "2001:db8:1:2:3::4"),
            (KeyPart::Network, from("2001:db8:1:2:3::4"), "masked_remote_address", "2001:db8:1:2::/64"),
            (KeyPart::Method, v4, "method", "POST"),
            (KeyPart::Path, v4, "path", "/a/b"),
            (header("x-user"), v4, "x-user", "ann,bob"),
            (header("x-none"), v4, "x-none", "-"),
            (constant, v4, "generic_key", "logins"),
        ] {
            assert_eq!(part.entry(&request, sender), (name.to_owned(), value.to_owned()));
        }
        let nobody = Sender { caller: &Caller::Plain, address: None, token: None };
        for part in [KeyPart::ServiceAccount, KeyPart::Namespace, KeyPart::Address, KeyPart::Network] {
            assert_eq!(part.entry(&request, nobody).1, "-", "{part:?}");
        }
    }

    #[test]
    fn no_value_is_long_and_those_that_differ_stay_different() {
        let told = |value: &[u8]| {
            let request = Request::get("/").header("x-user", value).body(()).unwrap();
            let nobody = Sender { caller: &Caller::Plain, address: None, token: None };
            KeyPart::Header(http::HeaderName::from_static("x-user")).entry(&request, nobody).1
        };
        let (longest, longer) = ("a".repeat(LONGEST_VALUE), "a".repeat(LONGEST_VALUE + 1));
        assert_eq!(told(longest.as_bytes()), longest);
        assert_eq!(told(longer.as_bytes()).len(), 64);
        assert_ne!(told(longer.as_bytes()), told(format!("{longer}a").as_bytes()));
        assert_ne!(told(b"\xfc"), told(b"\xfd"));
        assert_eq!(told(b""), "-");
    }
}
