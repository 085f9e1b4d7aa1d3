//! How far this node's clock is from the control plane's, which says what time it is with each answer.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use tonic::metadata::MetadataMap;

/// A difference of clocks that certificates may fail for: they are valid from a minute before they are issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    by: Duration,
    is_behind: bool,
}

/// Half of what certificates bear.
const WORTH_A_WORD: Duration = Duration::from_secs(30);

// === impl Skew ===

impl Skew {
    /// From the `Date` of an answer to what was asked at `asked`; `None` where the clocks agree, or it does not say.
    pub(crate) fn measured(answer: &MetadataMap, asked: SystemTime) -> Option<Self> {
        let theirs = httpdate::parse_http_date(answer.get("date")?.to_str().ok()?).ok()?;
        Self::between(theirs, asked, SystemTime::now())
    }

    /// Theirs is of some moment between `asked` and `answered`.
    fn between(theirs: SystemTime, asked: SystemTime, answered: SystemTime) -> Option<Self> {
        let behind = theirs.duration_since(answered).unwrap_or_default();
        let ahead = asked.duration_since(theirs).unwrap_or_default();
        let (by, is_behind) = if behind > ahead { (behind, true) } else { (ahead, false) };
        (by > WORTH_A_WORD).then_some(Self { by, is_behind })
    }

    /// What an error says of it at its end.
    pub(crate) fn words(skew: &Option<Self>) -> String {
        skew.map(|skew| format!("; {skew}: set the clock")).unwrap_or_default()
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.is_behind { "behind" } else { "ahead of" };
        write!(f, "the clock of this node is {} s {direction} the control plane's", self.by.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_counts_beyond_the_time_that_the_answer_took() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(Skew::between(at(1_020), at(1_000), at(1_001)), None);
        assert_eq!(Skew::between(at(1_050), at(1_000), at(1_100)), None);
        let behind = Skew::between(at(1_400), at(1_000), at(1_001));
        assert_eq!(
            Skew::words(&behind),
            "; the clock of this node is 399 s behind the control plane's: set the clock"
        );
        let ahead = Skew::between(at(1_000), at(1_400), at(1_401));
        assert!(ahead.unwrap().to_string().ends_with("400 s ahead of the control plane's"));
    }
}
