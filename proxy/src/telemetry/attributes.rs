//! Attributes by OpenTelemetry's stable conventions for HTTP and RPC, which spans and records of the access log have in common.

use http::Method;

use super::Direction;
use super::about::cut;
use super::request::CALLER_LEFT;
use crate::wire::opentelemetry::trace as otlp;
use otlp::any_value::Value;
use otlp::{AnyValue, ArrayValue, KeyValue};

/// Longest path and host that are told.
const LONGEST: usize = 256;

/// The attributes of a span or a record.
#[derive(Default)]
pub(super) struct Attributes(pub Vec<KeyValue>);

// === impl Attributes ===

impl Attributes {
    pub fn push(&mut self, name: &str, value: Value) {
        self.0.push(KeyValue { key: name.into(), value: Some(AnyValue { value: Some(value) }) });
    }

    /// Nothing where there is nothing to say.
    pub fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.push(name, Value::StringValue(text.into()));
        }
    }

    pub fn texts(&mut self, name: &str, texts: &[impl AsRef<str>]) {
        if !texts.is_empty() {
            let value = |text: &str| AnyValue { value: Some(Value::StringValue(text.into())) };
            let values = texts.iter().map(|text| value(text.as_ref())).collect();
            self.push(name, Value::ArrayValue(ArrayValue { values }));
        }
    }

    pub fn number(&mut self, name: &str, number: i64) {
        self.push(name, Value::IntValue(number));
    }

    /// The method of a request.
    pub fn method(&mut self, method: &Method) {
        let (name, is_odd) = registered(method);
        self.text("http.request.method", if is_odd { "_OTHER" } else { name });
        if is_odd {
            self.text("http.request.method_original", &cut(method.as_str(), LONGEST));
        }
    }

    /// Where a request is for.
    pub fn authority(&mut self, authority: &str) {
        let (host, port) = host_and_port(authority);
        self.text("server.address", &cut(host, LONGEST));
        if let Some(port) = port {
            self.number("server.port", port.into());
        }
    }

    /// The path, without the query, which may hold what nobody else is to read.
    pub fn path(&mut self, path: &str) {
        self.text("url.path", &cut(without_query(path), LONGEST));
    }

    /// The HTTP status, where there was one.
    pub fn code(&mut self, code: u16) {
        if code != CALLER_LEFT {
            self.number("http.response.status_code", code.into());
        }
    }
}

/// The method, and whether it is one that nobody registered.
pub(super) fn registered(method: &Method) -> (&str, bool) {
    const REGISTERED: [Method; 9] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
        Method::CONNECT,
        Method::TRACE,
    ];
    if REGISTERED.contains(method) { (method.as_str(), false) } else { ("HTTP", true) }
}

pub(super) fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

fn host_and_port(authority: &str) -> (&str, Option<u16>) {
    let parts = authority.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    match parts.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        Some((host, port)) => (host.trim_matches(['[', ']']), Some(port)),
        None => (authority.trim_matches(['[', ']']), None),
    }
}

/// Whether a gRPC status is the server's fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
pub(super) fn is_fault(grpc_status: u16) -> bool {
    matches!(grpc_status, 2 | 4 | 12..=15)
}

/// What went wrong with a request, and whether that is this side's error.
pub(super) fn error(
    direction: Direction,
    code: u16,
    grpc_status: Option<u16>,
    reason: Option<&'static str>,
) -> (String, bool) {
    let is_client = direction == Direction::Outbound;
    let of_grpc = grpc_status.filter(|status| *status != 0 && (is_fault(*status) || is_client));
    let is_error = of_grpc.is_some() || code >= 500 || (code >= 400 && is_client) || code == CALLER_LEFT;
    let error = match (reason, of_grpc) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(status)) => name_of_status(status).to_owned(),
        (None, None) if code == CALLER_LEFT => "caller-left".to_owned(),
        (None, None) if is_error => code.to_string(),
        (None, None) => String::new(),
    };
    (error, is_error)
}

pub(super) fn name_of_status(status: u16) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    NAMES.get(usize::from(status)).unwrap_or(&"UNKNOWN")
}
