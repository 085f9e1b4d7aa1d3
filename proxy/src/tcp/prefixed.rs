//! A stream whose first bytes were read already, to find out what it speaks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf};

use super::writes_go_to_inner;

/// Reads `prefix` first and then `inner`; writes go to `inner`.
#[derive(Debug)]
pub struct Prefixed<T> {
    prefix: Bytes,
    inner: T,
}

// === impl Prefixed ===

impl<T> Prefixed<T> {
    pub fn new(prefix: Bytes, inner: T) -> Self {
        Self { prefix, inner }
    }

    /// What is behind the prefix.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The same stream, to be read from `prefix` on. All of an earlier prefix must have been read.
    pub fn after(self, prefix: Bytes) -> Self {
        debug_assert!(self.prefix.is_empty(), "bytes would change their order");
        Self { prefix, ..self }
    }
}

impl<T> From<T> for Prefixed<T> {
    fn from(inner: T) -> Self {
        Self::new(Bytes::new(), inner)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Prefixed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let n = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix[..n]);
        self.prefix.advance(n);
        if self.prefix.is_empty() {
            self.prefix = Bytes::new(); // gives the buffer behind it back
        }
        Poll::Ready(Ok(()))
    }
}

writes_go_to_inner!(Prefixed);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn the_prefix_comes_first_whatever_the_size_of_the_reads() {
        for step in 1..8 {
            let mut stream = Prefixed::new(Bytes::from_static(b"hello "), &b"world"[..]);
            let (mut all, mut chunk) = (Vec::new(), vec![0; step]);
            loop {
                let n = stream.read(&mut chunk).await.unwrap();
                if n == 0 {
                    break;
                }
                all.extend_from_slice(&chunk[..n]);
            }
            assert_eq!(all, b"hello world");
        }
    }
}
