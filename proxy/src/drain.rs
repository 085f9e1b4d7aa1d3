//! The end of a proxy's life as a value that is passed down.
//!
//! Draining begins at the preStop hook or at SIGTERM, whichever comes first. From then on listeners still accept, since callers
//! learn late that the pod is going, but connections are asked to end: HTTP/2 with GOAWAY, HTTP/1.1 with
//! `Connection: close`. Each connection holds an [`InFlight`] guard; whoever drains waits for the last one or a deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Starts the drain. Cloned into the admin server and the signal handler; dropping it starts nothing.
#[derive(Clone, Debug)]
pub struct Trigger {
    started: Arc<watch::Sender<Option<Instant>>>,
    connections: Arc<Connections>,
}

/// Watched by everything that serves connections.
#[derive(Clone, Debug)]
pub struct Drain {
    started: watch::Receiver<Option<Instant>>,
    connections: Arc<Connections>,
}

/// A connection, or any other work, that a drain waits for until this is dropped.
#[derive(Debug)]
#[must_use = "a drain waits only while this is held"]
pub struct InFlight(Arc<Connections>);

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything in flight ended by itself.
    Drained,
    /// The deadline passed with this many connections still open.
    DeadlinePassed { open: usize },
}

#[derive(Debug, Default)]
struct Connections {
    open: AtomicUsize,
    none_left: Notify,
}

/// Makes the two ends of a drain.
pub fn channel() -> (Trigger, Drain) {
    let (sender, started) = watch::channel(None);
    let connections = Arc::new(Connections::default());
    (Trigger { started: Arc::new(sender), connections: connections.clone() }, Drain { started, connections })
}

// === impl Trigger ===

impl Trigger {
    /// Asks every connection to end and returns at once. Doing it again changes nothing. Returns when draining began.
    pub fn start(&self) -> Instant {
        let now = Instant::now();
        let mut began = now;
        self.started.send_if_modified(|started| {
            began = *started.get_or_insert(now);
            began == now
        });
        began
    }

    /// As [`drain`](Self::drain), and lets at least `least` pass from the start, unless `limit` is shorter: who has not heard
    /// yet that the pod is going still finds somebody who sends them elsewhere.
    pub async fn drain_after(&self, least: Duration, limit: Duration) -> Outcome {
        tokio::time::sleep_until(self.start() + least.min(limit)).await;
        self.drain(limit).await
    }

    /// Starts the drain and waits until nothing is in flight, at most until `limit` has passed since it was first
    /// started: SIGTERM after a preStop hook gets what the hook has left, so that both fit into one grace period.
    pub async fn drain(&self, limit: Duration) -> Outcome {
        let deadline = self.start() + limit;
        match tokio::time::timeout_at(deadline, self.connections.none_left()).await {
            Ok(()) => Outcome::Drained,
            Err(_) => Outcome::DeadlinePassed { open: self.connections.open.load(Ordering::SeqCst) },
        }
    }
}

// === impl Drain ===

impl Drain {
    /// Returns when draining starts, at once if it already has. Never returns if every [`Trigger`] is gone.
    pub async fn started(&self) {
        let mut started = self.started.clone();
        if started.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether draining has started.
    pub fn has_started(&self) -> bool {
        self.started.borrow().is_some()
    }

    /// Counts a connection as in flight.
    pub fn guard(&self) -> InFlight {
        self.connections.open.fetch_add(1, Ordering::SeqCst);
        InFlight(self.connections.clone())
    }
}

// === impl InFlight ===

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.none_left.notify_waiters();
        }
    }
}

// === impl Connections ===

impl Connections {
    async fn none_left(&self) {
        loop {
            // Registered before the count is read, so that the last guard cannot slip away in between.
            let notified = self.none_left.notified();
            if self.open.load(Ordering::SeqCst) == 0 {
                return;
            }
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn draining_waits_for_the_last_guard() {
        let (trigger, drain) = channel();
        let guards = [drain.guard(), drain.guard()];
        let task = tokio::spawn({
            let drain = drain.clone();
            async move {
                drain.started().await;
                for guard in guards {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    drop(guard);
                }
            }
        });
        assert!(!drain.has_started());
        let begin = Instant::now();
        assert_eq!(trigger.drain(Duration::from_secs(10)).await, Outcome::Drained);
        assert_eq!(begin.elapsed(), Duration::from_secs(2));
        task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_a_drain_and_says_what_was_open() {
        let (trigger, drain) = channel();
        let _guard = drain.guard();
        assert_eq!(trigger.drain(Duration::from_secs(3)).await, Outcome::DeadlinePassed { open: 1 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_that_lingers_sees_what_comes_late_and_keeps_to_its_limit() {
        let seconds = Duration::from_secs;
        let (trigger, drain) = channel();
        let task = tokio::spawn(async move {
            drain.started().await;
            tokio::time::sleep(seconds(2)).await;
            let _late = drain.guard();
            tokio::time::sleep(seconds(2)).await;
        });
        let begin = trigger.start();
        assert_eq!(trigger.drain_after(seconds(3), seconds(10)).await, Outcome::Drained);
        assert_eq!(begin.elapsed(), seconds(4));
        task.await.unwrap();
        let (trigger, _drain) = channel();
        let begin = trigger.start();
        assert_eq!(trigger.drain_after(seconds(3), seconds(1)).await, Outcome::Drained);
        assert_eq!(begin.elapsed(), seconds(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_drain_waits_for_the_same_work() {
        let (trigger, drain) = channel();
        let guard = drain.guard();
        let first = tokio::spawn({
            let trigger = trigger.clone();
            async move { trigger.drain(Duration::from_secs(9)).await }
        });
        drain.started().await;
        let second = tokio::spawn(async move { trigger.drain(Duration::from_secs(9)).await });
        tokio::task::yield_now().await;
        drop(guard);
        assert_eq!(first.await.unwrap(), Outcome::Drained);
        assert_eq!(second.await.unwrap(), Outcome::Drained);
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_counts_from_the_first_start() {
        let (trigger, drain) = channel();
        let _guard = drain.guard();
        let begin = trigger.start();
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(trigger.drain(Duration::from_secs(25)).await, Outcome::DeadlinePassed { open: 1 });
        assert_eq!(begin.elapsed(), Duration::from_secs(25));
    }

    #[tokio::test(start_paused = true)]
    async fn losing_every_trigger_is_not_a_drain() {
        let (trigger, drain) = channel();
        drop(trigger);
        assert!(tokio::time::timeout(Duration::from_secs(60), drain.started()).await.is_err());
    }
}
