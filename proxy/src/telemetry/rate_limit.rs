//! What the rate limits of this pod did. Read from the limits themselves when somebody asks, so that a request which is
//! refused looks nothing up, and a limit that is gone leaves no series behind.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::rate_limit::{RateLimit, Tally};
use crate::state::Workload;

/// Those of the pod that it follows, once there is one. Clones follow the same.
#[derive(Clone, Debug, Default)]
pub struct RateLimitSeries(Arc<OnceLock<watch::Receiver<Arc<Workload>>>>);

/// A family, with what it counts.
type Counts = (&'static str, &'static str, fn(&Tally) -> &AtomicU64);

const FAMILIES: [Counts; 3] = [
    ("weft_rate_limit_refused", "Requests that a rate limit refused", |tally| &tally.refused),
    (
        "weft_rate_limit_would_refuse",
        "Requests that a rate limit would refuse, but for its mode DryRun",
        |tally| &tally.would_refuse,
    ),
    (
        "weft_rate_limit_keys_evicted",
        "Keys that were forgotten before their limit was whole again, because there were too many",
        |tally| &tally.evicted,
    ),
];

// === impl RateLimitSeries ===

impl RateLimitSeries {
    /// Registers the families; they are empty until there is a pod to follow.
    pub fn register(registry: &mut Registry) -> Self {
        let series = Self::default();
        registry.register_collector(Box::new(series.clone()));
        series
    }

    /// Follows a pod; the first one counts.
    pub fn follow(&self, workload: watch::Receiver<Arc<Workload>>) {
        self.0.get_or_init(|| workload);
    }
}

impl Collector for RateLimitSeries {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(workload) = self.0.get().map(|workload| workload.borrow().clone()) else { return Ok(()) };
        let limits = || {
            workload.inbound_ports.iter().flat_map(|port| {
                let shared = port.shared_limits.iter().flat_map(|shared| &shared.limits);
                let all = port.rate_limits.iter().chain(shared.map(|shared| &shared.limit));
                all.map(move |limit| (port.port, limit))
            })
        };
        if limits().next().is_none() {
            return Ok(());
        }
        for (name, help, of) in FAMILIES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (port, limit) in limits() {
                let count = ConstCounter::new(of(limit.tally()).load(Ordering::Relaxed));
                count.encode(family.encode_family(&labels(port, limit))?)?;
            }
        }
        Ok(())
    }
}

fn labels(port: u16, limit: &RateLimit) -> [(&'static str, String); 3] {
    [("port", port.to_string()), ("policy", limit.policy.to_string()), ("limit", limit.name.to_string())]
}
