//! What the application asked for outside the mesh, and what became of it.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::family::Family;

/// Hosts that are told apart though nobody declared them; what is asked for beyond is counted with the rest.
const MOST_HOSTS: usize = 64;
const REST: &str = "others";

/// One thing that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EgressLabels {
    /// The ExternalService that lets it out, `<namespace>/<name>`; empty where none does.
    pub service: String,
    /// A host; `-` where none was named, and an ExternalService has it as it was declared.
    pub host: String,
    /// The port that was dialled.
    pub port: u16,
    /// `allowed`, `refused`, or `would-refuse` in a dry run.
    pub verdict: &'static str,
    /// Why, unless it is allowed.
    pub reason: &'static str,
}

/// The family. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct EgressMetrics {
    asked: Family<EgressLabels, Counter>,
    /// Hosts and ports that nobody declared and that have series.
    known: Arc<Mutex<Vec<(String, u16)>>>,
}

// === impl EgressMetrics ===

impl EgressMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "weft_egress",
            "What was asked for outside the mesh where the outbound policy judges: connections, and of HTTP the hosts of each",
            metrics.asked.clone(),
        );
        metrics
    }

    /// Counts what an ExternalService lets out.
    pub fn allowed(&self, service: &str, host: &str, port: u16) {
        let labels = EgressLabels {
            service: service.to_owned(),
            host: host.to_owned(),
            port,
            verdict: "allowed",
            reason: "",
        };
        self.asked.get(&labels).inc();
    }

    /// Counts what is refused, or would be; whether it is the first of its kind.
    pub fn refused(
        &self,
        host: Option<&str>,
        port: u16,
        verdict: &'static str,
        reason: &'static str,
    ) -> bool {
        let (host, port) = match host {
            None => ("-".to_owned(), port),
            Some(host) => self.name_of(host, port),
        };
        let labels = EgressLabels { service: String::new(), host, port, verdict, reason };
        self.asked.get(&labels).inc() == 0
    }

    fn name_of(&self, host: &str, port: u16) -> (String, u16) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.iter().any(|(name, at)| name == host && *at == port) {
            return (host.to_owned(), port);
        }
        if known.len() >= MOST_HOSTS {
            return (REST.to_owned(), 0);
        }
        known.push((host.to_owned(), port));
        (host.to_owned(), port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_nobody_declared_are_told_apart_up_to_a_bound() {
        let metrics = EgressMetrics::default();
        let refuse = |host: &str| metrics.refused(Some(host), 443, "refused", "unknown-destination");
        let counted = |host: &str, port| {
            let (service, host) = (String::new(), host.to_owned());
            let labels =
                EgressLabels { service, host, port, verdict: "refused", reason: "unknown-destination" };
            metrics.asked.get(&labels).get()
        };
        for number in 0..1000 {
            refuse(&format!("{number}.example"));
        }
        assert!(!refuse("7.example"), "the second of its kind");
        assert_eq!((counted("7.example", 443), counted(REST, 0)), (2, 1000 - MOST_HOSTS as u64));
        assert_eq!(counted("64.example", 443), 0);
    }
}
