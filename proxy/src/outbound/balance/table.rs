//! What the tables of the algorithms are built from.

/// An endpoint, as a table sees it.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// A number of its own, the same in every proxy.
    pub id: u64,
    /// Beside others; at least 1.
    pub weight: u32,
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::outbound::balance::hash::hash;

    const KEYS: u64 = 20_000;

    pub fn members(weights: &[u32]) -> Vec<Member> {
        let member = |(index, weight): (usize, &u32)| {
            let (high, low) = (index / 250, index % 250);
            Member { id: hash(format!("10.244.{high}.{low}:8080").as_bytes()), weight: *weight }
        };
        weights.iter().enumerate().map(member).collect()
    }

    fn key(number: u64) -> u64 {
        hash(format!("user-{number}").as_bytes())
    }

    /// The part of some keys that each member gets.
    pub fn shares<C: Fn(u64) -> Option<usize>>(
        members: &[Member],
        build: impl Fn(&[Member]) -> C,
    ) -> Vec<f64> {
        let choice = build(members);
        let mut shares = vec![0.0; members.len()];
        for number in 0..KEYS {
            shares[choice(key(number)).unwrap()] += 1.0 / KEYS as f64;
        }
        shares
    }

    /// The parts of all keys that move when `leaver` does: those of others, and its own.
    pub fn moved<C: Fn(u64) -> Option<usize>>(
        members: &[Member],
        leaver: usize,
        build: impl Fn(&[Member]) -> C,
    ) -> (f64, f64) {
        let before = build(members);
        let mut rest = members.to_vec();
        rest.remove(leaver);
        let after = build(&rest);
        let (mut others, mut own) = (0.0, 0.0);
        for number in 0..KEYS {
            let (old, new) = (before(key(number)).unwrap(), after(key(number)).unwrap());
            if old == leaver {
                own += 1.0;
            } else if members[old].id != rest[new].id {
                others += 1.0;
            }
        }
        (others / KEYS as f64, own / KEYS as f64)
    }
}
