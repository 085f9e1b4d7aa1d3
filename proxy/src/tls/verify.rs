//! Verifies peers: a chain to the trust bundle, then exactly one SPIFFE identity in the mesh's trust domain.
//! Host names play no part.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

use super::{
    TlsError,
    config::{provider, sha256},
    verified::Verified,
};
use crate::identity::SpiffeId;

/// What a peer must chain to.
#[derive(Debug)]
pub struct Trust {
    roots: Arc<RootCertStore>,
    fingerprints: Vec<String>,
    trust_domain: String,
    algorithms: WebPkiSupportedAlgorithms,
    clients: Arc<dyn ClientCertVerifier>,
    callers: Verified,
    called: Verified,
}

/// Accepts one identity: what a caller demands.
#[derive(Debug)]
pub(crate) struct ExactPeer {
    trust: Arc<Trust>,
    expected: SpiffeId,
}

/// Accepts every identity of the trust domain: what a receiver demands before it authorizes.
#[derive(Debug)]
pub(crate) struct AnyMeshPeer {
    trust: Arc<Trust>,
}

/// Why a certificate of a trusted issuer was refused all the same.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the certificate cannot be parsed")]
    Unparsable,
    #[error("the certificate holds {0} URI names; an identity needs exactly one")]
    UriNames(usize),
    #[error("the certificate's URI is no identity: {0}")]
    NoSpiffeId(#[from] crate::identity::SpiffeIdError),
    #[error("{peer} is not of trust domain {trust_domain}")]
    Foreign { peer: SpiffeId, trust_domain: String },
    #[error("expected {expected}, the peer is {peer}")]
    Unexpected { expected: SpiffeId, peer: SpiffeId },
}

// === impl Trust ===

impl Trust {
    /// Trusts what chains to one of `roots` and names an identity in `trust_domain`. There must be a root.
    pub fn new(certificates: Vec<CertificateDer<'static>>, trust_domain: &str) -> Result<Self, TlsError> {
        let fingerprints = certificates.iter().map(|root| fingerprint(root)).collect();
        let mut roots = RootCertStore::empty();
        for root in certificates {
            roots.add(root).map_err(|error| TlsError::Trust(error.to_string()))?;
        }
        let roots = Arc::new(roots);
        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider())
            .clear_root_hint_subjects()
            .build()
            .map_err(|error| TlsError::Trust(error.to_string()))?;
        let algorithms = provider().signature_verification_algorithms;
        Ok(Self {
            roots,
            fingerprints,
            trust_domain: trust_domain.to_owned(),
            algorithms,
            clients,
            callers: Verified::default(),
            called: Verified::default(),
        })
    }

    /// How many roots there are.
    pub fn roots(&self) -> usize {
        self.roots.len()
    }

    /// What the control plane knows the roots by: see [`fingerprint`].
    pub(crate) fn fingerprints(&self) -> &[String] {
        &self.fingerprints
    }

    /// Whether a receiver under this trust would accept `chain` (leaf first) now.
    pub(crate) fn verify(&self, chain: &[CertificateDer<'_>]) -> Result<(), Error> {
        let [leaf, intermediates @ ..] = chain else { return Err(Error::NoCertificatesPresented) };
        self.caller(leaf, intermediates, UnixTime::now()).map(drop)
    }

    fn caller(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Arc<SpiffeId>, Error> {
        self.callers.identity(leaf, intermediates, now, || {
            self.clients.verify_client_cert(leaf, intermediates, now)?;
            self.identity(leaf)
        })
    }

    fn called(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Arc<SpiffeId>, Error> {
        self.called.identity(leaf, intermediates, now, || {
            let (parsed, algorithms) = (ParsedCertificate::try_from(leaf)?, self.algorithms.all);
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
            self.identity(leaf)
        })
    }

    fn identity(&self, leaf: &CertificateDer<'_>) -> Result<SpiffeId, Error> {
        let peer = spiffe_id(leaf).map_err(refuse)?;
        if peer.trust_domain() != self.trust_domain {
            return Err(refuse(Refusal::Foreign { peer, trust_domain: self.trust_domain.clone() }));
        }
        Ok(peer)
    }

    fn signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }
}

/// SHA-256 of a certificate in DER, as lower-case hexadecimal.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    sha256(certificate).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The identity a certificate that was verified before names.
pub(crate) fn peer_identity(leaf: &CertificateDer<'_>) -> Result<SpiffeId, TlsError> {
    spiffe_id(leaf).map_err(|refusal| TlsError::Identity(refusal.to_string()))
}

fn spiffe_id(leaf: &CertificateDer<'_>) -> Result<SpiffeId, Refusal> {
    let (_, certificate) = parse_x509_certificate(leaf).map_err(|_| Refusal::Unparsable)?;
    let san = certificate.subject_alternative_name().map_err(|_| Refusal::Unparsable)?;
    let names = san.as_ref().map(|san| san.value.general_names.as_slice()).unwrap_or_default();
    let uris: Vec<&str> = names
        .iter()
        .filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None })
        .collect();
    match uris.as_slice() {
        [uri] => Ok(uri.parse()?),
        _ => Err(Refusal::UriNames(uris.len())),
    }
}

fn refuse(refusal: Refusal) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
}

// === impl ExactPeer ===

impl ExactPeer {
    pub(crate) fn new(trust: Arc<Trust>, expected: SpiffeId) -> Self {
        Self { trust, expected }
    }
}

impl ServerCertVerifier for ExactPeer {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _host: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let peer = self.trust.called(leaf, intermediates, now)?;
        if *peer != self.expected {
            let (expected, peer) = (self.expected.clone(), peer.as_ref().clone());
            return Err(refuse(Refusal::Unexpected { expected, peer }));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is off".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms.supported_schemes()
    }
}

// === impl AnyMeshPeer ===

impl AnyMeshPeer {
    pub(crate) fn new(trust: Arc<Trust>) -> Self {
        Self { trust }
    }
}

impl ClientCertVerifier for AnyMeshPeer {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.trust.caller(leaf, intermediates, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is off".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms.supported_schemes()
    }
}
