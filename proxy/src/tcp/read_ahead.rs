//! Fewer reads where much comes in: TLS asks for 4 KB at a time, which is a system call for each quarter of a record.
//!
//! A read that fills all the room there was says that more is waiting. The next one then goes into a buffer of its own,
//! and what comes after is served from there. The buffer lives until it is empty, so that a connection with little to read,
//! or none, holds none.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::writes_go_to_inner;
use crate::held::{Count, USUAL_READ, read_size};

/// Reads ahead of its user; writes go straight to `inner`.
#[derive(Debug)]
pub struct ReadAhead<T> {
    inner: T,
    ahead: Bytes,
    /// The last read filled all the room there was.
    more: bool,
    held: Count,
}

// === impl ReadAhead ===

impl<T> ReadAhead<T> {
    pub fn new(inner: T) -> Self {
        Self { inner, ahead: Bytes::new(), more: false, held: Count::default() }
    }

    /// What it reads from.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }
}

impl<T: AsyncRead + Unpin> ReadAhead<T> {
    fn poll_window(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let size = read_size();
        let mut window = BytesMut::with_capacity(size);
        // The future keeps nothing between polls, so it may be made anew for each.
        let read = ready!(pin!(self.inner.read_buf(&mut window)).poll(cx))?;
        self.more = read >= size;
        self.ahead = window.freeze();
        self.held.set(size);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ReadAhead<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            if !self.more || buf.remaining() >= USUAL_READ {
                let room = buf.remaining();
                ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
                self.more = buf.remaining() == 0 && room > 0;
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_window(cx))?;
        }
        let n = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead[..n]);
        self.ahead.advance(n);
        if self.ahead.is_empty() {
            self.ahead = Bytes::new(); // gives the buffer behind it back
            self.held.set(0);
        }
        Poll::Ready(Ok(()))
    }
}

writes_go_to_inner!(ReadAhead);

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what is asked for and counts how often.
    struct Counting {
        left: usize,
        reads: usize,
    }

    impl AsyncRead for Counting {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.reads += 1;
            let n = self.left.min(buf.remaining());
            for at in 0..n {
                buf.put_slice(&[((self.left - at) % 251) as u8]);
            }
            self.left -= n;
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn many_small_reads_of_much_are_few_large_ones_and_every_byte_comes_in_order() {
        let mut stream = ReadAhead::new(Counting { left: 1_000_000, reads: 0 });
        let (mut left, mut chunk) = (1_000_000, [0; 4096]);
        loop {
            let n = stream.read(&mut chunk).await.unwrap();
            if n == 0 {
                break;
            }
            for byte in &chunk[..n] {
                assert_eq!(*byte, (left % 251) as u8);
                left -= 1;
            }
        }
        assert_eq!(left, 0);
        assert!(stream.inner.reads < 8, "{} reads", stream.inner.reads);
    }

    #[tokio::test]
    async fn a_connection_with_little_to_read_holds_no_buffer() {
        let mut stream = ReadAhead::new(Counting { left: 4096 + 100, reads: 0 });
        let mut chunk = [0; 4096];
        assert_eq!(stream.read(&mut chunk).await.unwrap(), 4096);
        assert_eq!(stream.read(&mut chunk).await.unwrap(), 100);
        assert!(stream.ahead.is_empty() && !stream.more);
        assert_eq!(stream.inner.reads, 2);
    }
}
