//! How slow and how busy an upstream is, as this worker sees it: peak EWMA, after Finagle's
//! `com.twitter.finagle.loadbalancer.p2c.PeakEwma`.
//!
//! The estimate jumps to a latency that is worse than itself at once and forgets it slowly, so that one slow answer
//! is enough to shift load and only a row of quick ones brings it back. Without news it sinks to nothing, so that an
//! upstream nobody asks is tried again. Its product with the requests under way is the cost of sending one more.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

/// After this long without news an observation weighs 1/e of what it did. Finagle's and Linkerd's value.
const DECAY: Duration = Duration::from_secs(10);
/// Cost of an upstream whose first answer is still to come: dearer than any that is known, so that a new one is tried
/// by one request and not flooded by all.
const UNPROVED: f64 = 60.0;
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
        Self { estimate: Cell::new(0.0), updated: Cell::new(Instant::now()), pending: Cell::new(0) }
    }
}

impl Load {
    /// What one more request would cost; only comparisons mean anything.
    pub fn cost(&self) -> f64 {
        let (estimate, pending) = (self.estimate.get(), f64::from(self.pending.get()));
        if estimate == 0.0 && pending > 0.0 {
            return UNPROVED + pending;
        }
        estimate * weight(self.updated.get().elapsed()) * (pending + 1.0)
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
        load.observe(MS);
        load.observe(900 * MS);
        assert!(load.cost() > 0.89);
        load.observe(MS);
        assert!(load.cost() > 0.89, "one quick answer does not make up for it");
        tokio::time::advance(DECAY).await;
        assert!((0.3..0.4).contains(&load.cost()), "1/e of the peak, not {}", load.cost());
    }

    #[tokio::test(start_paused = true)]
    async fn quick_answers_bring_the_estimate_down() {
        let load = Load::default();
        load.observe(900 * MS);
        for _ in 0..100 {
            tokio::time::advance(Duration::from_secs(1)).await;
            load.observe(MS);
        }
        assert!(load.cost() < 0.0011, "{}", load.cost());
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_nobody_knows_is_tried_once_and_then_waited_for() {
        let (new, known) = (Load::default(), Load::default());
        known.observe(500 * MS);
        assert!(new.cost() < known.cost());
        new.pending.set(1);
        assert!(new.cost() > known.cost());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_under_way_multiply_the_cost() {
        let load = Load::default();
        load.observe(MS);
        let alone = load.cost();
        load.pending.set(4);
        assert!((load.cost() / alone - 5.0).abs() < 1e-9);
    }
}
