//! The certificate in use, shared as immutable snapshots.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{ClientConfig, ServerConfig, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use x509_parser::parse_x509_certificate;

use super::SpiffeId;
use crate::tls::{Trust, config, fingerprint, provider};

/// One certificate with the roots of its time, and the TLS settings built from both.
#[derive(Debug)]
pub struct CertState {
    /// Who the certificate says this workload is.
    pub identity: Arc<SpiffeId>,
    /// When it starts to be valid.
    pub not_before: SystemTime,
    /// When it ends.
    pub not_after: SystemTime,
    /// Fingerprint of the issuer's certificate, where it is in the chain.
    issuer: Option<String>,
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) trust: Arc<Trust>,
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) server: Arc<ServerConfig>,
}

/// Why a chain and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// No certificate, or bytes that are none.
    #[error("the chain holds no certificate that can be parsed")]
    Unparsable,
    /// Key and certificate do not belong together, or the key is of an unknown kind.
    #[error("key and certificate do not fit: {0}")]
    Key(#[from] rustls::Error),
    /// Its signer is unknown, or it is not valid now.
    #[error("whoever trusts what is in the trust bundle refuses it: {0}")]
    Untrusted(rustls::Error),
    /// The certificate names somebody else.
    #[error("the certificate is for {actual}, not for {expected}")]
    Identity {
        /// Who it should name.
        expected: SpiffeId,
        /// What it says instead.
        actual: String,
    },
}

/// Handle on the certificate in use; follows renewals and bundle changes.
#[derive(Debug, Clone)]
pub struct Certs {
    current: watch::Receiver<Arc<CertState>>,
}

// === impl CertState ===

impl CertState {
    /// Checks that `chain` (leaf first) names `identity` and fits `key` (PKCS#8), and builds TLS settings from them.
    pub fn new(
        identity: Arc<SpiffeId>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        trust: Arc<Trust>,
    ) -> Result<Self, CertError> {
        let leaf = chain.first().ok_or(CertError::Unparsable)?;
        let (not_before, not_after) = validity(leaf)?;
        let named = crate::tls::peer_identity(leaf);
        if !named.as_ref().is_ok_and(|named| *named == *identity) {
            let actual = named.map_or_else(|error| error.to_string(), |named| named.to_string());
            return Err(CertError::Identity { expected: identity.as_ref().clone(), actual });
        }
        let key = Arc::new(CertifiedKey::from_der(chain, key, &provider())?);
        Ok(Self::build(identity, not_before, not_after, key, trust))
    }

    /// The same certificate under another trust bundle.
    pub fn with_trust(&self, trust: Arc<Trust>) -> Self {
        Self::build(self.identity.clone(), self.not_before, self.not_after, self.key.clone(), trust)
    }

    /// The chain, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }

    /// SHA-256 of the certificate behind the leaf, as lower-case hexadecimal.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    fn build(
        identity: Arc<SpiffeId>,
        not_before: SystemTime,
        not_after: SystemTime,
        key: Arc<CertifiedKey>,
        trust: Arc<Trust>,
    ) -> Self {
        // The expected peer is set for every connection; until then nobody but this workload itself would pass.
        let client = config::client(trust.clone(), identity.as_ref().clone(), Some(key.clone()));
        let server = config::server(trust.clone(), key.clone());
        Self {
            identity,
            not_before,
            not_after,
            issuer: key.cert.get(1).map(fingerprint),
            key,
            trust,
            client: Arc::new(client),
            server: Arc::new(server),
        }
    }
}

fn validity(leaf: &CertificateDer<'_>) -> Result<(SystemTime, SystemTime), CertError> {
    let (_, parsed) = parse_x509_certificate(leaf).map_err(|_| CertError::Unparsable)?;
    let at = |seconds: i64| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let validity = parsed.validity();
    Ok((at(validity.not_before.timestamp()), at(validity.not_after.timestamp())))
}

// === impl Certs ===

impl Certs {
    /// A handle fed by the other end of `current`.
    pub fn new(current: watch::Receiver<Arc<CertState>>) -> Self {
        Self { current }
    }

    /// A handle on one certificate that never changes.
    pub fn fixed(state: CertState) -> Self {
        Self::new(watch::channel(Arc::new(state)).1)
    }

    /// The certificate in use now.
    pub fn current(&self) -> Arc<CertState> {
        self.current.borrow().clone()
    }

    /// Makes [`Certs::changed`] wait for what comes after now.
    pub fn mark_seen(&mut self) {
        self.current.mark_unchanged();
    }

    /// Resolves when another certificate or trust bundle came into use.
    pub async fn changed(&mut self) {
        if self.current.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
