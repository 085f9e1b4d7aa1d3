//! How much of the traffic leaves its zone: none while the zone can take it, and no more than it must.
//!
//! Two things make traffic spill. *Health*: the zone's endpoints are fewer than its part of the whole, were callers spread
//! evenly over the zones; then just that shortfall leaves, which gives every endpoint the same load. *Load*: requests
//! within the zone take much longer than they used to, and longer than elsewhere; then a little more leaves each second
//! until they do not. Each begins at one mark and ends at another, so that nothing flaps, and returns slower than it left.
//!
//! Pure: time is what the caller says.

use std::time::Duration;

/// Health: spill below the first, until there is the second again.
const TOO_FEW: f64 = 0.8;
const ENOUGH: f64 = 0.9;
/// Load: spill above the first of the usual latency, go back below the second; less than the slack is noise.
const TOO_SLOW: f64 = 2.0;
const QUICK: f64 = 1.5;
const SLACK: f64 = 0.005;
/// Elsewhere must be better by this, lest what is slow everywhere is sent round.
const BETTER: f64 = 1.1;
/// Parts of the traffic in a second.
const LEAVE: f64 = 0.10;
const RETURN: f64 = 0.05;
/// What stays, so that a recovery is seen.
const STAY: f64 = 0.10;
/// A latency that lasts becomes the usual one.
const USUAL_AFTER: f64 = 600.0;

/// What is known of a zone, and of the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Weight of the zone's usable endpoints over an even part of all of them.
    pub capacity: f64,
    /// Mean since last time, in seconds; none where there were too few requests.
    pub near: Option<f64>,
    /// The same of the other zones.
    pub far: Option<f64>,
}

/// The state of one backend as one worker sees it.
#[derive(Clone, Debug, Default)]
pub struct Spill {
    /// The zone has too few endpoints.
    short: bool,
    by_health: f64,
    by_load: f64,
    usual: Option<f64>,
}

// === impl Spill ===

impl Spill {
    /// Looks at the zone again, `elapsed` after last time.
    pub fn look(&mut self, elapsed: Duration, seen: Seen) {
        self.short = seen.capacity < if self.short { ENOUGH } else { TOO_FEW };
        self.by_health = if self.short { 1.0 - seen.capacity.clamp(0.0, 1.0) } else { 0.0 };
        let elapsed = elapsed.as_secs_f64();
        let step = match seen.near {
            None => -RETURN,
            Some(near) => self.judge(elapsed, near, seen.far),
        };
        self.by_load = (self.by_load + step * elapsed).clamp(0.0, 1.0 - STAY);
    }

    /// The part of the traffic that leaves, from 0 to 1.
    pub fn part(&self) -> f64 {
        1.0 - (1.0 - self.by_health) * (1.0 - self.by_load)
    }

    /// How fast the part that leaves for load grows.
    fn judge(&mut self, elapsed: f64, near: f64, far: Option<f64>) -> f64 {
        let usual = self.usual.unwrap_or(near);
        let crept = usual + (near - usual) * (1.0 - libm::exp(-elapsed / USUAL_AFTER));
        self.usual = Some(near.min(crept));
        let worth_it = far.is_none_or(|far| near > far * BETTER);
        if near > usual * TOO_SLOW && near > usual + SLACK && worth_it {
            LEAVE
        } else if near < usual * QUICK || near < usual + SLACK || !worth_it {
            -RETURN
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn after(spill: &mut Spill, seconds: usize, seen: Seen) -> f64 {
        for _ in 0..seconds {
            spill.look(SECOND, seen);
        }
        spill.part()
    }

    fn healthy(near: f64, far: Option<f64>) -> Seen {
        Seen { capacity: 1.0, near: Some(near), far }
    }

    #[test]
    fn a_whole_zone_keeps_its_traffic() {
        assert_eq!(after(&mut Spill::default(), 100, healthy(0.01, None)), 0.0);
    }

    #[test]
    fn a_zone_that_loses_half_sends_half_away_and_takes_it_back_with_hysteresis() {
        let mut spill = Spill::default();
        let capacity = |capacity| Seen { capacity, ..Seen::default() };
        assert_eq!(after(&mut spill, 1, capacity(0.85)), 0.0);
        assert_eq!(after(&mut spill, 1, capacity(0.5)), 0.5);
        let back = after(&mut spill, 1, capacity(0.85));
        assert!((back - 0.15).abs() < 1e-9, "still short at what did not make it so: {back}");
        assert_eq!(after(&mut spill, 1, capacity(0.9)), 0.0);
        assert_eq!(after(&mut spill, 1, capacity(0.0)), 1.0);
    }

    #[test]
    fn a_slow_zone_sheds_step_by_step_and_recovers() {
        let mut spill = Spill::default();
        after(&mut spill, 10, healthy(0.010, None));
        let shed = after(&mut spill, 3, healthy(0.050, Some(0.012)));
        assert!((shed - 0.3).abs() < 1e-9, "{shed}");
        let held = after(&mut spill, 5, healthy(0.018, Some(0.012)));
        assert!((held - shed).abs() < 1e-9, "between the marks nothing moves: {held}");
        assert!(after(&mut spill, 60, healthy(0.050, Some(0.012))) <= 0.9 + 1e-9);
        assert_eq!(after(&mut spill, 20, healthy(0.011, Some(0.012))), 0.0);
    }

    #[test]
    fn what_is_slow_everywhere_stays_and_what_is_a_little_slower_is_noise() {
        let mut spill = Spill::default();
        after(&mut spill, 10, healthy(0.010, None));
        assert!(after(&mut spill, 30, healthy(0.050, Some(0.050))) < 0.11);
        let mut spill = Spill::default();
        after(&mut spill, 10, healthy(0.0005, None));
        assert_eq!(after(&mut spill, 30, healthy(0.004, None)), 0.0);
    }

    proptest! {
        #[test]
        fn fewer_endpoints_and_slower_ones_never_keep_more(
            history in prop::collection::vec((0.0f64..1.5, prop::option::of(0.0001f64..2.0)), 0..30),
            (less, more) in (0.0f64..1.5, 0.0f64..1.5),
            (quick, slow) in (0.0001f64..2.0, 0.0001f64..2.0),
        ) {
            let mut spill = Spill::default();
            for (capacity, near) in history {
                spill.look(SECOND, Seen { capacity, near, far: None });
                prop_assert!((0.0..=1.0).contains(&spill.part()));
            }
            let (mut one, mut other) = (spill.clone(), spill);
            one.look(SECOND, Seen { capacity: less.min(more), near: Some(quick.max(slow)), far: None });
            other.look(SECOND, Seen { capacity: less.max(more), near: Some(quick.min(slow)), far: None });
            prop_assert!(one.part() >= other.part() - 1e-9, "{one:?} {other:?}");
        }
    }
}
