//! What the external checks of this pod did.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;

use super::own_pod::counter;
use crate::asking::CAUSES;
use crate::external_check::{ExternalCheck, Tally};
use crate::state::Workload;

/// A verdict, with what it counts.
type Counts = (&'static str, fn(&Tally) -> &AtomicU64);

const VERDICTS: [Counts; 5] = [
    ("allowed", |tally| &tally.allowed),
    ("denied", |tally| &tally.denied),
    ("failed", |tally| &tally.failed),
    ("unchecked", |tally| &tally.unchecked),
    ("would-refuse", |tally| &tally.would_refuse),
];

/// Shows its families, those of a pod that has any.
pub(super) fn encode(workload: &Workload, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
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

fn labels(
    port: u16,
    check: &ExternalCheck,
    (name, value): (&'static str, &str),
) -> [(&'static str, String); 3] {
    [("port", port.to_string()), ("policy", check.policy.to_string()), (name, value.to_owned())]
}
