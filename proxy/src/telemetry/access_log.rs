//! The access log: one line of JSON for each HTTP request, on stdout, where a pod asks for it.
//!
//! Whoever serves a request never waits for the log, see [`crate::lines`]. A proxy without the log has none of this: a request
//! costs it one branch.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::time::Instant;

use super::about::About;
use super::labels::RequestLabels;
use super::timestamp::rfc3339;
use crate::lines::Lines;

/// Where requests are written. Clones share it.
#[derive(Clone, Debug)]
pub struct AccessLog(Lines);

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Result {
    pub started: Instant,
    pub code: u16,
    pub grpc_status: Option<u16>,
}

/// The fields, in the order in which they are written. `docs/access-log.md` explains them.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    direction: &'static str,
    method: &'a str,
    authority: &'a str,
    path: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_by: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    would_refuse: &'a [(&'static str, &'static str)],
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    bytes: u64,
    duration_ms: f64,
    destination: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    route: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    backend: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    peer: &'a str,
    tls: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    retried: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    ejected: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_left: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    under_way: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_left_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

// === impl AccessLog ===

impl AccessLog {
    /// Writes to stdout from now on.
    pub fn to_stdout(registry: &mut Registry) -> io::Result<Self> {
        Self::start(io::stdout(), registry)
    }

    /// Writes to `out` from a thread that ends with the last clone.
    pub fn start(out: impl Write + Send + 'static, registry: &mut Registry) -> io::Result<Self> {
        let lines = Lines::start("access-log", out)?;
        let help = "Lines of the access log that nobody took in time";
        registry.register("weft_access_log_dropped", help, lines.dropped().clone());
        Ok(Self(lines))
    }

    /// Writes what is known of a request. Never waits.
    pub(super) fn record(&self, labels: &RequestLabels, about: &About, result: Result) {
        let Result { started, code, grpc_status } = result;
        let took = started.elapsed();
        let line = Line {
            time: rfc3339(SystemTime::now().checked_sub(took).unwrap_or(SystemTime::UNIX_EPOCH)),
            direction: labels.direction.name(),
            method: about.method.as_str(),
            authority: &about.authority,
            path: &about.path,
            status: code,
            grpc_status,
            reason: about.reason,
            refused_by: about.refused_by,
            would_refuse: &about.would_refuse,
            rule: about.rule.as_deref(),
            bytes: about.bytes,
            duration_ms: (took.as_secs_f64() * 1e6).round() / 1e3,
            destination: &labels.destination,
            route: &labels.route,
            backend: &labels.backend,
            upstream: about.upstream.map(|upstream| upstream.to_string()),
            peer: &labels.peer,
            tls: labels.tls.name(),
            attempts: about.attempts,
            retried: &about.retried,
            withheld: about.withheld,
            ejected: &about.ejected,
            budget_left: about.budget_left,
            under_way: about.under_way,
            deadline_left_ms: about.deadline.map(|at| {
                let left = at.saturating_duration_since(Instant::now());
                u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
            }),
            trace_id: about.trace_id.as_deref(),
        };
        // A struct of texts and numbers can always be written.
        if let Ok(line) = serde_json::to_vec(&line) {
            self.0.put(line);
        }
    }

    /// Waits, at most for `limit`, until what was recorded before is written.
    pub async fn flush(&self, limit: Duration) {
        self.0.flush(limit).await;
    }
}

#[cfg(test)]
mod tests;
