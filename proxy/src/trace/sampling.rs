//! Which of the traces that begin here are told: OpenTelemetry's consistent probability sampling, so that whoever samples the same trace
//! by the same share decides the same.

use http::HeaderValue;

/// What is random in a trace id: its last bits (W3C Trace Context, level 2).
const RANDOM_BITS: u32 = 56;
/// Shares are told in millionths.
pub const WHOLE: u32 = 1_000_000;

/// A share of traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampling {
    /// The least randomness that is taken; beyond what there can be where the share is nothing.
    threshold: u64,
    state: HeaderValue,
}

// === impl Sampling ===

impl Sampling {
    /// So many of a million.
    pub fn millionths(share: u32) -> Self {
        let threshold = threshold(share);
        let digits = format!("{threshold:014x}");
        let digits = match digits.trim_end_matches('0') {
            "" => "0",
            digits => digits,
        };
        let state = HeaderValue::try_from(format!("ot=th:{digits}"));
        Self { threshold, state: state.unwrap_or(HeaderValue::from_static("ot=th:0")) }
    }

    /// Whether a trace of that id is told.
    pub fn takes(&self, trace_id: u128) -> bool {
        is_taken(self.threshold, trace_id)
    }

    /// The same of a share that nobody else is told of.
    pub fn share_takes(share: u32, trace_id: u128) -> bool {
        is_taken(threshold(share), trace_id)
    }

    /// The `tracestate` of those that are: by it a reader knows for how many each stands.
    pub fn state(&self) -> HeaderValue {
        self.state.clone()
    }
}

/// The least randomness of so many of a million.
fn threshold(share: u32) -> u64 {
    let all = 1_u64 << RANDOM_BITS;
    let taken = u128::from(all) * u128::from(share.min(WHOLE)) / u128::from(WHOLE);
    all - u64::try_from(taken).unwrap_or(all)
}

fn is_taken(threshold: u64, trace_id: u128) -> bool {
    let random = trace_id & ((1 << RANDOM_BITS) - 1);
    random >= u128::from(threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_taken_by_what_is_random_in_the_id_and_said_to_those_who_count() {
        const ONES: u128 = u128::MAX;
        for (share, state) in [(WHOLE, "ot=th:0"), (WHOLE / 2, "ot=th:8"), (WHOLE / 4, "ot=th:c")] {
            let sampling = Sampling::millionths(share);
            assert_eq!(sampling.state(), state);
            assert!(sampling.takes(ONES));
            assert_eq!(
                sampling.takes(ONES << RANDOM_BITS),
                share == WHOLE,
                "the rest of the id is not looked at"
            );
        }
        let none = Sampling::millionths(0);
        assert!(!none.takes(ONES) && !none.takes(0));
        let mut random = fastrand::Rng::with_seed(7);
        let tenth = Sampling::millionths(WHOLE / 10);
        let taken = (0..20_000).filter(|_| tenth.takes(random.u128(..))).count();
        assert!((1_800..2_200).contains(&taken), "{taken}");
    }
}
