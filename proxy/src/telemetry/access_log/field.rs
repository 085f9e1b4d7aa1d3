//! What a line has, in the order in which it is written. `docs/access-log.md` explains the fields.

use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderName;
use tokio::time::Instant;

use super::Result;
use super::choice::Fields;
use super::json::key;
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
    Headers,
}

// === impl Field ===

impl Field {
    /// What it is called.
    pub fn name(self) -> &'static str {
        // As it stands in a line: `,"name":`.
        let key = key(self);
        &key[2..key.len() - 2]
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|field| field.name() == name)
    }
}

const ALL: [Field; 27] = [
    Field::Direction,
    Field::Method,
    Field::Authority,
    Field::Path,
    Field::Status,
    Field::GrpcStatus,
    Field::Reason,
    Field::RefusedBy,
    Field::WouldRefuse,
    Field::Rule,
    Field::Bytes,
    Field::DurationMs,
    Field::Destination,
    Field::Route,
    Field::Backend,
    Field::Upstream,
    Field::Peer,
    Field::Tls,
    Field::Attempts,
    Field::Retried,
    Field::Withheld,
    Field::Ejected,
    Field::BudgetLeft,
    Field::UnderWay,
    Field::DeadlineLeftMs,
    Field::TraceId,
    Field::Headers,
];

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
    fn headers(&mut self, field: Field, headers: &[(HeaderName, String)]);
}

/// Leaves some fields out.
pub(super) struct Without<S>(pub Fields, pub S);

impl<S: Sink> Sink for Without<S> {
    fn text(&mut self, field: Field, text: &str) {
        if !self.0.has(field) {
            self.1.text(field, text);
        }
    }

    fn plain(&mut self, field: Field, text: &'static str) {
        if !self.0.has(field) {
            self.1.plain(field, text);
        }
    }

    fn number(&mut self, field: Field, number: u64) {
        if !self.0.has(field) {
            self.1.number(field, number);
        }
    }

    fn millis(&mut self, field: Field, time: Duration) {
        if !self.0.has(field) {
            self.1.millis(field, time);
        }
    }

    fn address(&mut self, field: Field, address: SocketAddr) {
        if !self.0.has(field) {
            self.1.address(field, address);
        }
    }

    fn plains(&mut self, field: Field, texts: &[&'static str]) {
        if !self.0.has(field) {
            self.1.plains(field, texts);
        }
    }

    fn pairs(&mut self, field: Field, pairs: &[(&'static str, &'static str)]) {
        if !self.0.has(field) {
            self.1.pairs(field, pairs);
        }
    }

    fn trace_id(&mut self, field: Field, id: u128) {
        if !self.0.has(field) {
            self.1.trace_id(field, id);
        }
    }

    fn headers(&mut self, field: Field, headers: &[(HeaderName, String)]) {
        if !self.0.has(field) {
            self.1.headers(field, headers);
        }
    }
}

/// Tells `sink` all that is known of a request. What does not apply is left out.
#[inline]
pub(super) fn tell(
    mut sink: impl Sink,
    labels: &RequestLabels,
    about: &About,
    remove_query: bool,
    result: Result,
) {
    let sink = &mut sink;
    sink.plain(Field::Direction, labels.direction.name());
    sink.text(Field::Method, about.method.as_str());
    sink.text(Field::Authority, &about.authority);
    let path = if remove_query { about.path.split('?').next().unwrap_or_default() } else { &about.path };
    sink.text(Field::Path, path);
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
    if !about.headers.is_empty() {
        sink.headers(Field::Headers, &about.headers);
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
