//! One connection of a proxy: whether it still lives, and how it ends.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::{Ping, PingPong, Reason};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};

use super::hub::{Course, Hub};
use super::intake::Intake;
use super::rate::Rate;
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
/// Streams beyond that are refused, and whoever goes on all the same is sent away.
const MOST_REFUSED: u32 = 32;
/// How long the word that says so may take.
const LAST_WORD: Duration = Duration::from_secs(1);
/// What is on its way of a request before it is read.
const WINDOW: u32 = 32 * 1024;
const HEADERS: u32 = 16 * 1024;
/// What small frames may cost that nobody has read yet, as h2 counts it: 256 bytes each, less what is in it. Smaller messages than a
/// proxy has, as many as fit into the window of a connection, so that who sends too fast waits and is not sent away.
const SMALL_FRAMES: usize = 128 * 1024;
/// What waits of one stream in HTTP/2, beside what waits in [`super::streams`].
const UNSENT: usize = 16 * 1024;

/// Serves a connection whose handshake is done. `left` is how long the certificate that it showed is still valid.
pub async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin + 'static,
    peer: Peer,
    left: Duration,
    hub: Rc<Hub>,
) {
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(MOST_STREAMS)
        .initial_window_size(WINDOW)
        .max_header_list_size(HEADERS)
        .max_send_buffer_size(UNSENT)
        .data_frame_budget(SMALL_FRAMES)
        .handshake::<_, Bytes>(io);
    let Ok(Ok(mut h2)) = timeout(PREFACE, handshake).await else { return };
    let Some(ping) = h2.ping_pong() else { return };
    let mut watch = Watch { intake: peer.intake.clone(), last: 0, ping, is_pinged: false };
    let mut course = hub.course();
    let Course { cuts, is_cut, draining } = *course.borrow_and_update();
    // It came to this while the handshake was made.
    if is_cut || draining {
        return;
    }
    let (peer, drain) = (Rc::new(peer), Rc::new(Drain::default()));
    let mut streams = Rate::new(STREAM_BURST, STREAM_EVERY);
    let mut refused = 0;
    let mut age = std::pin::pin!(sleep(left.min(AGE.mul_f64(1.0 + fastrand::f64() / 10.0))));
    let mut look = std::pin::pin!(sleep(LOOK));
    let mut ends = std::pin::pin!(sleep(Duration::MAX));
    let mut is_draining = false;
    loop {
        let drains = tokio::select! {
            accepted = h2.accept() => match accepted {
                Some(Ok((_, mut respond))) if !streams.take() => {
                    respond.send_reset(Reason::REFUSED_STREAM);
                    refused += 1;
                    if refused == MOST_REFUSED {
                        h2.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                        ends.as_mut().reset(Instant::now() + LAST_WORD);
                    }
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
                look.as_mut().reset(Instant::now() + LOOK);
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
            let latest = Instant::now() + DRAIN;
            if latest < ends.deadline() {
                ends.as_mut().reset(latest);
            }
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

/// Whether a peer lives: whatever it sends shows that, an answer to a ping like a ping of its own.
struct Watch {
    intake: Intake,
    last: u64,
    ping: PingPong,
    is_pinged: bool,
}

// === impl Watch ===

impl Watch {
    fn is_gone(&mut self) -> bool {
        let heard = self.intake.bytes();
        if heard != self.last {
            self.last = heard;
            self.is_pinged = false;
            return false;
        }
        if self.is_pinged {
            return true;
        }
        // An answer to an earlier one makes room for this; where that was never answered it is as good.
        let _: Poll<_> = self.ping.poll_pong(&mut Context::from_waker(Waker::noop()));
        drop(self.ping.send_ping(Ping::opaque()));
        self.is_pinged = true;
        false
    }
}
