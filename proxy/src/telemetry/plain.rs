//! Who calls without mutual TLS: whom strict mode refuses, or would.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::family::Family;
use super::subjects::{HeldSeries, Subject, Subjects};

/// Callers that are told apart; whoever comes beyond is counted with the rest.
const MOST: usize = 256;
const REST: &str = "others";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PlainLabels {
    /// `<namespace>/<name>:<port>`, as for requests.
    pub destination: String,
    /// Where the connection comes from. Who is there, the control plane knows.
    address: String,
    /// `refused`, or `would-refuse` on a port that lets everybody in.
    pub verdict: &'static str,
}

/// The family. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct PlainMetrics {
    pub(super) connections: Family<PlainLabels, Counter>,
    /// Addresses that have series.
    known: Arc<Mutex<Vec<String>>>,
}

// === impl PlainMetrics ===

impl PlainMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "weft_plain_connections",
            "Connections without mutual TLS that were refused, or would be in strict mode, by the address they come from",
            metrics.connections.clone(),
        );
        metrics
    }

    /// Counts a connection. What comes back keeps its series while the connection is there.
    pub(super) fn count(
        &self,
        subjects: &Subjects,
        destination: String,
        from: Option<IpAddr>,
        verdict: &'static str,
    ) -> HeldSeries {
        let address = self.name_of(from);
        let held = subjects.hold(Subject::Address(address.clone()));
        self.connections.get(&PlainLabels { destination, address, verdict }).inc();
        held
    }

    /// Forgets those from addresses of which `keep` says no.
    pub(super) fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).retain(|address| keep(address));
        self.connections.retain(|of| keep(&of.address));
    }

    fn name_of(&self, from: Option<IpAddr>) -> String {
        let Some(from) = from else { return REST.to_owned() };
        let address = from.to_canonical().to_string();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&address) {
            return address;
        }
        if known.len() >= MOST {
            return REST.to_owned();
        }
        known.push(address.clone());
        address
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn counted(metrics: &PlainMetrics, address: &str) -> u64 {
        let labels = PlainLabels { destination: "d".into(), address: address.into(), verdict: "refused" };
        metrics.connections.get(&labels).get()
    }

    #[test]
    fn whoever_comes_beyond_the_bound_is_counted_with_the_rest_until_others_are_forgotten() {
        let (metrics, subjects) = (PlainMetrics::default(), Subjects::default());
        let from = |number: u32| Some(IpAddr::from(Ipv4Addr::from(number)));
        let count = |number| drop(metrics.count(&subjects, "d".into(), from(number), "refused"));
        (0..=MOST as u32).for_each(count);
        count(1);
        assert_eq!((counted(&metrics, "0.0.0.1"), counted(&metrics, REST)), (2, 1));
        metrics.retain(|address| address != "0.0.0.7");
        count(MOST as u32);
        assert_eq!((counted(&metrics, "0.0.1.0"), counted(&metrics, REST)), (1, 1));
    }
}
