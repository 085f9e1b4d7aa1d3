//! Asks the identity authority for a certificate: a new key, a request, the pod's token of the moment.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use rcgen::{CertificateParams, DistinguishedName, KeyPair, SanType};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tonic::metadata::MetadataValue;

use super::{CertError, CertState, SpiffeId, skew::Skew};
use crate::{
    rpc::{Authority, ConnectError, Connection},
    tls::{Trust, config},
    wire::weft::identity::v1::{CertifyRequest, identity_authority_client::IdentityAuthorityClient},
};

/// How to ask for certificates.
#[derive(Debug, Clone)]
pub struct CertifyClient {
    /// Where the authority listens.
    pub authority: Authority,
    /// Who it must be.
    pub authority_identity: SpiffeId,
    /// Who this workload is.
    pub identity: Arc<SpiffeId>,
    /// The projected token; read again for every request, since the kubelet renews it.
    pub token: PathBuf,
}

/// A certificate with the key that was made for it, as they are kept over a restart.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// The token cannot be read.
    #[error("token {path}: {source}; the webhook mounts it as a projected volume, audience weft")]
    Token {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The token holds bytes no header may hold.
    #[error("token {0} is not a token")]
    TokenContent(PathBuf),
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The authority refused.
    #[error("identity authority at {authority} refused: {} ({code:?}){}", .message, Skew::words(.skew))]
    Refused {
        /// Where.
        authority: Authority,
        /// gRPC's code.
        code: tonic::Code,
        /// Its reason.
        message: String,
        /// How far the clocks are apart, where that may be why.
        skew: Option<Skew>,
    },
    /// The key or request could not be made.
    #[error("cannot make a certificate request: {0}")]
    Request(#[from] rcgen::Error),
    /// The answer cannot be used.
    #[error("identity authority answered with an unusable certificate: {source}{}", Skew::words(.skew))]
    Answer {
        /// What is wrong with it.
        source: CertError,
        /// How far the clocks are apart, where that may be why.
        skew: Option<Skew>,
    },
}

// === impl CertifyClient ===

impl CertifyClient {
    /// Gets a certificate for a new key, checked to be accepted by peers that trust `trust`.
    pub(crate) async fn certify(&self, trust: &Arc<Trust>) -> Result<(Issued, CertState), CertifyError> {
        let token = std::fs::read_to_string(&self.token)
            .map_err(|source| CertifyError::Token { path: self.token.clone(), source })?;
        let bearer = MetadataValue::try_from(format!("Bearer {}", token.trim()))
            .map_err(|_| CertifyError::TokenContent(self.token.clone()))?;
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut request = tonic::Request::new(CertifyRequest { csr: self.request(&key)? });
        request.metadata_mut().insert("authorization", bearer);

        let config = config::client(trust.clone(), self.authority_identity.clone(), None);
        let connection = Connection::open(&self.authority, config).await?;
        let asked = SystemTime::now();
        let answer = IdentityAuthorityClient::with_origin(connection, self.authority.origin())
            .certify(request)
            .await
            .map_err(|status| CertifyError::Refused {
                authority: self.authority.clone(),
                code: status.code(),
                message: status.message().to_owned(),
                skew: Skew::measured(status.metadata(), asked),
            })?;
        let skew = Skew::measured(answer.metadata(), asked);
        if let Some(skew) = skew {
            tracing::warn!(%skew, "the clock of this node is wrong, or that of the control plane's");
        }
        let answer = answer.into_inner();

        let chain: Vec<_> = answer.chain.into_iter().map(CertificateDer::from).collect();
        let issued = Issued { chain, key: PrivateKeyDer::Pkcs8(key.serialize_der().into()) };
        let state =
            issued.state(&self.identity, trust).map_err(|source| CertifyError::Answer { source, skew })?;
        Ok((issued, state))
    }

    fn request(&self, key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(self.identity.as_str().try_into()?)];
        Ok(params.serialize_request(key)?.der().to_vec())
    }
}

// === impl Issued ===

impl Issued {
    /// Puts it to use, if peers that trust `trust` would accept it now.
    pub(crate) fn state(&self, identity: &Arc<SpiffeId>, trust: &Arc<Trust>) -> Result<CertState, CertError> {
        let state =
            CertState::new(identity.clone(), self.chain.clone(), self.key.clone_key(), trust.clone())?;
        trust.verify(state.chain()).map_err(CertError::Untrusted)?;
        Ok(state)
    }
}
