//! Why a connection that works is asked to end, gently: with GOAWAY, or `Connection: close` and the next response.

use std::time::Duration;

use crate::drain::Drain;

/// Connections accepted during a drain may still send what brought them here before they are asked to end.
const LATE_GRACE: Duration = Duration::from_secs(1);

/// How long a caller's connection may be there. Callers of the mesh end theirs sooner, and without a word: they know what they
/// have under way.
const AGE: Duration = Duration::from_secs(2 * 3600);

/// What requests under way, or bytes, may still take when it has turned out that the peer is not to be trusted any more.
pub const DISTRUSTED_GRACE: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// The pod is going.
    Drain,
    /// It has been there for long, or a certificate of either side has ended.
    Age,
    /// Under the trust bundle of today its peer would not be accepted.
    Distrusted,
    /// The port takes only proved peers from now on, and this caller is none.
    Strict,
    /// The access rules allow the caller less than before.
    Narrowed,
    /// The Service that the caller dialled has been deleted.
    Gone,
    /// It was idle, and there are too many connections or too little memory.
    Shed,
}

// === impl Farewell ===

impl Farewell {
    /// As metrics have it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Age => "age",
            Self::Distrusted => "distrusted",
            Self::Strict => "mtls-required",
            Self::Narrowed => "access-narrowed",
            Self::Gone => "destination-gone",
            Self::Shed => "shed",
        }
    }
}

/// Ends when a connection has been there for long, or its certificates end, which are valid for so long.
pub async fn aged(valid: Duration) -> Farewell {
    tokio::time::sleep(AGE.min(valid)).await;
    Farewell::Age
}

/// Ends when connections are to end because the pod is going.
pub async fn drained(drain: &Drain) -> Farewell {
    if drain.has_started() {
        tokio::time::sleep(LATE_GRACE).await;
    }
    drain.started().await;
    Farewell::Drain
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_there_for_two_hours_and_no_longer_than_its_certificates() {
        for (valid, lasts) in [(24 * 3600, 7200), (600, 600)] {
            let begun = Instant::now();
            assert_eq!(aged(Duration::from_secs(valid)).await, Farewell::Age);
            assert_eq!(begun.elapsed().as_secs(), lasts, "valid for {valid} s");
        }
    }
}
