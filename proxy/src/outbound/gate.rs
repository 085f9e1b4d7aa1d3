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
    /// Who waits for a request's place, and who for a connection's.
    for_requests: Queue,
    for_connections: Queue,
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

/// What becomes of something that would come in now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    Open,
    /// It waits, since there is too much of this.
    Waits(Full),
    /// It is refused, since there is too much of this, and too many wait already.
    Shut(Full),
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

/// Those who wait for the same.
#[derive(Debug, Default)]
struct Queue {
    waiting: Cell<u32>,
    freed: Notify,
}

/// One that waits; dropping it makes room for another.
struct Waiting<'a>(&'a Queue);

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
            for_requests: Queue::default(),
            for_connections: Queue::default(),
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
            "pending": self.waiting(),
            "maxPending": self.limits.max_pending,
        })
    }

    /// What becomes of something that would come in now.
    pub fn outlook(&self, entry: Entry) -> Outlook {
        match self.full(entry).or_else(|| self.behind(entry)) {
            None => Outlook::Open,
            Some(full) if self.waiting() >= self.limits.max_pending => Outlook::Shut(full),
            Some(full) => Outlook::Waits(full),
        }
    }

    /// Lets something in, perhaps after it has waited. Dropping the future gives up its place.
    pub async fn enter(self: &Rc<Self>, entry: Entry) -> Result<Pass, Full> {
        let mut full = match self.outlook(entry) {
            Outlook::Open => return Ok(self.pass(entry)),
            Outlook::Waits(full) => full,
            Outlook::Shut(full) => return Err(full),
        };
        loop {
            let queue = self.queue(full);
            queue.wait().await;
            match self.full(entry) {
                None => return Ok(self.pass(entry)),
                Some(other) => {
                    // What was freed is not what it needs now, so the next one may have it.
                    if !std::ptr::eq(self.queue(other), queue) {
                        queue.wake(1);
                    }
                    full = other;
                }
            }
        }
    }

    /// Who waits already for the same comes first.
    fn behind(&self, entry: Entry) -> Option<Full> {
        if entry.request && self.for_requests.waiting.get() > 0 {
            Some(Full::Requests)
        } else if entry.connection && self.for_connections.waiting.get() > 0 {
            Some(Full::Connections)
        } else {
            None
        }
    }

    fn queue(&self, full: Full) -> &Queue {
        match full {
            Full::Requests | Full::Concurrency => &self.for_requests,
            Full::Connections => &self.for_connections,
        }
    }

    fn waiting(&self) -> u32 {
        self.for_requests.waiting.get() + self.for_connections.waiting.get()
    }

    /// An answer took `latency`: the adaptive limit may follow.
    fn observe(&self, latency: Duration) {
        let Some(gradient) = &self.gradient else { return };
        let before = gradient.borrow().limit();
        if gradient.borrow_mut().observe(self.started.elapsed(), latency) {
            self.show();
            self.for_requests.wake(gradient.borrow().limit().saturating_sub(before));
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
        self.gate.for_requests.wake(1);
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
        self.gate.for_requests.wake(self.entry.request.into());
        self.gate.for_connections.wake(self.entry.connection.into());
    }
}

fn add(count: &Cell<u32>, one: bool) {
    count.set(count.get().saturating_add(one.into()));
}

fn take(count: &Cell<u32>, one: bool) {
    count.set(count.get().saturating_sub(one.into()));
}

// === impl Queue ===

impl Queue {
    /// Until it is woken, which is no promise that there is a place.
    async fn wait(&self) {
        add(&self.waiting, true);
        let _waiting = Waiting(self);
        self.freed.notified().await;
    }

    /// Wakes so many of those who wait.
    fn wake(&self, places: u32) {
        for _ in 0..places.min(self.waiting.get()) {
            self.freed.notify_one();
        }
    }
}

// === impl Waiting ===

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        take(&self.0.waiting, true);
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;

    const REQUEST: Entry = Entry { request: true, connection: false };
    const SOCKET: Entry = Entry { request: true, connection: true };

    fn gate(max_requests: u32, max_connections: u32) -> Rc<Gate> {
        let limits = Limits {
            max_requests: Some(max_requests),
            max_connections: Some(max_connections),
            max_pending: 10,
            ..Limits::default()
        };
        let metrics = Metrics::register(&mut Registry::default());
        Gate::new(limits, "shop/reviews:8080", "", &metrics, Instant::now())
    }

    async fn settle() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_place_that_the_first_cannot_use_goes_to_the_next() {
        LocalSet::new()
            .run_until(async {
                let gate = gate(2, 1);
                let socket = gate.enter(SOCKET).await.unwrap();
                let request = gate.enter(REQUEST).await.unwrap();
                let waits = |entry| {
                    let gate = gate.clone();
                    spawn_local(async move { gate.enter(entry).await.unwrap() })
                };
                let second_socket = waits(SOCKET);
                settle().await;
                let other = waits(REQUEST);
                settle().await;
                drop(request);
                settle().await;
                assert!(other.is_finished(), "it needs no connection");
                assert!(!second_socket.is_finished());
                drop(socket);
                settle().await;
                assert!(second_socket.is_finished());
                assert_eq!(gate.waiting(), 0);
            })
            .await;
    }

    #[tokio::test]
    async fn one_that_found_another_limit_in_its_way_passes_the_place_on() {
        LocalSet::new()
            .run_until(async {
                let gate = gate(1, 1);
                let request = gate.enter(REQUEST).await.unwrap();
                let waits = |entry| {
                    let gate = gate.clone();
                    spawn_local(async move { gate.enter(entry).await.unwrap() })
                };
                // It waits for a request's place, and finds the connection taken when it gets that.
                let socket = waits(SOCKET);
                settle().await;
                let other = waits(REQUEST);
                settle().await;
                let connection = gate.enter(Entry { request: false, connection: true }).await.unwrap();
                drop(request);
                settle().await;
                assert!(other.is_finished() && !socket.is_finished());
                drop(connection);
                drop(other.await.unwrap());
                settle().await;
                assert!(socket.is_finished());
            })
            .await;
    }
}
