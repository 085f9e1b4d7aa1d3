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
    #[error("the control plane's certificates cannot be read: {0}")]
    Pem(#[from] pem::Error),
    #[error("the control plane's certificates cannot be used: {0}")]
    Key(#[from] rustls::Error),
    #[error("the control plane's roots cannot be used: {0}")]
    Trust(#[from] TlsError),
}

/// TLS 1.3 with a client certificate of the mesh, HTTP/2 only, and no tickets.
pub fn server(certificates: &Certificates, trust_domain: &str) -> Result<Arc<ServerConfig>, Unusable> {
    let all = |pem: &str| CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_slice(certificates.private_key.as_bytes())?;
    let key = CertifiedKey::from_der(all(&certificates.chain)?, key, &provider())?;
    let trust = Trust::new(all(&certificates.roots)?, trust_domain)?;
    let mut server = config::server(Arc::new(trust), Arc::new(key));
    server.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(server))
}
