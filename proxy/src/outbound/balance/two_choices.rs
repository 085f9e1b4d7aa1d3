//! Which endpoint takes a request: the cheaper of two taken at random.
//!
//! Two choices are enough to keep the worst load within a constant of the best (Mitzenmacher, "The Power of Two Choices
//! in Randomized Load Balancing", 2001) and, unlike always taking the best, do not make every proxy run to the
//! same endpoint at once.
//!
//! Where both are idle their latencies alone decide, and a small difference would send all that comes to one of them. Then the slower
//! gets a part too, by the square of what it is slower: half where they are equal, a fifth where it takes twice as long, and nothing
//! where it takes more than four times as long.

/// What it would cost to send a request to an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub cost: f64,
    /// It has nothing under way.
    pub idle: bool,
}

/// One that is so many times slower is not an equal.
const MUCH_SLOWER: f64 = 4.0;

/// Whether of two endpoints the second is taken.
pub fn is_second(first: Cost, second: Cost, rng: &mut fastrand::Rng) -> bool {
    let alike = first.cost <= second.cost * MUCH_SLOWER && second.cost <= first.cost * MUCH_SLOWER;
    if !(alike && first.idle && second.idle) {
        return second.cost < first.cost;
    }
    let (first, second) = (first.cost * first.cost, second.cost * second.cost);
    rng.f64() * (first + second) < first
}

/// An index below `count`, the cheaper of two. `failed` is avoided where there is another.
pub fn pick(
    count: usize,
    failed: &[usize],
    cost: impl Fn(usize) -> Cost,
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

fn two_choices(count: usize, cost: impl Fn(usize) -> Cost, rng: &mut fastrand::Rng) -> Option<usize> {
    match count {
        0 => None,
        1 => Some(0),
        _ => {
            let first = rng.usize(..count);
            let second = (first + rng.usize(1..count)) % count;
            Some(if is_second(cost(first), cost(second), rng) { second } else { first })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts_of(idle: bool, costs: &[f64], failed: &[usize]) -> Vec<u32> {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut counts = vec![0; costs.len()];
        for _ in 0..9_000 {
            let cost = |index: usize| Cost { cost: costs[index], idle };
            counts[pick(costs.len(), failed, cost, &mut rng).unwrap()] += 1;
        }
        counts
    }

    fn counts(costs: &[f64], failed: &[usize]) -> Vec<u32> {
        counts_of(false, costs, failed)
    }

    #[test]
    fn of_two_that_are_idle_the_slower_gets_its_part() {
        for (costs, part) in [
            ([1.0, 1.0], 0.5),
            ([1.0, 2.0], 0.2),
            ([1.0, 3.0], 0.1),
            ([1.0, 5.0], 0.0),
            ([1.0, 0.0], 1.0),
            ([0.0, 1.0], 0.0),
        ] {
            let [_, second] = counts_of(true, &costs, &[])[..] else { unreachable!() };
            assert!((f64::from(second) - 9_000.0 * part).abs() <= 200.0, "{costs:?}: {second}");
        }
    }

    /// How many of 1,000 requests, one after the other, each of two upstreams gets that take so many milliseconds and at random up to
    /// half as much again; each two-hundredth five times as long. Their first answers take `first`.
    async fn of_1000(millis: [f64; 2], first: [f64; 2], seed: u64) -> [u32; 2] {
        let mut rng = fastrand::Rng::with_seed(seed);
        let loads = [crate::http::Load::default(), crate::http::Load::default()];
        let mut counts = [0; 2];
        for _ in 0..1_000 {
            let now = tokio::time::Instant::now();
            let cost = |index: usize| Cost { cost: loads[index].cost(now), idle: true };
            let taken = pick(2, &[], cost, &mut rng).unwrap();
            let usual = if counts[taken] == 0 { first[taken] } else { millis[taken] };
            let slow = if rng.u8(..200) == 0 { 5.0 } else { 1.0 };
            let took = std::time::Duration::from_secs_f64(usual * (1.0 + rng.f64() / 2.0) * slow / 1e3);
            tokio::time::advance(took).await;
            loads[taken].observe(took);
            counts[taken] += 1;
        }
        counts
    }

    #[tokio::test(start_paused = true)]
    async fn neither_of_two_equal_upstreams_starves_nor_does_one_that_is_twice_as_slow() {
        let mut least = [1_000; 3];
        let mut slowest = 0;
        for seed in 0..20 {
            let equal = of_1000([0.5, 0.5], [5.0, 4.0], seed).await;
            let [cold, _] = of_1000([5.0, 5.0], [500.0, 5.0], seed).await;
            let [twice, _] = of_1000([1.0, 0.5], [1.0, 0.5], seed).await;
            let [slow, _] = of_1000([10.0, 0.5], [10.0, 0.5], seed).await;
            let [of_equal, of_cold, of_twice] = least;
            least = [of_equal.min(equal[0]).min(equal[1]), of_cold.min(cold), of_twice.min(twice)];
            slowest = slowest.max(slow);
        }
        assert!(least[0] >= 300, "{} of 1,000 for one of two equal ones", least[0]);
        assert!(least[1] >= 150, "{} for one that began cold", least[1]);
        assert!(least[2] >= 100, "{} for one that is twice as slow", least[2]);
        assert!(slowest <= 50, "{slowest} for one that is twenty times as slow");
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
        assert_eq!(pick(0, &[], |_| Cost { cost: 0.0, idle: true }, &mut fastrand::Rng::new()), None);
    }
}
