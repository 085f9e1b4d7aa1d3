//! The watcher's end of a tap: a body of lines, which ends with its connection, with its count or with its time.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep};

use super::{Tap, Taps};

/// How often a watcher hears that the tap is on: writing to one that is gone is how that is noticed at the latest.
const BEAT: Duration = Duration::from_secs(1);

/// What waits for the watcher; nothing any more once its time is over, also where it has stopped to read.
type Lines = Mutex<Option<mpsc::Receiver<Vec<u8>>>>;

/// See the module. Dropping it ends the tap.
#[derive(Debug)]
pub struct Watch {
    taps: Taps,
    tap: Arc<Tap>,
    lines: Arc<Lines>,
    beat: Interval,
    begun: bool,
    until: Instant,
    left: u64,
    ended: bool,
    /// Ends the tap in time also where nobody reads and this is not polled.
    expiry: AbortHandle,
}

// === impl Watch ===

impl Watch {
    pub(super) fn new(
        taps: Taps,
        tap: Arc<Tap>,
        lines: mpsc::Receiver<Vec<u8>>,
        most: u64,
        lasts: Duration,
    ) -> Self {
        let now = Instant::now();
        let mut beat = interval_at(now + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let lines = Arc::new(Mutex::new(Some(lines)));
        let (of, expiring, waiting) = (taps.clone(), tap.clone(), lines.clone());
        let expiry = tokio::spawn(async move {
            sleep(lasts).await;
            of.close(&expiring);
            waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        });
        let expiry = expiry.abort_handle();
        Self { taps, tap, lines, beat, begun: false, until: now + lasts, left: most, ended: false, expiry }
    }

    /// Lines that have not been taken.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.lines.lock().unwrap().as_ref().map_or(0, mpsc::Receiver::len)
    }

    /// The next line, with what was left out so far; `None` after the last.
    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if !self.begun {
            self.begun = true;
            return Poll::Ready(Some(self.state("on", None)));
        }
        if self.left == 0 {
            return Poll::Ready(Some(self.end("max")));
        }
        let line = match &mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(lines) => lines.poll_recv(cx),
            None => Poll::Ready(None),
        };
        if let Poll::Ready(Some(line)) = line {
            self.left -= 1;
            return Poll::Ready(Some(line));
        }
        if self.beat.poll_tick(cx).is_pending() {
            return Poll::Pending;
        }
        // The next tick wakes this again, so time that has passed is noticed within a beat.
        Poll::Ready(Some(if Instant::now() >= self.until {
            self.end("time")
        } else {
            self.state("on", None)
        }))
    }

    fn end(&mut self, why: &'static str) -> Vec<u8> {
        self.ended = true;
        self.taps.close(&self.tap);
        self.state("ended", Some(why))
    }

    fn state(&self, tap: &'static str, why: Option<&'static str>) -> Vec<u8> {
        json!({ "tap": tap, "why": why, "leftOut": self.tap.left_out() }).to_string().into_bytes()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.expiry.abort();
        self.taps.close(&self.tap);
    }
}

impl Body for Watch {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.poll_line(cx).map(|line| {
            line.map(|mut line| {
                line.push(b'\n');
                Ok(Frame::data(line.into()))
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}
