//! Who is told by OTLP.

use std::net::SocketAddr;

use super::{Reject, wire};
use crate::asking::Asks;
use crate::otlp::{Collector, Protocol};

/// The collector of `what`.
pub fn collector(what: &str, wire: &wire::Collector) -> Result<Collector, Reject> {
    use wire::tracing::Protocol as Wire;
    let protocol = match Wire::try_from(wire.protocol) {
        Ok(Wire::Grpc) => Protocol::Grpc,
        Ok(Wire::Http) => Protocol::Http,
        Ok(Wire::Unspecified) => return Err(reject!("{what}: protocol is not set")),
        Err(_) => return Err(reject!("{what}: protocol {} is unknown", wire.protocol)),
    };
    let asks = match wire.address.is_empty() {
        true => None,
        false => Some(Asks {
            service: wire.service.as_str().into(),
            addr: SocketAddr::new(super::address(&wire.address)?, super::port(wire.port)?),
        }),
    };
    Ok(Collector { asks, protocol })
}
