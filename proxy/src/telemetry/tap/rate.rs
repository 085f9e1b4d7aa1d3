//! So many a second, counted by all workers in one number, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

const SECOND: u64 = 1_000_000_000;

/// The generic cell rate algorithm: a second's worth may come at once.
#[derive(Debug)]
pub(super) struct Rate {
    since: Instant,
    /// Nanoseconds between two.
    step: u64,
    /// When the next would come if they came evenly, in nanoseconds from the beginning.
    next: AtomicU64,
}

// === impl Rate ===

impl Rate {
    pub fn new(per_second: u32) -> Self {
        let step = SECOND / u64::from(per_second.max(1));
        Self { since: Instant::now(), step, next: AtomicU64::new(0) }
    }

    /// Whether one more fits.
    pub fn allows(&self) -> bool {
        let now = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let (step, burst) = (self.step, SECOND - self.step);
        let moved = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            (next.saturating_sub(now) <= burst).then(|| next.max(now).saturating_add(step))
        });
        moved.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_seconds_worth_comes_at_once_and_then_so_many_a_second() {
        for per_second in [1, 3, 20] {
            let rate = Rate::new(per_second);
            let burst = || (0..1000).filter(|_| rate.allows()).count();
            assert_eq!(burst(), per_second as usize);
            tokio::time::advance(Duration::from_secs(5)).await;
            assert_eq!(burst(), per_second as usize, "silence saves up no more than a second's worth");
            tokio::time::advance(Duration::from_millis(1001) / per_second).await;
            assert_eq!(burst(), 1);
        }
    }
}
