//! The first words of a connection that is on its way out.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::detect::{DETECT_TIMEOUT, Sniffed, server_name, sniff};
use crate::http::Wire;
use crate::tls::hello::TLS_HANDSHAKE;

/// What they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First {
    /// Requests.
    Http(Wire),
    /// TLS, with the server name that it asks for.
    Tls(Option<String>),
    /// Anything else, or nothing.
    Bytes,
}

/// Reads until it is known; `patience` bounds how long the first byte may take, and once it is there [`DETECT_TIMEOUT`] the others.
///
/// Cancel safe: what was read is in `seen`.
pub async fn read<R>(io: &mut R, seen: &mut BytesMut, patience: Option<Duration>) -> First
where
    R: AsyncRead + Unpin,
{
    if seen.is_empty() {
        let begun = io.read_buf(seen);
        let begun = match patience {
            None => begun.await,
            Some(patience) => timeout(patience, begun).await.unwrap_or(Ok(0)),
        };
        if begun.unwrap_or_default() == 0 {
            return First::Bytes;
        }
    }
    let known = async {
        if seen.first() == Some(&TLS_HANDSHAKE) {
            return First::Tls(server_name(io, seen).await);
        }
        match sniff(io, seen).await {
            Ok(Sniffed::Http1) => First::Http(Wire::H1),
            Ok(Sniffed::Http2) => First::Http(Wire::H2),
            Ok(Sniffed::Opaque) | Err(_) => First::Bytes,
        }
    };
    timeout(DETECT_TIMEOUT, known).await.unwrap_or(First::Bytes)
}
