//! What tests of every room share. Compiled for unit tests, and for integration tests by feature `testing`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod ca;
mod destination;

pub use ca::{TestCa, hour_around_now};
pub use destination::a_destination;
