//! What becomes of copies of requests.

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::family::Family;
use super::request::known;

/// Which copies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct MirrorLabels {
    /// `<namespace>/<name>:<port>` that was dialled.
    pub destination: String,
    /// The route that took the request.
    pub route: String,
    /// Where the copy goes.
    pub backend: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: String,
    #[prometheus(flatten)]
    mirror: MirrorLabels,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
    #[prometheus(flatten)]
    mirror: MirrorLabels,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: String,
    #[prometheus(flatten)]
    mirror: MirrorLabels,
}

/// The families. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MirrorMetrics {
    sent: Family<ResultLabels, Counter>,
    skipped: Family<ReasonLabels, Counter>,
    comparisons: Family<ResultLabels, Counter>,
    differences: Family<KindLabels, Counter>,
}

/// Counts for one copy. Copies are rare beside requests, so nothing is kept for the next one.
#[derive(Clone, Debug)]
pub struct MirrorSeries {
    metrics: MirrorMetrics,
    labels: MirrorLabels,
}

// === impl MirrorMetrics ===

impl MirrorMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "weft_mirrored_requests",
            "Copies of requests that were sent, by status or by why there was none",
            metrics.sent.clone(),
        );
        registry.register(
            "weft_mirrors_skipped",
            "Copies of requests that were not sent, by reason",
            metrics.skipped.clone(),
        );
        registry.register(
            "weft_mirror_comparisons",
            "Answers to copies that were compared with those of the requests: same, different, incomplete",
            metrics.comparisons.clone(),
        );
        registry.register(
            "weft_mirror_differences",
            "Differences between answers to copies and those of the requests, by kind",
            metrics.differences.clone(),
        );
        metrics
    }

    /// Forgets copies of requests to the other destinations.
    pub(super) fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.sent.retain(|of| keep(&of.mirror.destination));
        self.skipped.retain(|of| keep(&of.mirror.destination));
        self.comparisons.retain(|of| keep(&of.mirror.destination));
        self.differences.retain(|of| keep(&of.mirror.destination));
    }

    /// Counts for copies with `labels`.
    pub fn series(&self, labels: MirrorLabels) -> MirrorSeries {
        MirrorSeries { metrics: self.clone(), labels }
    }
}

// === impl MirrorSeries ===

impl MirrorSeries {
    /// A copy was sent, and this came of it.
    pub fn sent(&self, status: StatusCode) {
        self.ended(known(status.as_u16()).to_string());
    }

    /// A copy was sent, and for this reason there is no status.
    pub fn failed(&self, reason: &'static str) {
        self.ended(reason.to_owned());
    }

    fn ended(&self, result: String) {
        let labels = ResultLabels { result, mirror: self.labels.clone() };
        self.metrics.sent.get(&labels).inc();
    }

    /// A copy was not sent.
    pub fn skipped(&self, reason: &'static str) {
        let labels = ReasonLabels { reason, mirror: self.labels.clone() };
        self.metrics.skipped.get(&labels).inc();
    }

    /// Two answers were compared.
    pub fn compared(&self, result: &'static str) {
        let labels = ResultLabels { result: result.to_owned(), mirror: self.labels.clone() };
        self.metrics.comparisons.get(&labels).inc();
    }

    /// Two answers differ in this.
    pub fn differs(&self, kind: &str) {
        let labels = KindLabels { kind: kind.to_owned(), mirror: self.labels.clone() };
        self.metrics.differences.get(&labels).inc();
    }
}
