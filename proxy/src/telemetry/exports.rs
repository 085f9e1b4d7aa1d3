//! What became of what a collector was to be told.

use std::sync::{Arc, OnceLock};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::family::Family;

/// What became of a span, or of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportOutcome {
    /// The collector has it.
    Exported,
    /// The collector said that it does not want it.
    Rejected,
    /// The collector could not be told.
    Failed,
    /// Too many were waiting.
    QueueFull,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
}

/// The family. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ExportCounts {
    family: Family<Labels, Counter>,
    /// By outcome, once there was one: counting takes no lock that workers share.
    known: Arc<[OnceLock<Counter>; 4]>,
}

// === impl ExportOutcome ===

impl ExportOutcome {
    fn name(self) -> &'static str {
        match self {
            Self::Exported => "exported",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::QueueFull => "queue-full",
        }
    }
}

// === impl ExportCounts ===

impl ExportCounts {
    /// Registers them by this name, as what became of `what`.
    pub(super) fn register(name: &str, what: &str, registry: &mut Registry) -> Self {
        let counts = Self::default();
        let outcomes = "exported, rejected by the collector, failed or too many to wait";
        registry.register(name, format!("{what}, by what became of them: {outcomes}"), counts.family.clone());
        counts
    }

    /// So became of so many.
    pub fn add(&self, outcome: ExportOutcome, count: u64) {
        if count > 0 {
            let known = &self.known[outcome as usize];
            known.get_or_init(|| self.family.get(&Labels { outcome: outcome.name() })).inc_by(count);
        }
    }
}
