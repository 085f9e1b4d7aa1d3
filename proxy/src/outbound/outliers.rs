//! The endpoints of a destination that are watched for failures, with what [`Health`] decides carried out: how many may
//! be ejected at a time, when ejections are ignored, and what is counted. One for each destination and worker.

#![allow(
    clippy::mutable_key_type,
    reason = "what an upstream demands of a server is told from others by a digest that never changes"
)]

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;

use super::ejection::{Health, Outcome, Reason, Standing};
use crate::http::UpstreamKey;
use crate::state::Outliers;
use crate::telemetry::Metrics;

/// See the module.
#[derive(Debug)]
pub struct Detector {
    shared: Rc<Shared>,
    watched: RefCell<HashMap<UpstreamKey, Rc<Watched>>>,
}

/// One endpoint that is watched.
#[derive(Debug)]
pub struct Watched {
    shared: Rc<Shared>,
    health: RefCell<Health>,
    /// While it does not stand [`Standing::In`].
    out: RefCell<Option<Out>>,
    /// It is no endpoint any more: requests under way still hold it, and what becomes of them counts for nothing.
    retired: Cell<bool>,
}

/// An endpoint that is counted as ejected, until this is dropped.
#[derive(Debug)]
struct Out(Rc<Shared>);

/// The request that will prove an endpoint; dropped without [`Watched::ended`], the next one will.
#[derive(Debug)]
pub struct Trial(Rc<Watched>);

#[derive(Debug)]
struct Shared {
    limits: Outliers,
    destination: String,
    metrics: Metrics,
    ejected: Gauge,
    started: Instant,
    endpoints: Cell<usize>,
    /// Those that do not stand [`Standing::In`].
    out: Cell<usize>,
}

// === impl Detector ===

impl Detector {
    /// Nothing is known yet of any endpoint. Time counts from `started`.
    pub fn new(limits: Outliers, destination: &str, metrics: &Metrics, started: Instant) -> Rc<Self> {
        let shared = Rc::new(Shared {
            limits,
            destination: destination.to_owned(),
            metrics: metrics.clone(),
            ejected: metrics.ejected_endpoints(destination),
            started,
            endpoints: Cell::new(0),
            out: Cell::new(0),
        });
        Rc::new(Self { shared, watched: RefCell::default() })
    }

    pub fn limits(&self) -> &Outliers {
        &self.shared.limits
    }

    /// What is known of the endpoint, from now on if nothing was.
    pub fn watch(&self, key: &UpstreamKey) -> Rc<Watched> {
        let mut watched = self.watched.borrow_mut();
        if let Some(known) = watched.get(key) {
            return known.clone();
        }
        let new = Rc::new(Watched::new(self.shared.clone()));
        watched.insert(key.clone(), new.clone());
        self.shared.endpoints.set(watched.len());
        new
    }

    /// Forgets all other endpoints.
    pub fn keep(&self, kept: &HashSet<&UpstreamKey>) {
        let mut watched = self.watched.borrow_mut();
        watched.retain(|key, watched| {
            let kept = kept.contains(key);
            if !kept {
                watched.retire();
            }
            kept
        });
        self.shared.endpoints.set(watched.len());
    }

    /// Whether any endpoint is to be passed over, so that nobody looks when none is.
    pub fn any_out(&self) -> bool {
        self.shared.out.get() > 0
    }

    /// What balancing should make of `endpoints`, of which this request has tried `failed`.
    pub fn advise<'a>(
        &self,
        endpoints: impl Iterator<Item = Option<&'a Rc<Watched>>>,
        failed: &[usize],
    ) -> Advice {
        let now = self.shared.now();
        let (mut out, mut count, mut on_trial) = (Vec::new(), 0, None);
        for (index, watched) in endpoints.enumerate() {
            count += 1;
            match watched.map_or(Standing::In, |watched| watched.health.borrow().standing(now)) {
                Standing::In => {}
                Standing::Out => out.push(index),
                Standing::OnTrial => on_trial = Some(index),
            }
        }
        // At once, lest an endpoint that looked slow when it failed waits for its turn for ever.
        if let Some(index) = on_trial.filter(|_| failed.is_empty()) {
            return Advice::Take(index);
        }
        let left = count - out.len();
        if left * 100 < count * self.shared.limits.panic_percent as usize {
            self.shared.metrics.ejections_ignored(&self.shared.destination);
            return Advice::Avoid(failed.to_vec());
        }
        let ejected = out.len();
        out.extend(failed.iter().filter(|index| !out[..ejected].contains(index)).collect::<Vec<_>>());
        if out.len() >= count && ejected < count {
            // All that are left have been tried: one of them once more, rather than one that is ejected.
            out.truncate(ejected);
        }
        Advice::Avoid(out)
    }
}

/// See [`Detector::advise`].
#[derive(Debug, PartialEq, Eq)]
pub enum Advice {
    /// The one at this index.
    Take(usize),
    /// Any but these, where there is another.
    Avoid(Vec<usize>),
}

// === impl Watched ===

impl Watched {
    fn new(shared: Rc<Shared>) -> Self {
        let (health, out, retired) = Default::default();
        Self { shared, health, out, retired }
    }

    fn retire(&self) {
        self.retired.set(true);
        self.out.take();
    }

