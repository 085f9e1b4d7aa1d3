//! A balancer at work: what it asks of live endpoints, and what is counted.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use super::affinity::Affinity;
use super::balance::Balancer;
use super::balance::group::{BalanceQuery, Endpoints};
use super::endpoint::LiveEndpoint;
use crate::state::LoadBalancer;
use crate::telemetry::Metrics;

/// The balancer of one backend with what it counts. Outlives changes of the destination that are not about the endpoints.
#[derive(Debug)]
pub struct Balanced {
    pub balancer: Balancer,
    affinity: Option<Affinity>,
    slow_start: Option<Duration>,
    zones: Option<[Counter; 2]>,
    keys: Option<[Counter; 2]>,
}

/// Endpoints at one moment.
struct Now<'a> {
    endpoints: &'a [LiveEndpoint],
    now: Instant,
    slow_start: Option<Duration>,
}

// === impl Balanced ===

impl Balanced {
    /// `destination` names it in metrics; `affinity` is there where the pod keeps to one endpoint.
    pub fn new(
        balancer: Balancer,
        affinity: Option<Affinity>,
        policy: &LoadBalancer,
        (destination, metrics): (&str, &Metrics),
    ) -> Self {
        let counters =
            |choices: [&'static str; 2]| choices.map(|choice| metrics.balancer_choices(destination, choice));
        Self {
            zones: balancer.tells_zones_apart().then(|| counters(["same-zone", "other-zone"])),
            keys: (!policy.hash.is_empty()).then(|| counters(["key", "no-key"])),
            slow_start: policy.slow_start,
            balancer,
            affinity,
        }
    }

    /// The endpoint for a request at `now`, by its index.
    pub fn pick(
        &self,
        endpoints: &[LiveEndpoint],
        asked: BalanceQuery<'_>,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> Option<usize> {
        let at = self.at(endpoints, now);
        let kept = self.affinity.as_ref().and_then(|affinity| {
            let can_be_had = |index: usize| !asked.failed.contains(&index) && at.share(index) > 0.0;
            affinity.pick(now, self.balancer.groups(), can_be_had)
        });
        let index = kept.or_else(|| self.balancer.pick(&at, asked, rng))?;
        if let Some(counters) = &self.zones {
            counters[usize::from(endpoints[index].far)].inc();
        }
        if let Some(counters) = &self.keys {
            counters[usize::from(asked.key.is_none())].inc();
        }
        Some(index)
    }

    /// `endpoint` has answered after `latency`.
    pub fn answered(&self, endpoint: &LiveEndpoint, latency: Duration) {
        self.balancer.answered(endpoint.far, latency);
    }

    /// Looks after the zones, `elapsed` after last time.
    pub fn look(&self, elapsed: Duration, endpoints: &[LiveEndpoint]) {
        self.balancer.look(elapsed, &self.at(endpoints, Instant::now()));
    }

    /// The part of its share that an endpoint gets at `now`.
    pub fn share(&self, endpoint: &LiveEndpoint, now: Instant) -> f64 {
        share(endpoint, now, self.slow_start)
    }

    fn at<'a>(&self, endpoints: &'a [LiveEndpoint], now: Instant) -> Now<'a> {
        Now { endpoints, now, slow_start: self.slow_start }
    }
}

// === impl Now ===

impl Endpoints for Now<'_> {
    fn cost(&self, endpoint: usize, scale: f64) -> f64 {
        self.endpoints[endpoint].upstream.load.scaled_cost(self.now, scale)
    }

    fn load(&self, endpoint: usize, scale: f64) -> f64 {
        self.endpoints[endpoint].upstream.load.scaled_pending(self.now, scale)
    }

    fn pending(&self, endpoint: usize) -> u32 {
        self.endpoints[endpoint].upstream.load.pending()
    }

    fn share(&self, endpoint: usize) -> f64 {
        share(&self.endpoints[endpoint], self.now, self.slow_start)
    }
}

fn share(endpoint: &LiveEndpoint, now: Instant, slow_start: Option<Duration>) -> f64 {
    let ejected = endpoint.watched.as_ref().is_some_and(|watched| watched.is_out());
    let out = ejected || endpoint.upstream.load.is_unreachable(now);
    match (&endpoint.warmup, slow_start) {
        (Some(warmup), Some(slow_start)) => warmup.share(now, slow_start, out),
        _ if out => 0.0,
        _ => 1.0,
    }
}
