//! What the rate limits of this pod did.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::DescriptorEncoder;

use super::own_pod::counters;
use crate::rate_limit::{RateLimit, Tally};
use crate::state::Workload;

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

/// Shows its families, those of a pod that has any.
pub(super) fn encode(workload: &Workload, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    for (name, help, of) in FAMILIES {
        let ports = workload.inbound_ports.iter();
        let taking =
            ports.flat_map(|port| port.all_limits().map(move |limit| (port.port.to_string(), limit)));
        // What the pod sends goes to no port of its own.
        let sending = workload.caller_limits.iter().map(|one| (String::new(), &one.limit));
        let rows = taking.chain(sending).map(|(port, limit)| (labels(port, limit), of(limit.tally())));
        counters(encoder, (name, help), rows)?;
    }
    Ok(())
}

fn labels(port: String, limit: &RateLimit) -> [(&'static str, String); 3] {
    [("port", port), ("policy", limit.policy.to_string()), ("limit", limit.name.to_string())]
}
