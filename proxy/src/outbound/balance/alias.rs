//! Drawing by weight in constant time: Walker's alias method, built as Vose does ("A Linear Algorithm for Generating
//! Random Numbers with a Given Distribution", 1991). Sixteen bytes for each member.

/// Each slot belongs to one member up to its threshold, and to another above.
#[derive(Debug)]
pub struct Alias {
    slots: Vec<(f64, u32)>,
}

impl Alias {
    /// None where all weights are equal: then any draw is fair.
    pub fn new(weights: &[u32]) -> Option<Self> {
        let first = weights.first()?;
        if weights.iter().all(|weight| weight == first) {
            return None;
        }
        let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        let mut left: Vec<f64> =
            weights.iter().map(|weight| f64::from(*weight) * weights.len() as f64 / total).collect();
        let mut slots: Vec<(f64, u32)> = (0..weights.len() as u32).map(|own| (1.0, own)).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..weights.len()).partition(|index| left[*index] < 1.0);
        while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
            slots[poor] = (left[poor], rich as u32);
            left[rich] -= 1.0 - left[poor];
            if left[rich] < 1.0 {
                large.pop();
                small.push(rich);
            }
        }
        Some(Self { slots })
    }

    /// A member, as often as its weight says.
    pub fn draw(&self, rng: &mut fastrand::Rng) -> usize {
        let slot = rng.usize(..self.slots.len());
        let (threshold, other) = self.slots[slot];
        if rng.f64() < threshold { slot } else { other as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::balance::tests::near;
    use proptest::prelude::*;

    #[test]
    fn equal_weights_need_no_table() {
        assert!(Alias::new(&[7, 7, 7]).is_none() && Alias::new(&[]).is_none());
    }

    /// The chance of each member, as the table has it.
    fn shares(alias: &Alias) -> Vec<f64> {
        let mut shares = vec![0.0; alias.slots.len()];
        for (own, (threshold, other)) in alias.slots.iter().enumerate() {
            shares[own] += threshold / alias.slots.len() as f64;
            shares[*other as usize] += (1.0 - threshold) / alias.slots.len() as f64;
        }
        shares
    }

    proptest! {
        #[test]
        fn every_member_has_its_share(weights in prop::collection::vec(1u32..1000, 2..20)) {
            let Some(alias) = Alias::new(&weights) else { return Ok(()) };
            let total: u32 = weights.iter().sum();
            for (share, weight) in shares(&alias).iter().zip(&weights) {
                prop_assert!((share - f64::from(*weight) / f64::from(total)).abs() < 1e-9, "{alias:?} {weights:?}");
            }
        }
    }

    #[test]
    fn draws_follow_the_shares() {
        let alias = Alias::new(&[1, 10, 100, 1000]).unwrap();
        let mut rng = fastrand::Rng::with_seed(20_261_128);
        let mut counts = [0u32; 4];
        for _ in 0..20_000 {
            counts[alias.draw(&mut rng)] += 1;
        }
        for (count, share) in counts.iter().zip(shares(&alias)) {
            assert!(near(*count, 20_000, share), "{counts:?}");
        }
    }
}
