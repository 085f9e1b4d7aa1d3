//! HTTP/2 connections to one upstream: one carries all requests until its streams run out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Notify;

use super::Connection;
use crate::http::ConnectError;

/// See the module.
#[derive(Debug, Default)]
pub struct Pool {
    connections: RefCell<Vec<Rc<Connection>>>,
    dial: Dial,
}

/// The dial under way, which everybody waits for who needs a connection.
#[derive(Debug, Default)]
struct Dial {
    running: Cell<bool>,
    ended: Notify,
    /// Counts dials that ended; with the error of the last one, if it failed.
    count: Cell<u64>,
    failure: RefCell<Option<ConnectError>>,
}

/// One stream's place on a connection, given back on drop.
#[derive(Debug)]
pub struct StreamPermit(Rc<Connection>);

/// What a request finds in the pool.
pub enum Found {
    Stream(StreamPermit),
    /// Nothing, and nobody dials: the finder must call [`Pool::dial_ended`] when it has.
    MustDial,
    /// Nothing yet; somebody dials.
    Dialing,
}

// === impl Pool ===

impl Pool {
    pub fn find(&self) -> Found {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| connection.is_open());
        // The first: what many requests say on one connection leaves in few writes, on several in more.
        let free = connections.iter().find(|connection| connection.streams() < connection.limit());
        if let Some(connection) = free {
            connection.count(1);
            return Found::Stream(StreamPermit(connection.clone()));
        }
        if self.dial.running.replace(true) { Found::Dialing } else { Found::MustDial }
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.connections.borrow().is_empty()
    }

    /// Waits for the dial under way.
    pub async fn dialed(&self) -> Result<(), ConnectError> {
        let seen = self.dial.count.get();
        let ended = self.dial.ended.notified();
        if self.dial.running.get() {
            ended.await;
        }
        match &*self.dial.failure.borrow() {
            Some(failure) if self.dial.count.get() > seen => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    pub fn dial_ended(&self, result: Result<Connection, ConnectError>) {
        let failure = match result {
            Ok(connection) => {
                self.connections.borrow_mut().push(Rc::new(connection));
                None
            }
            Err(error) => Some(error),
        };
        self.dial.failure.replace(failure);
        self.dial.count.set(self.dial.count.get() + 1);
        self.dial.running.set(false);
        self.dial.ended.notify_waiters();
    }

    /// Forgets connections that have ended.
    pub fn sweep(&self) {
        self.connections.borrow_mut().retain(|connection| connection.is_open());
    }
}

// === impl StreamPermit ===

impl StreamPermit {
    /// The connection that the stream is to be on.
    pub fn connection(&self) -> &Connection {
        &self.0
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.0.count(-1);
    }
}
