//! A connection's socket and what was read from it, shared by those who read, write and wait on it. All of one thread.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::unconstrained;

use super::Error;
use super::framing::Framing;
use crate::tcp::{Prefixed, ResetOnClose, Stream, with_scratch};

/// See the module. No borrow is held while anything else runs.
#[derive(Debug)]
pub struct Io {
    stream: RefCell<Stream>,
    /// Read, and not used yet.
    unread: RefCell<Bytes>,
    reading: Cell<Reading>,
    /// Who waits for the end of the body that is being read.
    waiting: RefCell<Option<Waker>>,
    /// To be sent before the body is read: that it is wanted.
    interim: Cell<&'static [u8]>,
    interim_begun: Cell<bool>,
    /// Bytes that were read, and that were written.
    read: Cell<u64>,
    written: Cell<u64>,
}

/// What becomes of the body of the message that came last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// All of it was read, or there was none: the next message follows.
    Ended,
    UnderWay,
    /// Nobody wants the rest.
    Left(Framing),
    /// It is malformed, or was cut off: nothing can follow.
    Broken,
}

// === impl Io ===

impl Io {
    pub fn new(stream: Stream) -> Rc<Self> {
        Rc::new(Self {
            stream: RefCell::new(stream),
            unread: RefCell::default(),
            reading: Cell::new(Reading::Ended),
            waiting: RefCell::default(),
            interim: Cell::default(),
            interim_begun: Cell::default(),
            read: Cell::default(),
            written: Cell::default(),
        })
    }

    /// Looks at what is unread and may take from its front.
    pub fn with_unread<R>(&self, take: impl FnOnce(&mut Bytes) -> R) -> R {
        let mut unread = self.unread.borrow_mut();
        let result = take(&mut unread);
        if unread.is_empty() {
            *unread = Bytes::new(); // gives the buffer behind it back
        }
        result
    }

    pub fn has_unread(&self) -> bool {
        !self.unread.borrow().is_empty()
    }

    /// Reads more behind what is unread. Gives how much; nothing is the end.
    pub fn poll_fill(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        with_scratch(|scratch| {
            let mut buf = ReadBuf::new(scratch);
            ready!(Pin::new(&mut *self.stream.borrow_mut()).poll_read(cx, &mut buf))?;
            let read = buf.filled();
            self.read.set(self.read.get() + read.len() as u64);
            let mut unread = self.unread.borrow_mut();
            *unread = if unread.is_empty() {
                Bytes::copy_from_slice(read)
            } else {
                [&unread, read].concat().into()
            };
            Poll::Ready(Ok(read.len()))
        })
    }

    /// What `take` takes from the front of what was read, once it is all there; `None`: the other side has ended the
    /// connection before a byte of it.
    pub fn poll_take<T>(
        &self,
        cx: &mut Context<'_>,
        take: impl Fn(&mut Bytes) -> Result<Option<T>, Error>,
    ) -> Poll<Result<Option<T>, Error>> {
        loop {
            if self.has_unread()
                && let Some(taken) = self.with_unread(&take)?
            {
                return Poll::Ready(Ok(Some(taken)));
            }
            match ready!(self.poll_fill(cx))? {
                0 if self.has_unread() => return Poll::Ready(Err(Error::Closed)),
                0 => return Poll::Ready(Ok(None)),
                _ => {}
            }
        }
    }

    /// Whether the other side has neither closed the connection nor said anything.
    pub fn is_silent(&self) -> bool {
        let mut byte = [0];
        let mut byte = ReadBuf::new(&mut byte);
        // Costs no system call while nothing has come. Not counted as work of this task, which would be told to wait where it
        // has done much: that is no silence.
        let mut cx = Context::from_waker(Waker::noop());
        let looking = poll_fn(|cx| Pin::new(&mut *self.stream.borrow_mut()).poll_read(cx, &mut byte));
        pin!(unconstrained(looking)).poll(&mut cx).is_pending()
    }

    pub fn poll_write(&self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut *self.stream.borrow_mut()).poll_write_vectored(cx, parts))? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => {
                self.written.set(self.written.get() + written as u64);
                Poll::Ready(Ok(written))
            }
        }
    }

    /// How much was read so far.
    pub fn read(&self) -> u64 {
        self.read.get()
    }

    /// How much was written so far.
    pub fn written(&self) -> u64 {
        self.written.get()
    }

    /// Whether the connection is reset rather than ended when it is closed from now on, be it that the process ends.
    pub fn reset_on_close(&self, resets: bool) {
        // Failing to set it means that the other side is gone.
        let _ = self.stream.borrow().reset_on_close(resets);
    }

    /// Ends both directions for whoever still reads or writes.
    pub fn shut(&self) {
        // It may have ended by itself.
        let _ = self.stream.borrow().shut();
    }

    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.borrow_mut()).poll_flush(cx)
    }

    /// Ends our side of the connection.
    pub fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.borrow_mut()).poll_shutdown(cx)
    }

    /// Has `line` sent before the body is read.
    pub fn say_before_body(&self, line: &'static [u8]) {
        self.interim.set(line);
    }

    /// What of that line has not been sent, and will not be any more.
    pub fn take_unsaid(&self) -> &'static [u8] {
        self.interim.take()
    }

    /// Sends the rest of that line, where a part of it has left.
    pub fn poll_begun_interim(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.interim_begun.get() { self.poll_interim(cx) } else { Poll::Ready(Ok(())) }
    }

    pub fn poll_interim(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.interim.get().is_empty() {
            let written = ready!(self.poll_write(cx, &[IoSlice::new(self.interim.get())]))?;
            self.interim.set(&self.interim.get()[written..]);
            self.interim_begun.set(!self.interim.get().is_empty());
            if self.interim.get().is_empty() {
                // What a flush is late with leaves with the next.
                let _ = self.poll_flush(cx)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    pub fn reading(&self) -> Reading {
        self.reading.get()
    }

    pub fn set_reading(&self, reading: Reading) {
        self.reading.set(reading);
        if reading != Reading::UnderWay
            && let Some(waiting) = self.waiting.take()
        {
            waiting.wake();
        }
    }

    /// Waits until nobody reads the body any more.
    pub fn poll_reading_over(&self, cx: &mut Context<'_>) -> Poll<Reading> {
        match self.reading.get() {
            Reading::UnderWay => {
                *self.waiting.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
            reading => Poll::Ready(reading),
        }
    }

    /// The bare stream, to be read from where HTTP ended.
    pub fn into_stream(self) -> Prefixed<Stream> {
        Prefixed::new(self.unread.into_inner(), self.stream.into_inner())
    }
}
