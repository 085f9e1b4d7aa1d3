//! The calling side: dial a peer that must prove one exact identity.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{Alpn, BUFFER_LIMIT, Proof, TlsError, Trust, verify::ExactPeer};
use crate::identity::{Certs, SpiffeId};

/// An encrypted connection this proxy opened.
pub type ClientStream<IO> = tokio_rustls::client::TlsStream<IO>;

/// What came of a handshake.
#[derive(Debug)]
pub struct Agreed {
    /// What the connection carries.
    pub alpn: Alpn,
    /// What the peer showed.
    pub proof: Proof,
}

/// Opens mesh connections with the certificate of the moment.
#[derive(Debug, Clone)]
pub struct Client {
    certs: Certs,
}

/// rustls wants a host name; an address sends none, and the verifier looks at none.
pub(crate) const NO_HOST: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

// === impl Client ===

impl Client {
    /// A client that presents the certificate in `certs`.
    pub fn new(certs: Certs) -> Self {
        Self { certs }
    }

    /// What peers must chain to now.
    pub fn trust(&self) -> Arc<Trust> {
        self.certs.current().trust.clone()
    }

    /// Handshakes over `io`. The peer must prove `expected`, exactly, and choose one of `alpn`; when it knows several,
    /// it prefers h2 over h1 over tcp.
    pub async fn connect<IO>(
        &self,
        io: IO,
        expected: &SpiffeId,
        alpn: &[Alpn],
    ) -> Result<(ClientStream<IO>, Agreed), TlsError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let state = self.certs.current();
        let mut config = state.client.as_ref().clone();
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        let exact = ExactPeer::new(state.trust.clone(), expected.clone());
        config.dangerous().set_certificate_verifier(Arc::new(exact));
        let stream = TlsConnector::from(Arc::new(config))
            .connect_with(ServerName::from(NO_HOST), io, |connection| {
                connection.set_buffer_limit(Some(BUFFER_LIMIT));
            })
            .await
            .map_err(TlsError::from_handshake)?;
        let session = stream.get_ref().1;
        let alpn = session.alpn_protocol().and_then(Alpn::from_bytes).ok_or(TlsError::NoAlpn)?;
        let proof = Proof::new(session.peer_certificates().unwrap_or_default(), &state);
        Ok((stream, Agreed { alpn, proof }))
    }
}
