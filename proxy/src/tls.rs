//! Mutual TLS between proxies, and towards the control plane.

mod client;
pub mod hello;
mod server;

pub use client::{Client, ClientStream};
pub use server::{Peer, Server, ServerStream};

use crate::names;

/// What two proxies speak inside their connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// HTTP over h2.
    H2,
    /// HTTP over HTTP/1.1.
    H1,
    /// Opaque bytes behind a tunnel header.
    Tcp,
}

/// Why a mesh connection could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The handshake failed: wrong or expired certificate, unknown root, wrong identity.
    #[error("TLS handshake: {0}")]
    Handshake(#[source] std::io::Error),
    /// The peer chose no protocol of the mesh.
    #[error("the peer agreed to no protocol of the mesh")]
    NoAlpn,
    /// The peer showed no certificate with one identity of the mesh; the verifiers refuse that earlier.
    #[error("the peer proved no identity")]
    NoIdentity,
}

// === impl Alpn ===

impl Alpn {
    /// Its name on the wire.
    pub fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::H2 => names::ALPN_H2,
            Self::H1 => names::ALPN_H1,
            Self::Tcp => names::ALPN_TCP,
        }
    }

    /// Reads a name from the wire.
    pub fn from_bytes(name: &[u8]) -> Option<Self> {
        [Self::H2, Self::H1, Self::Tcp].into_iter().find(|alpn| alpn.as_bytes() == name)
    }
}
