//! What workers see, for people: asked by the control runtime, answered between two sweeps, off the path of requests.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// A worker that does not answer this long is busy; the others are shown without it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The worker's end: somebody wants to know.
pub type Questions = mpsc::Receiver<oneshot::Sender<Value>>;

/// The askers' end, with a line to every worker. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Views {
    workers: Arc<Mutex<Vec<mpsc::Sender<oneshot::Sender<Value>>>>>,
}

// === impl Views ===

impl Views {
    /// The line to one more worker.
    pub fn worker(&self) -> Questions {
        let (asker, questions) = mpsc::channel(4);
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(asker);
        questions
    }

    /// What each worker sees, in their order; null for one that does not answer in time.
    pub async fn ask(&self) -> Vec<Value> {
        let askers = self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut views = Vec::with_capacity(askers.len());
        for asker in askers {
            let (reply, answer) = oneshot::channel();
            let asked = asker.try_send(reply).is_ok();
            let answer = if asked { tokio::time::timeout(PATIENCE, answer).await.ok() } else { None };
            views.push(answer.and_then(Result::ok).unwrap_or(Value::Null));
        }
        views
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_does_not_answer_is_left_out() {
        let views = Views::default();
        let (mut quick, _stuck) = (views.worker(), views.worker());
        drop(views.worker());
        tokio::spawn(async move { quick.recv().await.unwrap().send(Value::from(1)) });
        assert_eq!(views.ask().await, [Value::from(1), Value::Null, Value::Null]);
    }
}
