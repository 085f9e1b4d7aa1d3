//! HTTP/2 connections to one upstream: one carries all requests until its streams run out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;

use super::{ConnectError, LocalExec, Upload};
use crate::tcp::Stream;

#[derive(Debug, Default)]
pub(super) struct H2Pool {
    connections: RefCell<Vec<Rc<Connection>>>,
    dial: Dial,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Upload>,
    open: Cell<usize>,
    /// Its driver polls it; the pool asks it how many streams the peer's settings allow.
    driven: Driven,
}

/// A connection shared between its driver and the pool. Its driver drops it when it has ended, because only that tells
/// the senders that they are closed.
pub(super) type Driven = Rc<RefCell<Option<http2::Connection<TokioIo<Stream>, Upload, LocalExec>>>>;

/// A connection that was opened, for the pool.
#[derive(Debug)]
pub(super) struct Opened {
    pub sender: SendRequest<Upload>,
    pub driven: Driven,
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
pub(super) enum Found {
    Stream(StreamPermit),
    /// Nothing, and nobody dials: the finder must call [`H2Pool::dial_ended`] when it has.
    MustDial,
    /// Nothing yet; somebody dials.
    Dialing,
}

// === impl H2Pool ===

impl H2Pool {
    pub fn find(&self) -> Found {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.sender.is_closed());
        let free = connections
            .iter()
            .filter(|connection| connection.open.get() < connection.limit())
            .min_by_key(|connection| connection.open.get());
        if let Some(connection) = free {
            connection.open.set(connection.open.get() + 1);
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

    pub fn dial_ended(&self, result: Result<Opened, ConnectError>) {
        let failure = match result {
            Ok(Opened { sender, driven }) => {
                let connection = Rc::new(Connection { sender, open: Cell::new(0), driven });
                self.connections.borrow_mut().push(connection);
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
        self.connections.borrow_mut().retain(|connection| !connection.sender.is_closed());
    }
}

// === impl Connection ===

impl Connection {
    /// How many streams may be open at once.
    fn limit(&self) -> usize {
        self.driven.borrow().as_ref().map_or(0, http2::Connection::current_max_send_streams)
    }
}

// === impl StreamPermit ===

impl StreamPermit {
    pub fn sender(&self) -> SendRequest<Upload> {
        self.0.sender.clone()
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}
