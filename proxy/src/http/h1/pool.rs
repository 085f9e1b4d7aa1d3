//! Idle connections to one upstream, the latest used first.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::Connection;

/// Shorter than the keep-alive of common servers (Node.js: 5 s), so that we close first and no request meets a
/// connection that its server is just closing.
const IDLE_LIMIT: Duration = Duration::from_secs(3);
/// Idle connections kept; more are closed at once.
const MAX_IDLE: usize = 1024;

#[derive(Debug, Default)]
pub struct Pool {
    idle: RefCell<Vec<(Rc<Connection>, Instant)>>,
}

// === impl Pool ===

impl Pool {
    /// A connection that can take a request now. Looks no further than the first that can: with many idle connections,
    /// judging each of them would cost every request more than routing it.
    pub fn take(&self) -> Option<Rc<Connection>> {
        let mut idle = self.idle.borrow_mut();
        let now = Instant::now();
        while let Some((connection, since)) = idle.pop() {
            if now.duration_since(since) < IDLE_LIMIT && connection.is_open() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps `connection` for whoever asks next, unless it is one caller's.
    pub fn give_back(&self, connection: Rc<Connection>) {
        let mut idle = self.idle.borrow_mut();
        if connection.is_reusable() && !connection.is_authenticated() && idle.len() < MAX_IDLE {
            idle.push((connection, Instant::now()));
        }
    }

    /// Closes what nobody took in time.
    pub fn sweep(&self) {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|(connection, since)| since.elapsed() < IDLE_LIMIT && connection.is_open());
        if idle.is_empty() {
            idle.shrink_to_fit();
        }
    }

    /// Closes all: one was found dead, so the others of its age are suspect.
    pub fn clear(&self) {
        self.idle.borrow_mut().clear();
    }
}
