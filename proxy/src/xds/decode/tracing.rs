//! What is told of requests as traces.

use super::collector::collector;
use super::{Reject, wire};
use crate::trace::{Sampling, Tracing};

/// Who is told, and of which.
pub fn tracing(wire: &wire::Tracing) -> Result<Tracing, Reject> {
    let wire::Tracing { service, address, port, protocol, sampling } = wire.clone();
    let collector = collector("tracing", &wire::Collector { service, address, port, protocol })?;
    Ok(Tracing { collector, sampling: Sampling::millionths(sampling) })
}
