//! Mutual TLS between proxies and towards the control plane, and TLS to servers outside the mesh.

mod client;
pub(crate) mod config;
pub mod hello;
mod origin;
mod proof;
mod server;
mod verified;
mod verify;

pub(crate) use client::NO_HOST;
pub use client::{Agreed, Client, ClientStream};
pub use config::provider;
pub use origin::{Asked, Demand, Inside, Origin};
pub use proof::Proof;
pub use server::{Peer, Server, ServerStream};
pub(crate) use verified::validity;
pub use verify::Trust;
pub(crate) use verify::{fingerprint, peer_identity};

use rustls::CertificateError;

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
    /// This side refused the peer's certificate: expired, of another authority, or not the identity expected.
    #[error("peer refused: {0}")]
    Refused(String),
    /// The handshake failed otherwise; among the reasons is a peer that refused this side.
    #[error("TLS handshake: {0}")]
    Handshake(#[source] std::io::Error),
    /// The peer chose no protocol of the mesh.
    #[error("the peer agreed to no protocol of the mesh")]
    NoAlpn,
    /// The peer showed no certificate; the verifier refuses that earlier.
    #[error("the peer showed no certificate")]
    NoCertificate,
    /// The peer's certificate names no identity; the verifier refuses that earlier.
    #[error("{0}")]
    Identity(String),
    /// A server outside the mesh has not proved what a policy asks for.
    #[error("{kind} {policy}: {reason}")]
    Origin {
        /// Kind of the object that asks.
        kind: &'static str,
        /// `<namespace>/<name>`.
        policy: Box<str>,
        /// In words.
        reason: String,
    },
    /// The trust bundle cannot be used.
    #[error("trust bundle: {0}")]
    Trust(String),
}

/// What may wait to be written, a connection: the largest frame of HTTP/2 with its head in one write, in seventeen records.
/// Taken only while there is so much, and given back as it is written.
const BUFFER_LIMIT: usize = 320 * 1024;

// === impl TlsError ===

impl TlsError {
    /// Tells a refusal from other failures of a handshake, in words that say what to look at.
    pub(crate) fn from_handshake(error: std::io::Error) -> Self {
        let Some(rustls::Error::InvalidCertificate(reason)) =
            error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
        else {
            return Self::Handshake(error);
        };
        Self::Refused(match reason {
            CertificateError::Other(refusal) => refusal.0.to_string(),
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "its certificate chains to no root of the trust bundle".to_owned()
            }
            time @ (CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }) => {
                format!(
                    "its certificate is not good: {time}; look at the clocks of this node and of the peer's"
                )
            }
            other => format!("its certificate is not good: {other}"),
        })
    }
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

#[cfg(test)]
mod tests;
