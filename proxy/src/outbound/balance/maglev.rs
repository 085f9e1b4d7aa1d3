//! Consistent hashing by a lookup table: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer"
//! (NSDI 2016), section 3.4. Shares are more even than a ring's and a lookup is one read; when a member leaves, a few
//! keys of others move too.

use super::hash::mix;
use super::table::Member;

/// Slots, a prime: 32 KiB. The paper wants a hundred for each member, so shares stay even, and few keys of others move,
/// up to 160 members; beyond it still works, less well.
const SLOTS: usize = 16_381;
const FREE: u16 = u16::MAX;

/// Which member has which slot.
#[derive(Debug)]
pub struct Maglev {
    /// Empty where there are no members.
    slots: Vec<u16>,
}

/// A member while slots are given out: its own permutation of them.
struct Wish {
    at: usize,
    skip: usize,
    weight: u32,
    credit: u32,
}

impl Maglev {
    pub fn new(members: &[Member]) -> Self {
        let mut wishes: Vec<Wish> = members.iter().take(usize::from(FREE)).map(Wish::new).collect();
        let Some(most) = wishes.iter().map(|wish| wish.weight).max() else {
            return Self { slots: Vec::new() };
        };
        let mut slots = vec![FREE; SLOTS];
        let mut free = SLOTS;
        // In turns, so that every member gets its due; one of half the weight takes every other turn.
        loop {
            for (index, wish) in wishes.iter_mut().enumerate() {
                wish.credit += wish.weight;
                if wish.credit < most {
                    continue;
                }
                wish.credit -= most;
                let slot = wish.next_free(&slots);
                slots[slot] = index as u16;
                free -= 1;
                if free == 0 {
                    return Self { slots };
                }
            }
        }
    }

    /// Members in the order in which `key` prefers them; many come more than once.
    pub fn walk(&self, key: u64) -> impl Iterator<Item = usize> {
        let (before, from) = self.slots.split_at((key % SLOTS as u64) as usize % self.slots.len().max(1));
        from.iter().chain(before).map(|member| usize::from(*member))
    }
}

impl Wish {
    fn new(member: &Member) -> Self {
        let other = mix(member.id ^ 0x9e37_79b9_7f4a_7c15);
        Self {
            at: (mix(member.id) % SLOTS as u64) as usize,
            skip: (other % (SLOTS as u64 - 1)) as usize + 1,
            weight: member.weight.clamp(1, 1 << 20),
            credit: 0,
        }
    }

    /// The slot it wants most of those that are free. Since the number of slots is a prime it comes by all of them.
    fn next_free(&mut self, slots: &[u16]) -> usize {
        loop {
            let slot = self.at;
            self.at = (self.at + self.skip) % SLOTS;
            if slots[slot] == FREE {
                return slot;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::balance::table::tests::{members, moved, shares};
    use crate::outbound::balance::tests::near;
    use proptest::prelude::*;

    fn choice(members: &[Member]) -> impl Fn(u64) -> Option<usize> + use<> {
        let table = Maglev::new(members);
        move |key| table.walk(key).next()
    }

    #[test]
    fn shares_are_even_and_follow_the_weights() {
        for weights in [vec![100; 7], vec![100, 50, 200, 1]] {
            let total: u32 = weights.iter().sum();
            let shares = shares(&members(&weights), choice);
            for (share, weight) in shares.iter().zip(&weights) {
                let expected = f64::from(*weight) / f64::from(total);
                assert!(
                    near((share * 20_000.0).round() as u32, 20_000, expected),
                    "{shares:?} for {weights:?}"
                );
            }
        }
    }

    #[test]
    fn nobody_is_nobodys_choice_and_too_many_are_no_trouble() {
        assert_eq!(Maglev::new(&[]).walk(7).next(), None);
        assert!(Maglev::new(&members(&vec![100; 20_000])).walk(7).next().is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn few_keys_of_others_move_when_a_member_leaves(count in 2usize..40, leaver in any::<prop::sample::Index>()) {
            let all = members(&vec![100; count]);
            let (of_others, of_leaver) = moved(&all, leaver.index(count), choice);
            let share = 1.0 / count as f64;
            prop_assert!((of_leaver / share - 1.0).abs() < 0.2, "{} of {}", of_leaver, share);
            // The paper's figure 12 has about as much again in the worst case.
            prop_assert!(of_others < 0.05, "{}", of_others);
        }
    }
}
