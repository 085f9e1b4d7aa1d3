//! Metrics that differ in their labels, of which those can be forgotten that are not needed any more.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// One metric for each set of labels. Clones share them.
#[derive(Clone, Debug)]
pub struct Family<S, M> {
    series: Arc<RwLock<HashMap<S, M>>>,
    make: fn() -> M,
}

// === impl Family ===

impl<S, M: Default> Default for Family<S, M> {
    fn default() -> Self {
        Self::new(M::default)
    }
}

impl<S, M> Family<S, M> {
    /// A family whose metrics begin as `make` makes them.
    pub fn new(make: fn() -> M) -> Self {
        Self { series: Arc::default(), make }
    }
}

impl<S: Clone + Eq + Hash, M: Clone> Family<S, M> {
    /// The metric with these labels, to be kept no longer than its subject is held: see [`super::subjects`].
    pub fn get(&self, labels: &S) -> M {
        if let Some(known) = self.series.read().unwrap_or_else(PoisonError::into_inner).get(labels) {
            return known.clone();
        }
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        series.entry(labels.clone()).or_insert_with(self.make).clone()
    }

    /// Shows each metric with its labels.
    pub fn each(&self, mut show: impl FnMut(&S, &M)) {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        series.iter().for_each(|(labels, metric)| show(labels, metric));
    }

    /// Forgets the others.
    pub fn retain(&self, keep: impl Fn(&S) -> bool) {
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        let before = series.len();
        series.retain(|labels, _| keep(labels));
        if series.len() < before {
            series.shrink_to_fit();
        }
    }
}

impl<S, M> EncodeMetric for Family<S, M>
where
    S: Clone + Eq + Hash + EncodeLabelSet,
    M: EncodeMetric + TypedMetric,
{
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        for (labels, metric) in &*self.series.read().unwrap_or_else(PoisonError::into_inner) {
            metric.encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }

    fn is_empty(&self) -> bool {
        self.series.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
