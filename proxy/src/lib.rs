//! The data plane of Weft: a proxy beside every workload. `app` is the composition root; start reading there.

pub mod admin;
pub mod app;
pub mod backoff;
pub mod config;
pub mod detect;
pub mod drain;
pub mod error;
pub mod files;
pub mod http;
pub mod identity;
pub mod inbound;
pub mod init;
pub mod log;
pub mod memory;
pub mod names;
pub mod outbound;
pub mod probe;
pub mod readiness;
pub mod rpc;
pub mod socket;
pub mod state;
pub mod tcp;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod test_util;
pub mod tls;
pub mod wire;
pub mod worker;
pub mod xds;
