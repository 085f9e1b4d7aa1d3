//! What handshakes are made with: the settings that proxies have among themselves, with the verifier that they use for each other.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::frames::Certificates;
use crate::tls::{TlsError, Trust, config, provider};

/// Why the control plane's certificates are none.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("the control plane's certificate cannot be read: {0}")]
    Pem(#[source] pem::Error),
    #[error("the control plane's certificate cannot be used with its key: {0}")]
    Key(#[from] rustls::Error),
    #[error("the control plane's roots cannot be read: {0}")]
    Roots(#[source] pem::Error),
    #[error("the control plane's roots cannot be used: {0}")]
    Trust(#[from] TlsError),
}

/// What is in force.
#[derive(Debug)]
pub struct Tls {
    key: Arc<CertifiedKey>,
    trust: Arc<Trust>,
    trust_domain: String,
    server: Arc<ServerConfig>,
}

// === impl Tls ===

impl Tls {
    pub fn new(first: &Certificates, trust_domain: &str) -> Result<Self, Unusable> {
        let (key, trust) = (key(first)?, trust(first, trust_domain)?);
        let server = server(&key, &trust);
        Ok(Self { key, trust, trust_domain: trust_domain.to_owned(), server })
    }

    /// Takes what can be used of new ones: of what cannot the last stays in force, so that roots that were taken away go whatever there
    /// is with the key. The error says what could not.
    pub fn change(&mut self, next: &Certificates) -> Result<(), Unusable> {
        let key = key(next).map(|key| self.key = key);
        let trust = trust(next, &self.trust_domain).map(|trust| self.trust = trust);
        self.server = server(&self.key, &self.trust);
        key.and(trust)
    }

    pub fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }
}

fn all(pem: &str) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect()
}

fn key(certificates: &Certificates) -> Result<Arc<CertifiedKey>, Unusable> {
    let key = PrivateKeyDer::from_pem_slice(certificates.private_key.as_bytes()).map_err(Unusable::Pem)?;
    let chain = all(&certificates.chain).map_err(Unusable::Pem)?;
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &provider())?))
}

fn trust(certificates: &Certificates, trust_domain: &str) -> Result<Arc<Trust>, Unusable> {
    let roots = all(&certificates.roots).map_err(Unusable::Roots)?;
    Ok(Arc::new(Trust::new(roots, trust_domain)?))
}

/// TLS 1.3 with a client certificate of the mesh, HTTP/2 only, and no tickets.
fn server(key: &Arc<CertifiedKey>, trust: &Arc<Trust>) -> Arc<ServerConfig> {
    let mut server = config::server(trust.clone(), key.clone());
    server.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(server)
}
