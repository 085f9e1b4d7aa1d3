//! What the limits and checks of this pod did. Read from themselves when somebody asks, so that a request which is refused looks nothing
//! up, and what is gone leaves no series behind.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::{external_check, rate_limit, shared_limit};
use crate::state::Workload;

/// The series of the pod that it follows, once there is one. Clones follow the same.
#[derive(Clone, Debug, Default)]
pub struct OwnPodSeries(Arc<OnceLock<watch::Receiver<Arc<Workload>>>>);

// === impl OwnPodSeries ===

impl OwnPodSeries {
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

impl Collector for OwnPodSeries {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(workload) = self.0.get().map(|workload| workload.borrow().clone()) else { return Ok(()) };
        rate_limit::encode(&workload, &mut encoder)?;
        shared_limit::encode(&workload, &mut encoder)?;
        external_check::encode(&workload, &mut encoder)
    }
}

/// Shows a family of counters with their labels, unless there are none.
pub(super) fn counters<'a, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    rows: impl IntoIterator<Item = ([(&'static str, String); N], &'a AtomicU64)>,
) -> fmt::Result {
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    rows.try_for_each(|(labels, count)| {
        let count = ConstCounter::new(count.load(Ordering::Relaxed));
        count.encode(family.encode_family(&labels)?)
    })
}
