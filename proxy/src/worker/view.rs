//! What workers see, for people: asked by the control runtime, answered between two sweeps, off the path of requests.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::explain::Question;

/// A worker that does not answer this long is busy; the others are shown without it.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same for one that may have to ask the control plane first.
const EXPLAIN_PATIENCE: Duration = Duration::from_secs(4);

/// The worker's end: somebody wants to know.
pub type Questions = mpsc::Receiver<Asked>;

/// What somebody wants to know, and where the answer goes.
#[derive(Debug)]
pub struct Asked {
    pub(super) what: What,
    pub(super) reply: oneshot::Sender<Value>,
}

/// What a worker can be asked.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// What its balancers weigh.
    Balancers,
    /// What would become of a request.
    Explain(Arc<Question>),
}

/// The askers' end, with a line to every worker. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Views {
    workers: Arc<Mutex<Vec<mpsc::Sender<Asked>>>>,
}

// === impl Views ===

impl Views {
    /// The line to one more worker.
    pub fn worker(&self) -> Questions {
        let (asker, questions) = mpsc::channel(4);
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(asker);
        questions
    }

    /// What the balancers of each worker weigh, in their order; null for one that does not answer in time.
    pub async fn ask(&self) -> Vec<Value> {
        self.put(&What::Balancers, PATIENCE).await
    }

    /// What each worker would do with a request, in their order; null for one that does not answer in time.
    pub async fn explain(&self, question: Question) -> Vec<Value> {
        self.put(&What::Explain(question.into()), EXPLAIN_PATIENCE).await
    }

    async fn put(&self, what: &What, patience: Duration) -> Vec<Value> {
        let askers = self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ask = |asker: mpsc::Sender<Asked>| {
            let (reply, answer) = oneshot::channel();
            asker.try_send(Asked { what: what.clone(), reply }).is_ok().then_some(answer)
        };
        // All are asked before the first is waited for, and one deadline holds for all.
        let (asked, until) = (askers.into_iter().map(ask).collect::<Vec<_>>(), Instant::now() + patience);
        let mut views = Vec::with_capacity(asked.len());
        for answer in asked {
            let answer = match answer {
                Some(answer) => tokio::time::timeout_at(until, answer).await.ok(),
                None => None,
            };
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
        tokio::spawn(async move { quick.recv().await.unwrap().reply.send(Value::from(1)) });
        assert_eq!(views.ask().await, [Value::from(1), Value::Null, Value::Null]);
    }
}