    /// Whether a request that asks for this endpoint may have it: it is not ejected, or is being tried.
    pub fn is_in(&self) -> bool {
        self.health.borrow().standing(self.shared.now()) != Standing::Out
    }

    /// A request goes to this endpoint. Gives what proves it, where that is needed.
    pub fn begin(self: &Rc<Self>) -> Option<Trial> {
        if self.shared.out.get() == 0 {
            return None;
        }
        let mut health = self.health.borrow_mut();
        if health.standing(self.shared.now()) != Standing::OnTrial {
            return None;
        }
        health.probe();
        Some(Trial(self.clone()))
    }

    /// Whether it is passed over.
    pub fn is_out(&self) -> bool {
        self.shared.out.get() > 0 && self.health.borrow().standing(self.shared.now()) != Standing::In
    }

    /// Why it is ejected and for how much longer, if it is.
    pub fn ejection(&self) -> Option<(Reason, Duration)> {
        let (until, reason) = self.health.borrow().out_until()?;
        Some((reason, until.saturating_sub(self.shared.now())))
    }

    /// A request to this endpoint ended in `outcome`. Gives why the endpoint was ejected for it, if it was.
    pub fn ended(&self, outcome: Outcome, trial: Option<Trial>) -> Option<Reason> {
        if self.retired.get() {
            return None;
        }
        let shared = &self.shared;
        let now = shared.now();
        let mut health = self.health.borrow_mut();
        if trial.is_some() {
            let proved = health.proved(&shared.limits, now, outcome);
            drop(health);
            if proved {
                self.out.take();
                return None;
            }
            shared.metrics.ejection(&shared.destination, Reason::Probe.as_str());
            return Some(Reason::Probe);
        }
        let reason = health.observe(&shared.limits, now, outcome)?;
        if shared.may_eject() {
            health.eject(&shared.limits, now, reason);
            self.out.replace(Some(Out::new(shared)));
            shared.metrics.ejection(&shared.destination, reason.as_str());
            tracing::debug!(
                destination = shared.destination,
                reason = reason.as_str(),
                "ejected an endpoint"
            );
            Some(reason)
        } else {
            shared.metrics.ejection_withheld(&shared.destination, reason.as_str());
            None
        }
    }
}

// === impl Trial ===

impl Drop for Trial {
    fn drop(&mut self) {
        self.0.health.borrow_mut().unproved(self.0.shared.now());
    }
}

// === impl Shared ===

impl Shared {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// One may always be ejected: where it is the only one, or most are out, panic takes it back in.
    fn may_eject(&self) -> bool {
        let most = self.endpoints.get().saturating_mul(self.limits.max_percent as usize) / 100;
        self.limits.max_percent > 0 && self.out.get() < most.max(1)
    }
}

// === impl Out ===

impl Out {
    fn new(shared: &Rc<Shared>) -> Self {
        shared.out.set(shared.out.get() + 1);
        shared.ejected.inc();
        Self(shared.clone())
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.0.out.set(self.0.out.get() - 1);
        self.0.ejected.dec();
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    const BASE: Duration = Duration::from_millis(20);

    fn key(port: u16) -> UpstreamKey {
        UpstreamKey { addr: ([10, 0, 0, 1], port).into(), peer: None, tunnel: None, tls: None }
    }

    /// Ten endpoints, of which one may be ejected at a time.
    fn detector() -> (Rc<Detector>, Gauge, Vec<Rc<Watched>>) {
        let limits = Outliers {
            consecutive_failures: Some(1),
            base: BASE,
            max: BASE,
            max_percent: 10,
            ..Outliers::default()
        };
        let metrics = Metrics::register(&mut Registry::default());
        let detector = Detector::new(limits, "shop/reviews:8080", &metrics, Instant::now());
        let watched = (0..10).map(|port| detector.watch(&key(port))).collect();
        (detector, metrics.ejected_endpoints("shop/reviews:8080"), watched)
    }

    fn keep(detector: &Detector, ports: std::ops::Range<u16>) {
        let keys: Vec<_> = ports.map(key).collect();
        detector.keep(&keys.iter().collect());
    }

    #[tokio::test]
    async fn what_breaks_at_an_endpoint_that_has_left_counts_for_nobody() {
        let (detector, gauge, watched) = detector();
        // Its requests are under way while it leaves the list, and break when its drain ends.
        keep(&detector, 1..10);
        assert_eq!(watched[0].ended(Outcome::Failure, None), None);
        assert!(!detector.any_out());
        assert_eq!(gauge.get(), 0);
        assert!(watched[1].ended(Outcome::Failure, None).is_some(), "another may still be ejected");
    }

    #[tokio::test]
    async fn an_endpoint_that_leaves_while_it_is_on_trial_is_taken_off_once() {
        let (detector, gauge, watched) = detector();
        assert!(watched[0].ended(Outcome::Failure, None).is_some());
        tokio::time::sleep(2 * BASE).await;
        let trial = watched[0].begin();
        assert!(trial.is_some());
        keep(&detector, 1..10);
        assert!(watched[1].ended(Outcome::Failure, None).is_some());
        assert_eq!(gauge.get(), 1);
        watched[0].ended(Outcome::Success, trial);
        assert!(detector.any_out(), "the other one is still out");
        assert_eq!(gauge.get(), 1);
        drop((detector, watched));
        assert_eq!(gauge.get(), 0);
    }
}
