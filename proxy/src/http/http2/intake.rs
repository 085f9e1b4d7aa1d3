//! What streams have received and nobody has read yet.
//!
//! h2 keeps each DATA frame as it came: some 250 bytes beside what is in it, and with it all that was read from the socket at the
//! same time. It ends the connection, with everybody's requests, when small frames have cost it too much. A reader that pauses
//! is nobody's fault, so what it leaves is taken over from h2 now and then and kept as plain bytes. The window of its stream,
//! which bounds it, stays closed until it reads.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream};
use http::HeaderMap;

use super::heard::Ear;
use crate::held::{self, Count};

/// Shorter parts are copied together; a longer one is worth keeping what was read with it.
const SMALL: usize = 4 * 1024;

/// What comes in on one stream.
#[derive(Debug)]
pub struct Stream(Kept);

#[derive(Debug)]
enum Kept {
    /// All is here already: this data, if it is not empty, and then the end. h2 need not be asked any more.
    Here(Bytes),
    /// More comes, and is looked after while nobody reads.
    Coming { intake: Rc<RefCell<Intake>>, connection: Rc<Intakes>, read: usize },
}

/// What follows the data of a stream.
#[derive(Debug)]
pub struct Trailers {
    pub fields: HeaderMap,
    /// They were so long that h2 has left some out.
    pub cut: bool,
}

/// The streams of one connection that something is still to come on.
#[derive(Debug)]
pub struct Intakes {
    ear: Rc<Ear>,
    streams: RefCell<Vec<Weak<RefCell<Intake>>>>,
    /// The most that a reader has taken of its stream since that was forgotten.
    most_read: Cell<usize>,
}

/// A stream, with what was taken over from h2.
#[derive(Debug)]
struct Intake {
    stream: RecvStream,
    /// In this order; then what is in `tail`.
    kept: VecDeque<Bytes>,
    tail: BytesMut,
    /// How the data ended behind what is kept.
    ended: Option<Option<h2::Error>>,
    reader: Option<Waker>,
    /// What is kept.
    held: Count,
    /// What was kept and is owed to the sender's window.
    owed: usize,
}

thread_local! {
    /// Those of this worker.
    static CONNECTIONS: RefCell<Vec<Weak<Intakes>>> = const { RefCell::new(Vec::new()) };
}

/// Takes over what nobody has read on any connection of this worker, so that it counts. A connection does so by itself only once
/// that is much, which all of them together may be long before. Called about once a second.
pub fn count_unread() {
    let connections: Vec<_> = CONNECTIONS.with_borrow(|all| all.iter().filter_map(Weak::upgrade).collect());
    for intakes in connections {
        intakes.take_over();
    }
}

// === impl Stream ===

impl Stream {
    /// The next data, and `None` behind the last. What it gives is given back to the sender's window.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        match &mut self.0 {
            Kept::Here(data) => {
                Poll::Ready(Some(std::mem::take(data)).filter(|data| !data.is_empty()).map(Ok))
            }
            Kept::Coming { intake, connection, read } => {
                let polled = intake.borrow_mut().poll_data(cx);
                if let Poll::Ready(Some(Ok(data))) = &polled {
                    *read += data.len();
                    connection.most_read.set(connection.most_read.get().max(*read));
                }
                polled
            }
        }
    }

    /// The trailers, once there is no more data.
    pub fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Trailers>, h2::Error>> {
        match &mut self.0 {
            Kept::Here(_) => Poll::Ready(Ok(None)),
            Kept::Coming { intake, connection, .. } => {
                let stream = &mut intake.borrow_mut().stream;
                let fields = ready!(stream.poll_trailers(cx))?;
                let cut = connection.ear.may_have_cut(stream.stream_id().as_u32());
                Poll::Ready(Ok(fields.map(|fields| Trailers { fields, cut })))
            }
        }
    }

    /// Whether nothing follows, not even trailers.
    pub fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kept::Here(data) => data.is_empty(),
            Kept::Coming { intake, .. } => intake.borrow().is_end_stream(),
        }
    }
}

// === impl Intake ===

impl Intake {
    fn new(stream: RecvStream) -> Self {
        let (kept, tail) = (VecDeque::new(), BytesMut::new());
        Self { stream, kept, tail, ended: None, reader: None, held: Count::default(), owed: 0 }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let data = match self.take_kept() {
            Some(data) => {
                self.held.set(self.held.get() - data.len());
                data
            }
            None => match self.ended.take() {
                Some(end) => {
                    self.ended = Some(None);
                    return Poll::Ready(end.map(Err));
                }
                None => match self.poll_stream(cx) {
                    Poll::Ready(Some(Ok(data))) => data,
                    ended => return ended,
                },
            },
        };
        give_back(&mut self.stream, data.len());
        Poll::Ready(Some(Ok(data)))
    }

    fn is_end_stream(&self) -> bool {
        self.kept.is_empty()
            && self.tail.is_empty()
            && !matches!(self.ended, Some(Some(_)))
            && self.stream.is_end_stream()
    }

