//! The certificate in use, shared as immutable snapshots.

use std::{sync::Arc, time::SystemTime};

use rustls::{ClientConfig, ServerConfig};
use tokio::sync::watch;

use super::SpiffeId;

/// One certificate with the roots of its time, and the TLS settings built from both.
#[derive(Debug)]
pub struct CertState {
    /// Who the certificate says this workload is.
    pub identity: Arc<SpiffeId>,
    /// When it starts to be valid.
    pub not_before: SystemTime,
    /// When it ends.
    pub not_after: SystemTime,
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) server: Arc<ServerConfig>,
}

/// Handle on the certificate in use; follows renewals and bundle changes.
#[derive(Debug, Clone)]
pub struct Certs {
    current: watch::Receiver<Arc<CertState>>,
}

// === impl Certs ===

impl Certs {
    /// A handle fed by the other end of `current`.
    pub fn new(current: watch::Receiver<Arc<CertState>>) -> Self {
        Self { current }
    }

    /// The certificate in use now.
    pub fn current(&self) -> Arc<CertState> {
        self.current.borrow().clone()
    }
}
