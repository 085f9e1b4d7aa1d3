//! Carrying bytes both ways until both sides have ended.
//!
//! An idle connection holds no buffer: reads go into one scratch buffer per worker thread, and only what the other
//! side did not take at once is kept with the connection.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::{ResetOnClose, with_scratch};
use crate::held::Count;

/// Bytes carried so far, readable while the relay runs and after it failed.
#[derive(Debug, Default)]
pub struct Relayed {
    /// From the first stream to the second.
    pub there: Cell<u64>,
    /// From the second stream to the first.
    pub back: Cell<u64>,
}

// === impl Relayed ===

impl Relayed {
    /// Both ways together.
    pub fn total(&self) -> u64 {
        self.there.get().wrapping_add(self.back.get())
    }
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    /// Read but not taken yet by the writer.
    left: Vec<u8>,
    taken: usize,
    held: Count,
    /// The reader has no more: it has ended, or failed.
    ended: Option<io::Result<()>>,
    unflushed: bool,
    done: bool,
}

/// How long a caller may be silent whose server has ended: a server that closes leaves its kernel a minute later, without a word
/// to anybody who says nothing.
const AFTER_SERVER: Duration = Duration::from_secs(5 * 60);
/// How long a server may be silent whose caller has said all: it may work for long. What kube-proxy keeps such a connection.
const AFTER_CALLER: Duration = Duration::from_secs(3600);

/// Copies between `caller` and `server` until both have ended; the end of one side is passed on as the end of that side only.
/// What breaks off on one side, or is given up because this is dropped, breaks off on the other.
pub async fn relay<A, B>(caller: &mut A, server: &mut B, relayed: &Relayed) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + ResetOnClose + Unpin,
    B: AsyncRead + AsyncWrite + ResetOnClose + Unpin,
{
    reset_on_close(caller, server, true);
    let (mut there, mut back) = (Half::default(), Half::default());
    let mut half_closed = None;
    poll_fn(|cx| {
        // Both directions are polled each time, so that neither can starve the other, and so that a side that takes no more is
        // heard out before its failure ends both.
        let first = there.poll(cx, caller, server, &relayed.there);
        let second = back.poll(cx, server, caller, &relayed.back);
        let (first, second) = (first?, second?);
        let patience = match (first, second) {
            (Poll::Ready(()), Poll::Ready(())) => return Poll::Ready(Ok(())),
            (Poll::Pending, Poll::Pending) => return Poll::Pending,
            (Poll::Ready(()), Poll::Pending) => AFTER_CALLER,
            (Poll::Pending, Poll::Ready(())) => AFTER_SERVER,
        };
        let half_closed = half_closed.get_or_insert_with(|| HalfClosed::new(patience, relayed));
        half_closed.poll_silent(cx, relayed).map(Err)
    })
    .await?;
    reset_on_close(caller, server, false);
    Ok(())
}

/// Failing to set it means that the socket is gone.
fn reset_on_close(caller: &impl ResetOnClose, server: &impl ResetOnClose, resets: bool) {
    let _ = caller.reset_on_close(resets);
    let _ = server.reset_on_close(resets);
}

/// A connection of which one side has ended.
struct HalfClosed {
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    /// What had been carried when the timer was set.
    carried: u64,
}

// === impl HalfClosed ===

impl HalfClosed {
    fn new(patience: Duration, relayed: &Relayed) -> Self {
        Self { patience, timer: Box::pin(sleep(patience)), carried: relayed.total() }
    }

    /// Ready when the other side has been silent for too long; noticed up to as much again late.
    fn poll_silent(&mut self, cx: &mut Context<'_>, relayed: &Relayed) -> Poll<io::Error> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if self.carried == relayed.total() {
                return Poll::Ready(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "one side ended, the other is silent",
                ));
            }
            self.carried = relayed.total();
            self.timer.as_mut().set(sleep(self.patience));
        }
    }
}

// === impl Half ===

