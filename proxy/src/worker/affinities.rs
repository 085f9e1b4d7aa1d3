//! Which endpoints of Services a pod keeps to. The one thing that workers share of what they choose.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Which endpoint the pod keeps to, for each backend of each destination. Clones share it; the lock is for who builds a
/// destination, never for a request.
#[derive(Clone, Debug, Default)]
pub struct Affinities(Arc<Mutex<HashMap<Name, Arc<Kept>>>>);

/// The key of a destination, and the name of its backend.
type Name = (Arc<str>, Arc<str>);

/// What the pod keeps to at one backend.
#[derive(Debug)]
pub struct Kept {
    /// Number of the endpoint; 0: none yet.
    pub endpoint: AtomicU64,
    /// Second of the last request, since `began`. Written once a second, by whoever is first.
    used: AtomicU64,
    began: Instant,
    /// The longest that any version of the destination asked for, in seconds.
    lasts: AtomicU64,
}

// === impl Affinities ===

impl Affinities {
    /// Forgets what nobody uses any more, and gives that of a backend.
    pub fn kept(&self, destination: &Arc<str>, backend: &Arc<str>, lasts: Duration) -> Arc<Kept> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        known.retain(|_, kept| Arc::strong_count(kept) > 1 || kept.is_fresh(now, kept.lasts()));
        let kept =
            known.entry((destination.clone(), backend.clone())).or_insert_with(|| Arc::new(Kept::new(now)));
        kept.lasts.store(lasts.as_secs(), Ordering::Relaxed);
        kept.clone()
    }
}

// === impl Kept ===

impl Kept {
    fn new(began: Instant) -> Self {
        Self { endpoint: AtomicU64::new(0), used: AtomicU64::new(0), began, lasts: AtomicU64::new(0) }
    }

    fn lasts(&self) -> Duration {
        Duration::from_secs(self.lasts.load(Ordering::Relaxed))
    }

    /// Whether there was a request less than `lasts` before `now`.
    pub fn is_fresh(&self, now: Instant, lasts: Duration) -> bool {
        let unused = self.seconds(now).saturating_sub(self.used.load(Ordering::Relaxed));
        unused < lasts.as_secs()
    }

    fn seconds(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs()
    }

    /// There is a request.
    pub fn touch(&self, now: Instant) {
        let now = self.seconds(now);
        if self.used.load(Ordering::Relaxed) != now {
            self.used.store(now, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nobody_uses_is_forgotten_once_its_time_has_passed() {
        const LASTS: Duration = Duration::from_secs(60);
        tokio::time::pause();
        let affinities = Affinities::default();
        let kept = |name: &str| affinities.kept(&"shop/carts:80".into(), &name.into(), LASTS);
        let known = || affinities.0.lock().unwrap().len();
        let held = kept("held");
        drop(kept("left"));
        tokio::time::advance(LASTS / 2).await;
        drop(kept("late"));
        assert_eq!(known(), 3);
        tokio::time::advance(2 * LASTS).await;
        drop(kept("new"));
        assert_eq!(known(), 2, "what is held, and the new one");
        drop(held);
    }
}
