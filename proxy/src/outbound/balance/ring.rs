//! Consistent hashing on a ring: Karger et al., "Consistent Hashing and Random Trees" (1997), with many points for each
//! member as in ketama. A member that leaves gives its keys to the next on the ring, and no other key moves.

use super::hash::mix;
use super::table::Member;
use crate::state::Endpoint;

/// Points of a member of the usual weight: shares differ by 1/sqrt(points), 9 %.
const POINTS: u64 = 128;
/// Points of all members together: with 8 bytes each, 512 KiB. Where there are more members than that allows, each has
/// half as many points, or a quarter.
const MOST: u64 = 65_536;

/// Members on a circle of 32 bits.
#[derive(Debug)]
pub struct Ring {
    /// Ascending.
    points: Vec<(u32, u32)>,
}

impl Ring {
    pub fn new(members: &[Member]) -> Self {
        let halved =
            |times: u32| members.iter().map(move |member| (points_of(member.weight) >> times).max(1));
        let times = (0..16).find(|times| halved(*times).sum::<u64>() <= MOST).unwrap_or(16);
        let mut points: Vec<_> = halved(times)
            .zip(members)
            .enumerate()
            .flat_map(|(index, (count, member))| {
                (0..count).map(move |point| ((mix(member.id ^ mix(point + 1)) >> 32) as u32, index as u32))
            })
            .collect();
        points.sort_unstable();
        Self { points }
    }

    /// Members in the order in which `key` prefers them; many come more than once.
    pub fn walk(&self, key: u64) -> impl Iterator<Item = usize> {
        let start = self.points.partition_point(|(place, _)| *place < (key >> 32) as u32);
        let (before, from) = self.points.split_at(start);
        from.iter().chain(before).map(|(_, member)| *member as usize)
    }
}

fn points_of(weight: u32) -> u64 {
    (POINTS * u64::from(weight) / u64::from(Endpoint::USUAL_WEIGHT)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::balance::table::tests::{members, moved, shares};
    use proptest::prelude::*;

    #[test]
    fn memory_is_bounded_whatever_the_number_of_members() {
        let weights = vec![1000; 5_000];
        assert!(Ring::new(&members(&weights)).points.len() as u64 <= MOST);
        assert_eq!(Ring::new(&members(&[100; 3])).points.len(), 384);
    }

    #[test]
    fn shares_follow_the_weights() {
        let weights = [100, 100, 200, 400];
        let shares = shares(&members(&weights), |members| {
            let ring = Ring::new(members);
            move |key| ring.walk(key).next()
        });
        for (share, weight) in shares.iter().zip(weights) {
            let expected = f64::from(weight) / 800.0;
            // Three standard deviations of a share that is made of so many points.
            assert!(
                (share / expected - 1.0).abs() < 3.0 / f64::from(weight * 128 / 100).sqrt(),
                "{shares:?}"
            );
        }
    }

    #[test]
    fn nobody_is_nobodys_choice() {
        assert_eq!(Ring::new(&[]).walk(7).next(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn only_the_keys_of_a_member_that_leaves_move(count in 2usize..40, leaver in any::<prop::sample::Index>()) {
            let all = members(&vec![100; count]);
            let leaver = leaver.index(count);
            let (of_others, of_leaver) = moved(&all, leaver, |members| {
                let ring = Ring::new(members);
                move |key| ring.walk(key).next()
            });
            prop_assert_eq!(of_others, 0.0);
            // Its share: 1/n, within four deviations.
            let share = 1.0 / count as f64;
            prop_assert!((of_leaver / share - 1.0).abs() < 0.4, "{} of {}", of_leaver, share);
        }
    }
}
