//! What the tests in network namespaces share.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses a part of it, and a test may panic")]

pub mod capture;
pub mod http;
pub mod mesh;
pub mod netns;
pub mod peers;
pub mod segment;