impl Half {
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        r: &mut R,
        w: &mut W,
        count: &Cell<u64>,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if self.done {
            return Poll::Ready(Ok(()));
        }
        let mut more = true;
        loop {
            ready!(self.poll_drain(cx, w, count))?;
            if let Some(ended) = &mut self.ended {
                std::mem::replace(ended, Ok(()))?;
                ready!(Pin::new(&mut *w).poll_shutdown(cx))?;
                self.done = true;
                return Poll::Ready(Ok(()));
            }
            if more && let Poll::Ready(filled) = self.poll_fill(cx, r, w, count)? {
                more = filled;
                continue;
            }
            if self.unflushed {
                ready!(Pin::new(&mut *w).poll_flush(cx))?;
                self.unflushed = false;
            }
            return Poll::Pending;
        }
    }

    /// Writes what an earlier read left.
    fn poll_drain<W>(&mut self, cx: &mut Context<'_>, w: &mut W, count: &Cell<u64>) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        while self.taken < self.left.len() {
            let n = ready!(Pin::new(&mut *w).poll_write(cx, &self.left[self.taken..]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.taken += n;
            count.set(count.get() + n as u64);
        }
        if self.taken > 0 {
            (self.left, self.taken) = (Vec::new(), 0);
            self.held.set(0);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads as much as there is, up to the scratch buffer, and writes at once as much as the writer takes. A TLS stream gives
    /// one record at a time, and several in one write are one system call. Answers whether there may be more at once; if
    /// not, the reader will wake the task.
    fn poll_fill<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        r: &mut R,
        w: &mut W,
        count: &Cell<u64>,
    ) -> Poll<io::Result<bool>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        with_scratch(|scratch| {
            let mut buf = ReadBuf::new(scratch);
            let mut more = true;
            while more && self.ended.is_none() && buf.remaining() > 0 {
                let before = buf.filled().len();
                match Pin::new(&mut *r).poll_read(cx, &mut buf) {
                    Poll::Ready(Ok(())) if buf.filled().len() == before => self.ended = Some(Ok(())),
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => self.ended = Some(Err(error)),
                    Poll::Pending if before == 0 => return Poll::Pending,
                    Poll::Pending => more = false,
                }
            }
            let read = buf.filled();
            if read.is_empty() {
                return Poll::Ready(Ok(more));
            }
            self.unflushed = true;
            let taken = match Pin::new(w).poll_write(cx, read)? {
                Poll::Ready(n) => n,
                Poll::Pending => 0,
            };
            count.set(count.get() + taken as u64);
            self.left.extend_from_slice(&read[taken..]);
            self.held.set(self.left.len());
            Poll::Ready(Ok(more))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn the_end_of_one_side_leaves_the_other_open() {
        let (mut client, mut near) = duplex(16);
        let (mut far, mut server) = duplex(16);
        let relayed = Relayed::default();
        let answer = vec![7; 200_000];
        let caller = async {
            client.write_all(b"a question longer than the pipe").await.unwrap();
            client.shutdown().await.unwrap();
            let mut got = Vec::new();
            client.read_to_end(&mut got).await.unwrap();
            got
        };
        let callee = async {
            let mut got = String::new();
            server.read_to_string(&mut got).await.unwrap();
            assert_eq!(got, "a question longer than the pipe");
            server.write_all(&answer).await.unwrap();
            server.shutdown().await.unwrap();
        };
        let (result, got, ()) = tokio::join!(relay(&mut near, &mut far, &relayed), caller, callee);
        result.unwrap();
        assert_eq!(got, answer);
        assert_eq!((relayed.there.get(), relayed.back.get()), (31, 200_000));
    }

    /// Has all of it at once, in pieces as TLS gives its records, and then fails.
    struct Records {
        left: usize,
        written: Vec<usize>,
    }

    impl AsyncRead for Records {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.left == 0 {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            self.left -= 1;
            buf.put_slice(&[7; 16 * 1024]);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Records {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.written.push(buf.len());
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn several_records_are_one_write_and_those_before_a_failure_are_not_lost() {
        let mut from = Records { left: 18, written: Vec::new() };
        let mut to = Records { left: 0, written: Vec::new() };
        let relayed = Relayed::default();
        let mut there = Half::default();
        let result = poll_fn(|cx| there.poll(cx, &mut from, &mut to, &relayed.there)).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(to.written, [256 * 1024, 32 * 1024]);
        assert_eq!(relayed.there.get(), 288 * 1024);
    }

    /// How long the side that has not ended may be silent, after it has said something half of `patience` later.
    async fn half_closed(server_ends: bool, patience: Duration) -> Duration {
        let (client, mut near) = duplex(16);
        let (mut far, server) = duplex(16);
        let (mut open, mut ended) = if server_ends { (client, server) } else { (server, client) };
        let relayed = Relayed::default();
        ended.shutdown().await.unwrap();
        let relaying = relay(&mut near, &mut far, &relayed);
        tokio::pin!(relaying);
        let early = tokio::time::timeout(patience / 2, &mut relaying).await;
        assert!(early.is_err(), "ended early");
        open.write_all(b"more").await.unwrap();
        let spoke = tokio::time::Instant::now();
        assert_eq!(relaying.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        spoke.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_is_silent_after_its_server_has_ended_is_given_up() {
        let after = half_closed(true, AFTER_SERVER).await;
        assert!((AFTER_SERVER..=AFTER_SERVER * 2).contains(&after), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_silent_after_its_caller_has_ended_is_given_up_much_later() {
        let after = half_closed(false, AFTER_CALLER).await;
        assert!((AFTER_CALLER..=AFTER_CALLER * 2).contains(&after), "{after:?}");
    }

    #[tokio::test]
    async fn a_broken_side_ends_the_relay_and_what_was_carried_is_known() {
        let (mut client, mut near) = duplex(16);
        let (mut far, server) = duplex(16);
        let relayed = Relayed::default();
        client.write_all(b"hello").await.unwrap();
        drop(server);
        assert!(relay(&mut near, &mut far, &relayed).await.is_err());
        assert_eq!(relayed.there.get(), 0);
    }
}
