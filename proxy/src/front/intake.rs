//! What a peer sends: how much of it there was, and that what is no message comes no faster than it may. Pings, settings, resets,
//! headers and frames of one byte are work for the thread that serves everybody.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::tcp::writes_go_to_inner;

/// Beside its messages a connection may send so many bytes at once. What is under way of messages that nobody has read yet counts, and
/// is half of it at the most.
const BURST: i64 = 128 * 1024;
/// And so many more in a second: a proxy that sends all it may, each message in a record of TLS, sends a third of it.
const PER_SECOND: i64 = 32 * 1024;

/// What has come. Clones share it.
#[derive(Clone, Debug)]
pub struct Intake(Rc<State>);

#[derive(Debug)]
struct State {
    bytes: Cell<u64>,
    /// What may come beside messages; below 0: nothing, for a while.
    left: Cell<i64>,
    since: Cell<Instant>,
}

/// A socket of which no more is read than may come. The rest waits in the kernel, and the peer with it.
#[derive(Debug)]
pub struct Counted<IO> {
    inner: IO,
    intake: Intake,
    pause: Option<Pin<Box<Sleep>>>,
}

// === impl Intake ===

impl Intake {
    pub fn new() -> Self {
        let (bytes, left) = (Cell::new(0), Cell::new(BURST));
        Self(Rc::new(State { bytes, left, since: Cell::new(Instant::now()) }))
    }

    /// How many bytes have come.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.get()
    }

    /// So many of them were of messages.
    pub fn of_messages(&self, bytes: usize) {
        self.add(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn came(&self, bytes: usize) {
        self.0.bytes.set(self.0.bytes.get() + bytes as u64);
        self.0.left.set(self.0.left.get() - bytes as i64);
    }

    fn add(&self, bytes: i64) {
        self.0.left.set(self.0.left.get().saturating_add(bytes).min(BURST));
    }

    /// How long nothing may be read.
    fn pause(&self) -> Option<Duration> {
        if self.0.left.get() > 0 {
            return None;
        }
        let now = Instant::now();
        let passed = now.duration_since(self.0.since.replace(now));
        self.add(
            i64::try_from(passed.as_millis()).unwrap_or(i64::MAX / PER_SECOND).saturating_mul(PER_SECOND)
                / 1000,
        );
        let missing = 1 - self.0.left.get();
        (missing > 0).then(|| Duration::from_millis((missing * 1000 / PER_SECOND + 1) as u64))
    }
}

// === impl Counted ===

impl<IO> Counted<IO> {
    pub fn new(inner: IO, intake: Intake) -> Self {
        Self { inner, intake, pause: None }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Counted<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if let Some(pause) = &mut this.pause {
                ready!(pause.as_mut().poll(cx));
            }
            this.pause = this.intake.pause().map(|pause| Box::pin(sleep(pause)));
            if this.pause.is_none() {
                break;
            }
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buf);
        this.intake.came(buf.filled().len() - before);
        read
    }
}

writes_go_to_inner!(Counted);
