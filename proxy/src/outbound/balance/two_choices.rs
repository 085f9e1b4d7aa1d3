//! Which endpoint takes a request: the cheaper of two taken at random.
//!
//! Two choices are enough to keep the worst load within a constant of the best (Mitzenmacher, "The Power of Two Choices
//! in Randomized Load Balancing", 2001) and, unlike always taking the best, do not make every proxy run to the
//! same endpoint at once.

/// An index below `count`, the cheaper of two. `failed` is avoided where there is another.
pub fn pick(
    count: usize,
    failed: &[usize],
    cost: impl Fn(usize) -> f64,
    rng: &mut fastrand::Rng,
) -> Option<usize> {
    // Where all have failed only the last is avoided; where there is one alone, none.
    let failed =
        if failed.len() < count { failed } else { failed.last_chunk::<1>().map_or(&[][..], |last| last) };
    if failed.is_empty() || count < 2 {
        return two_choices(count, cost, rng);
    }
    // Choose among the others: indexes from a failed one on stand for the next.
    let mut sorted = failed.to_vec();
    sorted.sort_unstable();
    let shift =
        |index: usize| sorted.iter().fold(index, |index, failed| index + usize::from(index >= *failed));
    two_choices(count - sorted.len(), |index| cost(shift(index)), rng).map(shift)
}

fn two_choices(count: usize, cost: impl Fn(usize) -> f64, rng: &mut fastrand::Rng) -> Option<usize> {
    match count {
        0 => None,
        1 => Some(0),
        _ => {
            let first = rng.usize(..count);
            let second = (first + rng.usize(1..count)) % count;
            Some(if cost(second) < cost(first) { second } else { first })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(costs: &[f64], failed: &[usize]) -> Vec<u32> {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut counts = vec![0; costs.len()];
        for _ in 0..9_000 {
            counts[pick(costs.len(), failed, |index| costs[index], &mut rng).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn equal_endpoints_share_equally() {
        for count in counts(&[1.0, 1.0, 1.0], &[]) {
            assert!(count.abs_diff(3_000) < 200, "{count}");
        }
    }

    #[test]
    fn the_dearest_of_three_gets_nothing_and_the_cheapest_two_thirds() {
        let counts = counts(&[1.0, 2.0, 9.0], &[]);
        assert!(counts[0].abs_diff(6_000) < 200, "{counts:?}");
        assert_eq!(counts[2], 0);
    }

    #[test]
    fn a_failed_endpoint_is_avoided_while_there_is_another() {
        assert_eq!(counts(&[1.0, 9.0], &[0]), [0, 9_000]);
        assert_eq!(counts(&[1.0, 1.0, 1.0], &[1])[1], 0);
        assert_eq!(counts(&[1.0], &[0]), [9_000]);
        assert_eq!(counts(&[9.0, 1.0, 1.0, 9.0], &[2, 1, 0]), [0, 0, 0, 9_000]);
        assert_eq!(counts(&[9.0, 1.0], &[0, 1]), [9_000, 0]);
        assert_eq!(pick(0, &[], |_| 0.0, &mut fastrand::Rng::new()), None);
    }
}
