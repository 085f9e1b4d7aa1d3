//! What tests of every room share. Compiled for unit tests, and for integration tests by feature `testing`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod ca;
mod control_plane;
mod destination;
mod http2;
mod signer;
#[cfg(test)]
mod stalled;
#[cfg(test)]
mod worker;

pub use ca::{TestCa, hour_around_now};
pub use control_plane::ControlPlane;
pub use destination::a_destination;
pub use http2::frame;
pub use signer::{Signer, base64url};
#[cfg(test)]
pub(crate) use stalled::Stalled;
#[cfg(test)]
pub(crate) use worker::a_worker;

/// Polls `check` until it gives a value, for at most ten seconds of real time.
pub async fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(std::time::Instant::now() < deadline, "not within ten seconds: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
