//! Opening connections within bounded time.

use std::future::Future;
use std::io;
use std::time::Duration;

/// How long a connection may take to open, and its TLS handshake again.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Gives `dial` up after `limit`, usually [`CONNECT_TIMEOUT`].
pub async fn within_connect_timeout<T>(
    limit: Duration,
    dial: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let late = || format!("no answer within {} ms", limit.as_millis());
    tokio::time::timeout(limit, dial)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, late())))
}
