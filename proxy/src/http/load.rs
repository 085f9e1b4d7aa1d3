//! How slow and how busy an upstream is, as this worker sees it: peak EWMA, after Finagle's
//! `com.twitter.finagle.loadbalancer.p2c.PeakEwma`.
//!
//! The estimate jumps to a latency that is worse than itself at once and forgets it slowly, so that one slow answer
//! is enough to shift load and only a row of quick ones brings it back. Without news it sinks to nothing, so that an
//! upstream nobody asks is tried again: the sooner, the less there is to lose by it. Its product with the requests under way is
//! the cost of sending one more.
//!
//! A quick error must not look like a quick answer: each error doubles the estimate. An upstream that pushes back (429, gRPC's
//! RESOURCE_EXHAUSTED) is dearer than all that do not, as long as it asks for; Linkerd has the like as its load biaser.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::verdict::Verdict;

/// After this long without news an observation weighs 1/e of what it did. Finagle's and Linkerd's value, for latencies of 0.6 s and
/// more. A lower one is forgotten after [`LATENCIES`] times itself: were it kept as long, one answer that was slow by chance would
/// keep an upstream that is as good as the others without requests for seconds.
const DECAY: f64 = 10.0;
const LATENCIES: f64 = 16.0;
/// The first answers of an upstream say least: it opens connections, compiles and fills its caches. Each is forgotten after the time
/// that it took.
const FIRST_ANSWERS: u8 = 3;
/// Cost of an upstream whose first answer is still to come: dearer than any that is known, so that a new one is tried
/// by one request and not flooded by all.
const UNPROVED: f64 = 60.0;
/// Added to the cost of an upstream that pushes back.
const PUSHED_BACK: f64 = 120.0;
/// What a first error is taken to have lasted, at the least.
const QUICKEST_FAILURE: f64 = 0.001;
/// What a connection that could not be opened counts as: the connect timeout.
const FAILURE_LATENCY: Duration = Duration::from_secs(1);

/// How long an upstream that could not be connected to is passed over; twice as long each time, up to the longest.
const UNREACHABLE: Duration = Duration::from_secs(1);
const UNREACHABLE_LONGEST: Duration = Duration::from_secs(8);

/// The estimate for one upstream.
#[derive(Debug)]
pub struct Load {
    /// Seconds, as of `updated`.
    estimate: Cell<f64>,
    /// Answers so far, up to [`FIRST_ANSWERS`].
    answers: Cell<u8>,
    updated: Cell<Instant>,
    pending: Cell<u32>,
    /// Whether what is known may be of a peer that is gone.
    doubted: Cell<bool>,
    /// Nobody knows yet whether a connection can be opened again.
    finding_out: Cell<bool>,
    /// It has asked to be left alone until then.
    pushed_back: Cell<Option<Instant>>,
    /// Connections that could not be opened in a row, and until when it is passed over for that.
    unreachable: Cell<Option<(u32, Instant)>>,
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
            estimate: Cell::new(0.0),
            answers: Cell::new(0),
            updated: Cell::new(Instant::now()),
            pending: Cell::new(0),
            doubted: Cell::new(false),
            finding_out: Cell::new(false),
            pushed_back: Cell::new(None),
            unreachable: Cell::new(None),
        }
    }
}

impl Load {
    /// What one more request would cost at `now`; only comparisons mean anything.
    pub fn cost(&self, now: Instant) -> f64 {
        self.scaled_cost(now, 1.0)
    }

    /// The same for an upstream that is to carry `scale` times as much as the mean.
    pub fn scaled_cost(&self, now: Instant, scale: f64) -> f64 {
        let (estimate, pending) = (self.estimate.get(), f64::from(self.pending.get()) / scale);
        let cost = if (estimate == 0.0 || self.doubted.get()) && pending > 0.0 {
            UNPROVED + pending
        } else {
            self.estimate_at(now) * (pending + 1.0)
        };
        cost + self.penalty(now)
    }

    /// Requests under way beside `scale`, whatever they take.
    pub fn scaled_pending(&self, now: Instant, scale: f64) -> f64 {
        f64::from(self.pending.get()) / scale + self.penalty(now)
    }

    /// Requests under way.
    pub fn pending(&self) -> u32 {
        self.pending.get()
    }

    /// The latency it is believed to have at `now`.
    pub fn latency(&self, now: Instant) -> Duration {
        Duration::from_secs_f64(self.estimate_at(now))
    }

    /// Whether it has asked to be left alone.
    pub fn is_pushed_back(&self, now: Instant) -> bool {
        self.pushed_back.get().is_some_and(|until| now < until)
    }

