//! How slow and how busy an upstream is, as this worker sees it: peak EWMA, after Finagle's
//! `com.twitter.finagle.loadbalancer.p2c.PeakEwma`.
//!
//! The estimate jumps to a latency that is worse than itself at once and forgets it slowly, so that one slow answer
//! is enough to shift load and only a row of quick ones brings it back. Its product with the requests under way is
//! the cost of sending one more.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

/// After this long without news an observation weighs 1/e of what it did. Finagle's and Linkerd's value.
const DECAY: Duration = Duration::from_secs(10);
/// Assumed of an upstream nobody has asked yet: a little slower than most, so that it is tried and not flooded.
const DEFAULT_LATENCY: Duration = Duration::from_millis(30);
/// What a connection that could not be opened counts as: the connect timeout.
const FAILURE_LATENCY: Duration = Duration::from_secs(1);

/// The estimate for one upstream.
#[derive(Debug)]
pub struct Load {
    /// Seconds, as of `updated`.
    estimate: Cell<f64>,
    updated: Cell<Instant>,
    pending: Cell<u32>,
}

/// A request or connection under way; dropping it takes it off the count.
#[derive(Debug)]
pub struct Pending {
    upstream: Rc<super::Upstream>,
}

// === impl Load ===

impl Default for Load {
    fn default() -> Self {
        Self {
            estimate: Cell::new(DEFAULT_LATENCY.as_secs_f64()),
            updated: Cell::new(Instant::now()),
            pending: Cell::new(0),
        }
    }
}

impl Load {
    /// What one more request would cost; only comparisons mean anything.
    pub fn cost(&self) -> f64 {
        self.decayed(Instant::now()) * f64::from(self.pending.get() + 1)
    }

    /// The head of a response came after `latency`.
    pub fn observe(&self, latency: Duration) {
        self.observe_at(Instant::now(), latency);
    }

    /// No connection came about. Counts as the worst latency, lest a dead upstream that refuses at once look quick.
    pub fn observe_failure(&self) {
        self.observe_at(Instant::now(), FAILURE_LATENCY);
    }

    fn observe_at(&self, now: Instant, latency: Duration) {
        let latency = latency.as_secs_f64();
        let old = self.estimate.get();
        let keep = weight(now - self.updated.get());
        self.estimate.set(if latency > old { latency } else { old * keep + latency * (1.0 - keep) });
        self.updated.set(now);
    }

    /// Without news the estimate sinks towards the default, so that an upstream that was slow is tried again.
    fn decayed(&self, now: Instant) -> f64 {
        let keep = weight(now - self.updated.get());
        let floor = self.estimate.get().min(DEFAULT_LATENCY.as_secs_f64());
        self.estimate.get() * keep + floor * (1.0 - keep)
    }
}

fn weight(age: Duration) -> f64 {
    (-age.as_secs_f64() / DECAY.as_secs_f64()).exp()
}

// === impl Pending ===

impl Pending {
    pub fn new(upstream: &Rc<super::Upstream>) -> Self {
        upstream.load.pending.set(upstream.load.pending.get() + 1);
        Self { upstream: upstream.clone() }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let pending = &self.upstream.load.pending;
        pending.set(pending.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_peak_counts_at_once_and_is_forgotten_slowly() {
        let load = Load::default();
        load.observe(900 * MS);
        assert!(load.cost() > 0.89);
        tokio::time::advance(DECAY).await;
        let after = load.cost();
        assert!((0.3..0.4).contains(&after), "1/e of the peak and a little of the default, not {after}");
        tokio::time::advance(10 * DECAY).await;
        assert!((load.cost() - 0.03).abs() < 0.001);
    }

    #[tokio::test(start_paused = true)]
    async fn quick_answers_bring_the_estimate_below_the_default_and_silence_does_not_raise_it() {
        let load = Load::default();
        for _ in 0..100 {
            tokio::time::advance(Duration::from_secs(1)).await;
            load.observe(MS);
        }
        assert!(load.cost() < 0.0011);
        tokio::time::advance(DECAY).await;
        assert!(load.cost() < 0.0011);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_under_way_multiply_the_cost() {
        let load = Load::default();
        let alone = load.cost();
        load.pending.set(4);
        assert!((load.cost() / alone - 5.0).abs() < 1e-9);
    }
}
