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

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_dial_that_nobody_answers_is_given_up_after_a_second() {
        let begun = Instant::now();
        let silent = std::future::pending::<io::Result<()>>();
        let error = within_connect_timeout(CONNECT_TIMEOUT, silent).await.unwrap_err();
        assert_eq!((error.kind(), begun.elapsed().as_secs()), (io::ErrorKind::TimedOut, 1));
        let slow = async {
            tokio::time::sleep(Duration::from_millis(990)).await;
            Ok("open")
        };
        assert_eq!(within_connect_timeout(CONNECT_TIMEOUT, slow).await.unwrap(), "open");
    }
}
