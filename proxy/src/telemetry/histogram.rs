//! How long requests took, in buckets that can be counted into without a lock and read one by one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// From a loopback answer to a slow report. `weft.telemetry.v1` names them in this order.
const BOUNDS: [Duration; 14] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// With the one for what is slower than all bounds.
pub(super) const CELLS: usize = BOUNDS.len() + 1;

/// A histogram. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Each request in one of them.
    cells: [AtomicU64; CELLS],
    nanos: AtomicU64,
}

// === impl Histogram ===

impl Histogram {
    pub fn observe(&self, took: Duration) {
        let cell = BOUNDS.iter().position(|bound| took <= *bound).unwrap_or(BOUNDS.len());
        self.0.cells[cell].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// How many are in each bucket.
    pub fn cells(&self) -> [u64; CELLS] {
        std::array::from_fn(|cell| self.0.cells[cell].load(Ordering::Relaxed))
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let cells = self.cells();
        let bounds = BOUNDS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(cells).collect();
        let sum = Duration::from_nanos(self.0.nanos.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, cells.iter().sum(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_request_is_in_the_first_bucket_that_holds_it_and_the_text_adds_them_up() {
        let histogram = Histogram::default();
        for micros in [0, 500, 501, 9_999_999, 10_000_000, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let cells = histogram.cells();
        assert_eq!((cells[0], cells[1], cells[13], cells[14]), (2, 1, 2, 1));
        let mut registry = Registry::default();
        registry.register("took", "help", histogram);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "took_sum 30.001001\n",
            "took_count 6\n",
            "took_bucket{le=\"0.0005\"} 2\n",
            "took_bucket{le=\"0.001\"} 3\n",
            "took_bucket{le=\"5.0\"} 3\n",
            "took_bucket{le=\"10.0\"} 5\n",
            "took_bucket{le=\"+Inf\"} 6\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
