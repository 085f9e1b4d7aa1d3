//! What the external checks of this pod did.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::DescriptorEncoder;

use super::own_pod::counters;
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
    let ports = workload.inbound_ports.iter();
    let checks: Vec<_> =
        ports.flat_map(|port| port.external_checks.iter().map(move |check| (port.port, check))).collect();
    let verdicts = checks.iter().flat_map(|(port, check)| {
        VERDICTS.map(|(verdict, of)| (labels(*port, check, ("verdict", verdict)), of(&check.tally)))
    });
    let help = "Requests by what an external check, or the want of its answer, made of them";
    counters(encoder, ("weft_external_checks", help), verdicts)?;
    let failures = checks.iter().flat_map(|(port, check)| {
        let causes = CAUSES.iter().zip(&check.tally.causes);
        causes.map(|(cause, count)| (labels(*port, check, ("reason", cause)), count))
    });
    let help = "Why external checks had no usable answer";
    counters(encoder, ("weft_external_check_failures", help), failures)
}

fn labels(
    port: u16,
    check: &ExternalCheck,
    (name, value): (&'static str, &str),
) -> [(&'static str, String); 3] {
    [("port", port.to_string()), ("policy", check.policy.to_string()), (name, value.to_owned())]
}
