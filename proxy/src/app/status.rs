//! How the proxy stands with its control plane, as metrics.

use std::{
    sync::atomic::AtomicI64,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use tokio::sync::watch;

use crate::{identity::Certs, xds::Link};

/// Gauges that follow the certificate and the configuration stream.
#[derive(Debug, Default)]
pub(super) struct Status {
    connected: Gauge<i64, AtomicI64>,
    rejected: Gauge<i64, AtomicI64>,
    certificate_end: Gauge<i64, AtomicI64>,
}

// === impl Status ===

impl Status {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let status = Self::default();
        registry.register(
            "weft_control_plane_connected",
            "1 while the configuration stream is open",
            status.connected.clone(),
        );
        registry.register(
            "weft_config_rejected",
            "Resources whose newest version this proxy cannot honour; the version before keeps serving",
            status.rejected.clone(),
        );
        registry.register(
            "weft_certificate_expiry_timestamp_seconds",
            "When the certificate in use ends, in Unix time",
            status.certificate_end.clone(),
        );
        status
    }

    /// Keeps the gauges current, for as long as the configuration client lives.
    pub(super) async fn follow(self, mut certs: Certs, mut link: watch::Receiver<Link>) {
        loop {
            let end: SystemTime = certs.current().not_after;
            let end = end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            self.certificate_end.set(i64::try_from(end).unwrap_or(i64::MAX));
            {
                let link = link.borrow_and_update();
                self.connected.set(link.connected.into());
                self.rejected.set(i64::try_from(link.rejected.len()).unwrap_or(i64::MAX));
            }
            tokio::select! {
                () = certs.changed() => {}
                changed = link.changed() => if changed.is_err() { return },
            }
        }
    }
}
