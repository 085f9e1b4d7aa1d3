//! A body that comes no faster than it may, in pieces of a tenth of a second.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::Incoming;
use super::active::Place;

/// Pieces a second; smaller ones would cost more timers than a person could tell.
const PIECES: u32 = 10;

/// See the module.
#[derive(Debug)]
pub struct Slow<B = Incoming> {
    body: B,
    bytes_per_second: NonZeroU32,
    /// What has come and may not go on yet. Nothing is read while there is some, so that the sender is slowed down too.
    rest: Bytes,
    /// When the next piece of it may.
    timer: Pin<Box<Sleep>>,
    _place: Place,
}

// === impl Slow ===

impl<B> Slow<B> {
    /// `place` is kept until the body has ended or was given up.
    pub fn new(body: B, bytes_per_second: NonZeroU32, place: Place) -> Self {
        let timer = Box::pin(sleep(Duration::ZERO));
        Self { body, bytes_per_second, rest: Bytes::new(), timer, _place: place }
    }

    /// Length of the next piece.
    fn piece(&self) -> usize {
        let most = self.bytes_per_second.get().div_ceil(PIECES);
        self.rest.len().min(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// The next piece takes its time.
    fn wait(&mut self) {
        let nanoseconds = self.piece() as u64 * 1_000_000_000 / u64::from(self.bytes_per_second.get());
        self.timer.as_mut().reset(Instant::now() + Duration::from_nanos(nanoseconds));
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Slow<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => this.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
            this.wait();
        }
        ready!(this.timer.as_mut().poll(cx));
        let piece = this.rest.split_to(this.piece());
        if !this.rest.is_empty() {
            this.wait();
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, mut hint) = (self.rest.len() as u64, self.body.size_hint());
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::super::active::Active;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_takes_as_long_as_its_rate_says_and_stays_whole() {
        for (length, rate, seconds) in [(10_000_usize, 1000, 10.0), (3, 1, 3.0), (1000, 1_000_000, 0.001)] {
            let data: Bytes = (0..length).map(|index| index as u8).collect();
            let (began, active) = (Instant::now(), Active::default());
            let rate = NonZeroU32::new(rate).unwrap();
            let slow = Slow::new(Full::new(data.clone()), rate, active.enter(1).unwrap());
            assert_eq!(slow.size_hint().exact(), Some(length as u64));
            assert!(active.enter(1).is_none());
            assert_eq!(slow.collect().await.unwrap().to_bytes(), data);
            let took = began.elapsed().as_secs_f64();
            assert!((seconds..seconds * 1.1 + 0.01).contains(&took), "{length} at {rate}: {took} s");
            assert!(active.enter(1).is_some(), "the place is free again");
        }
    }
}
