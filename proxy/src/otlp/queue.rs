//! What is to be told and is not yet, of one worker: as the bytes that are sent, so that it holds what it counts for.

use std::cell::{Cell, RefCell};

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use tokio::sync::Notify;

use crate::drain::{Drain, InFlight};
use crate::telemetry::{ExportCounts, ExportOutcome};

/// What waits at most, for each worker; as much may be on its way to the collector.
pub const MOST_BYTES: usize = 128 * 1024;
/// From here on it is told at once.
const MANY_BYTES: usize = MOST_BYTES / 2;
/// The field of `ScopeSpans` that a span is, and of `ScopeLogs` that a record is.
const ITEMS: u32 = 2;

/// See the module.
#[derive(Debug)]
pub struct Queue {
    /// Each as a field of the message that holds them.
    waiting: RefCell<Vec<u8>>,
    count: Cell<u64>,
    /// One had no room: until what waits is taken none is built.
    full: Cell<bool>,
    /// Something waits, or much.
    bell: Notify,
    /// Holds up a drain while something waits or is on its way.
    held: RefCell<Option<InFlight>>,
    drain: Drain,
    counts: ExportCounts,
}

/// What is told together.
#[derive(Debug)]
pub struct Batch {
    pub fields: Vec<u8>,
    pub count: u64,
}

// === impl Queue ===

impl Queue {
    pub fn new(drain: Drain, counts: ExportCounts) -> Self {
        let (waiting, count, full, bell, held) = Default::default();
        Self { waiting, count, full, bell, held, drain, counts }
    }

    /// There is one more to be told of, which `build` makes. Where too much waits it is only counted.
    pub fn push<M: Message>(&self, build: impl FnOnce() -> M) {
        if self.full.get() {
            return self.counts.add(ExportOutcome::QueueFull, 1);
        }
        let item = build();
        let mut waiting = self.waiting.borrow_mut();
        let length = item.encoded_len();
        if waiting.len() + length > MOST_BYTES {
            self.full.set(true);
            return self.counts.add(ExportOutcome::QueueFull, 1);
        }
        let before = waiting.len();
        encode_key(ITEMS, WireType::LengthDelimited, &mut *waiting);
        encode_varint(length as u64, &mut *waiting);
        // A vector grows as it must.
        let _ = item.encode(&mut *waiting);
        self.count.set(self.count.get() + 1);
        self.held.borrow_mut().get_or_insert_with(|| self.drain.guard());
        if before == 0 || (before < MANY_BYTES && waiting.len() >= MANY_BYTES) {
            self.bell.notify_one();
        }
    }

    /// Ends when something waits.
    pub async fn filled(&self) {
        while self.count.get() == 0 {
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
        Batch { fields: self.waiting.take(), count: self.count.take() }
    }

    /// So became of what was taken.
    pub fn became(&self, outcome: ExportOutcome, count: u64) {
        self.counts.add(outcome, count);
    }

    /// Lets a drain end if nothing waits.
    pub fn rest(&self) {
        if self.count.get() == 0 {
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
