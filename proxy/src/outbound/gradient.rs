//! How many requests a destination can work on at once, found by looking at its latency: adaptive concurrency.
//!
//! The limit follows a gradient, the latency without a queue divided by the latency now, as in Envoy's adaptive
//! concurrency filter and in Netflix' concurrency-limits (`Gradient2Limit`):
//!
//! ```text
//! limit = limit * clamp(1.25 * best / median, 0.5, 2) + sqrt(limit)
//! ```
//!
//! once a window. What takes no longer than a quarter more than the best is no queue (Envoy's buffer), and the square root
//! lets a small queue stand, so that the destination never runs dry. A limit that nobody uses does not grow (Netflix).
//!
//! The best latency is what smoothed windows have shown; since a destination may get slower for good it is measured anew
//! from time to time, with half the limit for the moment. That ends a queue that was taken for the usual, and costs
//! little: Envoy goes down to 3 requests for it. BBR finds the round-trip time of a path in the same way (Cardwell et al.,
//! "BBR: Congestion-Based Congestion Control", 2016).
//!
//! Pure: time is what the caller says, counted from any fixed moment.

use std::time::Duration;

use crate::state::Adaptive;

/// A window is at least so long (Envoy's update interval)...
const WINDOW: Duration = Duration::from_millis(100);
/// ...and holds at least so many samples, or is so long.
const SAMPLES: usize = 20;
const LONGEST_WINDOW: Duration = Duration::from_secs(1);
/// Of more samples the first count.
const MOST_SAMPLES: usize = 200;
/// Share of what a window says in what the next one is compared with.
const SMOOTHING: f64 = 0.2;
/// Share of a change of the limit that is made.
const STEP: f64 = 0.5;
/// What is no queue yet, beside the best latency.
const TOLERANCE: f64 = 1.25;
/// The best latency is measured anew after the first of these, then after twice as long, up to the second.
const FIRST_MEASURE: Duration = Duration::from_secs(1);
const LAST_MEASURE: Duration = Duration::from_secs(30);
/// Where a limit begins (Netflix' value).
const INITIAL: f64 = 20.0;

/// The limit of one destination, or of one route.
#[derive(Debug)]
pub struct Gradient {
    bounds: Adaptive,
    limit: f64,
    window: Window,
    /// Seconds; of a queue that is empty, as far as is known.
    best: Option<f64>,
    smoothed: f64,
    measure: Measure,
}

#[derive(Debug)]
struct Window {
    began: Duration,
    /// Seconds.
    samples: Vec<f64>,
    /// Most requests that were under way at once.
    peak: u32,
}

/// When the best latency is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    At {
        due: Duration,
        pause: Duration,
    },
    /// The queue drains; what comes back still stood in it.
    Draining {
        pause: Duration,
    },
    Running {
        pause: Duration,
    },
}

// === impl Gradient ===

impl Gradient {
    /// A limit that nothing is known about yet.
    pub fn new(bounds: Adaptive, now: Duration) -> Self {
        Self {
            limit: INITIAL.clamp(bounds.min.into(), bounds.max.max(bounds.min).into()),
            bounds,
            window: Window { began: now, samples: Vec::new(), peak: 0 },
            best: None,
            smoothed: 0.0,
            measure: Measure::At { due: now.saturating_add(FIRST_MEASURE), pause: FIRST_MEASURE },
        }
    }

    /// Requests that may be under way now.
    pub fn limit(&self) -> u32 {
        let limit = match self.measure {
            Measure::At { .. } => self.limit,
            Measure::Draining { .. } | Measure::Running { .. } => self.limit / 2.0,
        };
        (limit as u32).max(self.bounds.min).max(1)
    }

    /// So many requests are under way.
    pub fn under_way(&mut self, requests: u32) {
        self.window.peak = self.window.peak.max(requests);
    }

    /// An answer took `latency`. Gives whether the limit may have changed.
    pub fn observe(&mut self, now: Duration, latency: Duration) -> bool {
        if self.window.samples.len() < MOST_SAMPLES {
            self.window.samples.push(latency.as_secs_f64());
        }
        let age = now.saturating_sub(self.window.began);
        let enough = self.window.samples.len() >= SAMPLES || age >= LONGEST_WINDOW;
        if age < WINDOW || !enough {
            return false;
        }
        let median = median(&mut self.window.samples);
        let peak = self.window.peak;
        self.window.samples.clear();
        (self.window.began, self.window.peak) = (now, 0);
        self.close(now, median, peak);
        true
    }

    /// A window ended.
    fn close(&mut self, now: Duration, median: f64, peak: u32) {
        match self.measure {
            Measure::Draining { pause } => {
                self.measure = Measure::Running { pause };
                return;
            }
            Measure::Running { pause } => {
                let pause = pause.saturating_mul(2).min(LAST_MEASURE);
                (self.best, self.smoothed) = (Some(median), median);
                self.measure = Measure::At { due: now.saturating_add(pause), pause };
                return;
            }
            Measure::At { due, pause } if now >= due => self.measure = Measure::Draining { pause },
            Measure::At { .. } => {}
        }
        self.smoothed = match self.best {
            None => median,
            Some(_) => self.smoothed + (median - self.smoothed) * SMOOTHING,
        };
        let best = self.best.map_or(self.smoothed, |best| best.min(self.smoothed));
        self.best = Some(best);
        let gradient = (TOLERANCE * best / median.max(f64::MIN_POSITIVE)).clamp(0.5, 2.0);
        let next = self.limit * gradient + self.limit.sqrt();
        let unused = f64::from(peak) * 2.0 < self.limit;
        if next > self.limit && unused {
            return;
        }
        let (least, most) = (self.bounds.min.max(1), self.bounds.max.max(self.bounds.min).max(1));
        self.limit = (self.limit + (next - self.limit) * STEP).clamp(least.into(), most.into());
    }
}

/// Of at least one sample.
fn median(samples: &mut [f64]) -> f64 {
    let middle = samples.len() / 2;
    *samples.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests;
