//! The receiving side: accept only peers that prove an identity of the mesh.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::{Alpn, BUFFER_LIMIT, Proof, TlsError, verify::peer_identity};
use crate::identity::{Certs, SpiffeId};

/// An encrypted connection a peer opened.
pub type ServerStream<IO> = tokio_rustls::server::TlsStream<IO>;

/// Who called, and what it speaks.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The identity its certificate proves.
    pub identity: Arc<SpiffeId>,
    /// What the connection carries.
    pub alpn: Alpn,
    /// What it showed.
    pub proof: Proof,
}

/// Accepts mesh connections with the certificate of the moment.
#[derive(Debug, Clone)]
pub struct Server {
    certs: Certs,
}

// === impl Server ===

impl Server {
    /// A server that presents the certificate in `certs`.
    pub fn new(certs: Certs) -> Self {
        Self { certs }
    }

    /// The certificates it presents and accepts by.
    pub fn certs(&self) -> &Certs {
        &self.certs
    }

    /// Handshakes over `io`, which may begin with bytes that were read before (a prefixed stream).
    pub async fn accept<IO>(&self, io: IO) -> Result<(ServerStream<IO>, Peer), TlsError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let state = self.certs.current();
        let stream = TlsAcceptor::from(state.server.clone())
            .accept_with(io, |connection| connection.set_buffer_limit(Some(BUFFER_LIMIT)))
            .await
            .map_err(TlsError::from_handshake)?;
        let session = stream.get_ref().1;
        let alpn = session.alpn_protocol().and_then(Alpn::from_bytes).ok_or(TlsError::NoAlpn)?;
        let chain = session.peer_certificates().unwrap_or_default();
        let identity = Arc::new(peer_identity(chain.first().ok_or(TlsError::NoCertificate)?)?);
        let proof = Proof::new(chain, &state);
        Ok((stream, Peer { identity, alpn, proof }))
    }
}
