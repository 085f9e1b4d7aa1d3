//! SPIFFE identities as Weft uses them: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.

use std::{fmt, ops::Range, str::FromStr};

/// One workload identity. Cheap to compare; parsed and validated once.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    uri: Box<str>,
    trust_domain_end: u16,
    namespace_end: u16,
}

/// Why a text is no identity of this mesh.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not of the form spiffe://<trust domain>/ns/<namespace>/sa/<service account>")]
pub struct SpiffeIdError(String);

const SCHEME: &str = "spiffe://";
const NS: &str = "/ns/";
const SA: &str = "/sa/";
/// SPIFFE's own limit on the length of an identity.
const MAX_LEN: usize = 2048;

// === impl SpiffeId ===

impl SpiffeId {
    /// Joins parts that are valid already (they come from checked configuration).
    pub fn new(trust_domain: &str, namespace: &str, service_account: &str) -> Self {
        let trust_domain_end = SCHEME.len() + trust_domain.len();
        Self {
            uri: format!("{SCHEME}{trust_domain}{NS}{namespace}{SA}{service_account}").into(),
            trust_domain_end: trust_domain_end as u16,
            namespace_end: (trust_domain_end + NS.len() + namespace.len()) as u16,
        }
    }

    /// The whole URI.
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> &str {
        self.part(SCHEME.len()..self.trust_domain_end.into())
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        self.part(usize::from(self.trust_domain_end) + NS.len()..self.namespace_end.into())
    }

    /// All up to the trust domain: what the identities of one have in common.
    pub fn trust_domain_uri(&self) -> &str {
        self.part(0..self.trust_domain_end.into())
    }

    /// All up to the namespace.
    pub fn namespace_uri(&self) -> &str {
        self.part(0..self.namespace_end.into())
    }

    /// The service account.
    pub fn service_account(&self) -> &str {
        self.part(usize::from(self.namespace_end) + SA.len()..self.uri.len())
    }

    fn part(&self, range: Range<usize>) -> &str {
        &self.uri[range]
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;

    fn from_str(uri: &str) -> Result<Self, SpiffeIdError> {
        let error = || SpiffeIdError(uri.chars().take(128).collect());
        if uri.len() > MAX_LEN {
            return Err(error());
        }
        let rest = uri.strip_prefix(SCHEME).ok_or_else(error)?;
        let (trust_domain, path) = rest.split_once('/').ok_or_else(error)?;
        let mut segments = path.split('/');
        let (Some("ns"), Some(namespace), Some("sa"), Some(service_account), None) =
            (segments.next(), segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(error());
        };
        let domain_ok =
            trust_domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b));
        let label_ok = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
                && label != "."
                && label != ".."
        };
        if trust_domain.is_empty() || !domain_ok || !label_ok(namespace) || !label_ok(service_account) {
            return Err(error());
        }
        Ok(Self::new(trust_domain, namespace, service_account))
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_gives_its_parts_back() {
        let id: SpiffeId = "spiffe://cluster.local/ns/shop/sa/web".parse().expect("a good identity");
        assert_eq!(
            (id.trust_domain(), id.namespace(), id.service_account()),
            ("cluster.local", "shop", "web")
        );
        assert_eq!(id, SpiffeId::new("cluster.local", "shop", "web"));
        assert_eq!(id.trust_domain_uri(), "spiffe://cluster.local");
        assert_eq!(id.namespace_uri(), "spiffe://cluster.local/ns/shop");
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        for bad in [
            "",
            "https://cluster.local/ns/shop/sa/web",
            "spiffe:///ns/shop/sa/web",
            "spiffe://Cluster.Local/ns/shop/sa/web",
            "spiffe://cluster.local:80/ns/shop/sa/web",
            "spiffe://u@cluster.local/ns/shop/sa/web",
            "spiffe://cluster.local/ns/shop/sa/",
            "spiffe://cluster.local/ns//sa/web",
            "spiffe://cluster.local/ns/shop/sa/web/more",
            "spiffe://cluster.local/ns/shop/sa/web?x",
            "spiffe://cluster.local/ns/../sa/web",
            "spiffe://cluster.local/sa/web/ns/shop",
        ] {
            assert!(bad.parse::<SpiffeId>().is_err(), "{bad} was accepted");
        }
    }
}
