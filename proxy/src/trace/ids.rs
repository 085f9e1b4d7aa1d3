//! Names of traces and spans: random, and not the same in two proxies.

use std::cell::RefCell;

use fastrand::Rng;

/// Makes them, for one worker.
#[derive(Debug)]
pub struct Ids(RefCell<[Rng; 2]>);

// === impl Ids ===

impl Ids {
    /// Begins where nobody else does: what the generators would take by themselves is the time.
    pub fn new() -> Self {
        let mut seeds = [[0; 8]; 2];
        for seed in &mut seeds {
            // Without randomness of the system there would be no TLS either.
            let _ = aws_lc_rs::rand::fill(seed);
        }
        Self(RefCell::new(seeds.map(|seed| Rng::with_seed(u64::from_ne_bytes(seed)))))
    }

    /// Never 0, which names nothing.
    pub fn trace(&self) -> u128 {
        let [high, low] = &mut *self.0.borrow_mut();
        (u128::from(high.u64(..)) << 64 | u128::from(low.u64(..))).max(1)
    }

    /// The same of a span.
    pub fn span(&self) -> u64 {
        self.0.borrow_mut()[0].u64(1..)
    }
}
