//! Spans that have ended and are not told yet, of one worker, and names for those that begin.

use super::ids::Ids;
use crate::drain::Drain;
use crate::otlp;
use crate::telemetry::ExportCounts;
use crate::wire::opentelemetry::trace::Span;

/// See the module.
#[derive(Debug)]
pub struct Queue {
    ids: Ids,
    ended: otlp::Queue,
}

// === impl Queue ===

impl Queue {
    pub fn new(drain: Drain, counts: ExportCounts) -> Self {
        Self { ids: Ids::new(), ended: otlp::Queue::new(drain, counts) }
    }

    /// A name for a new trace.
    pub fn trace_id(&self) -> u128 {
        self.ids.trace()
    }

    /// A name for a new span.
    pub fn span_id(&self) -> u64 {
        self.ids.span()
    }

    /// A span has ended, which `build` makes. Where too much waits it is only counted.
    pub fn push(&self, build: impl FnOnce() -> Span) {
        self.ended.push(build);
    }

    /// Those that have ended.
    pub fn ended(&self) -> &otlp::Queue {
        &self.ended
    }
}
