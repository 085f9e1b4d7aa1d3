//! Weighted round robin: gRPC's static stride scheduler (gRFC A58). In each round every member has a turn, and takes it as
//! often as its weight is a part of the heaviest; no queue is kept, so a turn costs the same for any number of members.

use std::cell::Cell;

/// A weight as great as the heaviest's.
const FULL: u64 = u16::MAX as u64;

/// Whose turn it is.
#[derive(Debug)]
pub struct Stride {
    /// As parts of [`FULL`].
    weights: Vec<u64>,
    turn: Cell<u64>,
}

impl Stride {
    /// `start` sets where the rounds begin, so that callers who start together do not go to the same member together.
    pub fn new(weights: &[u32], start: u64) -> Self {
        let most = weights.iter().copied().max().unwrap_or(1).max(1);
        let scaled = |weight: &u32| (u64::from(*weight) * FULL).div_ceil(u64::from(most));
        Self { weights: weights.iter().map(scaled).collect(), turn: Cell::new(start >> 16) }
    }

    /// Turns until one that `admits` takes; none where none does within some rounds.
    pub fn next(&self, mut admits: impl FnMut(usize) -> bool) -> Option<usize> {
        let count = self.weights.len() as u64;
        // The heaviest takes every turn of its own, so without refusals one round is enough.
        for _ in 0..count * 4 {
            let turn = self.turn.get();
            self.turn.set(turn.wrapping_add(1));
            let (round, member) = (turn / count, (turn % count) as usize);
            let weight = self.weights[member];
            // Members of one weight take theirs in different rounds.
            let place = round.wrapping_mul(weight).wrapping_add(member as u64 * FULL / 2) % FULL;
            if place >= FULL - weight && admits(member) {
                return Some(member);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_members_take_turns() {
        let stride = Stride::new(&[5, 5, 5], 0);
        let turns: Vec<_> = (0..6).filter_map(|_| stride.next(|_| true)).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn whoever_is_refused_is_passed_over() {
        let stride = Stride::new(&[1, 1, 1], 0);
        assert!((0..9).all(|_| stride.next(|member| member != 1) != Some(1)));
        assert_eq!(stride.next(|_| false), None);
        assert_eq!(Stride::new(&[], 0).next(|_| true), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn shares_follow_the_weights_without_chance(weights in prop::collection::vec(1u32..1000, 1..20), start in any::<u64>()) {
            let stride = Stride::new(&weights, start);
            let mut counts = vec![0f64; weights.len()];
            for _ in 0..20_000 {
                counts[stride.next(|_| true).unwrap()] += 1.0;
            }
            let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
            for (count, weight) in counts.iter().zip(&weights) {
                let expected = 20_000.0 * f64::from(*weight) / total;
                prop_assert!((count - expected).abs() <= 3.0 + expected * 0.01, "{counts:?} for {weights:?}");
            }
        }
    }
}
