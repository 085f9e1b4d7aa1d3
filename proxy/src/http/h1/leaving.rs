//! Whether a caller has left whose request is being answered.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::Error;
use super::io::{Io, Reading};

/// A caller that has ended its sending side may have left, or may have said all it wants to say and wait: nobody can tell. It gets
/// what comes within this time, and all of an answer that goes on coming.
const PATIENCE: Duration = Duration::from_millis(500);

/// Looks after one request.
#[derive(Debug, Default)]
pub struct Leaving {
    /// Since the caller ended its side; with what had been sent to it then.
    ended: Option<(Pin<Box<Sleep>>, u64)>,
}

// === impl Leaving ===

impl Leaving {
    /// Ready when the caller has left, which gives its request up. Looked at while nothing else reads from it: whoever does
    /// finds out by itself.
    pub fn poll(&mut self, io: &Io, cx: &mut Context<'_>) -> Poll<Error> {
        if self.ended.is_none() {
            // Wakes once the body has been read.
            if io.poll_reading_over(cx) != Poll::Ready(Reading::Ended) || io.has_unread() {
                return Poll::Pending;
            }
            match ready!(io.poll_fill(cx)) {
                Ok(0) => self.ended = Some((Box::pin(sleep(PATIENCE)), io.written())),
                Err(error) => return Poll::Ready(error.into()),
                // The next request, which waits.
                Ok(_) => return Poll::Pending,
            }
        }
        let Some((timer, written)) = &mut self.ended else { return Poll::Pending };
        loop {
            ready!(timer.as_mut().poll(cx));
            if *written == io.written() {
                return Poll::Ready(Error::Closed);
            }
            *written = io.written();
            timer.set(sleep(PATIENCE));
        }
    }
}
