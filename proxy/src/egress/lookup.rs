//! Where names lead, as the proxy is told when it asks for itself.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::{HostName, Reach, Refusal, reach};

/// How long an answer may take. The C library asks several servers, several times.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of one name that are used.
pub const MOST_ADDRESSES: usize = 16;

/// Who is asked.
#[derive(Clone, Debug, Default)]
pub enum Lookup {
    /// The resolver of the pod, for the whole name: search domains would let a Service of a clever name answer for a host outside.
    #[default]
    System,
    /// Names with where they lead, and where that is in a test.
    #[cfg(any(test, feature = "testing"))]
    Fixed(Arc<std::sync::Mutex<Names>>),
}

/// Names, with the addresses that are judged and where each is in a test.
#[cfg(any(test, feature = "testing"))]
pub type Names = std::collections::HashMap<String, Vec<(IpAddr, SocketAddr)>>;

/// Why nothing is dialled.
#[derive(Clone, Debug, Error)]
pub enum NoAddress {
    #[error("its name leads to no address: {0}")]
    Unresolved(Arc<io::Error>),
    #[error("its name leads to addresses that are not public")]
    NotPublic,
}

// === impl NoAddress ===

impl NoAddress {
    fn unresolved(error: io::Error) -> Self {
        Self::Unresolved(Arc::new(error))
    }

    /// The refusal that it is, where it is one.
    pub fn refusal(&self) -> Option<Refusal> {
        matches!(self, Self::NotPublic).then_some(Refusal::PrivateAddress)
    }
}

// === impl Lookup ===

impl Lookup {
    /// Where to dial for `host` at `port`: addresses that names may lead to, those of the family that the application dialled where
    /// there are some, since that one works here.
    pub async fn addresses(
        &self,
        host: &HostName,
        dialled: SocketAddr,
        private: bool,
    ) -> Result<Vec<SocketAddr>, NoAddress> {
        let asked = tokio::time::timeout(LOOKUP_TIMEOUT, self.ask(host, dialled.port())).await;
        let answers = asked.unwrap_or_else(|late| Err(late.into())).map_err(NoAddress::unresolved)?;
        if answers.is_empty() {
            return Err(NoAddress::unresolved(io::ErrorKind::NotFound.into()));
        }
        let mut allowed: Vec<_> = answers
            .into_iter()
            .filter(|(ip, _)| match reach(*ip) {
                Reach::Public => true,
                Reach::Private => private,
                Reach::Never => false,
            })
            .collect();
        if allowed.iter().any(|(ip, _)| ip.is_ipv4() == dialled.is_ipv4()) {
            allowed.retain(|(ip, _)| ip.is_ipv4() == dialled.is_ipv4());
        }
        let mut addresses: Vec<_> = allowed.into_iter().map(|(_, address)| address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(MOST_ADDRESSES);
        if addresses.is_empty() { Err(NoAddress::NotPublic) } else { Ok(addresses) }
    }

    async fn ask(&self, host: &HostName, port: u16) -> io::Result<Vec<(IpAddr, SocketAddr)>> {
        match self {
            Self::System => {
                let whole = format!("{host}.");
                let answers = tokio::net::lookup_host((whole.as_str(), port)).await?;
                Ok(answers.map(|address| (address.ip(), address)).collect())
            }
            #[cfg(any(test, feature = "testing"))]
            Self::Fixed(names) => {
                let names = names.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                names.get(host.as_str()).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        }
    }
}
