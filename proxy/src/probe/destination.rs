//! Where a probe goes.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;

use super::ProbeFailure;
use crate::socket;

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub host: String,
    pub port: u16,
}

// === impl Destination ===

impl Destination {
    /// The host that the probe names, or else the pod.
    pub fn new(host: Option<&str>, pod_ip: IpAddr, port: u16) -> Self {
        let host = host.filter(|host| !host.is_empty()).map_or_else(|| pod_ip.to_string(), str::to_owned);
        Self { host, port }
    }

    /// Dials past the capture rules. A name is tried at each of its addresses.
    pub async fn connect(&self) -> Result<TcpStream, ProbeFailure> {
        let failed = |source| ProbeFailure::Connect { destination: self.to_string(), source };
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return socket::connect_application(SocketAddr::new(ip, self.port)).await.map_err(failed);
        }
        let addresses = tokio::net::lookup_host((self.host.as_str(), self.port)).await.map_err(failed)?;
        let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match socket::connect_application(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    /// A failure after the connection opened.
    pub fn broken(&self, problem: impl fmt::Display) -> ProbeFailure {
        ProbeFailure::Broken { destination: self.to_string(), problem: problem.to_string() }
    }
}

/// As in a URL: `10.0.0.1:80`, `[fd00::1]:80`.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
