//! A line as OTLP has it: a record whose attributes follow OpenTelemetry's stable conventions where there are some. What the mesh
//! has to add begins with `weft.`.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, Method};

use super::choice::Chosen;
use super::field::{self, Field, Sink, Without};
use super::{Result, choice};
use crate::telemetry::about::About;
use crate::telemetry::attributes::{self, Attributes, name_of_status, without_query};
use crate::telemetry::{Direction, RequestLabels};
use crate::trace::Context;
use crate::wire::opentelemetry::trace as otlp;
use otlp::any_value::Value;
use otlp::{AnyValue, LogRecord};

/// Severities by their numbers.
const INFO: (i32, &str) = (9, "INFO");
const WARN: (i32, &str) = (13, "WARN");
const ERROR: (i32, &str) = (17, "ERROR");

/// The attributes of one record.
struct Telling<'a> {
    attributes: &'a mut Attributes,
    direction: Direction,
}

/// What is told of a request that began at `began`; `span` is that of this proxy, where it is told too.
pub(super) fn record(
    chosen: Chosen,
    (labels, about): (&RequestLabels, &About),
    result: Result,
    began: SystemTime,
    span: Option<Context>,
) -> LogRecord {
    let omits = |field| chosen.omit.has(field);
    let mut attributes = Attributes::default();
    let telling = Telling { attributes: &mut attributes, direction: labels.direction };
    field::tell(Without(chosen.omit, telling), labels, about, chosen.remove_query, result);
    attributes.text("url.scheme", "http");
    let reason = about.reason.filter(|_| !omits(Field::Reason));
    let (error, is_error) = attributes::error(labels.direction, result.code, result.grpc_status, reason);
    if is_error {
        attributes.text("error.type", &error);
    }
    let (severity_number, severity) = severity(about, result);
    let is_named = !omits(Field::TraceId);
    let trace_id = about.trace_id.filter(|_| is_named);
    let span = span.filter(|_| is_named);
    LogRecord {
        time_unix_nano: nanos(began),
        observed_time_unix_nano: nanos(began + result.took),
        severity_number,
        severity_text: severity.into(),
        body: Some(AnyValue { value: Some(Value::StringValue(body(chosen, about, result))) }),
        attributes: attributes.0,
        flags: span.map(|span| span.flags().into()).unwrap_or_default(),
        trace_id: trace_id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default(),
        span_id: span.map(|span| span.span_id.to_be_bytes().to_vec()).unwrap_or_default(),
    }
}

/// As people read it in a list: method, path and status.
fn body(chosen: Chosen, about: &About, result: Result) -> String {
    let status = result.code.to_string();
    let parts = [
        (Field::Method, about.method.as_str()),
        (Field::Path, without_query(&about.path)),
        (Field::Status, &status),
    ];
    let told = parts.into_iter().filter(|(field, _)| !chosen.omit.has(*field));
    told.map(|(_, text)| text).collect::<Vec<_>>().join(" ")
}

fn severity(about: &About, result: Result) -> (i32, &'static str) {
    match () {
        () if choice::is_error(result) => ERROR,
        () if choice::is_denied(about) => WARN,
        () => INFO,
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

// === impl Telling ===

impl Sink for Telling<'_> {
    fn text(&mut self, field: Field, text: &str) {
        match field {
            Field::Method => {
                if let Ok(method) = Method::from_bytes(text.as_bytes()) {
                    self.attributes.method(&method);
                }
            }
            Field::Authority => self.attributes.authority(text),
            Field::Path => {
                self.attributes.path(text);
                let query = text.split_once('?').map(|(_, query)| query);
                self.attributes.text("url.query", query.unwrap_or_default());
            }
            _ => self.attributes.text(name(field), text),
        }
    }

    fn plain(&mut self, field: Field, text: &'static str) {
        self.attributes.text(name(field), text);
    }

    fn number(&mut self, field: Field, number: u64) {
        match field {
            Field::Status => self.attributes.code(u16::try_from(number).unwrap_or_default()),
            Field::GrpcStatus => {
                self.attributes.text("rpc.system.name", "grpc");
                let status = u16::try_from(number).unwrap_or(u16::MAX);
                self.attributes.text(name(field), name_of_status(status));
            }
            _ => self.attributes.number(name(field), i64::try_from(number).unwrap_or(i64::MAX)),
        }
    }

    fn millis(&mut self, field: Field, time: Duration) {
        self.attributes.push(name(field), Value::DoubleValue(time.as_secs_f64() * 1_000.0));
    }

    fn address(&mut self, field: Field, address: SocketAddr) {
        match self.direction {
            Direction::Outbound => {
                self.attributes.text("network.peer.address", &address.ip().to_string());
                self.attributes.number("network.peer.port", address.port().into());
            }
            // The peer is who called.
            Direction::Inbound => self.attributes.text(name(field), &address.to_string()),
        }
    }

    fn plains(&mut self, field: Field, texts: &[&'static str]) {
        self.attributes.texts(name(field), texts);
    }

    fn pairs(&mut self, field: Field, pairs: &[(&'static str, &'static str)]) {
        let texts: Vec<_> = pairs.iter().map(|(one, other)| format!("{one}:{other}")).collect();
        self.attributes.texts(name(field), &texts);
    }

    fn trace_id(&mut self, _field: Field, _id: u128) {
        // The record has a place for it.
    }

    fn headers(&mut self, _field: Field, headers: &[(HeaderName, String)]) {
        for (name, value) in headers {
            self.attributes.texts(&format!("http.request.header.{name}"), &[value]);
        }
    }
}

/// The attribute that a field is.
fn name(field: Field) -> &'static str {
    match field {
        Field::Direction => "weft.direction",
        Field::Method => "http.request.method",
        Field::Authority => "server.address",
        Field::Path => "url.path",
        Field::Status => "http.response.status_code",
        Field::GrpcStatus => "rpc.response.status_code",
        Field::Reason => "weft.reason",
        Field::RefusedBy => "weft.refused_by",
        Field::WouldRefuse => "weft.would_refuse",
        Field::Rule => "weft.rule",
        Field::Bytes => "weft.bytes",
        Field::DurationMs => "weft.duration_ms",
        Field::Destination => "weft.destination",
        Field::Route => "weft.route",
        Field::Backend => "weft.backend",
        Field::Upstream => "weft.upstream",
        Field::Peer => "weft.peer.identity",
        Field::Tls => "weft.tls",
        Field::Attempts => "weft.attempts",
        Field::Retried => "weft.retried",
        Field::Withheld => "weft.retry.withheld",
        Field::Ejected => "weft.ejected",
        Field::BudgetLeft => "weft.budget_left",
        Field::UnderWay => "weft.under_way",
        Field::DeadlineLeftMs => "weft.deadline_left_ms",
        Field::TraceId => "weft.trace_id",
        Field::Headers => "http.request.header",
    }
}
