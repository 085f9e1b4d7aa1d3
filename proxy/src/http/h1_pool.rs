//! Idle HTTP/1.1 connections to one upstream, the latest used first.

use std::cell::RefCell;
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::Upload;

/// Shorter than the keep-alive of common servers (Node.js: 5 s), so that we close first and no request meets a
/// connection that its server is just closing.
const IDLE_LIMIT: Duration = Duration::from_secs(3);
/// Idle connections kept; more are closed at once.
const MAX_IDLE: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct H1Pool {
    idle: RefCell<Vec<(SendRequest<Upload>, Instant)>>,
}

// === impl H1Pool ===

impl H1Pool {
    /// A connection that can take a request now. Looks no further than the first that can: with many idle connections,
    /// judging each of them would cost every request more than routing it.
    pub fn take(&self) -> Option<SendRequest<Upload>> {
        let mut idle = self.idle.borrow_mut();
        let now = Instant::now();
        for at in (0..idle.len()).rev() {
            let (sender, since) = &idle[at];
            if sender.is_closed() || now.duration_since(*since) >= IDLE_LIMIT {
                idle.remove(at);
            } else if sender.is_ready() {
                return Some(idle.remove(at).0);
            } // Else it was given back a moment ago and is still finishing its last exchange.
        }
        None
    }

    pub fn give_back(&self, sender: SendRequest<Upload>) {
        let mut idle = self.idle.borrow_mut();
        if !sender.is_closed() && idle.len() < MAX_IDLE {
            idle.push((sender, Instant::now()));
        }
    }

    /// Closes what nobody took in time.
    pub fn sweep(&self) {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE_LIMIT);
        if idle.is_empty() {
            idle.shrink_to_fit();
        }
    }

    /// Closes all: one was found dead, so the others of its age are suspect.
    pub fn clear(&self) {
        self.idle.borrow_mut().clear();
    }
}
