//! A pod certificate (Kubernetes 1.37): the kubelet makes the key, asks for the certificate, mounts both and renews them.
//!
//! The file is read again every few seconds and compared by content, as the trust bundle is and for the same reasons. Key and chain
//! stand in one file, so that no reader sees the one without the other.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{sync::watch, time::sleep};

use super::{CertError, CertState, SpiffeId, authority::Issued};
use crate::tls::Trust;

/// Reads key and chain and goes on reading them.
#[derive(Debug)]
pub(crate) struct Mounted {
    path: PathBuf,
    identity: Arc<SpiffeId>,
    /// What is in use.
    read: Option<Vec<u8>>,
    /// What was said last of a file that cannot be used.
    told: String,
    every: Duration,
}

/// Why what is mounted is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MountedError {
    /// Not there, or not readable.
    #[error("pod certificate {path}: {source}; the kubelet writes it once the control plane has issued it")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There, but not a key with a chain.
    #[error("pod certificate {path} holds no PEM key with a chain: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// For somebody else, of another signer, or over.
    #[error("pod certificate {path}: {source}; only signer weft.dev/workload issues what the mesh trusts")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: CertError,
    },
}

const FIRST_EVERY: Duration = Duration::from_millis(200);
const EVERY: Duration = Duration::from_secs(3);

// === impl Mounted ===

impl Mounted {
    /// The file at `path`, which must certify `identity`.
    pub(crate) fn new(path: PathBuf, identity: Arc<SpiffeId>) -> Self {
        Self { path, identity, read: None, told: String::new(), every: EVERY }
    }

    #[cfg(test)]
    pub(crate) fn hurried(&mut self) {
        self.every = Duration::from_millis(20);
    }

    /// Waits for a certificate that is another than the one in use and that peers accept which trust what `trust` holds then. One that
    /// they would refuse leaves what is in use as it is, and is looked at again: its root may be on its way.
    pub(crate) async fn next(&mut self, trust: &watch::Receiver<Arc<Trust>>) -> CertState {
        loop {
            let roots = trust.borrow().clone();
            match self.load(&roots) {
                Ok(Some(state)) => {
                    let life = state.not_after.duration_since(SystemTime::now()).unwrap_or_default();
                    tracing::info!(identity = %state.identity, seconds = life.as_secs(), "pod certificate in use");
                    return state;
                }
                Ok(None) => self.told.clear(),
                Err(error) => self.tell(error.to_string()),
            }
            sleep(if self.read.is_none() { FIRST_EVERY } else { self.every }).await;
        }
    }

    /// Reads the file if it is not the one in use.
    pub(crate) fn load(&mut self, trust: &Arc<Trust>) -> Result<Option<CertState>, MountedError> {
        let path = || self.path.clone();
        let bytes =
            std::fs::read(&self.path).map_err(|source| MountedError::Read { path: path(), source })?;
        if self.read.as_ref() == Some(&bytes) {
            return Ok(None);
        }
        let content = |error: rustls_pki_types::pem::Error| MountedError::Content {
            path: path(),
            problem: error.to_string(),
        };
        let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(content)?;
        let chain = CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(content)?;
        let state = Issued { chain, key }
            .state(&self.identity, trust)
            .map_err(|source| MountedError::Unfit { path: path(), source })?;
        self.read = Some(bytes);
        self.told.clear();
        Ok(Some(state))
    }

    /// Once for each reason.
    fn tell(&mut self, error: String) {
        if error != self.told {
            let state =
                if self.read.is_none() { "no certificate yet" } else { "keeping the certificate in use" };
            tracing::warn!(%error, "{state}");
            self.told = error;
        }
    }
}
