//! Handshakes take turns, so that callers who have proved nothing cannot keep a worker from those who have.
//!
//! A step of a handshake is some hundred microseconds of cryptography on the thread that carries everybody's requests. When many
//! come at once, one step is taken, then everything else that is ready, then the next step. Nobody holds a turn while it waits
//! for its peer.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// Steps that are taken between two looks at everything else.
const AT_ONCE: usize = 1;

/// Whose turn it is, of one worker. Those who wait get theirs in the order in which they came.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Rc<Semaphore>);

// === impl Turns ===

impl Default for Turns {
    fn default() -> Self {
        Self(Rc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Turns {
    /// Does `work`, each step of it in a turn.
    pub async fn of<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        loop {
            let turn = self.0.acquire().await;
            // Everything else that is ready comes first, while the turn keeps other handshakes waiting.
            yield_now().await;
            let step = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
            drop(turn);
            match step {
                Poll::Ready(done) => return done,
                Poll::Pending => until_woken().await,
            }
        }
    }
}

/// Ends when the task is polled again.
async fn until_woken() {
    let mut polled = false;
    poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    #[tokio::test]
    async fn between_two_steps_others_get_their_turn_and_who_waits_for_a_peer_holds_none() {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let turns = Turns::default();
        let local = LocalSet::new();
        local
            .run_until(async {
                let silent = turns.clone();
                let silent = spawn_local(async move { silent.of(std::future::pending::<()>()).await });
                let handshakes: Vec<_> = (0..5)
                    .map(|number| {
                        let (turns, seen) = (turns.clone(), seen.clone());
                        spawn_local(async move {
                            turns.of(async { seen.borrow_mut().push(Some(number)) }).await;
                        })
                    })
                    .collect();
                let requests = seen.clone();
                let requests = spawn_local(async move {
                    for _ in 0..6 {
                        requests.borrow_mut().push(None);
                        yield_now().await;
                    }
                });
                for handshake in handshakes {
                    handshake.await.unwrap();
                }
                requests.await.unwrap();
                silent.abort();
            })
            .await;
        let seen = seen.borrow();
        let order: Vec<_> = seen.iter().filter_map(|step| *step).collect();
        assert_eq!(order, [0, 1, 2, 3, 4]);
        let longest = seen.split(Option::is_none).map(<[_]>::len).max();
        assert!(longest <= Some(2), "{seen:?}");
    }
}
