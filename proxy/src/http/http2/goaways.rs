//! Counting the connections that this proxy ends with GOAWAY.

use h2::{Error, Reason};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::http::farewell::Farewell;

/// The counters. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Goaways(Family<Labels, Counter>);

/// Which end of the connection is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Client,
    Server,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    role: &'static str,
    reason: &'static str,
}

// === impl Goaways ===

impl Goaways {
    pub fn register(registry: &mut Registry) -> Self {
        let goaways = Self::default();
        let help = "HTTP/2 connections that the proxy itself ended with GOAWAY, by its reason";
        registry.register("weft_http2_goaways", help, goaways.0.clone());
        goaways
    }

    /// Counts a connection that was asked to end.
    pub fn asked(&self, farewell: Farewell) {
        self.count(Role::Server, farewell.reason());
    }

    /// Counts a connection that failed, if it was this end that found fault with the other, and says so.
    pub fn failed(&self, role: Role, error: &Error) {
        if error.is_go_away() && error.is_library() {
            let reason = name(error);
            tracing::warn!(%error, role = role.name(), reason, "ended an HTTP/2 connection for what its peer sent");
            self.count(role, reason);
        }
    }

    fn count(&self, role: Role, reason: &'static str) {
        self.0.get_or_create_owned(&Labels { role: role.name(), reason }).inc();
    }

    #[cfg(test)]
    pub fn counted(&self, role: Role, reason: &'static str) -> u64 {
        self.0.get_or_create_owned(&Labels { role: role.name(), reason }).get()
    }
}

// === impl Role ===

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// The reason of a GOAWAY that h2 sent by itself.
fn name(error: &Error) -> &'static str {
    match error.reason() {
        Some(Reason::PROTOCOL_ERROR) => "protocol-error",
        Some(Reason::FLOW_CONTROL_ERROR) => "flow-control-error",
        Some(Reason::FRAME_SIZE_ERROR) => "frame-size-error",
        Some(Reason::COMPRESSION_ERROR) => "compression-error",
        // It went beyond a bound, such as of resets. Which one is in the error of each stream, and in h2's own log.
        Some(Reason::ENHANCE_YOUR_CALM) => "enhance-your-calm",
        _ => "other",
    }
}
