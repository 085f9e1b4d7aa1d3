//! Opening connections within bounded time.

use std::future::Future;
use std::io;
use std::time::Duration;

/// How long a connection may take to open, and its TLS handshake again.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Gives `dial` up after [`CONNECT_TIMEOUT`].
pub async fn within_connect_timeout<T>(dial: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(CONNECT_TIMEOUT, dial)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within a second")))
}
