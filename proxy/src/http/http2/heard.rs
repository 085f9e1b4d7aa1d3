//! A peer, as it is heard: when it last was, and what of its frames h2 gets to see.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

use super::frames::Frames;
use crate::tcp::writes_go_to_inner;

/// A stream that notes when something was read, and follows the frames.
#[derive(Debug)]
pub struct Heard<T> {
    inner: T,
    ear: Rc<Ear>,
    /// The head of a frame that was read on its own, on its way to the reader.
    head: [u8; 9],
    from: usize,
    until: usize,
}

/// What is known of a peer by listening.
#[derive(Debug)]
pub struct Ear {
    last: Cell<Instant>,
    frames: RefCell<Frames>,
}

// === impl Heard ===

impl<T> Heard<T> {
    /// The stream, and what will be known of its peer; that was last heard now.
    pub fn listen(inner: T, frames: Frames) -> (Self, Rc<Ear>) {
        let ear = Rc::new(Ear { last: Cell::new(Instant::now()), frames: RefCell::new(frames) });
        (Self { inner, ear: ear.clone(), head: [0; 9], from: 0, until: 0 }, ear)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Heard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.ear.has_much_unread() {
            // The driver looks after that first, and the readers get their turn.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if this.from < this.until {
                let part = buf.remaining().min(this.until - this.from);
                buf.put_slice(&this.head[this.from..this.from + part]);
                this.from += part;
                return Poll::Ready(Ok(()));
            }
            let missing = this.ear.frames.borrow().missing();
            if missing > 0 {
                let mut scratch = [0; 9];
                let mut more = ReadBuf::new(&mut scratch[..missing]);
                ready!(Pin::new(&mut this.inner).poll_read(cx, &mut more))?;
                let mut frames = this.ear.frames.borrow_mut();
                (this.from, this.until) = (0, 0);
                if more.filled().is_empty() {
                    (this.head, this.until) = frames.take_held();
                } else if let Some(head) = frames.complete(more.filled(), Instant::now()) {
                    (this.head, this.until) = (head, head.len());
                }
                continue;
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            let read = &mut buf.filled_mut()[before..];
            let ended = read.is_empty();
            let now = Instant::now();
            this.ear.last.set(now);
            let passed = this.ear.frames.borrow_mut().pass(read, now);
            buf.set_filled(before + passed);
            if ended || passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

writes_go_to_inner!(Heard);

// === impl Ear ===

impl Ear {
    /// When the peer was last heard of.
    pub fn last(&self) -> Instant {
        self.last.get()
    }

    /// Whether so much has come since [`Self::forget_unread`] that what nobody reads should be looked after. Nothing more is
    /// read before.
    pub fn has_much_unread(&self) -> bool {
        self.frames.borrow().unread().is_much()
    }

    /// Whether trailers on this stream, which have come, may be without their last fields. See [`Frames::take_long`].
    pub fn may_have_cut(&self, stream: u32) -> bool {
        self.frames.borrow_mut().take_long(stream)
    }

    /// What has come was looked after.
    pub fn forget_unread(&self) {
        self.frames.borrow_mut().forget_unread();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::test_util::frame;

    fn of_server() -> Frames {
        Frames::of_server(64 * 1024, 16 * 1024)
    }

    /// Gives so many bytes with each read.
    struct Slow<'a>(&'a [u8], usize);

    impl AsyncRead for Slow<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let part = self.1.min(self.0.len()).min(buf.remaining());
            let (now, rest) = self.0.split_at(part);
            buf.put_slice(now);
            self.0 = rest;
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn frames_arrive_as_they_were_sent_however_small_the_reads_and_their_buffers() {
        let sent = [frame(0, 0, 1, b"abc"), frame(0, 0, 1, b""), frame(0, 1, 1, b"")].concat();
        for (arrives, room) in [(1, 64), (3, 1), (8, 3), (10, 2), (64, 1), (12, 64)] {
            let (mut heard, _) = Heard::listen(Slow(&sent, arrives), of_server());
            let mut got: Vec<u8> = Vec::new();
            let mut buffer = vec![0; room];
            loop {
                match heard.read(&mut buffer).await.unwrap() {
                    0 => break,
                    read => got.extend(&buffer[..read]),
                }
            }
            let wanted = [frame(0, 0, 1, b"abc"), frame(0, 1, 1, b"")].concat();
            assert_eq!(got, wanted, "{arrives} bytes at a time into {room}");
        }
    }

    #[tokio::test]
    async fn a_stream_that_ends_within_a_head_is_read_to_its_end() {
        let (mut heard, _) = Heard::listen(&[0, 0, 3, 0][..], of_server());
        let mut got = Vec::new();
        heard.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, [0, 0, 3, 0]);
    }
}
