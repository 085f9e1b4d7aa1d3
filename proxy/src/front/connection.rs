//! One connection of a proxy: whether it still lives, and how it ends.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::{Ping, PingPong, Reason};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::hub::{Course, Hub};
use super::stream::{self, Peer};

/// After so long, and up to a tenth more, a connection is asked to end: it carries new certificates to old connections, and spreads
/// proxies over replicas.
const AGE: Duration = Duration::from_secs(30 * 60);
/// How long streams may go on when a connection was asked to end.
pub const DRAIN: Duration = Duration::from_secs(5);
/// A proxy that says nothing for so long is pinged, and gone after as long again.
const LOOK: Duration = Duration::from_secs(20);
/// From the end of the handshake to the beginning of HTTP/2.
const PREFACE: Duration = Duration::from_secs(5);

const MOST_STREAMS: u32 = 4;
/// New streams: so many at once, then one each [`STREAM_EVERY`]. A proxy opens two.
const STREAM_BURST: u32 = 16;
const STREAM_EVERY: Duration = Duration::from_millis(250);
/// What is on its way of a request before it is read.
const WINDOW: u32 = 32 * 1024;
const HEADERS: u32 = 16 * 1024;
/// What waits of one stream in HTTP/2, beside what waits in [`super::streams`].
const UNSENT: usize = 16 * 1024;

/// Serves a connection whose handshake is done. `left` is how long the certificate that it showed is still valid.
pub async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin + 'static,
    peer: Peer,
    left: Duration,
    heard: Heard,
    hub: Rc<Hub>,
) {
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(MOST_STREAMS)
        .initial_window_size(WINDOW)
        .max_header_list_size(HEADERS)
        .max_send_buffer_size(UNSENT)
        .handshake::<_, Bytes>(io);
    let Ok(Ok(mut h2)) = timeout(PREFACE, handshake).await else { return };
    let Some(ping) = h2.ping_pong() else { return };
    let mut watch = Watch { heard, last: 0, ping, is_pinged: false };
    let mut course = hub.course();
    let Course { cuts, is_cut, draining } = *course.borrow_and_update();
    // It came to this while the handshake was made.
    if is_cut || draining {
        return;
    }
    let (peer, drain) = (Rc::new(peer), Rc::new(Drain::default()));
    let mut budget = Budget { full_at: Instant::now() };
    let mut age = std::pin::pin!(sleep(left.min(AGE.mul_f64(1.0 + fastrand::f64() / 10.0))));
    let mut look = std::pin::pin!(sleep(LOOK));
    let mut ends = std::pin::pin!(sleep(Duration::MAX));
    let mut is_draining = false;
    loop {
        let drains = tokio::select! {
            accepted = h2.accept() => match accepted {
                Some(Ok((_, mut respond))) if !budget.take() => {
                    respond.send_reset(Reason::REFUSED_STREAM);
                    false
                }
                Some(Ok((request, respond))) => {
                    spawn_local(stream::serve(request, respond, peer.clone(), hub.clone(), drain.clone()));
                    false
                }
                Some(Err(_)) | None => return,
            },
            () = &mut look => {
                if watch.is_gone() {
                    return;
                }
                look.as_mut().reset(tokio::time::Instant::now() + LOOK);
                false
            }
            _ = course.changed() => {
                let course = *course.borrow_and_update();
                if course.cuts != cuts {
                    return;
                }
                course.draining
            }
            () = &mut age, if !is_draining => true,
            () = &mut ends => return,
        };
        if drains && !is_draining {
            is_draining = true;
            h2.graceful_shutdown();
            ends.as_mut().reset(tokio::time::Instant::now() + DRAIN);
            drain.begin();
        }
    }
}

/// Whether the streams of a connection should end soon.
#[derive(Debug, Default)]
pub struct Drain {
    begun: Cell<bool>,
    wake: Notify,
}

// === impl Drain ===

impl Drain {
    fn begin(&self) {
        self.begun.set(true);
        self.wake.notify_waiters();
    }

    /// Resolves when they should.
    pub async fn begun(&self) {
        let woken = self.wake.notified();
        if !self.begun.get() {
            woken.await;
        }
    }
}

/// How fast streams are opened.
struct Budget {
    full_at: Instant,
}

// === impl Budget ===

impl Budget {
    fn take(&mut self) -> bool {
        let now = Instant::now();
        let full_at = self.full_at.max(now) + STREAM_EVERY;
        let fits = full_at.duration_since(now) <= STREAM_EVERY * STREAM_BURST;
        if fits {
            self.full_at = full_at;
        }
        fits
    }
}

/// Whether a peer lives: whatever it sends shows that, an answer to a ping like a ping of its own.
struct Watch {
    heard: Heard,
    last: u64,
    ping: PingPong,
    is_pinged: bool,
}

// === impl Watch ===

impl Watch {
    fn is_gone(&mut self) -> bool {
        let heard = self.heard.bytes();
        if heard != self.last {
            self.last = heard;
            self.is_pinged = false;
            return false;
        }
        if self.is_pinged {
            return true;
        }
        // An answer to an earlier one makes room for this.
        let _: Poll<_> = self.ping.poll_pong(&mut Context::from_waker(Waker::noop()));
        self.is_pinged = self.ping.send_ping(Ping::opaque()).is_ok();
        false
    }
}

/// How many bytes a peer has sent.
#[derive(Clone, Debug, Default)]
pub struct Heard(Arc<AtomicU64>);

/// A socket that counts them.
#[derive(Debug)]
pub struct Counted<IO> {
    pub io: IO,
    pub heard: Heard,
}

// === impl Heard ===

impl Heard {
    fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Counted ===

impl<IO: AsyncRead + Unpin> AsyncRead for Counted<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        this.heard.0.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Counted<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
