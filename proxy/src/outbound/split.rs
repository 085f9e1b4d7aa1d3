//! Which share of a route takes a request: by weight, each request on its own.

use crate::state::WeightedBackend;

/// The index of the share for one request. `random` answers a number below the one it is given.
pub fn choose(split: &[WeightedBackend], random: impl FnOnce(u64) -> u64) -> Option<usize> {
    if split.len() == 1 {
        return Some(0);
    }
    let total: u64 = split.iter().map(|share| u64::from(share.weight)).sum();
    if total == 0 {
        return None;
    }
    let mut point = random(total);
    for (index, share) in split.iter().enumerate() {
        let weight = u64::from(share.weight);
        if point < weight {
            return Some(index);
        }
        point -= weight;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(weights: &[u32]) -> Vec<WeightedBackend> {
        weights
            .iter()
            .enumerate()
            .map(|(backend, weight)| WeightedBackend { backend, weight: *weight, ..Default::default() })
            .collect()
    }

    #[test]
    fn ten_thousand_choices_follow_the_weights() {
        let split = weights(&[90, 0, 10]);
        let mut rng = fastrand::Rng::with_seed(7);
        let mut counts = [0u32; 3];
        for _ in 0..10_000 {
            counts[choose(&split, |below| rng.u64(..below)).unwrap()] += 1;
        }
        // Binomial(10000, 0.9) has a standard deviation of 30; 3.9 of them hold 99.99 %.
        assert!(counts[0].abs_diff(9_000) <= 117, "{counts:?}");
        assert_eq!(counts[1], 0);
    }

    #[test]
    fn a_million_choices_keep_to_one_percent_and_to_a_hundredth_of_one() {
        // 99.99 % of runs lie within 3.89 standard deviations of the mean: 99.5 and 10.0 choices.
        for (rest, mean, within) in [(99, 10_000, 387), (9_999, 100, 39)] {
            let (split, mut rng) = (weights(&[rest, 1]), fastrand::Rng::with_seed(20_261_125));
            let canary =
                (0..1_000_000).filter(|_| choose(&split, |below| rng.u64(..below)) == Some(1)).count();
            assert!(canary.abs_diff(mean) <= within, "1 of {}: {canary}", rest + 1);
        }
    }

    #[test]
    fn every_point_of_the_range_belongs_to_one_backend() {
        let split = weights(&[2, 1, 3]);
        let chosen: Vec<_> = (0..6).map(|point| choose(&split, |_| point).unwrap()).collect();
        assert_eq!(chosen, [0, 0, 1, 2, 2, 2]);
        let huge = weights(&[u32::MAX, u32::MAX]);
        assert_eq!(choose(&huge, |total| total - 1), Some(1));
        assert_eq!(choose(&weights(&[0, 0]), |_| 0), None);
    }
}
