//! When the peer was last heard of.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

use crate::tcp::writes_go_to_inner;

/// A stream that takes down when something was read.
#[derive(Debug)]
pub struct Heard<T> {
    inner: T,
    last: Rc<Cell<Instant>>,
}

// === impl Heard ===

impl<T> Heard<T> {
    /// The stream, and when it was last heard of: now.
    pub fn listen(inner: T) -> (Self, Rc<Cell<Instant>>) {
        let last = Rc::new(Cell::new(Instant::now()));
        (Self { inner, last: last.clone() }, last)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Heard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.last.set(Instant::now());
        Poll::Ready(Ok(()))
    }
}

writes_go_to_inner!(Heard);