    /// Whether a request would wait for a connection that may never come: opening one failed a moment ago, or another
    /// request is finding out whether it still can.
    pub fn is_unreachable(&self, now: Instant) -> bool {
        let failed = self.unreachable.get().is_some_and(|(_, until)| now < until);
        failed || (self.finding_out.get() && self.pending.get() > 0)
    }

    /// A connection came about.
    pub fn reached(&self) {
        self.finding_out.set(false);
        self.unreachable.set(None);
    }

    fn penalty(&self, now: Instant) -> f64 {
        if self.is_pushed_back(now) { PUSHED_BACK } else { 0.0 }
    }

    /// The head of a response came after `latency`.
    pub fn observe(&self, latency: Duration) {
        self.reached();
        self.observe_at(Instant::now(), latency);
    }

    /// An answer of this kind came after `latency`.
    pub fn observe_verdict(&self, verdict: Verdict, now: Instant, latency: Duration) {
        match verdict {
            Verdict::Served => {
                self.reached();
                self.observe_at(now, latency);
            }
            Verdict::Failed => self.observe_error(latency),
            // How fast it says no tells nothing about how fast it works.
            Verdict::PushedBack(time) => self.push_back(time),
        }
    }

    /// It failed after `latency`, having been reached.
    pub fn observe_error(&self, latency: Duration) {
        let doubled = self.estimate.get().max(latency.as_secs_f64()).max(QUICKEST_FAILURE) * 2.0;
        let worst = latency.max(FAILURE_LATENCY);
        self.observe_at(Instant::now(), worst.min(Duration::from_secs_f64(doubled)));
    }

    /// It has no connection any more and may be gone: one request finds out, the others are for those that are there.
    pub fn doubt(&self) {
        self.doubted.set(true);
        self.finding_out.set(true);
    }

    fn push_back(&self, time: Duration) {
        let until = Instant::now() + time;
        let later = self.pushed_back.get().is_none_or(|known| known < until);
        if later {
            self.pushed_back.set(Some(until));
        }
    }

    /// No connection came about. Counts as the worst latency, lest a dead upstream that refuses at once look quick; and
    /// for a while nobody is sent there, since each would wait as the last one did.
    pub fn observe_failure(&self) {
        let now = Instant::now();
        let (times, until) = self.unreachable.get().unwrap_or((0, now));
        // Those that failed together count once.
        if now >= until {
            let pause = UNREACHABLE.saturating_mul(1 << times.min(3)).min(UNREACHABLE_LONGEST);
            self.unreachable.set(Some((times.saturating_add(1), now + pause)));
        }
        self.finding_out.set(false);
        self.observe_at(now, FAILURE_LATENCY);
    }

    fn observe_at(&self, now: Instant, latency: Duration) {
        let latency = latency.as_secs_f64();
        let old = self.estimate.get();
        let keep = self.weight(now);
        self.estimate.set(if latency > old { latency } else { old * keep + latency * (1.0 - keep) });
        self.updated.set(now);
        self.doubted.set(false);
        self.answers.set(self.answers.get().saturating_add(1).min(FIRST_ANSWERS));
    }

    fn estimate_at(&self, now: Instant) -> f64 {
        self.estimate.get() * self.weight(now)
    }

    /// What is left at `now` of what the estimate says.
    fn weight(&self, now: Instant) -> f64 {
        let times = if self.answers.get() < FIRST_ANSWERS { 1.0 } else { LATENCIES };
        let decay = (self.estimate.get() * times).clamp(f64::MIN_POSITIVE, DECAY);
        libm::exp(-(now - self.updated.get()).as_secs_f64() / decay)
    }
}

// === impl Pending ===

impl Pending {
    pub fn new(upstream: &Rc<super::Upstream>) -> Self {
        upstream.load.pending.set(upstream.load.pending.get() + 1);
        Self { upstream: upstream.clone() }
    }

