//! When a certificate is to be renewed: at its time, by whichever clock says so first, and soon after the mesh changed its issuer.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, sleep};

use super::CertState;

/// Decides for one certificate after the other.
#[derive(Debug)]
pub(crate) struct Due {
    /// Holds the fingerprint of the issuer that the mesh signs with; absent where the control plane does not say.
    notice: PathBuf,
    renew_at: SystemTime,
    /// The same on a clock that nobody sets back, but that stands while a node sleeps.
    renew_by: Instant,
    /// Over how long the proxies of a mesh spread when its issuer has changed.
    spread: Duration,
    /// Drawn when the change was seen.
    early: Option<Instant>,
    every: Duration,
}

/// How often to look at clock and notice.
const EVERY: Duration = Duration::from_secs(5);
const FIRST_SPREAD: Duration = Duration::from_secs(20);
/// A replica may sign with the former issuer for a while; whoever got such a certificate is not to ask all the time.
const LAST_SPREAD: Duration = Duration::from_secs(3_600);

// === impl Due ===

impl Due {
    /// For `state`, with the notice at `notice`.
    pub(crate) fn new(notice: PathBuf, state: &CertState) -> Self {
        let (renew_at, renew_by) = renewal_time(state);
        Self { notice, renew_at, renew_by, spread: FIRST_SPREAD, early: None, every: EVERY }
    }

    #[cfg(test)]
    pub(crate) fn hurried(&mut self) {
        (self.every, self.spread) = (Duration::from_millis(20), Duration::from_millis(100));
    }

    /// Resolves when `state` is to be renewed.
    pub(crate) async fn wait(&mut self, state: &CertState) {
        while !self.is_now(state, SystemTime::now(), Instant::now()) {
            let left = self.renew_by.saturating_duration_since(Instant::now());
            sleep(left.min(self.every)).await;
        }
    }

    /// `state` has come into use.
    pub(crate) fn renewed(&mut self, state: &CertState) {
        (self.renew_at, self.renew_by) = renewal_time(state);
        if self.early.take().is_some() {
            self.spread = (self.spread * 2).min(LAST_SPREAD);
        }
    }

    fn is_now(&mut self, state: &CertState, now: SystemTime, at: Instant) -> bool {
        if !self.is_under_another(state) {
            (self.early, self.spread) = (None, self.spread.min(FIRST_SPREAD));
        } else if self.early.is_none() {
            self.early = Some(at + self.spread.mul_f64(fastrand::f64()));
        }
        now >= self.renew_at || at >= self.renew_by || self.early.is_some_and(|early| at >= early)
    }

    fn is_under_another(&self, state: &CertState) -> bool {
        let Ok(notice) = std::fs::read_to_string(&self.notice) else { return false };
        let wanted = notice.trim();
        let is_fingerprint = wanted.len() == 64 && wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_fingerprint && state.issuer().is_some_and(|issuer| issuer != wanted)
    }
}

/// A random point between 50 and 70 % of the life, so that pods that started together do not renew together.
fn renewal_time(state: &CertState) -> (SystemTime, Instant) {
    let life = state.not_after.duration_since(state.not_before).unwrap_or_default();
    let at = state.not_before + life.mul_f64(0.5 + 0.2 * fastrand::f64());
    (at, Instant::now() + at.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::TestCa;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn a_node_that_slept_renews_at_once_and_a_clock_that_was_set_back_does_not_put_it_off() {
        let (ca, now, at) = (TestCa::new("cluster.local"), SystemTime::now(), Instant::now());
        let state = ca.state(&ca.id("shop", "web"), (now, now + 24 * HOUR), ca.trust());
        let mut due = Due::new("/nowhere".into(), &state);
        assert!(!due.is_now(&state, now + 11 * HOUR, at + 11 * HOUR));
        assert!(due.is_now(&state, now + 17 * HOUR, at), "its clock stood while the node slept");
        assert!(due.is_now(&state, now - HOUR, at + 17 * HOUR), "somebody set the other clock back");
    }

    #[tokio::test]
    async fn another_issuer_is_a_reason_to_renew_soon_and_a_lasting_difference_one_to_ask_ever_less() {
        let (ca, now, at) = (TestCa::new("cluster.local"), SystemTime::now(), Instant::now());
        let state = ca.state(&ca.id("shop", "web"), (now, now + 24 * HOUR), ca.trust());
        let dir = tempfile::tempdir().unwrap();
        let notice = dir.path().join("issuer");
        let mut due = Due::new(notice.clone(), &state);
        for (text, is_due) in [
            (state.issuer().unwrap().to_owned(), false),
            ("garbage".to_owned(), false),
            ("0".repeat(64), true),
        ] {
            std::fs::write(&notice, &text).unwrap();
            due.is_now(&state, now, at);
            assert_eq!(due.is_now(&state, now, at + FIRST_SPREAD), is_due, "{text}");
        }
        for _ in 0..20 {
            due.renewed(&state);
            due.is_now(&state, now, at);
        }
        assert_eq!(due.spread, LAST_SPREAD);
        std::fs::write(&notice, state.issuer().unwrap()).unwrap();
        assert!(!due.is_now(&state, now, at + 2 * HOUR));
        assert_eq!(due.spread, FIRST_SPREAD);
    }
}
