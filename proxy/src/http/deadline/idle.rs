//! How long a request may be silent: no byte of it or of its response passes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// When the last byte passed. Of one thread; it is atomic to go with a request among its extensions.
#[derive(Clone, Debug)]
pub struct Activity {
    began: Instant,
    /// Microseconds from there.
    last: Arc<AtomicU64>,
}

// === impl Idle ===

impl Idle {
    /// Begins now; `cut` counts responses that it ends half-way.
    pub fn new(limit: Duration, cut: Counter) -> Self {
        let activity = Activity { began: Instant::now(), last: Arc::default() };
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
            let silent = self.activity.silent();
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
        let since = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    /// How long none has.
    fn silent(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_micros(self.last.load(Ordering::Relaxed)))
    }
}
