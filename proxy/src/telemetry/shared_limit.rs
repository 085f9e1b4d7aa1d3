//! What services that count for the limits of this pod answered.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::DescriptorEncoder;

use super::own_pod::counters;
use crate::asking::CAUSES;
use crate::shared_limit::{OnFailure, SharedLimit, SharedLimits, Tally};
use crate::state::Workload;

/// Shows its families, those of a pod that has any.
pub(super) fn encode(workload: &Workload, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let ports = workload.inbound_ports.iter();
    let all: Vec<_> =
        ports.flat_map(|port| port.shared_limits.iter().map(move |limits| (port.port, limits))).collect();
    let given = all.iter().flat_map(|(port, limits)| {
        answers(&limits.tally).map(|(answer, count)| (labels_of_answer(*port, limits, answer), count))
    });
    let help = "What services that count for rate limits answered, or why they did not";
    counters(encoder, ("weft_shared_limit_answers", help), given)?;
    let unanswered = all.iter().flat_map(|(port, limits)| {
        limits.limits.iter().flat_map(|shared| {
            OnFailure::ALL.map(|outcome| {
                (labels_of_limit(*port, shared, outcome), &shared.unanswered[outcome as usize])
            })
        })
    });
    let help = "Requests that a shared rate limit had no answer about, by what became of them";
    counters(encoder, ("weft_shared_limit_unanswered", help), unanswered)
}

fn answers(tally: &Tally) -> impl Iterator<Item = (&'static str, &AtomicU64)> {
    let given = [("under-limit", &tally.under), ("over-limit", &tally.over)];
    let charges = [("charged", &tally.charged), ("not-charged", &tally.not_charged)];
    given.into_iter().chain(CAUSES.into_iter().zip(&tally.causes)).chain(charges)
}

fn labels_of_answer(port: u16, limits: &SharedLimits, answer: &str) -> [(&'static str, String); 5] {
    let mode = if limits.dry_run() { "DryRun" } else { "Enforce" };
    [
        ("port", port.to_string()),
        ("service", limits.service.to_string()),
        ("domain", limits.domain.to_string()),
        ("mode", mode.to_owned()),
        ("answer", answer.to_owned()),
    ]
}

fn labels_of_limit(port: u16, shared: &SharedLimit, outcome: OnFailure) -> [(&'static str, String); 4] {
    [
        ("port", port.to_string()),
        ("policy", shared.limit.policy.to_string()),
        ("limit", shared.limit.name.to_string()),
        ("outcome", outcome.name().to_owned()),
    ]
}
