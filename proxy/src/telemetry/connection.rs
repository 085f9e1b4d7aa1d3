//! One value per opaque connection, recorded once when it is dropped.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::subjects::{HeldSeries, Subject};
use super::tap::ByteTrail;
use super::{ConnectionLabels, Metrics};
use crate::tcp::Relayed;

/// An opaque connection that is open. Dropping it adds its bytes and ends it.
#[derive(Debug)]
pub struct OpenConnection {
    /// Counted by the relay.
    pub relayed: Relayed,
    open: Gauge,
    sent: Counter,
    received: Counter,
    _held: HeldSeries,
    /// Where somebody watches.
    trail: Option<Box<ByteTrail>>,
}

// === impl OpenConnection ===

impl OpenConnection {
    /// Counts a connection that was opened now.
    pub fn begin(metrics: &Metrics, labels: &ConnectionLabels) -> Self {
        let held = metrics.hold(Subject::of(labels.direction, &labels.destination, &labels.peer));
        metrics.connections.get(labels).inc();
        let open = metrics.open_connections.get(labels);
        open.inc();
        Self {
            relayed: Relayed::default(),
            open,
            sent: metrics.sent_bytes.get(labels),
            received: metrics.received_bytes.get(labels),
            _held: held,
            trail: ByteTrail::begin(&metrics.taps, labels),
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.sent.inc_by(self.relayed.there.get());
        self.received.inc_by(self.relayed.back.get());
        self.open.dec();
        if let Some(trail) = &self.trail {
            trail.tell((self.relayed.there.get(), self.relayed.back.get()));
        }
    }
}
