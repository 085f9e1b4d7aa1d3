//! Whether the proxy may take traffic. Readiness cannot be forgotten: each part that must come up first holds a
//! [`BlockReady`], and dropping the last one, however that happens, makes the proxy ready.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// What still keeps the proxy from being ready. Clones share one list.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    missing: Mutex<Vec<&'static str>>,
    changed: Notify,
}

/// Keeps the proxy unready until dropped.
#[derive(Debug)]
#[must_use = "dropping this makes the proxy ready"]
pub struct BlockReady {
    readiness: Readiness,
    name: &'static str,
}

// === impl Readiness ===

impl Readiness {
    /// A proxy that nothing blocks yet, and that is therefore ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Blocks readiness until the guard is dropped. `name` is shown to whoever asks why, so it says what is missing:
    /// "identity certificate", "workload configuration".
    pub fn block(&self, name: &'static str) -> BlockReady {
        self.with(|names| names.push(name));
        BlockReady { readiness: self.clone(), name }
    }

    /// What is missing, in the order it was asked for. Empty means ready.
    pub fn missing(&self) -> Vec<&'static str> {
        self.with(|names| names.clone())
    }

    /// Whether nothing is missing.
    pub fn is_ready(&self) -> bool {
        self.with(|names| names.is_empty())
    }

    /// Waits until nothing is missing.
    pub async fn ready(&self) {
        loop {
            // Made before the look, or a change between the two would be waited for in vain.
            let changed = self.0.changed.notified();
            if self.is_ready() {
                return;
            }
            changed.await;
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<&'static str>) -> T) -> T {
        // A list of names is whole after any panic.
        act(&mut self.0.missing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl BlockReady ===

impl Drop for BlockReady {
    fn drop(&mut self) {
        let name = self.name;
        let left = self.readiness.with(|names| {
            if let Some(index) = names.iter().position(|held| *held == name) {
                names.remove(index);
            }
            names.len()
        });
        self.readiness.0.changed.notify_waiters();
        tracing::debug!(part = name, waiting_for = left, "came up");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_the_last_block_makes_ready_and_each_is_named_until_then() {
        let readiness = Readiness::new();
        let identity = readiness.block("identity");
        let workload = readiness.block("workload");
        assert_eq!(readiness.missing(), ["identity", "workload"]);
        drop(identity);
        assert_eq!(readiness.missing(), ["workload"]);
        drop(workload);
        assert!(readiness.is_ready());
    }

    #[tokio::test]
    async fn whoever_waits_is_told_at_once() {
        let readiness = Readiness::new();
        let (first, second) = (readiness.block("identity"), readiness.block("workload"));
        let waiting = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.ready().await }
        });
        tokio::task::yield_now().await;
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
        readiness.ready().await;
    }

    #[test]
    fn two_blocks_of_one_name_count_twice() {
        let readiness = Readiness::new();
        let first = readiness.block("listeners");
        let _second = readiness.block("listeners");
        drop(first);
        assert!(!readiness.is_ready());
    }
}
