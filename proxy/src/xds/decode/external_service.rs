//! What the pod may reach outside the mesh.

use std::sync::Arc;

use super::{Reject, each, origin, wire};
use crate::access::IpBlock;
use crate::egress::{ExternalService, HostPattern, Originate, Speaks};

/// All that is declared for the pod; what it may not use is among it.
pub fn external_services(
    services: &[wire::ExternalService],
    authorities: &[wire::Authorities],
) -> Result<Arc<[Arc<ExternalService>]>, Reject> {
    each("external_services", services, |wire| external_service(wire, authorities).map(Arc::new))
        .map(Into::into)
}

fn external_service(
    wire: &wire::ExternalService,
    authorities: &[wire::Authorities],
) -> Result<ExternalService, Reject> {
    let named = |Reject(reason)| reject!("{}: {reason}", wire.name);
    let originating = each("ports", &wire.ports, |port| originates(&wire.name, port, authorities));
    let service = ExternalService {
        name: wire.name.as_str().into(),
        hosts: each("hosts", &wire.hosts, |host| pattern(host)).map_err(named)?,
        ports: each("ports", &wire.ports, port).map_err(named)?,
        tls: originating.map_err(named)?.into_iter().flatten().collect(),
        addresses: each("addresses", &wire.addresses, block).map_err(named)?,
        private_addresses: wire.private_addresses,
        permitted: wire.permitted,
    };
    let speaks = |wanted| service.ports.iter().any(|(_, speaks)| (*speaks == Speaks::Bytes) == wanted);
    if service.ports.is_empty() {
        return Err(reject!("{}: there are no ports", wire.name));
    }
    if speaks(true) && service.addresses.is_empty() {
        return Err(reject!("{}: a port for bytes needs addresses", wire.name));
    }
    if speaks(false) && service.hosts.is_empty() {
        return Err(reject!("{}: a port for TLS or HTTP needs hosts", wire.name));
    }
    Ok(service)
}

fn pattern(text: &str) -> Result<HostPattern, Reject> {
    HostPattern::parse(text).ok_or_else(|| reject!("{text:?} is not a host"))
}

fn port(wire: &wire::ExternalPort) -> Result<(u16, Speaks), Reject> {
    use wire::external_port::Protocol;
    let speaks = match Protocol::try_from(wire.protocol) {
        Ok(Protocol::Tls) => Speaks::Tls,
        Ok(Protocol::Http) => Speaks::Http,
        Ok(Protocol::Tcp) => Speaks::Bytes,
        Ok(Protocol::Unspecified) => return Err(reject!("its protocol is not set")),
        Err(_) => return Err(reject!("its protocol {} is unknown", wire.protocol)),
    };
    Ok((super::port(wire.port)?, speaks))
}

fn originates(
    service: &str,
    wire: &wire::ExternalPort,
    authorities: &[wire::Authorities],
) -> Result<Option<Originate>, Reject> {
    let Some(tls) = &wire.tls else { return Ok(None) };
    let (at, speaks) = port(wire)?;
    if speaks != Speaks::Http {
        return Err(reject!("TLS is opened for HTTP only"));
    }
    Ok(Some(origin::originate(service, (at, super::port(tls.port)?), tls, authorities)))
}

fn block(wire: &wire::IpBlock) -> Result<IpBlock, Reject> {
    IpBlock::new(super::address(&wire.address)?, wire.length)
        .ok_or_else(|| reject!("a block of addresses has more bits than they have"))
}
