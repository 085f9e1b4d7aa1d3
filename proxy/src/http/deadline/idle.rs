//! How long a request may be silent: no byte of it or of its response passes.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, Sleep, sleep};

/// A bound on silence, with its timer.
#[derive(Debug)]
pub struct Idle {
    limit: Duration,
    activity: Activity,
    timer: Pin<Box<Sleep>>,
    /// Responses that it ended half-way.
    cut: Counter,
}

/// When the last byte passed.
#[derive(Clone, Debug)]
pub struct Activity(Rc<Cell<Instant>>);

// === impl Idle ===

impl Idle {
    /// Begins now; `cut` counts responses that it ends half-way.
    pub fn new(limit: Duration, cut: Counter) -> Self {
        let activity = Activity(Rc::new(Cell::new(Instant::now())));
        Self { limit, activity, timer: Box::pin(sleep(limit)), cut }
    }

    /// To be told of each byte.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    pub(super) fn cut(&self) -> &Counter {
        &self.cut
    }

    /// Ready when it has been silent for too long. A byte does not touch the timer; the timer looks when the last one was.
    pub(super) fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let silent = self.activity.0.get().elapsed();
            if silent >= self.limit {
                return Poll::Ready(());
            }
            let left = self.limit.saturating_sub(silent);
            self.timer.as_mut().set(sleep(left));
        }
    }
}

// === impl Activity ===

impl Activity {
    /// A byte passes.
    pub fn seen(&self) {
        self.0.set(Instant::now());
    }
}
