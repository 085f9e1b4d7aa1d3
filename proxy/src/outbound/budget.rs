//! How many requests may be sent again, so that retries do not finish off a service that is failing: a share of the
//! requests of the last interval, and a few each second in any case (GEP-3388; the idea is Finagle's `RetryBudget`).
//!
//! Pure: time is what the caller says, counted from any fixed moment.

use std::time::Duration;

use crate::state::BudgetLimits;

/// The interval is looked at in so many parts; the oldest is forgotten at a time.
const PARTS: usize = 10;

/// Requests and retries of the last interval.
#[derive(Debug)]
pub struct Budget {
    limits: BudgetLimits,
    parts: [Part; PARTS],
    /// Number of the current part, since the beginning of time.
    current: u128,
    second: u64,
    in_second: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    requests: u64,
    retries: u64,
}

// === impl Budget ===

impl Budget {
    pub fn new(limits: BudgetLimits) -> Self {
        Self { limits, parts: [Part::default(); PARTS], current: 0, second: 0, in_second: 0 }
    }

    pub fn limits(&self) -> BudgetLimits {
        self.limits
    }

    /// A request came in.
    pub fn request(&mut self, now: Duration) {
        self.part(now).requests += 1;
    }

    /// Takes a retry out of the budget, if there is one.
    pub fn try_retry(&mut self, now: Duration) -> bool {
        if self.second != now.as_secs() {
            (self.second, self.in_second) = (now.as_secs(), 0);
        }
        self.part(now);
        let (requests, retries) = self.sums();
        let share = (retries + 1) * 100 <= requests * u64::from(self.limits.percent);
        if !share && self.in_second >= self.limits.min_per_second {
            return false;
        }
        self.in_second = self.in_second.saturating_add(1);
        self.part(now).retries += 1;
        true
    }

    /// Retries that it would allow now.
    pub fn left(&mut self, now: Duration) -> u64 {
        self.part(now);
        let (requests, retries) = self.sums();
        let share = (requests * u64::from(self.limits.percent) / 100).saturating_sub(retries);
        let taken = if self.second == now.as_secs() { self.in_second } else { 0 };
        share.max(self.limits.min_per_second.saturating_sub(taken).into())
    }

    /// Requests and retries of the interval.
    fn sums(&self) -> (u64, u64) {
        self.parts
            .iter()
            .fold((0, 0), |(requests, retries), part| (requests + part.requests, retries + part.retries))
    }

    /// The current part, after forgetting those that have left the interval.
    fn part(&mut self, now: Duration) -> &mut Part {
        let length = (self.limits.interval.as_nanos() / PARTS as u128).max(1);
        let number = now.as_nanos() / length;
        let passed = number.saturating_sub(self.current).min(PARTS as u128);
        self.current = self.current.max(number);
        for back in 0..passed {
            self.parts[index(self.current - back)] = Part::default();
        }
        let current = self.current;
        &mut self.parts[index(current)]
    }
}

fn index(part: u128) -> usize {
    usize::try_from(part % PARTS as u128).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: BudgetLimits =
        BudgetLimits { percent: 20, interval: Duration::from_secs(10), min_per_second: 10 };

    #[test]
    fn a_fifth_is_allowed_over_the_floor() {
        let mut budget = Budget::new(BudgetLimits { min_per_second: 0, ..LIMITS });
        let now = Duration::from_secs(100);
        assert!(!budget.try_retry(now));
        (0..100).for_each(|_| budget.request(now));
        assert_eq!(budget.left(now), 20);
        assert_eq!((0..100).filter(|_| budget.try_retry(now)).count(), 20);
        assert_eq!(budget.left(now), 0);
        assert!(!budget.try_retry(now + Duration::from_secs(8)));
        assert!(!budget.try_retry(now + Duration::from_secs(11)), "what was long ago earns nothing");
    }

    #[test]
    fn the_floor_is_there_each_second() {
        let mut budget = Budget::new(LIMITS);
        for second in 0..5 {
            let now = Duration::from_secs(second);
            assert_eq!(budget.left(now), 10);
            assert_eq!((0..50).filter(|_| budget.try_retry(now)).count(), 10);
            assert_eq!(budget.left(now), 0);
        }
    }

    proptest! {
        /// Every request fails, and is tried again as often as the budget allows.
        #[test]
        fn load_stays_within_a_fifth_more_and_the_floor(
            steps in proptest::collection::vec((0u64..3_000, 0usize..40), 1..200),
            percent in 0u32..=100,
            floor in 0u32..20,
        ) {
            let mut budget = Budget::new(BudgetLimits { percent, min_per_second: floor, ..LIMITS });
            let (mut now, mut requests, mut retries) = (Duration::ZERO, 0u64, 0u64);
            let mut seconds = std::collections::HashSet::new();
            for (pause, count) in steps {
                now += Duration::from_millis(pause);
                seconds.insert(now.as_secs());
                for _ in 0..count {
                    budget.request(now);
                    requests += 1;
                    retries += (0..3).filter(|_| budget.try_retry(now)).count() as u64;
                }
            }
            // Within one interval a share of it; the windows of an unlucky cut overlap by less than a part.
            let most = requests * u64::from(percent) / 100 + seconds.len() as u64 * u64::from(floor);
            prop_assert!(retries <= most, "{retries} of at most {most}");
        }
    }
}
