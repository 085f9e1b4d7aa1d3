//! What the external checks of this pod did. Read from the checks themselves when somebody asks, as rate limits are.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::asking::CAUSES;
use crate::external_check::{ExternalCheck, Tally};
use crate::state::Workload;

/// Those of the pod that it follows, once there is one. Clones follow the same.
#[derive(Clone, Debug, Default)]
pub struct ExternalCheckSeries(Arc<OnceLock<watch::Receiver<Arc<Workload>>>>);

/// A verdict, with what it counts.
type Counts = (&'static str, fn(&Tally) -> &AtomicU64);

const VERDICTS: [Counts; 5] = [
    ("allowed", |tally| &tally.allowed),
    ("denied", |tally| &tally.denied),
    ("failed", |tally| &tally.failed),
    ("unchecked", |tally| &tally.unchecked),
    ("would-refuse", |tally| &tally.would_refuse),
];

// === impl ExternalCheckSeries ===

impl ExternalCheckSeries {
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

impl Collector for ExternalCheckSeries {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(workload) = self.0.get().map(|workload| workload.borrow().clone()) else { return Ok(()) };
        let checks: Vec<_> = workload
            .inbound_ports
            .iter()
            .flat_map(|port| port.external_checks.iter().map(move |check| (port.port, check)))
            .collect();
        if checks.is_empty() {
            return Ok(());
        }
        let help = "Requests by what an external check, or the want of its answer, made of them";
        let name = "weft_external_checks";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (port, check) in &checks {
            for (verdict, of) in VERDICTS {
                let labels = labels(*port, check, ("verdict", verdict));
                counter(of(&check.tally)).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Why external checks had no usable answer";
        let name = "weft_external_check_failures";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (port, check) in &checks {
            for (cause, count) in CAUSES.iter().zip(&check.tally.causes) {
                let labels = labels(*port, check, ("reason", *cause));
                counter(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn counter(count: &AtomicU64) -> ConstCounter<u64> {
    ConstCounter::new(count.load(Ordering::Relaxed))
}

fn labels(
    port: u16,
    check: &ExternalCheck,
    (name, value): (&'static str, &str),
) -> [(&'static str, String); 3] {
    [("port", port.to_string()), ("policy", check.policy.to_string()), (name, value.to_owned())]
}
