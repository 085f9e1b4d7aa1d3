//! How much of a destination's work, or of a route's, this worker has under way at most. What is too much is refused at once,
//! or waits where the policy lets it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::gradient::Gradient;
use crate::state::Limits;
use crate::telemetry::Metrics;

/// The limits of one destination or route, with what is under way.
#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    requests: Cell<u32>,
    connections: Cell<u32>,
    /// Requests whose answer has not begun, and how many there may be.
    unanswered: Cell<u32>,
    gradient: Option<RefCell<Gradient>>,
    waiting: Cell<u32>,
    freed: Notify,
    started: Instant,
    /// The adaptive limits of all workers.
    shown: Option<Gauge>,
    shown_share: Cell<i64>,
}

/// What is too much; for `x-weft-reason` and the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    Requests,
    Connections,
    /// The adaptive limit.
    Concurrency,
}

/// A request that was let in; dropping it lets in another.
#[derive(Debug)]
pub struct Pass {
    gate: Rc<Gate>,
    entry: Entry,
    unanswered: bool,
}

/// What is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// It is a request...
    pub request: bool,
    /// ...and holds a connection of its own, or is one.
    pub connection: bool,
}

/// One that waits; dropping it makes room for another.
struct Waiting<'a>(&'a Gate);

// === impl Gate ===

impl Gate {
    /// `destination` and `route` name it in metrics; time counts from `started`.
    pub fn new(
        limits: Limits,
        destination: &str,
        route: &str,
        metrics: &Metrics,
        started: Instant,
    ) -> Rc<Self> {
        let now = started.elapsed();
        let gate = Self {
            requests: Cell::new(0),
            connections: Cell::new(0),
            unanswered: Cell::new(0),
            gradient: limits.adaptive.map(|bounds| RefCell::new(Gradient::new(bounds, now))),
            waiting: Cell::new(0),
            freed: Notify::new(),
            started,
            shown: limits.adaptive.map(|_| metrics.concurrency_limit(destination, route)),
            shown_share: Cell::new(0),
            limits,
        };
        gate.show();
        Rc::new(gate)
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Requests under way.
    pub fn under_way(&self) -> u32 {
        self.requests.get()
    }

    /// What is under way and what may be, for a person.
    pub fn view(&self) -> Value {
        json!({
            "requests": self.requests.get(),
            "maxRequests": self.limits.max_requests,
            "connections": self.connections.get(),
            "maxConnections": self.limits.max_connections,
            "unanswered": self.unanswered.get(),
            "concurrencyLimit": self.gradient.as_ref().map(|gradient| gradient.borrow().limit()),
            "pending": self.waiting.get(),
            "maxPending": self.limits.max_pending,
        })
    }

    /// Lets something in, perhaps after it has waited. Dropping the future gives up its place.
    pub async fn enter(self: &Rc<Self>, entry: Entry) -> Result<Pass, Full> {
        let full = match self.full(entry) {
            // Who waits comes first.
            None if self.waiting.get() == 0 => return Ok(self.pass(entry)),
            None => Full::Requests,
            Some(full) => full,
        };
        if self.waiting.get() >= self.limits.max_pending {
            return Err(full);
        }
        add(&self.waiting, true);
        let _waiting = Waiting(self);
        loop {
            self.freed.notified().await;
            if self.full(entry).is_none() {
                return Ok(self.pass(entry));
            }
        }
    }

    /// An answer took `latency`: the adaptive limit may follow.
    fn observe(&self, latency: Duration) {
        let Some(gradient) = &self.gradient else { return };
        if gradient.borrow_mut().observe(self.started.elapsed(), latency) {
            self.show();
        }
    }

    /// What is too much for `entry`, if anything.
    fn full(&self, entry: Entry) -> Option<Full> {
        let reached = |count: u32, limit: Option<u32>| limit.is_some_and(|limit| count >= limit);
        if entry.connection && reached(self.connections.get(), self.limits.max_connections) {
            return Some(Full::Connections);
        }
        if !entry.request {
            return None;
        }
        if reached(self.requests.get(), self.limits.max_requests) {
            return Some(Full::Requests);
        }
        let gradient = self.gradient.as_ref()?;
        (self.unanswered.get() >= gradient.borrow().limit()).then_some(Full::Concurrency)
    }

    fn pass(self: &Rc<Self>, entry: Entry) -> Pass {
        add(&self.requests, entry.request);
        add(&self.connections, entry.connection);
        add(&self.unanswered, entry.request);
        if let Some(gradient) = &self.gradient {
            gradient.borrow_mut().under_way(self.unanswered.get());
        }
        Pass { gate: self.clone(), entry, unanswered: entry.request }
    }

    /// Makes the gauge, which all workers share, say the adaptive limit.
    fn show(&self) {
        let (Some(gradient), Some(shown)) = (&self.gradient, &self.shown) else { return };
        let limit = i64::from(gradient.borrow().limit());
        shown.inc_by(limit - self.shown_share.replace(limit));
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(shown) = &self.shown {
            shown.dec_by(self.shown_share.get());
        }
    }
}

// === impl Full ===

impl Full {
    pub fn reason(self) -> &'static str {
        match self {
            Self::Requests => "max-requests",
            Self::Connections => "max-connections",
            Self::Concurrency => "concurrency-limit",
        }
    }
}

// === impl Pass ===

impl Pass {
    /// The answer began; `latency` is what it took, where that says something of the destination's load.
    pub fn answered(&mut self, latency: Option<Duration>) {
        if !std::mem::replace(&mut self.unanswered, false) {
            return;
        }
        take(&self.gate.unanswered, true);
        if let Some(latency) = latency {
            self.gate.observe(latency);
        }
        self.gate.freed.notify_one();
    }

    /// No answer came within `time`: it would have taken longer.
    pub fn too_slow(&self, time: Duration) {
        self.gate.observe(time);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        take(&self.gate.requests, self.entry.request);
        take(&self.gate.connections, self.entry.connection);
        take(&self.gate.unanswered, self.unanswered);
        self.gate.freed.notify_one();
    }
}

fn add(count: &Cell<u32>, one: bool) {
    count.set(count.get().saturating_add(one.into()));
}

fn take(count: &Cell<u32>, one: bool) {
    count.set(count.get().saturating_sub(one.into()));
}

// === impl Waiting ===

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        take(&self.0.waiting, true);
    }
}
