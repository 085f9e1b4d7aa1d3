//! What is told of requests as traces.

use std::net::SocketAddr;

use super::{Reject, wire};
use crate::asking::Asks;
use crate::trace::{Protocol, Sampling, Tracing};

/// Who is told, and of which.
pub fn tracing(wire: &wire::Tracing) -> Result<Tracing, Reject> {
    use wire::tracing::Protocol as Wire;
    let protocol = match Wire::try_from(wire.protocol) {
        Ok(Wire::Grpc) => Protocol::Grpc,
        Ok(Wire::Http) => Protocol::Http,
        Ok(Wire::Unspecified) => return Err(reject!("tracing: protocol is not set")),
        Err(_) => return Err(reject!("tracing: protocol {} is unknown", wire.protocol)),
    };
    let collector = match wire.address.is_empty() {
        true => None,
        false => Some(Asks {
            service: wire.service.as_str().into(),
            addr: SocketAddr::new(super::address(&wire.address)?, super::port(wire.port)?),
        }),
    };
    Ok(Tracing { collector, protocol, sampling: Sampling::millionths(wire.sampling) })
}
