//! Parts that must live as long as the process: the first to end takes it down, since a proxy without, say, its
//! configuration client would look healthy and go stale.

use std::{
    fmt::Display,
    sync::{Mutex, PoisonError},
};

use tokio::{sync::mpsc, task::JoinSet};

use crate::error::Fatal;

/// Starts parts. They end with it.
pub(super) struct Parts {
    tasks: Mutex<JoinSet<()>>,
    ended: mpsc::Sender<Fatal>,
}

/// Hears of the first part that ends.
pub(super) struct Ended(mpsc::Receiver<Fatal>);

/// Reports the end of a part, however it comes.
struct Report {
    part: &'static str,
    reason: Option<String>,
    ended: mpsc::Sender<Fatal>,
}

pub(super) fn channel() -> (Parts, Ended) {
    let (ended, receiver) = mpsc::channel(1);
    (Parts { tasks: Mutex::default(), ended }, Ended(receiver))
}

// === impl Parts ===

impl Parts {
    /// Runs a part that ends only by failing.
    pub(super) fn spawn<E: Display>(
        &self,
        part: &'static str,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let report = Report { part, reason: None, ended: self.ended.clone() };
        let task = async move {
            let outcome = work.await;
            report.give(outcome.map_or_else(|error| error.to_string(), |()| "nothing left to do".to_owned()));
        };
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }

    /// Runs a part that never ends.
    pub(super) fn spawn_forever(&self, part: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn(part, async move {
            work.await;
            Ok::<(), std::convert::Infallible>(())
        });
    }
}

// === impl Ended ===

impl Ended {
    /// The first part that ended.
    pub(super) async fn first(&mut self) -> Fatal {
        match self.0.recv().await {
            Some(fatal) => fatal,
            None => std::future::pending().await,
        }
    }
}

// === impl Report ===

impl Report {
    fn give(mut self, reason: String) {
        self.reason = Some(reason);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let reason = self.reason.take().unwrap_or_else(|| "panicked".to_owned());
        // A full channel means that another part was first.
        let _ = self.ended.try_send(Fatal::PartEnded { part: self.part, reason });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_part_to_end_is_named_whether_it_fails_or_panics_or_just_stops() {
        for (expected, work) in [
            ("probes ended: no more sockets", 0),
            ("probes ended: panicked", 1),
            ("probes ended: nothing left to do", 2),
        ] {
            let (parts, mut ended) = channel();
            parts.spawn_forever("identity", std::future::pending());
            parts.spawn("probes", async move {
                match work {
                    0 => Err(std::io::Error::other("no more sockets")),
                    1 => panic!("on purpose"),
                    _ => Ok(()),
                }
            });
            assert_eq!(ended.first().await.to_string(), expected);
        }
    }
}