    /// Takes over from h2 what it keeps.
    fn take_over(&mut self) {
        // The reader's own waker, since h2 knows only the last: a reader that waits is woken as if it had asked itself.
        let reader = self.reader.clone().unwrap_or_else(|| Waker::noop().clone());
        let mut cx = Context::from_waker(&reader);
        while self.ended.is_none() {
            match self.poll_stream(&mut cx) {
                Poll::Pending => return,
                Poll::Ready(next) => self.keep(next),
            }
        }
    }

    fn keep(&mut self, next: Option<Result<Bytes, h2::Error>>) {
        if let Some(Ok(data)) = &next {
            self.held.set(self.held.get() + data.len());
        }
        match next {
            Some(Ok(data)) if data.len() < SMALL => self.tail.extend_from_slice(&data),
            Some(Ok(data)) => {
                if !self.tail.is_empty() {
                    self.kept.push_back(self.tail.split().freeze());
                }
                self.kept.push_back(data);
            }
            Some(Err(error)) => self.ended = Some(Some(error)),
            None => self.ended = Some(None),
        }
    }

    /// Lets go of what is kept: its reader is told that the stream broke off.
    fn give_up(&mut self) {
        self.owed += self.held.get();
        self.held.set(0);
        (self.kept, self.tail) = (VecDeque::new(), BytesMut::new());
        self.ended = Some(Some(Reason::ENHANCE_YOUR_CALM.into()));
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let polled = self.stream.poll_data(cx);
        if polled.is_pending() && !self.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            self.reader = Some(cx.waker().clone());
        }
        polled
    }

    fn take_kept(&mut self) -> Option<Bytes> {
        let tail = |tail: &mut BytesMut| (!tail.is_empty()).then(|| tail.split().freeze());
        self.kept.pop_front().or_else(|| tail(&mut self.tail))
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        // h2 gives back only what it keeps itself.
        let kept = self.held.get() + self.owed;
        if kept > 0 {
            give_back(&mut self.stream, kept);
        }
    }
}

// === impl Intakes ===

impl Intakes {
    /// Those of one more connection, whose peer `ear` hears.
    pub fn of_connection(ear: Rc<Ear>) -> Rc<Self> {
        let (streams, most_read) = Default::default();
        let intakes = Rc::new(Self { ear, streams, most_read });
        CONNECTIONS.with_borrow_mut(|all| {
            if all.len() == all.capacity() {
                all.retain(|intakes| intakes.strong_count() > 0);
            }
            all.push(Rc::downgrade(&intakes));
        });
        intakes
    }

    /// What comes in on a stream. Looked after from now on, unless all is here.
    pub fn stream(self: &Rc<Self>, stream: RecvStream) -> Stream {
        let mut stream = stream;
        if stream.is_end_stream() {
            return Stream(Kept::Here(Bytes::new()));
        }
        let intake = match stream.poll_data(&mut Context::from_waker(Waker::noop())) {
            // Most messages are short and came with their head: nothing is noted of these.
            Poll::Ready(Some(Ok(data))) if stream.is_end_stream() => {
                give_back(&mut stream, data.len());
                return Stream(Kept::Here(data));
            }
            Poll::Ready(first) => {
                let mut intake = Intake::new(stream);
                intake.keep(first);
                intake
            }
            Poll::Pending => Intake::new(stream),
        };
        let intake = Rc::new(RefCell::new(intake));
        let mut streams = self.streams.borrow_mut();
        if streams.len() == streams.capacity() {
            streams.retain(|stream| stream.strong_count() > 0);
        }
        streams.push(Rc::downgrade(&intake));
        Stream(Kept::Coming { intake, connection: self.clone(), read: 0 })
    }

    /// Takes over from h2 what nobody has read. Where the worker comes to hold too much by that, the streams that hold most are
    /// given up, of whatever connection.
    pub fn take_over(&self) {
        self.keep_all();
        while held::is_too_much() && give_up_largest() {
            held::gave_up();
        }
    }

    fn keep_all(&self) {
        self.streams.borrow_mut().retain(|stream| {
            let Some(intake) = stream.upgrade() else { return false };
            // One that is being read at this moment is looked after by its reader.
            if let Ok(mut intake) = intake.try_borrow_mut() {
                intake.take_over();
            }
            true
        });
    }

    /// The most that a reader has taken of its stream, in bytes.
    pub fn most_read(&self) -> usize {
        self.most_read.get()
    }

    /// Counts from here.
    pub fn forget_most_read(&self) {
        self.most_read.set(0);
    }
}

/// Whether there was one.
fn give_up_largest() -> bool {
    let held = |stream: &Rc<RefCell<Intake>>| stream.try_borrow().map_or(0, |stream| stream.held.get());
    let largest = CONNECTIONS.with_borrow(|all| {
        let connections = all.iter().filter_map(Weak::upgrade);
        let streams = connections.flat_map(|intakes| {
            intakes.streams.borrow().iter().filter_map(Weak::upgrade).collect::<Vec<_>>()
        });
        streams.max_by_key(held)
    });
    let Some(largest) = largest.filter(|stream| held(stream) > 0) else { return false };
    largest.borrow_mut().give_up();
    true
}

fn give_back(stream: &mut RecvStream, length: usize) {
    // Fails only where nothing is owed, and this is.
    let _ = stream.flow_control().release_capacity(length);
}
