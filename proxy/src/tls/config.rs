//! TLS settings of the mesh: version 1.3 only, post-quantum key exchange first, no resumption.
//!
//! Resumption is off because a resumed session skips verification: a peer whose certificate ended, or whose issuer is
//! no longer trusted, would stay connected under its old name.

use std::sync::{Arc, LazyLock};

use rustls::{
    ClientConfig, ServerConfig, SupportedCipherSuite,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs as aws, ring},
    server::NoServerSessionStorage,
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::{
    Alpn,
    verify::{AnyMeshPeer, ExactPeer, Trust},
};
use crate::identity::SpiffeId;

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    Arc::new(CryptoProvider {
        // AES-128-GCM is the fastest that machines of a cluster have in hardware, and as strong as the certificates.
        cipher_suites: vec![
            aes_128_gcm(),
            aws::cipher_suite::TLS13_AES_256_GCM_SHA384,
            aws::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![aws::kx_group::X25519MLKEM768, aws::kx_group::X25519, aws::kx_group::SECP256R1],
        ..aws::default_provider()
    })
});

/// The one source of cryptography in the proxy.
pub fn provider() -> Arc<CryptoProvider> {
    PROVIDER.clone()
}

/// The quicker of two implementations on this machine. On x86-64, aws-lc has one of vector AES for AVX-512 only, which is twice
/// as quick as its other; ring has one for AVX2, and so for AMD's third generation and Intel's client parts.
fn aes_128_gcm() -> SupportedCipherSuite {
    if has_vector_aes_without_avx512() {
        ring::cipher_suite::TLS13_AES_128_GCM_SHA256
    } else {
        aws::cipher_suite::TLS13_AES_128_GCM_SHA256
    }
}

#[cfg(target_arch = "x86_64")]
fn has_vector_aes_without_avx512() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx2") && has!("vaes") && has!("vpclmulqdq") && !(has!("avx512bw") && has!("avx512vl"))
}

#[cfg(not(target_arch = "x86_64"))]
fn has_vector_aes_without_avx512() -> bool {
    false
}

/// The SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let suite = aws::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().expect("it is one of TLS 1.3");
    suite.common.hash_provider.hash(bytes).as_ref().try_into().expect("its hash is SHA-256")
}

/// Settings for calling `expected`. Without `key` the caller stays anonymous, as it must before its first certificate.
pub(crate) fn client(trust: Arc<Trust>, expected: SpiffeId, key: Option<Arc<CertifiedKey>>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3 suites")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ExactPeer::new(trust, expected)));
    let mut config = match key {
        Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.enable_sni = false; // peers are named by identity, never by host
    config
}

/// Settings for receiving any peer of the mesh.
pub(crate) fn server(trust: Arc<Trust>, key: Arc<CertifiedKey>) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3 suites")
        .with_client_cert_verifier(Arc::new(AnyMeshPeer::new(trust)))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = [Alpn::H2, Alpn::H1, Alpn::Tcp].map(|alpn| alpn.as_bytes().to_vec()).to_vec();
    config
}
