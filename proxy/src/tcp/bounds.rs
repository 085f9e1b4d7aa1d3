//! How long a connection may carry bytes, and how long it may carry none.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Relayed;

/// Silence is looked for in so many steps, so it is noticed a quarter of its bound late at most.
const STEPS: u32 = 4;

/// Bounds of a connection that carries bytes; `None`: none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// Without a byte either way.
    pub idle: Option<Duration>,
    /// From its beginning.
    pub total: Option<Duration>,
}

/// Why a connection ended that carried bytes.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it was silent for longer than its route allows")]
    Silent,
    #[error("it lasted longer than its route allows")]
    TooLong,
}

// === impl Bounds ===

impl Bounds {
    /// Runs a relay that counts in `relayed` until it ends or a bound has passed.
    pub async fn keep(
        self,
        relayed: &Relayed,
        relay: impl Future<Output = io::Result<()>>,
    ) -> Result<(), RelayError> {
        let within_total = async {
            match self.total {
                None => Ok(relay.await?),
                Some(total) => {
                    timeout(total, relay).await.map_err(|_| RelayError::TooLong)?.map_err(Into::into)
                }
            }
        };
        let Some(idle) = self.idle else { return within_total.await };
        tokio::select! {
            ended = within_total => ended,
            () = silence(relayed, idle) => Err(RelayError::Silent),
        }
    }
}

/// Ends when nothing has passed for `limit`. The bytes themselves cost nothing more: their count is looked at.
async fn silence(relayed: &Relayed, limit: Duration) {
    let (mut seen, mut since) = (relayed.total(), Instant::now());
    while since.elapsed() < limit {
        sleep(limit / STEPS).await;
        if relayed.total() != seen {
            (seen, since) = (relayed.total(), Instant::now());
        }
    }
}

// === impl RelayError ===

impl RelayError {
    /// For the metric, where a bound has passed.
    pub fn bound(&self) -> Option<&'static str> {
        match self {
            Self::Io(_) => None,
            Self::Silent => Some("idle-timeout"),
            Self::TooLong => Some("stream-timeout"),
        }
    }
}
