//! Slow start: a new endpoint grows into its share, so that caches fill and code compiles before all of the load comes; so
//! does one that comes back from an ejection. Pure: time is what the caller says.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// What a new endpoint gets at once: enough to warm up by. Envoy's value.
const FIRST_SHARE: f64 = 0.1;

/// How far an endpoint of a backend is. Outlives changes of the destination.
#[derive(Debug, Default)]
pub struct Warmup {
    /// None where it has its whole share.
    since: Cell<Option<Instant>>,
    out: Cell<bool>,
}

// === impl Warmup ===

impl Warmup {
    /// Of an endpoint that appeared while its destination was in use.
    pub fn begin(now: Instant) -> Self {
        Self { since: Cell::new(Some(now)), ..Self::default() }
    }

    /// The part of its share that it gets: grows evenly over `slow_start`, from a tenth on. `out`: it is ejected now, and
    /// begins anew when it is not any more.
    pub fn share(&self, now: Instant, slow_start: Duration, out: bool) -> f64 {
        if self.out.replace(out) && !out {
            self.since.set(Some(now));
        }
        if out {
            return 0.0;
        }
        let Some(since) = self.since.get() else { return 1.0 };
        let age = now.saturating_duration_since(since);
        if age >= slow_start {
            self.since.set(None);
            return 1.0;
        }
        (age.as_secs_f64() / slow_start.as_secs_f64()).max(FIRST_SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Duration = Duration::from_secs(30);

    #[test]
    fn one_that_was_there_has_its_whole_share_and_a_new_one_grows_into_it() {
        let now = Instant::now();
        assert_eq!(Warmup::default().share(now, WINDOW, false), 1.0);
        let new = Warmup::begin(now);
        for (seconds, share) in [(0, 0.1), (3, 0.1), (15, 0.5), (30, 1.0), (31, 1.0)] {
            let got = new.share(now + Duration::from_secs(seconds), WINDOW, false);
            assert!((got - share).abs() < 1e-9, "{got} after {seconds} s");
        }
    }

    #[test]
    fn one_that_returns_from_an_ejection_begins_anew() {
        let now = Instant::now();
        let warmup = Warmup::default();
        assert_eq!(warmup.share(now, WINDOW, true), 0.0);
        assert!((warmup.share(now, WINDOW, false) - 0.1).abs() < 1e-9);
        assert_eq!(warmup.share(now + WINDOW, WINDOW, false), 1.0);
    }

    proptest! {
        #[test]
        fn a_share_only_grows(mut ages in prop::collection::vec(0u64..100_000, 2..40), window in 1u64..100_000) {
            ages.sort_unstable();
            let now = Instant::now();
            let new = Warmup::begin(now);
            let window = Duration::from_millis(window);
            let shares: Vec<f64> =
                ages.iter().map(|ms| new.share(now + Duration::from_millis(*ms), window, false)).collect();
            prop_assert!(shares.is_sorted() && shares.iter().all(|share| (0.1..=1.0).contains(share)), "{shares:?}");
        }
    }
}
