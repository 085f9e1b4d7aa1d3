//! Live requests, for people who watch: each is told when it has ended, also one that was refused, cancelled or broken off.
//!
//! While nobody watches a request costs one relaxed load of a number that all workers have in their caches, in
//! [`Metrics::about`](super::Metrics::about); everything below happens only while somebody does. Then, too, no lock is on the path
//! of a request: each thread keeps the set of taps it has seen last. What a watcher gets is bounded in rate and in what waits for it,
//! and it never makes anybody wait: what does not fit is counted, and told.

mod event;
mod filter;
mod question;
mod rate;
mod trail;
mod watch;

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use http::HeaderName;
use tokio::sync::mpsc;

use self::event::{Event, line};
use self::filter::Filter;
use self::rate::Rate;

pub use question::{BadTap, Question};
pub(crate) use trail::ByteTrail;
pub use trail::Ended;
pub(super) use trail::Trail;
pub use watch::Watch;

/// Watchers of one proxy.
pub const MOST: usize = 4;
/// Lines that wait for a watcher.
const QUEUE: usize = 256;

/// Names each set of taps of this process, so that a thread knows whether it has seen the latest.
static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The set that this thread has seen last, with its number.
    static SEEN: RefCell<(u64, Set)> = RefCell::default();
}

/// What holds a tap is its watcher alone: what others remember of one that has ended costs no queue.
type Set = Arc<[Weak<Tap>]>;

/// Who watches the requests of this proxy. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Taps(Arc<All>);

#[derive(Debug, Default)]
struct All {
    /// Zero: nobody. The number of `set` otherwise.
    number: AtomicU64,
    set: Mutex<Set>,
}

/// One watcher, as workers see it.
#[derive(Debug)]
struct Tap {
    filter: Filter,
    /// Headers whose values it is shown though they may be secret.
    shows: Vec<HeaderName>,
    /// Who this pod is.
    own: Box<str>,
    rate: Rate,
    left_out: AtomicU64,
    lines: mpsc::Sender<Vec<u8>>,
}

/// As many watch as may.
#[derive(Debug, thiserror::Error)]
#[error("{MOST} taps are on in this proxy already; try again when one of them has ended")]
pub struct TooMany;

// === impl Taps ===

impl Taps {
    /// Whether anybody watches.
    pub fn is_on(&self) -> bool {
        self.0.number.load(Ordering::Relaxed) != 0
    }

    /// Who watches now.
    fn current(&self) -> Option<Set> {
        let number = self.0.number.load(Ordering::Relaxed);
        if number == 0 {
            return None;
        }
        SEEN.with_borrow_mut(|seen| {
            if seen.0 != number {
                *seen = (number, self.lock().clone());
            }
            Some(seen.1.clone())
        })
    }

    /// One more watches, from the proxy of the pod that is `own`, until it or its time is gone.
    pub fn open(&self, question: Question, own: &str) -> Result<Watch, TooMany> {
        let (sender, lines) = mpsc::channel(QUEUE);
        let tap = Arc::new(Tap {
            filter: question.filter,
            shows: question.shows,
            own: own.into(),
            rate: Rate::new(question.rate),
            left_out: AtomicU64::new(0),
            lines: sender,
        });
        let mut set = self.lock();
        if set.len() >= MOST {
            return Err(TooMany);
        }
        let more = set.iter().cloned().chain([Arc::downgrade(&tap)]).collect();
        self.put(&mut set, more);
        drop(set);
        Ok(Watch::new(self.clone(), tap, lines, question.most, question.lasts))
    }

    fn close(&self, tap: &Arc<Tap>) {
        let mut set = self.lock();
        let is_it = |other: &Weak<Tap>| std::ptr::eq(other.as_ptr(), Arc::as_ptr(tap));
        let fewer = set.iter().filter(|other| !is_it(other)).cloned().collect();
        self.put(&mut set, fewer);
    }

    fn put(&self, set: &mut Set, new: Set) {
        let number = if new.is_empty() { 0 } else { NEXT.fetch_add(1, Ordering::Relaxed) };
        *set = new;
        self.0.number.store(number, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Set> {
        self.0.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Tap ===

impl Tap {
    /// Tells the watcher of what it wants to see, unless that is too much for it.
    fn offer(&self, event: &Event<'_>) {
        if !self.filter.takes(event, &self.own) {
            return;
        }
        if !self.rate.allows() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match self.lines.try_reserve() {
            Ok(place) => place.send(line(event, self)),
            Err(_) => drop(self.left_out.fetch_add(1, Ordering::Relaxed)),
        }
    }

    fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
