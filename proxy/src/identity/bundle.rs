//! The trust bundle file, followed while it changes.
//!
//! The kubelet swaps symlinks under the mount, so the file is read again every few seconds and compared by content:
//! that costs less than it takes to be clever about time stamps, and cannot miss a change.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::{sync::watch, time::sleep};

use crate::{config::Files, tls::Trust};

/// Reads the bundle and goes on reading it.
#[derive(Debug)]
pub struct Bundle {
    path: PathBuf,
    origin: &'static str,
    trust_domain: String,
    /// What is in use.
    read: Option<Vec<u8>>,
    every: Duration,
}

/// Why the bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Not there, or not readable.
    #[error("trust bundle {path}: {source}; {origin}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Where it comes from.
        origin: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// There, but without a root.
    #[error("trust bundle {path} holds no usable PEM certificate: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

const EVERY: Duration = Duration::from_secs(3);

const OF_A_NAMESPACE: &str = "the operator publishes ConfigMap weft-trust in every meshed namespace";
const OF_THE_CLUSTER: &str = "the operator keeps a ClusterTrustBundle weft.dev:workload:<revision>";

// === impl Bundle ===

impl Bundle {
    /// The bundle that is mounted, for identities of `trust_domain`.
    pub fn new(files: &Files, trust_domain: &str) -> Self {
        let origin = if files.credentials.is_some() { OF_THE_CLUSTER } else { OF_A_NAMESPACE };
        let (path, trust_domain) = (files.trust_bundle.clone(), trust_domain.to_owned());
        Self { path, origin, trust_domain, read: None, every: EVERY }
    }

    #[cfg(test)]
    pub(crate) fn checked_every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// Reads the bundle if it changed since the last time.
    pub fn load(&mut self) -> Result<Option<Arc<Trust>>, BundleError> {
        let bytes = std::fs::read(&self.path).map_err(|source| BundleError::Read {
            path: self.path.clone(),
            origin: self.origin,
            source,
        })?;
        if self.read.as_ref() == Some(&bytes) {
            return Ok(None);
        }
        let content = |problem: String| BundleError::Content { path: self.path.clone(), problem };
        let roots = CertificateDer::pem_slice_iter(&bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| content(error.to_string()))?;
        let trust = Trust::new(roots, &self.trust_domain).map_err(|error| content(error.to_string()))?;
        self.read = Some(bytes);
        Ok(Some(Arc::new(trust)))
    }

    /// Waits for the first readable bundle.
    pub async fn first(&mut self) -> Arc<Trust> {
        let mut told = false;
        loop {
            match self.load() {
                Ok(Some(trust)) => return trust,
                Ok(None) => {}
                Err(error) if !told => {
                    tracing::warn!(%error, "waiting for the trust bundle");
                    told = true;
                }
                Err(_) => {}
            }
            sleep(self.every.min(Duration::from_millis(200))).await;
        }
    }

    /// Sends every change, for as long as somebody listens. What cannot be read leaves the last good bundle in use.
    pub async fn follow(mut self, trust: watch::Sender<Arc<Trust>>) {
        let mut failed = false;
        while !trust.is_closed() {
            sleep(self.every).await;
            match self.load() {
                Ok(Some(changed)) => {
                    tracing::info!(roots = changed.roots(), "trust bundle changed");
                    trust.send_replace(changed);
                    failed = false;
                }
                Ok(None) => failed = false,
                Err(error) => {
                    if !failed {
                        tracing::warn!(%error, "keeping the trust bundle in use");
                    }
                    failed = true;
                }
            }
        }
    }
}
