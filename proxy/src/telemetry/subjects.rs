//! Whom series are about, and when that is over.
//!
//! Destinations and callers come and go, those that are pods with every rollout, and each leaves a histogram and its counters. What
//! keeps handles of metrics holds their subject; one that nobody has held for [`KEPT`] is gone, and so are its series.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Direction;

/// How long series stay after the last use of a destination, or the last connection of a caller: long enough for every scraper.
pub const KEPT: Duration = Duration::from_secs(3600);
/// Subjects that are kept though nobody holds them; beyond that those go first that were left first.
pub const MOST_LEFT: usize = 1024;
/// How often is looked.
const PAUSE: Duration = Duration::from_secs(60);

/// What a series is about: see [`Subject::of`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// What is dialled.
    Destination(String),
    /// Who calls; empty: whoever has proved nothing.
    Caller(String),
    /// Where somebody calls from who has proved nothing.
    Address(String),
}

/// While this is there, series of its subject are not forgotten.
#[derive(Clone, Debug)]
pub struct HeldSeries(#[allow(dead_code, reason = "counted by its references")] Arc<Subject>);

/// All that there are series of, with when they were left. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Subjects(Arc<Mutex<HashMap<Arc<Subject>, Option<Instant>>>>);

// === impl Subject ===

impl Subject {
    /// Outbound it is the destination that changes, inbound the caller.
    pub fn of(direction: Direction, destination: &str, peer: &str) -> Self {
        match direction {
            Direction::Outbound => Self::Destination(destination.to_owned()),
            Direction::Inbound => Self::Caller(peer.to_owned()),
        }
    }
}

// === impl Subjects ===

impl Subjects {
    /// Keeps what there is of `subject`, and will be, until the result is dropped.
    pub fn hold(&self, subject: Subject) -> HeldSeries {
        let subject = Arc::new(subject);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_key_value(&subject) {
            Some((known, _)) => HeldSeries(known.clone()),
            None => {
                all.insert(subject.clone(), None);
                HeldSeries(subject)
            }
        }
    }

    /// Has `forget` forget those that are gone, now and then, for ever.
    pub async fn watch(self, forget: impl Fn(&HashSet<Subject>)) {
        loop {
            tokio::time::sleep(PAUSE).await;
            self.look(Instant::now(), &forget);
        }
    }

    /// Under the lock, so that nobody takes a handle in between that would count for nobody.
    fn look(&self, now: Instant, forget: impl Fn(&HashSet<Subject>)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = Vec::new();
        for (subject, since) in all.iter_mut() {
            if Arc::strong_count(subject) > 1 {
                *since = None;
            } else {
                left.push((*since.get_or_insert(now), subject.clone()));
            }
        }
        left.sort_unstable_by_key(|(since, _)| *since);
        let beyond = left.len().saturating_sub(MOST_LEFT);
        let is_gone = |index: usize, since: Instant| index < beyond || now.duration_since(since) >= KEPT;
        let gone: HashSet<Subject> = left
            .into_iter()
            .enumerate()
            .filter(|(index, (since, _))| is_gone(*index, *since))
            .map(|(_, (_, subject))| (*subject).clone())
            .collect();
        if !gone.is_empty() {
            all.retain(|subject, _| !gone.contains(&**subject));
            forget(&gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn pod(number: usize) -> Subject {
        Subject::Destination(format!("shop/pod-{number}:80"))
    }

    fn gone(subjects: &Subjects, now: Instant) -> HashSet<Subject> {
        let gone = RefCell::default();
        subjects.look(now, |more| *gone.borrow_mut() = more.clone());
        gone.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_has_held_for_an_hour_is_gone_and_comes_back_as_new() {
        let (subjects, begin) = (Subjects::default(), Instant::now());
        let (held, left) = (subjects.hold(pod(1)), subjects.hold(pod(2)));
        drop((left, subjects.hold(pod(3))));
        assert!(gone(&subjects, begin).is_empty());
        let back = subjects.hold(pod(3));
        assert!(gone(&subjects, begin + KEPT / 2).is_empty());
        drop(back);
        assert_eq!(gone(&subjects, begin + KEPT), HashSet::from([pod(2)]), "the third was held again");
        drop(held);
        assert!(gone(&subjects, begin + KEPT).is_empty());
        assert_eq!(gone(&subjects, begin + 2 * KEPT), HashSet::from([pod(1), pod(3)]));
        assert!(subjects.0.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_were_left_first_go_first_where_there_are_too_many() {
        let (subjects, begin) = (Subjects::default(), Instant::now());
        for number in 0..MOST_LEFT {
            drop(subjects.hold(pod(number)));
        }
        assert!(gone(&subjects, begin).is_empty());
        let held: Vec<_> = (0..10).map(|number| subjects.hold(pod(number))).collect();
        for number in 0..30 {
            drop(subjects.hold(pod(MOST_LEFT + number)));
        }
        let gone = gone(&subjects, begin + Duration::from_secs(1));
        assert_eq!(gone.len(), 20);
        assert!(!gone.contains(&pod(0)) && !gone.contains(&pod(MOST_LEFT)));
        drop(held);
    }
}
