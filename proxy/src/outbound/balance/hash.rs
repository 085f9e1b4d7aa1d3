//! One number for some bytes, the same in every proxy: keys and endpoints meet on it.
//!
//! FNV-1a (Fowler, Noll, Vo), then the finalizer of MurmurHash3 (Appleby), because FNV alone leaves the upper bits of
//! short keys alike. Whoever chooses the keys can make them collide, as with any hash without a secret; a bounded load
//! limits what that does.

/// The number for `bytes`.
pub fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |state: u64, byte| {
        (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mix(fnv)
}

/// Spreads a number over all 64 bits, without losing any.
pub fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

/// Where `bits` stand between 0 and 1.
pub fn fraction(bits: u64) -> f64 {
    // 53 bits are what a float holds.
    (mix(bits) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_changes_since_proxies_of_two_versions_must_agree() {
        assert_eq!(hash(b""), 0xefd0_1f60_ba99_2926);
        assert_eq!(hash(b"alice"), hash(b"alice"));
        assert_ne!(hash(b"alice"), hash(b"bob"));
    }

    #[test]
    fn numbered_keys_spread_evenly() {
        let mut counts = [0u32; 16];
        for number in 0..16_000 {
            counts[(hash(format!("user-{number}").as_bytes()) >> 60) as usize] += 1;
        }
        // Binomial(16000, 1/16) has a standard deviation of 31.
        assert!(counts.iter().all(|count| count.abs_diff(1_000) < 124), "{counts:?}");
        assert!((fraction(7) - fraction(8)).abs() > 0.001);
    }
}
