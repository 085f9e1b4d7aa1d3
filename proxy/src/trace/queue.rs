//! Spans that have ended and are not told yet, of one worker: as the bytes that are sent, so that they hold what they count for.

use std::cell::{Cell, RefCell};

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use tokio::sync::Notify;

use super::ids::Ids;
use crate::drain::{Drain, InFlight};
use crate::telemetry::{SpanCounts, SpanOutcome};
use crate::wire::opentelemetry::trace::Span;

/// What waits at most, for each worker; as much may be on its way to the collector.
pub const MOST_BYTES: usize = 128 * 1024;
/// From here on it is told at once.
const MANY_BYTES: usize = MOST_BYTES / 2;
/// The field of `ScopeSpans` that a span is.
const SPANS: u32 = 2;

/// See the module.
#[derive(Debug)]
pub struct Queue {
    ids: Ids,
    /// Each as a field of `ScopeSpans`.
    waiting: RefCell<Vec<u8>>,
    spans: Cell<u64>,
    /// One had no room: until what waits is taken none is built.
    full: Cell<bool>,
    /// Something waits, or much.
    bell: Notify,
    /// Holds up a drain while something waits or is on its way.
    held: RefCell<Option<InFlight>>,
    drain: Drain,
    counts: SpanCounts,
}

/// Spans to be told together.
#[derive(Debug)]
pub struct Batch {
    pub fields: Vec<u8>,
    pub spans: u64,
}

// === impl Queue ===

impl Queue {
    pub fn new(drain: Drain, counts: SpanCounts) -> Self {
        let (waiting, spans, full, bell, held) = Default::default();
        Self { ids: Ids::new(), waiting, spans, full, bell, held, drain, counts }
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
        if self.full.get() {
            return self.counts.add(SpanOutcome::QueueFull, 1);
        }
        let span = build();
        let mut waiting = self.waiting.borrow_mut();
        let length = span.encoded_len();
        if waiting.len() + length > MOST_BYTES {
            self.full.set(true);
            return self.counts.add(SpanOutcome::QueueFull, 1);
        }
        let before = waiting.len();
        encode_key(SPANS, WireType::LengthDelimited, &mut *waiting);
        encode_varint(length as u64, &mut *waiting);
        // A vector grows as it must.
        let _ = span.encode(&mut *waiting);
        self.spans.set(self.spans.get() + 1);
        self.held.borrow_mut().get_or_insert_with(|| self.drain.guard());
        if before == 0 || (before < MANY_BYTES && waiting.len() >= MANY_BYTES) {
            self.bell.notify_one();
        }
    }

    /// Ends when something waits.
    pub async fn filled(&self) {
        while self.spans.get() == 0 {
            self.bell.notified().await;
        }
    }

    /// Ends when much waits.
    pub async fn much(&self) {
        while self.waiting.borrow().len() < MANY_BYTES {
            self.bell.notified().await;
        }
    }

    /// All that waits.
    pub fn take(&self) -> Batch {
        self.full.set(false);
        Batch { fields: self.waiting.take(), spans: self.spans.take() }
    }

    /// So became of what was taken.
    pub fn count(&self, outcome: SpanOutcome, spans: u64) {
        self.counts.add(outcome, spans);
    }

    /// Lets a drain end if nothing waits.
    pub fn rest(&self) {
        if self.spans.get() == 0 {
            self.held.take();
        }
    }

    /// Ends when the pod is to end.
    pub async fn draining(&self) {
        self.drain.started().await;
    }

    /// Whether the pod is to end.
    pub fn is_draining(&self) -> bool {
        self.drain.has_started()
    }
}