    /// The response ends with these: only they say what became of a gRPC request.
    pub fn read_trailers(&self, trailers: &http::HeaderMap) {
        match Verdict::of_trailers(trailers) {
            Verdict::Served => {}
            verdict => self.upstream.load.observe_verdict(verdict, Instant::now(), Duration::ZERO),
        }
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
        for _ in 0..FIRST_ANSWERS {
            load.observe(MS);
        }
        load.observe(900 * MS);
        assert!(load.cost(Instant::now()) > 0.89);
        load.observe(MS);
        assert!(load.cost(Instant::now()) > 0.89, "one quick answer does not make up for it");
        tokio::time::advance(Duration::from_secs_f64(DECAY)).await;
        assert!(
            (0.3..0.4).contains(&load.cost(Instant::now())),
            "1/e of the peak, not {}",
            load.cost(Instant::now())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_cannot_be_reached_is_passed_over_for_longer_each_time_until_it_is() {
        let load = Load::default();
        for seconds in [1, 2, 4, 8, 8] {
            load.observe_failure();
            tokio::time::advance(Duration::from_secs(seconds) - MS).await;
            assert!(load.is_unreachable(Instant::now()), "{seconds}");
            tokio::time::advance(MS).await;
            assert!(!load.is_unreachable(Instant::now()), "{seconds}: the next request tries");
        }
        load.observe_failure();
        load.reached();
        assert!(!load.is_unreachable(Instant::now()));
        load.observe_failure();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!load.is_unreachable(Instant::now()), "it begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn quick_answers_bring_the_estimate_down() {
        let load = Load::default();
        load.observe(900 * MS);
        for _ in 0..100 {
            tokio::time::advance(Duration::from_secs(1)).await;
            load.observe(MS);
        }
        assert!(load.cost(Instant::now()) < 0.0011, "{}", load.cost(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_lost_its_connections_is_tried_by_one_and_keeps_its_past() {
        let (lost, known) = (Load::default(), Load::default());
        lost.observe(10 * MS);
        known.observe(500 * MS);
        lost.doubt();
        let now = Instant::now();
        assert!(lost.cost(now) < known.cost(now));
        lost.pending.set(1);
        assert!(lost.cost(now) > known.cost(now));
        lost.observe_error(Duration::ZERO);
        assert_eq!(lost.cost(now), 0.04, "errors go on doubling what it took");
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_nobody_knows_is_tried_once_and_then_waited_for() {
        let (new, known) = (Load::default(), Load::default());
        known.observe(500 * MS);
        let now = Instant::now();
        assert!(new.cost(now) < known.cost(now));
        new.pending.set(1);
        assert!(new.cost(now) > known.cost(now));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_under_way_multiply_the_cost() {
        let load = Load::default();
        load.observe(MS);
        let alone = load.cost(Instant::now());
        load.pending.set(4);
        assert!((load.cost(Instant::now()) / alone - 5.0).abs() < 1e-9);
    }

    #[tokio::test(start_paused = true)]
    async fn quick_errors_make_an_upstream_dearer_than_slow_answers() {
        let (failing, slow) = (Load::default(), Load::default());
        slow.observe(50 * MS);
        failing.observe(5 * MS);
        for _ in 0..5 {
            failing.observe_error(MS);
        }
        let now = Instant::now();
        assert!(failing.cost(now) > 2.0 * slow.cost(now));
        for _ in 0..10 {
            failing.observe_error(MS);
        }
        assert!(failing.cost(now) <= FAILURE_LATENCY.as_secs_f64(), "and no dearer than one that is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_pushes_back_is_spared_as_long_as_it_asks_for() {
        let (pushing, other) = (Load::default(), Load::default());
        pushing.observe(MS);
        other.observe(900 * MS);
        pushing.observe_verdict(Verdict::PushedBack(Duration::from_secs(3)), Instant::now(), MS);
        pushing.observe_verdict(Verdict::PushedBack(Duration::from_secs(1)), Instant::now(), MS);
        assert!(pushing.cost(Instant::now()) > other.cost(Instant::now()));
        assert!(pushing.scaled_pending(Instant::now(), 1.0) > 100.0);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(pushing.is_pushed_back(Instant::now()));
        tokio::time::advance(Duration::from_millis(1001)).await;
        assert!(pushing.cost(Instant::now()) < other.cost(Instant::now()), "its latency is what it was");
    }

    proptest::proptest! {
        #[test]
        fn an_estimate_stays_between_what_was_seen(seen in proptest::collection::vec((0u64..5_000, 0u64..5_000), 1..50)) {
            let load = Load::default();
            let mut now = load.updated.get();
            for (pause, latency) in &seen {
                now += Duration::from_millis(*pause);
                load.observe_at(now, Duration::from_millis(*latency));
                let most = seen.iter().map(|(_, latency)| *latency).max().unwrap_or_default() as f64 / 1e3;
                let estimate = load.estimate.get();
                proptest::prop_assert!(estimate <= most + 1e-9 && estimate >= *latency as f64 / 1e3 - 1e-9);
                proptest::prop_assert!(load.cost(now + Duration::from_secs(10)) <= load.cost(now));
            }
        }
    }
}
