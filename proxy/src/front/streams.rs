//! The streams that the control plane knows of, and what it has said to each.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use tokio::sync::Notify;

use super::frames::{CREDIT, Status};

/// What the control plane may not say.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misled {
    #[error("the control plane speaks of stream {0}, which there is not")]
    NoStream(u32),
    #[error("the control plane says more on stream {0}, which it has ended")]
    Over(u32),
    #[error("the control plane sends on stream {0} without credit")]
    NoCredit(u32),
}

/// By number.
#[derive(Debug, Default)]
pub struct Streams {
    open: RefCell<HashMap<u32, Rc<Said>>>,
    last: Cell<u32>,
}

/// What the control plane has said to one stream, until that has heard it.
#[derive(Debug, Default)]
pub struct Said {
    messages: RefCell<VecDeque<Bytes>>,
    /// Bytes of messages for which no credit went back.
    owed: Cell<usize>,
    status: RefCell<Option<Status>>,
    read_on: Cell<Option<usize>>,
    /// This side has said that the stream ended.
    gone: Cell<bool>,
    /// There is something to send.
    pub to_send: Notify,
    /// More may be read.
    pub to_read: Notify,
    /// The control plane has ended the stream.
    pub is_ended: Notify,
}

// === impl Streams ===

impl Streams {
    /// A new stream, and its number.
    pub fn open(&self) -> (u32, Rc<Said>) {
        let mut open = self.open.borrow_mut();
        let mut number = self.last.get();
        loop {
            number = number.wrapping_add(1);
            if number != 0 && !open.contains_key(&number) {
                break;
            }
        }
        self.last.set(number);
        let said = Rc::new(Said::default());
        open.insert(number, said.clone());
        (number, said)
    }

    /// This side says that it ended.
    pub fn end(&self, number: u32) {
        let mut open = self.open.borrow_mut();
        let Some(said) = open.get(&number) else { return };
        said.gone.set(true);
        said.messages.take();
        if said.status.borrow().is_some() {
            open.remove(&number);
        }
    }

    pub fn message(&self, number: u32, message: Bytes) -> Result<(), Misled> {
        let said = self.speaking(number)?;
        if said.owed.get() >= CREDIT {
            return Err(Misled::NoCredit(number));
        }
        if !said.gone.get() {
            said.owed.set(said.owed.get() + message.len());
            said.messages.borrow_mut().push_back(message);
            said.to_send.notify_one();
        }
        Ok(())
    }

    pub fn ended(&self, number: u32, status: Status) -> Result<(), Misled> {
        let said = self.speaking(number)?;
        *said.status.borrow_mut() = Some(status);
        if said.gone.get() {
            self.open.borrow_mut().remove(&number);
        }
        said.to_send.notify_one();
        said.is_ended.notify_one();
        Ok(())
    }

    pub fn read_on(&self, number: u32, largest: usize) -> Result<(), Misled> {
        let said = self.speaking(number)?;
        said.read_on.set(Some(largest));
        said.to_read.notify_one();
        Ok(())
    }

    fn speaking(&self, number: u32) -> Result<Rc<Said>, Misled> {
        let said = self.open.borrow().get(&number).cloned().ok_or(Misled::NoStream(number))?;
        let over = said.status.borrow().is_some();
        if over { Err(Misled::Over(number)) } else { Ok(said) }
    }
}

// === impl Said ===

impl Said {
    /// The next message that is to go out.
    pub fn next_message(&self) -> Option<Bytes> {
        self.messages.borrow_mut().pop_front()
    }

    /// So many bytes of messages have gone out: the credit that goes back for them now.
    pub fn credit(&self, written: &mut usize) -> Option<usize> {
        // A part is kept, so that small messages take fewer frames.
        if *written < CREDIT / 4 {
            return None;
        }
        let credit = std::mem::take(written);
        self.owed.set(self.owed.get().saturating_sub(credit));
        Some(credit)
    }

    /// How the stream is to end, when there is nothing more to send.
    pub fn status(&self) -> Option<Status> {
        self.status.borrow().clone()
    }

    /// Whether more than the first message may be read, and how large one may be.
    pub fn read_on(&self) -> Option<usize> {
        self.read_on.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status { code: 14, text: "come back".to_owned() }
    }

    #[test]
    fn a_stream_is_known_until_both_sides_have_ended_it_whoever_is_first() {
        let streams = Streams::default();
        let (number, _said) = streams.open();
        streams.end(number);
        // It was on its way.
        streams.message(number, Bytes::from_static(b"late")).unwrap();
        streams.read_on(number, 1).unwrap();
        streams.ended(number, status()).unwrap();
        assert_eq!(streams.ended(number, status()), Err(Misled::NoStream(number)));
        let (number, said) = streams.open();
        streams.ended(number, status()).unwrap();
        assert_eq!(streams.message(number, Bytes::new()), Err(Misled::Over(number)));
        assert_eq!(said.status(), Some(status()));
        streams.end(number);
        assert!(streams.open.borrow().is_empty());
        assert_eq!(streams.message(7, Bytes::new()), Err(Misled::NoStream(7)));
    }

    #[test]
    fn credit_bounds_what_waits_in_a_stream() {
        let streams = Streams::default();
        let (number, said) = streams.open();
        let message = || Bytes::from(vec![0; 6000]);
        for _ in 0..3 {
            streams.message(number, message()).unwrap();
        }
        assert_eq!(streams.message(number, message()), Err(Misled::NoCredit(number)));
        let mut written = 0;
        written += said.next_message().unwrap().len();
        assert_eq!(said.credit(&mut written), Some(6000));
        streams.message(number, message()).unwrap();
        let mut little = 100;
        assert_eq!((said.credit(&mut little), little), (None, 100));
    }

    #[test]
    fn numbers_go_round_past_those_in_use() {
        let streams = Streams::default();
        let (first, _said) = streams.open();
        streams.last.set(u32::MAX);
        assert_eq!((first, streams.open().0), (1, 2));
    }
}
