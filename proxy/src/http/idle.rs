//! Tells from outside hyper when an HTTP/1.1 connection is between two requests, so that it can be kept without hyper.
//!
//! hyper keeps two buffers and its state for each connection, some 20 KB, also while nothing happens for hours, and clients
//! keep many connections. All of it may be dropped when no response is under way, the last request was read to its end, and
//! all that was written has left: then the connection is only its socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Response;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Body;
use crate::tcp::Stream;

/// A connection without anything to do this long is kept without hyper. Coming back costs a few microseconds.
const IDLE_AFTER: Duration = Duration::from_secs(1);

/// What a connection is doing. Of one thread; hyper asks that its halves could be sent to another.
#[derive(Debug, Default)]
pub struct Activity {
    under_way: AtomicU32,
    /// The last request has a body, and nobody here knows whether it was read to its end.
    body: AtomicBool,
    /// Something was written, and not all of it is known to have left.
    unflushed: AtomicBool,
    /// Something was read or written since the last look.
    moved: AtomicBool,
}

/// A request that is under way; dropping it ends it.
#[derive(Debug)]
pub struct Busy(Arc<Activity>);

pin_project! {
    /// An answer that is being made; its body keeps the connection busy. No async block: it would hold `answer`, which is
    /// kilobytes, twice.
    #[derive(Debug)]
    pub struct Answering<F> {
        #[pin]
        answer: F,
        busy: Option<Busy>,
    }
}

/// A connection whose bytes are noticed.
#[derive(Debug)]
pub struct Watched {
    pub stream: Stream,
    pub activity: Arc<Activity>,
}

// === impl Activity ===

impl Activity {
    /// A request has arrived.
    pub fn begin(self: &Arc<Self>, body: bool) -> Busy {
        self.body.store(body, Relaxed);
        self.under_way.store(self.under_way.load(Relaxed) + 1, Relaxed);
        Busy(self.clone())
    }

    /// Ends when the connection has had nothing to do for [`IDLE_AFTER`].
    pub async fn ended(&self) {
        loop {
            self.moved.store(false, Relaxed);
            tokio::time::sleep(IDLE_AFTER).await;
            if self.rests() {
                return;
            }
        }
    }

    fn rests(&self) -> bool {
        let busy = [&self.moved, &self.body, &self.unflushed].iter().any(|flag| flag.load(Relaxed));
        !busy && self.under_way.load(Relaxed) == 0
    }
}

// === impl Busy ===

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.under_way.store(self.0.under_way.load(Relaxed) - 1, Relaxed);
    }
}

// === impl Answering ===

impl<F> Answering<F> {
    pub fn new(answer: F, busy: Busy) -> Self {
        Self { answer, busy: Some(busy) }
    }
}

impl<F, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = ready!(this.answer.poll(cx));
        if let (Ok(response), Some(busy)) = (&mut answer, this.busy.take()) {
            response.body_mut().keep_busy(busy);
        }
        Poll::Ready(answer)
    }
}

// === impl Watched ===

impl Watched {
    fn wrote<T>(&self, poll: Poll<T>) -> Poll<T> {
        self.activity.moved.store(true, Relaxed);
        self.activity.unflushed.store(true, Relaxed);
        poll
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.activity.moved.store(true, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes the stream only once its own buffer is empty.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.activity.unflushed.store(false, Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_once_nothing_is_under_way_and_nothing_moves() {
        let activity = Arc::new(Activity::default());
        let idle = |seconds| timeout(Duration::from_secs(seconds), activity.ended());
        let busy = activity.begin(false);
        assert!(idle(60).await.is_err(), "a response may take its time");
        drop(busy);
        activity.unflushed.store(true, Relaxed);
        assert!(idle(60).await.is_err(), "the last of it has not left");
        activity.unflushed.store(false, Relaxed);
        drop(activity.begin(true));
        assert!(idle(60).await.is_err(), "a body may still come");
        drop(activity.begin(false));
        assert!(idle(3).await.is_ok());
    }
}
