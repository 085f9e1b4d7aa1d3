//! What a line has, in the order in which it is written. `docs/access-log.md` explains the fields.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::Result;
use crate::telemetry::RequestLabels;
use crate::telemetry::about::About;

/// A field of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Direction,
    Method,
    Authority,
    Path,
    Status,
    GrpcStatus,
    Reason,
    RefusedBy,
    WouldRefuse,
    Rule,
    Bytes,
    DurationMs,
    Destination,
    Route,
    Backend,
    Upstream,
    Peer,
    Tls,
    Attempts,
    Retried,
    Withheld,
    Ejected,
    BudgetLeft,
    UnderWay,
    DeadlineLeftMs,
    TraceId,
}

/// Takes the fields of one request as they are told. Texts that are `plain` are names of this proxy, with nothing to escape.
pub(super) trait Sink {
    fn text(&mut self, field: Field, text: &str);
    fn plain(&mut self, field: Field, text: &'static str);
    fn number(&mut self, field: Field, number: u64);
    /// A time in milliseconds.
    fn millis(&mut self, field: Field, time: Duration);
    fn address(&mut self, field: Field, address: SocketAddr);
    fn plains(&mut self, field: Field, texts: &[&'static str]);
    fn pairs(&mut self, field: Field, pairs: &[(&'static str, &'static str)]);
    fn trace_id(&mut self, field: Field, id: u128);
}

/// Tells `sink` all that is known of a request. What does not apply is left out.
#[inline]
pub(super) fn tell(sink: &mut impl Sink, labels: &RequestLabels, about: &About, result: Result) {
    sink.plain(Field::Direction, labels.direction.name());
    sink.text(Field::Method, about.method.as_str());
    sink.text(Field::Authority, &about.authority);
    sink.text(Field::Path, &about.path);
    sink.number(Field::Status, result.code.into());
    if let Some(status) = result.grpc_status {
        sink.number(Field::GrpcStatus, status.into());
    }
    tell_verdict(sink, about);
    sink.number(Field::Bytes, about.bytes);
    sink.millis(Field::DurationMs, result.took);
    sink.text(Field::Destination, &labels.destination);
    for (field, text) in [(Field::Route, &labels.route), (Field::Backend, &labels.backend)] {
        if !text.is_empty() {
            sink.text(field, text);
        }
    }
    if let Some(upstream) = about.upstream {
        sink.address(Field::Upstream, upstream);
    }
    if !labels.peer.is_empty() {
        sink.text(Field::Peer, &labels.peer);
    }
    sink.plain(Field::Tls, labels.tls.name());
    tell_attempts(sink, about);
    tell_bounds(sink, about, result.started + result.took);
    if let Some(id) = about.trace_id {
        sink.trace_id(Field::TraceId, id);
    }
}

fn tell_verdict(sink: &mut impl Sink, about: &About) {
    if let Some(reason) = about.reason {
        sink.plain(Field::Reason, reason);
    }
    if let Some(stage) = about.refused_by {
        sink.plain(Field::RefusedBy, stage);
    }
    if !about.would_refuse.is_empty() {
        sink.pairs(Field::WouldRefuse, &about.would_refuse);
    }
    if let Some(rule) = &about.rule {
        sink.text(Field::Rule, rule);
    }
}

fn tell_attempts(sink: &mut impl Sink, about: &About) {
    sink.number(Field::Attempts, about.attempts.into());
    if !about.retried.is_empty() {
        sink.plains(Field::Retried, &about.retried);
    }
    if let Some(why) = about.withheld {
        sink.plain(Field::Withheld, why);
    }
    if !about.ejected.is_empty() {
        sink.plains(Field::Ejected, &about.ejected);
    }
}

fn tell_bounds(sink: &mut impl Sink, about: &About, ended: Instant) {
    if let Some(left) = about.budget_left {
        sink.number(Field::BudgetLeft, left);
    }
    if let Some(count) = about.under_way {
        sink.number(Field::UnderWay, count.into());
    }
    if let Some(at) = about.deadline {
        let left = at.saturating_duration_since(ended).as_millis();
        sink.number(Field::DeadlineLeftMs, u64::try_from(left).unwrap_or(u64::MAX));
    }
}
