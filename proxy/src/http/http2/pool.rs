//! HTTP/2 connections to one upstream: one carries all requests until its streams run out, or one of them is stuck.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::Connection;
use crate::http::ConnectError;
use crate::http::farewell::DISTRUSTED_GRACE;
use crate::tls::{Proof, Trust};

/// A connection that carries nothing this long is closed; one beside it sooner, since it was opened for a burst.
const IDLE: Duration = Duration::from_secs(60);
const IDLE_BESIDE: Duration = Duration::from_secs(5);
/// A connection takes no more requests after this time, and a random part more of it, so that connections that were opened
/// together do not end together. Balancers between the proxies get their turn, and what is counted for the life of a
/// connection is counted anew.
const AGE: Duration = Duration::from_secs(3600);
const AGE_JITTER: f64 = 0.5;
/// Connections that are opened beside stuck ones.
const BESIDE_STUCK: usize = 3;
/// Connections opened at once, and requests that wait for each of them.
const DIALS: usize = 4;
const WAITING_FOR_EACH: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub struct Pool {
    connections: RefCell<Vec<Pooled>>,
    dials: Dials,
}

#[derive(Debug)]
struct Pooled {
    connection: Rc<Connection>,
    /// What its peer has shown; `None`: it has no identity.
    proof: Option<Proof>,
    /// It takes no more requests from here on.
    until: Instant,
    unused_since: Instant,
    /// It was stuck when it was last looked at.
    was_stuck: bool,
    is_stuck: bool,
}

/// The dials under way, for all requests that need a connection.
#[derive(Debug, Default)]
struct Dials {
    running: Cell<usize>,
    waiting: Cell<usize>,
    ended: Notify,
    /// Counts the times that dials ended, and none was left; with the error of the last one, if it failed.
    count: Cell<u64>,
    failure: RefCell<Option<ConnectError>>,
}

/// A request that waits for a connection.
struct Waiting<'a>(&'a Cell<usize>);

/// One stream's place on a connection, given back on drop.
#[derive(Debug)]
pub struct StreamPermit(Rc<Connection>);

/// What a request finds in the pool.
pub enum Found {
    Stream(StreamPermit),
    /// Nothing, and fewer dial than may: the finder must call [`Pool::dial_ended`] when it has.
    MustDial,
    /// Nothing yet; somebody dials.
    Dialing,
}

// === impl Pool ===

impl Pool {
    pub fn find(&self) -> Found {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|pooled| pooled.connection.is_open());
        let is_free = |pooled: &&Pooled| pooled.connection.streams() < pooled.connection.limit();
        // The first: what many requests say on one connection leaves in few writes, on several in more.
        let free = connections.iter().filter(is_free).find(|pooled| !pooled.is_stuck);
        let free = free.or_else(|| {
            // Better behind a stream that is stuck than not at all.
            let may_open = connections.len() <= BESIDE_STUCK;
            connections.iter().find(is_free).filter(|_| !may_open)
        });
        if let Some(pooled) = free {
            pooled.connection.count(1);
            return Found::Stream(StreamPermit(pooled.connection.clone()));
        }
        let running = self.dials.running.get();
        if running < (1 + self.dials.waiting.get() / WAITING_FOR_EACH).min(DIALS) {
            self.dials.running.set(running + 1);
            Found::MustDial
        } else {
            Found::Dialing
        }
    }

    /// A place on whatever connection has one, stuck or not.
    pub fn any(&self) -> Option<StreamPermit> {
        let connections = self.connections.borrow();
        let is_free = |pooled: &&Pooled| {
            pooled.connection.is_open() && pooled.connection.streams() < pooled.connection.limit()
        };
        let connection = connections.iter().find(is_free)?.connection.clone();
        connection.count(1);
        Some(StreamPermit(connection))
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.connections.borrow().is_empty()
    }

    /// Waits for a dial that is under way.
    pub async fn dialed(&self) -> Result<(), ConnectError> {
        let seen = self.dials.count.get();
        let ended = self.dials.ended.notified();
        if self.dials.running.get() > 0 {
            let _waiting = Waiting::begin(&self.dials.waiting);
            ended.await;
        }
        match &*self.dials.failure.borrow() {
            Some(failure) if self.dials.count.get() > seen => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    /// A dial has ended, with a connection and what its peer has shown.
    pub fn dial_ended(&self, result: Result<(Connection, Option<Proof>), ConnectError>) {
        self.dials.running.set(self.dials.running.get().saturating_sub(1));
        let failure = match result {
            Ok((connection, proof)) => {
                self.connections.borrow_mut().push(Pooled::new(connection, proof));
                None
            }
            // Another may yet succeed.
            Err(_) if self.dials.running.get() > 0 => return,
            Err(error) => Some(error),
        };
        self.dials.failure.replace(failure);
        self.dials.count.set(self.dials.count.get() + 1);
        self.dials.ended.notify_waiters();
    }

    /// Forgets connections that have ended, and gives no more requests to those that have been there for long, or carry
    /// nothing; called about once a second. `trust` is what peers must chain to now.
    pub fn sweep(&self, trust: &Arc<Trust>) {
        let now = Instant::now();
        let mut beside = false;
        self.connections.borrow_mut().retain_mut(|pooled| {
            let stays = pooled.connection.is_open() && pooled.stays(now, beside, trust);
            beside |= stays;
            stays
        });
    }
}

// === impl Pooled ===

impl Pooled {
    fn new(connection: Connection, proof: Option<Proof>) -> Self {
        let now = Instant::now();
        let age = AGE.mul_f64(1.0 + AGE_JITTER * fastrand::f64());
        let left = proof.as_ref().map_or(age, |proof| age.min(proof.left()));
        Self {
            connection: Rc::new(connection),
            proof,
            until: now + left,
            unused_since: now,
            was_stuck: false,
            is_stuck: false,
        }
    }

    /// Whether it takes requests from now on. Those that are under way end in their own time.
    fn stays(&mut self, now: Instant, beside: bool, trust: &Arc<Trust>) -> bool {
        if self.proof.as_mut().is_some_and(|proof| !proof.holds_under(trust)) {
            let connection = self.connection.clone();
            tokio::task::spawn_local(async move {
                sleep(DISTRUSTED_GRACE).await;
                connection.cut();
            });
            return false;
        }
        let stuck = self.connection.is_stuck();
        self.is_stuck = stuck && self.was_stuck;
        self.was_stuck = stuck;
        if self.connection.was_used() || self.connection.streams() > 0 {
            self.unused_since = now;
        }
        let idle = if beside { IDLE_BESIDE } else { IDLE };
        now < self.until && now - self.unused_since < idle
    }
}

// === impl Waiting ===

impl<'a> Waiting<'a> {
    fn begin(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
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
