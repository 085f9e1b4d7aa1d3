//! A request's body that can be sent again, as long as it is small.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::oneshot;

use super::{Incoming, WireError};

/// What is kept of a body at most; a longer one is sent once.
pub const REPLAY_LIMIT: usize = 64 * 1024;
/// What each piece of it counts as at the least: what it costs to keep one.
const PIECE: usize = 64;
/// A piece from this length on is kept as it was read, with a share of that in memory that is not much larger.
const WHOLE_READ: usize = 32 * 1024;

/// One reading of a body, from its beginning. While the body arrives only the latest goes on; the others fail.
#[derive(Debug)]
pub struct Playing {
    tape: Rc<Tape>,
    reading: Option<u32>,
    position: usize,
}

#[derive(Debug)]
struct Tape {
    source: RefCell<Incoming>,
    seen: RefCell<Vec<Kept>>,
    bytes: Cell<usize>,
    /// What was read is not kept any more.
    lost: Cell<bool>,
    /// All of it was read.
    ended: Cell<bool>,
    readings: Cell<u32>,
    /// The reading that waits for more.
    reader: RefCell<Option<Waker>>,
    /// Get the whole body when it has passed.
    waiting: RefCell<Vec<oneshot::Sender<Result<Recorded, TooLong>>>>,
}

/// A body that has passed, from its beginning.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    kept: VecDeque<Kept>,
}

/// A body was longer than [`REPLAY_LIMIT`].
#[derive(Clone, Copy, Debug)]
pub struct TooLong;

#[derive(Clone, Debug)]
enum Kept {
    Data(Bytes),
    Trailers(http::HeaderMap),
}

// === impl Playing ===

impl Playing {
    pub fn record(source: Incoming) -> Self {
        let tape = Tape {
            source: RefCell::new(source),
            seen: RefCell::default(),
            bytes: Cell::new(0),
            lost: Cell::new(false),
            ended: Cell::new(false),
            readings: Cell::new(0),
            reader: RefCell::default(),
            waiting: RefCell::default(),
        };
        Self { tape: Rc::new(tape), reading: None, position: 0 }
    }

    /// The body once more, from its beginning.
    pub fn again(&self) -> Self {
        Self { tape: self.tape.clone(), reading: None, position: 0 }
    }

    /// The whole body, once it has passed. Nobody is held up for it; where the body ends early, so does the wait.
    pub fn recorded(&self) -> oneshot::Receiver<Result<Recorded, TooLong>> {
        let (tell, told) = oneshot::channel();
        self.tape.waiting.borrow_mut().push(tell);
        told
    }

    /// Whether all that was read is still there.
    pub fn is_whole(&self) -> bool {
        !self.tape.lost.get()
    }

    /// Whether all of it is there, so that several readings can go on at a time.
    pub fn is_complete(&self) -> bool {
        self.is_whole() && (self.tape.ended.get() || self.tape.source.borrow().is_end_stream())
    }

    pub fn size_hint(&self) -> SizeHint {
        let ahead = self.tape.seen.borrow().iter().skip(self.position).map(Kept::len).sum::<usize>() as u64;
        let rest = self.tape.source.borrow().size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(ahead));
        }
        hint
    }

    pub fn is_end_stream(&self) -> bool {
        self.position >= self.tape.seen.borrow().len() && self.tape.source.borrow().is_end_stream()
    }

    /// The next frame. A reading that another has overtaken fails, so that whoever sends it gives up, whatever became of the
    /// answer.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        let tape = &self.tape;
        let reading = *self.reading.get_or_insert_with(|| {
            tape.readings.set(tape.readings.get() + 1);
            if let Some(overtaken) = tape.reader.take() {
                overtaken.wake();
            }
            tape.readings.get()
        });
        if reading != tape.readings.get() && !self.is_complete() {
            return Poll::Ready(Some(Err(WireError::Overtaken)));
        }
        if let Some(kept) = tape.seen.borrow().get(self.position) {
            self.position += 1;
            return Poll::Ready(Some(Ok(kept.frame())));
        }
        if tape.ended.get() {
            return Poll::Ready(None);
        }
        if Rc::strong_count(tape) == 1 && tape.waiting.borrow().is_empty() {
            tape.stop_keeping();
        }
        let polled = Pin::new(&mut *tape.source.borrow_mut()).poll_frame(cx);
        let Poll::Ready(frame) = polled else {
            *tape.reader.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        };
        match &frame {
            Some(Ok(frame)) => {
                tape.keep(frame);
                self.position = tape.seen.borrow().len();
            }
            Some(Err(_)) => {}
            None => tape.ended.set(true),
        }
        match &frame {
            Some(Err(_)) => tape.waiting.borrow_mut().clear(),
            Some(Ok(_)) if !tape.source.borrow().is_end_stream() => {}
            _ => tape.tell(),
        }
        Poll::Ready(frame)
    }
}

// === impl Tape ===

impl Tape {
    fn keep(&self, frame: &Frame<Bytes>) {
        let length = frame.data_ref().map_or(0, Bytes::len).max(PIECE);
        self.bytes.set(self.bytes.get().saturating_add(length));
        if self.lost.get() || self.bytes.get() > REPLAY_LIMIT {
            self.stop_keeping();
            self.tell();
            return;
        }
        let kept = match (frame.data_ref(), frame.trailers_ref()) {
            // It may be a small part of much that was read at once, and would keep all of it in memory.
            (Some(data), _) if data.len() < WHOLE_READ => Kept::Data(Bytes::copy_from_slice(data)),
            (Some(data), _) => Kept::Data(data.clone()),
            (_, Some(trailers)) => Kept::Trailers(trailers.clone()),
            _ => return,
        };
        self.seen.borrow_mut().push(kept);
    }

    /// It is too long, or nobody is left who could want it again.
    fn stop_keeping(&self) {
        self.lost.set(true);
        self.seen.replace(Vec::new());
    }

    fn tell(&self) {
        for waiting in self.waiting.take() {
            let recorded = Recorded { kept: self.seen.borrow().iter().cloned().collect() };
            // Who has stopped waiting does not want it.
            let _ = waiting.send(if self.lost.get() { Err(TooLong) } else { Ok(recorded) });
        }
    }
}

// === impl Recorded ===

impl From<Bytes> for Recorded {
    fn from(body: Bytes) -> Self {
        Self { kept: (!body.is_empty()).then_some(Kept::Data(body)).into_iter().collect() }
    }
}

impl Recorded {
    pub fn next_frame(&mut self) -> Option<Frame<Bytes>> {
        self.kept.pop_front().map(|kept| kept.frame())
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Exact but before trailers, which a length in front of the body would leave no place for.
    pub fn size_hint(&self) -> SizeHint {
        let length = self.kept.iter().map(Kept::len).sum::<usize>() as u64;
        if self.kept.iter().any(|kept| matches!(kept, Kept::Trailers(_))) {
            return SizeHint::default();
        }
        SizeHint::with_exact(length)
    }
}

// === impl Kept ===

impl Kept {
    fn len(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(_) => 0,
        }
    }

    fn frame(&self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data.clone()),
            Self::Trailers(trailers) => Frame::trailers(trailers.clone()),
        }
    }
}
