//! Messages that have not come whole: how much of memory they take together, and for how long one may.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::frames::{FIRST_MESSAGE, Status};

/// Beyond what each stream may hold: who sends the first part of a large request and never the rest is one of few.
const MOST: usize = 32 * 1024 * 1024;
/// From the first byte of a message to its last, without the time in which its stream was not read.
const WHOLE: Duration = Duration::from_secs(10);

/// What all streams hold together.
#[derive(Debug, Default)]
pub struct Partials {
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    held: usize,
    last: u64,
    /// In the order in which they began.
    holders: BTreeMap<u64, Holder>,
}

#[derive(Debug)]
struct Holder {
    bytes: usize,
    /// It is to give up.
    gives_up: Rc<Notify>,
}

/// The message of one stream that has not come whole, until it has or this is dropped.
#[derive(Debug)]
pub struct Partial {
    all: Rc<Partials>,
    since: Option<Instant>,
    held: Option<(u64, Rc<Notify>)>,
}

// === impl Partials ===

impl Partials {
    pub fn of_stream(self: &Rc<Self>) -> Partial {
        Partial { all: self.clone(), since: None, held: None }
    }
}

// === impl State ===

impl State {
    fn begin(&mut self) -> (u64, Rc<Notify>) {
        self.last += 1;
        let gives_up = Rc::new(Notify::new());
        self.holders.insert(self.last, Holder { bytes: 0, gives_up: gives_up.clone() });
        (self.last, gives_up)
    }

    fn end(&mut self, number: u64) {
        if let Some(holder) = self.holders.remove(&number) {
            self.held -= holder.bytes;
        }
    }

    /// One of them holds so many bytes now. Where all hold too much, whoever holds longest goes first: it had the most time for
    /// the rest.
    fn hold(&mut self, number: u64, bytes: usize) {
        // It was told to give up, and has not yet.
        let Some(holder) = self.holders.get_mut(&number) else { return };
        self.held = self.held - holder.bytes + bytes;
        holder.bytes = bytes;
        while self.held > MOST
            && let Some((_, oldest)) = self.holders.pop_first()
        {
            self.held -= oldest.bytes;
            oldest.gives_up.notify_one();
        }
    }
}

// === impl Partial ===

impl Partial {
    /// The stream waits for the rest of a message, which takes so many bytes of memory.
    pub fn wait(&mut self, bytes: usize) {
        self.since.get_or_insert_with(Instant::now);
        let bytes = bytes.saturating_sub(FIRST_MESSAGE);
        if bytes == 0 && self.held.is_none() {
            return;
        }
        let mut state = self.all.state.borrow_mut();
        let (number, _) = self.held.get_or_insert_with(|| state.begin());
        state.hold(*number, bytes);
    }

    /// The stream waits for no rest: its message has come, or the next has not begun.
    pub fn end(&mut self) {
        self.since = None;
        if let Some((number, _)) = self.held.take() {
            self.all.state.borrow_mut().end(number);
        }
    }

    /// Resolves when the stream is to wait no longer, with how it ends.
    pub async fn given_up(&self) -> Status {
        let late = async {
            match self.since {
                Some(since) => sleep_until(since + WHOLE).await,
                None => pending().await,
            }
        };
        let told = async {
            match &self.held {
                Some((_, gives_up)) => gives_up.notified().await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = late => {
                let text = format!("a message did not come whole within {} s", WHOLE.as_secs());
                Status { code: Status::DEADLINE_EXCEEDED, text }
            }
            () = told => {
                let text = "too many bytes of unfinished messages are under way, and this one waits for its rest the longest";
                Status { code: Status::RESOURCE_EXHAUSTED, text: text.to_owned() }
            }
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const MESSAGE: usize = 1024 * 1024 + FIRST_MESSAGE;
    const SOON: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn unfinished_messages_are_bounded_together_and_who_holds_longest_goes_first() {
        let all = Rc::new(Partials::default());
        let mut small: Vec<_> = (0..10_000).map(|_| all.of_stream()).collect();
        small.iter_mut().for_each(|one| one.wait(FIRST_MESSAGE));
        assert_eq!(all.state.borrow().held, 0);
        let mut large: Vec<_> = (0..34).map(|_| all.of_stream()).collect();
        large.iter_mut().for_each(|one| one.wait(MESSAGE));
        for (at, one) in large.iter().enumerate() {
            let told = timeout(Duration::from_millis(1), one.given_up()).await.ok().map(|status| status.code);
            assert_eq!(told, (at < 2).then_some(Status::RESOURCE_EXHAUSTED), "{at}");
        }
        // What is whole is not counted any more, and what has given up already is not counted twice.
        large.remove(0);
        large[1].end();
        assert_eq!(all.state.borrow().held, 31 * 1024 * 1024);
        drop(large);
        let state = all.state.borrow();
        assert!(state.held == 0 && state.holders.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_has_ten_seconds_however_slowly_it_grows_and_the_next_has_as_many() {
        let mut partial = Rc::new(Partials::default()).of_stream();
        let began = Instant::now();
        for bytes in 1.. {
            partial.wait(bytes);
            if let Ok(status) = timeout(SOON, partial.given_up()).await {
                assert_eq!(status.code, Status::DEADLINE_EXCEEDED);
                break;
            }
        }
        assert_eq!(began.elapsed(), WHOLE);
        partial.end();
        assert!(timeout(WHOLE * 100, partial.given_up()).await.is_err());
        partial.wait(1);
        assert!(timeout(WHOLE / 2, partial.given_up()).await.is_err());
    }
}
