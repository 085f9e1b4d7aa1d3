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
        let ended = self.ended.clone();
        let task = async move {
            let outcome = work.await;
            let reason = outcome.map_or_else(|error| error.to_string(), |()| "nothing left to do".to_owned());
            // A full channel means that another part was first.
            let _ = ended.try_send(Fatal::PartEnded { part, reason });
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
    /// The first part to end.
    pub(super) async fn first(&mut self) -> Fatal {
        match self.0.recv().await {
            Some(fatal) => fatal,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_part_to_end_is_named_whether_it_fails_or_just_stops() {
        for (expected, fails) in
            [("probes ended: no more sockets", true), ("probes ended: nothing left to do", false)]
        {
            let (parts, mut ended) = channel();
            parts.spawn_forever("identity", std::future::pending());
            parts.spawn("probes", async move {
                if fails { Err(std::io::Error::other("no more sockets")) } else { Ok(()) }
            });
            assert_eq!(ended.first().await.to_string(), expected);
        }
    }
}
