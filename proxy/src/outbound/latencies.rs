//! A percentile of recent latencies, by counting them in buckets that grow by an eighth: off by no more than that.
//!
//! Pure: time is what the caller says, counted from any fixed moment.

use std::time::Duration;

/// The last one to two of these are looked at.
const WINDOW: Duration = Duration::from_secs(10);
/// Fewer latencies say nothing.
const ENOUGH: u32 = 50;
/// Buckets for each doubling.
const STEPS: u32 = 8;
/// From 64 microseconds to an hour; what lies beyond counts as the border.
const BUCKETS: usize = 26 * STEPS as usize;
const SHORTEST: f64 = 64e-6;
/// A percentile is looked up anew after so many latencies.
const REFRESH: u32 = 32;

/// See the module.
#[derive(Debug)]
pub struct Latencies {
    current: Counts,
    previous: Counts,
    began: Duration,
    known: Option<Duration>,
    since: u32,
}

#[derive(Debug)]
struct Counts {
    buckets: Box<[u32; BUCKETS]>,
    total: u32,
}

// === impl Latencies ===

impl Latencies {
    /// An answer took `latency`.
    pub fn observe(&mut self, now: Duration, latency: Duration) {
        if now.saturating_sub(self.began) >= WINDOW {
            self.previous = std::mem::replace(&mut self.current, Counts::new());
            self.began = now;
        }
        self.current.add(latency);
        self.since = self.since.saturating_add(1);
    }

    /// What `percent` of the latencies stay below; nothing while too few are known.
    pub fn percentile(&mut self, percent: u32) -> Option<Duration> {
        if self.since >= REFRESH {
            (self.known, self.since) = (self.find(percent), 0);
        }
        self.known
    }

    fn find(&self, percent: u32) -> Option<Duration> {
        let total = self.current.total.saturating_add(self.previous.total);
        if total < ENOUGH {
            return None;
        }
        let wanted = u64::from(total) * u64::from(percent);
        let mut below = 0;
        let counts = self.current.buckets.iter().zip(self.previous.buckets.iter());
        let bucket = counts.map(|(new, old)| u64::from(*new) + u64::from(*old)).position(|count| {
            below += count * 100;
            below >= wanted
        })?;
        Some(Duration::from_secs_f64(SHORTEST * libm::exp2((bucket as f64 + 1.0) / f64::from(STEPS))))
    }
}

impl Default for Latencies {
    fn default() -> Self {
        let (current, previous) = (Counts::new(), Counts::new());
        Self { current, previous, began: Duration::ZERO, known: None, since: REFRESH }
    }
}

// === impl Counts ===

impl Counts {
    fn new() -> Self {
        Self { buckets: Box::new([0; BUCKETS]), total: 0 }
    }

    fn add(&mut self, latency: Duration) {
        let place = libm::log2((latency.as_secs_f64() / SHORTEST).max(1.0)) * f64::from(STEPS);
        let count = &mut self.buckets[(place as usize).min(BUCKETS - 1)];
        *count = count.saturating_add(1);
        self.total = self.total.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_percentile_is_off_by_an_eighth_at_most_and_old_latencies_are_forgotten() {
        let mut latencies = Latencies::default();
        for index in 0..100 {
            latencies.observe(Duration::ZERO, if index % 20 == 0 { 200 * MS } else { 10 * MS });
        }
        let common = latencies.percentile(95).unwrap();
        assert!((10 * MS..12 * MS).contains(&common), "{common:?}");
        let mut latencies = Latencies::default();
        for second in 0..60 {
            for _ in 0..100 {
                let latency = if second < 20 { 500 * MS } else { 5 * MS };
                latencies.observe(Duration::from_secs(second), latency);
            }
        }
        let now = latencies.percentile(99).unwrap();
        assert!((5 * MS..6 * MS).contains(&now), "{now:?}");
    }

    #[test]
    fn too_few_say_nothing_and_any_duration_counts() {
        let mut latencies = Latencies::default();
        for _ in 0..49 {
            latencies.observe(Duration::MAX, Duration::MAX);
        }
        assert_eq!(latencies.percentile(50), None);
        for _ in 0..100 {
            latencies.observe(Duration::MAX, Duration::ZERO);
        }
        assert!(latencies.percentile(50).unwrap() < MS);
        for _ in 0..REFRESH {
            latencies.observe(Duration::MAX, Duration::ZERO);
        }
        assert!(latencies.percentile(100).unwrap() > Duration::from_secs(1000));
    }
}
