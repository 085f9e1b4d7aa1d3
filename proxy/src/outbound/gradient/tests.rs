use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;

use super::*;

const BOUNDS: Adaptive = Adaptive { min: 3, max: 1000 };
const MS: Duration = Duration::from_millis(1);

/// A server of so many workers with a queue, each request so long, and callers that come at random.
struct Server {
    workers: usize,
    service: Duration,
    rng: fastrand::Rng,
    /// When each worker is free.
    free: BinaryHeap<Reverse<Duration>>,
    /// When each request under way ends, and when it began.
    under_way: BinaryHeap<Reverse<(Duration, Duration)>>,
}

/// What a run showed.
#[derive(Debug)]
struct Run {
    done_per_second: f64,
    p99: Duration,
}

impl Server {
    fn new(workers: usize, service: Duration) -> Self {
        Self {
            workers,
            service,
            rng: fastrand::Rng::with_seed(7),
            free: std::iter::repeat_n(Reverse(Duration::ZERO), workers).collect(),
            under_way: BinaryHeap::new(),
        }
    }

    fn capacity(&self) -> f64 {
        self.workers as f64 / self.service.as_secs_f64()
    }

    /// Offers `rate` requests a second from `from` to `to`; `gradient` refuses what is too much.
    fn run(&mut self, gradient: &mut Option<Gradient>, rate: f64, from: u64, to: u64) -> Run {
        let (mut now, end) = (Duration::from_secs(from), Duration::from_secs(to));
        let mut latencies = Vec::new();
        while now < end {
            while let Some(Reverse((ended, began))) = self.under_way.peek().copied()
                && ended <= now
            {
                self.under_way.pop();
                latencies.push(ended - began);
                if let Some(gradient) = gradient {
                    gradient.observe(ended, ended - began);
                }
            }
            let under_way = self.under_way.len() as u32;
            if gradient.as_ref().is_none_or(|gradient| under_way < gradient.limit()) {
                let Reverse(free) = self.free.pop().unwrap();
                // Between half and one and a half times the usual.
                let ended = free.max(now) + self.service.mul_f64(0.5 + self.rng.f64());
                self.free.push(Reverse(ended));
                self.under_way.push(Reverse((ended, now)));
                if let Some(gradient) = gradient {
                    gradient.under_way(under_way + 1);
                }
            }
            now += Duration::from_secs_f64(-(1.0 - self.rng.f64()).ln() / rate);
        }
        latencies.sort_unstable();
        let p99 = latencies[latencies.len() * 99 / 100];
        Run { done_per_second: latencies.len() as f64 / (to - from) as f64, p99 }
    }
}

/// The promise: goodput and tail with twice the capacity offered, from the first second of the overload on.
#[test]
fn with_twice_the_capacity_offered_goodput_and_tail_stay() {
    for (workers, service) in [(4, 20 * MS), (10, 20 * MS), (10, 2 * MS), (50, 50 * MS), (200, 100 * MS)] {
        let mut server = Server::new(workers, service);
        let (capacity, mut gradient) = (server.capacity(), Some(Gradient::new(BOUNDS, Duration::ZERO)));
        let unloaded = server.run(&mut gradient, capacity * 0.5, 0, 30);
        let overload = server.run(&mut gradient, capacity * 2.0, 30, 150);
        let limit = gradient.unwrap().limit();
        let seen = format!("{workers} workers of {service:?}: {unloaded:?}, {overload:?}, limit {limit}");
        assert!(overload.done_per_second >= 0.9 * capacity, "goodput: {seen}");
        assert!(overload.p99 <= 3 * unloaded.p99, "tail: {seen}");
        let mut open = Server::new(workers, service);
        let collapse = open.run(&mut None, capacity * 2.0, 0, 10);
        assert!(collapse.p99 > 10 * unloaded.p99, "what it prevents: {collapse:?}");
    }
}

#[test]
fn a_start_in_overload_is_found_out() {
    let mut server = Server::new(4, 50 * MS);
    let (capacity, mut gradient) = (server.capacity(), Some(Gradient::new(BOUNDS, Duration::ZERO)));
    server.run(&mut gradient, capacity * 3.0, 0, 30);
    let later = server.run(&mut gradient, capacity * 3.0, 30, 90);
    assert!(later.p99 < 200 * MS, "{later:?} {gradient:?}");
    assert!(later.done_per_second > 0.9 * capacity, "{later:?}");
}

#[test]
fn a_destination_that_got_slower_for_good_gets_its_capacity_back() {
    let mut server = Server::new(10, 10 * MS);
    let mut gradient = Some(Gradient::new(BOUNDS, Duration::ZERO));
    server.run(&mut gradient, server.capacity() * 0.8, 0, 60);
    server.service = 40 * MS;
    let slow = server.capacity();
    server.run(&mut gradient, slow * 1.2, 60, 100);
    let later = server.run(&mut gradient, slow * 1.2, 100, 160);
    assert!(later.done_per_second > 0.9 * slow, "{later:?} {gradient:?}");
}

#[test]
fn a_limit_that_nobody_uses_does_not_grow() {
    let mut gradient = Gradient::new(BOUNDS, Duration::ZERO);
    let mut now = Duration::ZERO;
    for _ in 0..20_000 {
        now += 5 * MS;
        gradient.under_way(2);
        gradient.observe(now, MS);
    }
    assert_eq!(gradient.limit, INITIAL);
}

proptest! {
    #[test]
    fn any_latencies_keep_the_limit_within_its_bounds(
        samples in proptest::collection::vec((0u64..3_000_000_000, 0u64..u64::MAX, 0u32..u32::MAX), 1..500),
        min in 0u32..50, max in 0u32..5_000,
    ) {
        let mut gradient = Gradient::new(Adaptive { min, max }, Duration::ZERO);
        let mut now = Duration::ZERO;
        for (passed, latency, under_way) in samples {
            now = now.saturating_add(Duration::from_nanos(passed));
            gradient.under_way(under_way);
            gradient.observe(now, Duration::from_nanos(latency));
            prop_assert!((min.max(1)..=max.max(min).max(1)).contains(&gradient.limit()), "{gradient:?}");
        }
    }
}
