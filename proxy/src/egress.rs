//! What the pod may reach outside the mesh: the ExternalServices of its namespace, and how a caller's words are judged by them.
//!
//! Nothing is believed of what the application dialled where a name was declared: the proxy asks for the name itself and dials what
//! it is told ([`lookup`]), as far as that is out in the public ([`reach`]).

mod host;
pub mod lookup;
mod reach;

use std::net::SocketAddr;
use std::sync::Arc;

pub use host::{HostName, HostPattern};
pub use lookup::Lookup;
pub use reach::{Reach, reach};

use crate::access::IpBlock;
use crate::tls::Demand;

/// Hosts or addresses outside the mesh that a namespace declares. All that is set must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalService {
    /// `<namespace>/<name>`
    pub name: Arc<str>,
    /// Any of these.
    pub hosts: Vec<HostPattern>,
    /// What may be spoken where.
    pub ports: Vec<(u16, Speaks)>,
    /// Where requests go out in TLS.
    pub tls: Vec<Originate>,
    /// Where the application may dial, which the proxy then dials too; empty: where names lead decides.
    pub addresses: Vec<IpBlock>,
    /// Names may lead to private addresses.
    pub private_addresses: bool,
    /// The pod may use it.
    pub permitted: bool,
}

/// TLS that the proxy opens for requests at one port, to whichever host they are for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Originate {
    /// The port that the application dials.
    pub port: u16,
    /// The one that the proxy dials instead.
    pub to: u16,
    /// What servers have to prove.
    pub demand: Arc<Demand>,
}

/// What is spoken with a host, as far as that decides where its name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Speaks {
    /// TLS of the application's own; its server name is the host.
    Tls,
    /// HTTP without TLS; the authority of each request is the host.
    Http,
    /// Bytes, to addresses that are declared.
    Bytes,
}

/// Why something is not let out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Nobody declared it.
    Undeclared,
    /// It is declared, and not for this pod.
    NotPermitted,
    /// It does not say for which host it is.
    NoHost,
    /// The name leads to addresses that are not public, and nobody declared that it may.
    PrivateAddress,
}

// === impl ExternalService ===

impl ExternalService {
    fn takes(&self, speaks: Speaks, host: Option<&HostName>, dialled: SocketAddr) -> Option<usize> {
        if !self.ports.contains(&(dialled.port(), speaks)) {
            return None;
        }
        let there = || self.addresses.iter().any(|block| block.contains(dialled.ip()));
        match (speaks, host) {
            (Speaks::Bytes, _) => there().then_some(0),
            (_, None) => None,
            (_, Some(host)) if self.addresses.is_empty() || there() => self.closeness(host),
            _ => None,
        }
    }

    /// How closely it names a host, if it does.
    fn closeness(&self, host: &HostName) -> Option<usize> {
        self.hosts.iter().filter_map(|pattern| pattern.takes(host)).max()
    }

    /// The host as it was declared.
    pub fn pattern_of(&self, host: &HostName) -> Option<&HostPattern> {
        let taking = self.hosts.iter().filter_map(|pattern| Some((pattern.takes(host)?, pattern)));
        taking.max_by_key(|(closeness, _)| *closeness).map(|(_, pattern)| pattern)
    }

    /// The TLS that requests at `port` go out in, if it asks for that.
    pub fn originates(&self, port: u16) -> Option<&Originate> {
        self.tls.iter().find(|tls| tls.port == port)
    }

    /// As metrics name it: `<namespace>/<name>:<port>`.
    pub fn at(&self, port: u16) -> String {
        format!("{}:{port}", self.name)
    }
}

// === impl Refusal ===

impl Refusal {
    /// For the header `x-weft-reason` and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Undeclared => "unknown-destination",
            Self::NotPermitted => "external-service-not-permitted",
            Self::NoHost => "no-host",
            Self::PrivateAddress => "private-address",
        }
    }
}

/// What lets out what is `spoken` for `host`, dialled at `dialled`. One that permits it is enough; of several the one that names the
/// host most closely, and then one that asks for TLS. Nothing lets out without TLS what another one names as closely and asks TLS for,
/// even if that one is not for this pod or not for this address; nor bytes that nobody reads, at a port where requests go out in TLS.
pub fn judge<'s>(
    services: &'s [Arc<ExternalService>],
    speaks: Speaks,
    host: Option<&HostName>,
    dialled: SocketAddr,
) -> Result<&'s Arc<ExternalService>, Refusal> {
    let port = dialled.port();
    if speaks == Speaks::Bytes && originates_at(services, port) {
        return Err(Refusal::Undeclared);
    }
    let asks_for_tls =
        |service: &ExternalService| speaks == Speaks::Http && service.originates(port).is_some();
    let in_tls = services.iter().filter(|service| asks_for_tls(service));
    let in_tls = in_tls.filter_map(|service| service.closeness(host?)).max();
    let mut found: Option<((usize, bool), &Arc<ExternalService>)> = None;
    let mut forbidden = false;
    for service in services {
        let Some(closeness) = service.takes(speaks, host, dialled) else { continue };
        forbidden |= !service.permitted;
        let asks = asks_for_tls(service);
        if !asks && in_tls >= Some(closeness) {
            continue;
        }
        let closeness = (closeness, asks);
        if service.permitted && found.is_none_or(|(before, _)| before < closeness) {
            found = Some((closeness, service));
        }
    }
    match found {
        Some((_, service)) => Ok(service),
        None if forbidden => Err(Refusal::NotPermitted),
        None if host.is_none() && speaks != Speaks::Bytes => Err(Refusal::NoHost),
        None => Err(Refusal::Undeclared),
    }
}

/// Whether anything is declared for a port that is read: its callers may take their time to say what they want.
pub fn reads_port(services: &[Arc<ExternalService>], port: u16) -> bool {
    let read = |(declared, speaks): &(u16, Speaks)| *declared == port && *speaks != Speaks::Bytes;
    services.iter().any(|service| service.ports.iter().any(read))
}

/// Whether requests at a port are read under every outbound policy, since some go out in TLS.
pub fn originates_at(services: &[Arc<ExternalService>], port: u16) -> bool {
    services.iter().any(|service| service.originates(port).is_some())
}

/// Whether what was `judged` of a request holds under every outbound policy: it goes out in TLS, or would if it came from another
/// pod. Then it never goes out without.
pub fn holds_always(
    services: &[Arc<ExternalService>],
    judged: Result<&Arc<ExternalService>, Refusal>,
    host: Option<&HostName>,
    dialled: SocketAddr,
) -> bool {
    let asks = |service: &ExternalService| service.originates(dialled.port()).is_some();
    match judged {
        Ok(service) => asks(service),
        // At whichever address.
        Err(_) => {
            host.is_some_and(|host| services.iter().any(|one| asks(one) && one.pattern_of(host).is_some()))
        }
    }
}

#[cfg(test)]
mod tests;
