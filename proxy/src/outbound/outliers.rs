//! The endpoints of a destination that are watched for failures, with what [`Health`] decides carried out: how many may
//! be ejected at a time, when ejections are ignored, and what is counted. One for each destination and worker.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
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
}

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
        let new = Rc::new(Watched { shared: self.shared.clone(), health: RefCell::default() });
        watched.insert(key.clone(), new.clone());
        self.shared.endpoints.set(watched.len());
        new
    }

    /// Forgets endpoints for which `keep` does not hold.
    pub fn keep(&self, keep: impl Fn(&UpstreamKey) -> bool) {
        let mut watched = self.watched.borrow_mut();
        watched.retain(|key, watched| {
            let kept = keep(key);
            if !kept && watched.health.borrow().standing(Duration::ZERO) != Standing::In {
                self.shared.one_less();
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
        let shared = &self.shared;
        let now = shared.now();
        let mut health = self.health.borrow_mut();
        if trial.is_some() {
            let proved = health.proved(&shared.limits, now, outcome);
            drop(health);
            if proved {
                shared.one_less();
                return None;
            }
            shared.metrics.ejection(&shared.destination, Reason::Probe.as_str());
            return Some(Reason::Probe);
        }
        let reason = health.observe(&shared.limits, now, outcome)?;
        if shared.may_eject() {
            health.eject(&shared.limits, now, reason);
            shared.one_more();
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

    fn one_more(&self) {
        self.out.set(self.out.get() + 1);
        self.ejected.inc();
    }

    fn one_less(&self) {
        self.out.set(self.out.get().saturating_sub(1));
        self.ejected.dec();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.ejected.dec_by(i64::try_from(self.out.get()).unwrap_or_default());
    }
}
