//! What a peer proved when it connected, and how long that holds.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;

use super::Trust;
use super::verified::validity;
use crate::identity::{CertState, Certs};

/// See the module.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Leaf first.
    chain: Arc<[CertificateDer<'static>]>,
    /// It was accepted under this.
    trust: Arc<Trust>,
    /// One of the certificates of either side ends.
    until: SystemTime,
}

// === impl Proof ===

impl Proof {
    /// Of a peer that showed `chain` to this proxy, which showed its own certificate.
    pub(super) fn new(chain: &[CertificateDer<'_>], own: &CertState) -> Self {
        let chain: Arc<[_]> = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let ends = validity(chain.iter()).map_or(0, |valid| *valid.end());
        let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(ends)).unwrap_or(own.not_after);
        Self { chain, trust: own.trust.clone(), until: until.min(own.not_after) }
    }

    /// How long the certificates of both sides are still valid.
    pub fn left(&self) -> Duration {
        self.until.duration_since(SystemTime::now()).unwrap_or_default()
    }

    /// Whether the peer would be accepted under `trust` too, which is remembered.
    pub fn holds_under(&mut self, trust: &Arc<Trust>) -> bool {
        if !Arc::ptr_eq(&self.trust, trust) {
            // A certificate that has ended is no fault of the bundle.
            if trust.verify(&self.chain).is_err() && !self.left().is_zero() {
                return false;
            }
            self.trust = trust.clone();
        }
        true
    }

    /// Ends when the trust bundle has changed, and under the new one the peer would not be accepted.
    pub async fn refuted(mut self, mut certs: Certs) {
        while self.holds_under(&certs.current().trust) {
            certs.changed().await;
        }
    }
}
