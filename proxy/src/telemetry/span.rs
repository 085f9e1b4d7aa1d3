//! How a request of a trace is told: a span of what this proxy did with it, and one of each attempt, by OpenTelemetry's stable conventions
//! for HTTP and RPC. What the mesh has to add begins with `weft.`.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, Method, StatusCode};
use tokio::time::Instant;

use super::about::{About, cut};
use super::request::CALLER_LEFT;
use super::{Direction, RequestLabels};
use crate::http::Wire;
use crate::trace::{Begun, Queue};
use crate::wire::opentelemetry::trace as otlp;
use otlp::any_value::Value;
use otlp::span::{Event, SpanKind};
use otlp::status::StatusCode as SpanStatus;
use otlp::{AnyValue, ArrayValue, KeyValue, Span, Status};

/// Attempts that are told one by one; what comes beyond is not.
const MOST_ATTEMPTS: usize = 16;
/// Longest path and host that are told.
const LONGEST: usize = 256;
/// Flags of a span: it is known whether the parent is remote, and it is.
const REMOTE_PARENT: u32 = 0b11 << 8;
const LOCAL_PARENT: u32 = 0b01 << 8;

/// Gathered while a request is under way that belongs to a trace.
#[derive(Debug)]
pub(crate) struct Trace {
    begun: Begun,
    queue: Rc<Queue>,
    at: Beginning,
    attempts: Vec<Attempt>,
    /// There is one that is not told, and it has the request.
    beyond: bool,
    /// What was done to it on purpose.
    faults: Vec<&'static str>,
}

/// How a request came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning {
    pub direction: Direction,
    pub wire: Wire,
    pub grpc: bool,
    pub time: SystemTime,
}

#[derive(Debug)]
struct Attempt {
    span_id: u64,
    to: SocketAddr,
    began: Instant,
    /// Open: it has the request.
    ended: Option<Instant>,
    /// What it was answered, where another came after it.
    code: Option<u16>,
    /// Why it was given up.
    why: Option<&'static str>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended<'a> {
    pub about: &'a About,
    pub labels: &'a RequestLabels,
    pub started: Instant,
    pub code: u16,
    pub grpc_status: Option<u16>,
}

/// The attributes of a span.
#[derive(Default)]
struct Attributes(Vec<KeyValue>);

// === impl Trace ===

impl Trace {
    pub fn new(begun: Begun, queue: Rc<Queue>, at: Beginning) -> Self {
        Self { begun, queue, at, attempts: Vec::new(), beyond: false, faults: Vec::new() }
    }

    /// The request is sent to `addr`. What an application is sent is no attempt: there is one, and it is the request.
    pub fn attempt(&mut self, to: SocketAddr) {
        if self.at.direction == Direction::Inbound {
            return;
        }
        self.beyond = self.attempts.len() >= MOST_ATTEMPTS;
        if !self.beyond {
            let (span_id, began) = (self.queue.span_id(), Instant::now());
            self.attempts.push(Attempt { span_id, to, began, ended: None, code: None, why: None });
        }
    }

    /// Makes `headers` name the attempt that they are sent with, the latest; the request, where that attempt is not told.
    pub fn write(&self, headers: &mut HeaderMap) {
        let context = self.begun.context;
        let told = self.attempts.last().filter(|_| !self.beyond);
        let span_id = told.map_or(context.span_id, |attempt| attempt.span_id);
        context.at(span_id).write(headers);
    }

    /// What has the request now is answered so.
    pub fn coded(&mut self, code: StatusCode) {
        self.open().for_each(|attempt| attempt.code = Some(code.as_u16()));
    }

    /// What has the request now has it no more, because of `why`.
    pub(super) fn given_up(&mut self, why: &'static str) {
        self.open().for_each(|attempt| attempt.end(why));
    }

    /// The copy at `addr` failed beside others.
    pub fn copy_failed(&mut self, addr: SocketAddr) {
        self.open().filter(|attempt| attempt.to == addr).for_each(|attempt| attempt.end("failed"));
    }

    /// The answer of `addr` counts.
    pub fn decided(&mut self, addr: SocketAddr) {
        self.open().filter(|attempt| attempt.to != addr).for_each(|attempt| attempt.end("hedged"));
    }

    /// Something was done to it on purpose.
    pub(super) fn faulted(&mut self, kind: &'static str) {
        self.faults.push(kind);
    }

    fn open(&mut self) -> impl Iterator<Item = &mut Attempt> {
        self.attempts.iter_mut().filter(|attempt| attempt.ended.is_none())
    }

    /// The request has ended.
    pub(super) fn end(&self, ended: Ended<'_>) {
        let now = Instant::now();
        for (index, attempt) in self.attempts.iter().enumerate() {
            self.queue.push(|| self.of_attempt(index, attempt, ended, now));
        }
        self.queue.push(|| self.of_request(ended, now));
    }

    fn of_request(&self, ended: Ended<'_>, now: Instant) -> Span {
        let Ended { about, labels, code, grpc_status, .. } = ended;
        let mut attributes = self.common(about);
        attributes.result(code, grpc_status, self.at.grpc);
        for (name, text) in [
            ("weft.destination", &*labels.destination),
            ("weft.backend", &*labels.backend),
            ("weft.route", &*labels.route),
            ("weft.peer.identity", &*labels.peer),
            ("weft.refused_by", about.refused_by.unwrap_or_default()),
            ("weft.reason", about.reason.unwrap_or_default()),
            ("weft.rule", about.rule.as_deref().unwrap_or_default()),
            ("weft.retry.withheld", about.withheld.unwrap_or_default()),
        ] {
            attributes.text(name, text);
        }
        attributes.texts("weft.ejected", &about.ejected);
        attributes.texts("weft.fault", &self.faults);
        let (error, is_error) = self.error(code, grpc_status, about.reason);
        attributes.text("error.type", &error);
        let would = |(stage, reason): &(&'static str, &'static str)| {
            let mut attributes = Attributes::default();
            attributes.text("weft.stage", stage);
            attributes.text("weft.reason", reason);
            let name = "weft.would_refuse".into();
            Event { time_unix_nano: self.wall(now, ended), name, attributes: attributes.0 }
        };
        let parent_is = if self.begun.parent.is_some() { REMOTE_PARENT } else { 0 };
        Span {
            parent_span_id: self.begun.parent.map(bytes_of).unwrap_or_default(),
            kind: match self.at.direction {
                Direction::Outbound => SpanKind::Client,
                Direction::Inbound => SpanKind::Server,
            }
            .into(),
            attributes: attributes.0,
            events: about.would_refuse.iter().map(would).collect(),
            ..self.span(self.begun.context.span_id, about, (ended.started, now), ended, is_error, parent_is)
        }
    }

    fn of_attempt(&self, index: usize, attempt: &Attempt, ended: Ended<'_>, now: Instant) -> Span {
        let about = ended.about;
        let mut attributes = self.common(about);
        attributes.text("network.peer.address", &attempt.to.ip().to_string());
        attributes.number("network.peer.port", attempt.to.port().into());
        if index > 0 {
            attributes.number("http.request.resend_count", index as i64);
        }
        let (error, is_error) = match attempt.ended {
            None => {
                attributes.result(ended.code, ended.grpc_status, self.at.grpc);
                self.error(ended.code, ended.grpc_status, about.reason)
            }
            Some(_) => {
                attributes.result(attempt.code.unwrap_or(CALLER_LEFT), None, self.at.grpc);
                (attempt.why.unwrap_or_default().to_owned(), true)
            }
        };
        attributes.text("error.type", &error);
        let times = (attempt.began, attempt.ended.unwrap_or(now));
        Span {
            parent_span_id: bytes_of(self.begun.context.span_id),
            kind: SpanKind::Client.into(),
            attributes: attributes.0,
            ..self.span(attempt.span_id, about, times, ended, is_error, LOCAL_PARENT)
        }
    }

    fn span(
        &self,
        span_id: u64,
        about: &About,
        (began, end): (Instant, Instant),
        ended: Ended<'_>,
        is_error: bool,
        parent_is: u32,
    ) -> Span {
        let code = if is_error { SpanStatus::Error } else { SpanStatus::Unset };
        Span {
            trace_id: self.begun.context.trace_id.to_be_bytes().to_vec(),
            span_id: bytes_of(span_id),
            trace_state: self.begun.state.as_deref().unwrap_or_default().to_owned(),
            name: match self.at.grpc {
                true => procedure(about).to_owned(),
                false => method(about).0.to_owned(),
            },
            start_time_unix_nano: self.wall(began, ended),
            end_time_unix_nano: self.wall(end, ended),
            status: is_error.then(|| Status { code: code.into(), ..Default::default() }),
            flags: parent_is | u32::from(self.begun.context.flags()),
            ..Span::default()
        }
    }

    /// What request and attempts have in common.
    fn common(&self, about: &About) -> Attributes {
        let mut attributes = Attributes::default();
        let (method, original) = method(about);
        attributes.text("http.request.method", if original { "_OTHER" } else { method });
        if original {
            attributes.text("http.request.method_original", &cut(about.method.as_str(), LONGEST));
        }
        attributes.text("url.scheme", "http");
        attributes.text("url.path", &cut(path(about), LONGEST));
        let (host, port) = host_and_port(&about.authority);
        attributes.text("server.address", &cut(host, LONGEST));
        if let Some(port) = port {
            attributes.number("server.port", port.into());
        }
        attributes.text("network.protocol.version", if self.at.wire == Wire::H2 { "2" } else { "1.1" });
        if self.at.grpc {
            attributes.text("rpc.system.name", "grpc");
            attributes.text("rpc.method", procedure(about));
        }
        attributes
    }

    /// What went wrong, and whether that is this side's error.
    fn error(&self, code: u16, grpc_status: Option<u16>, reason: Option<&'static str>) -> (String, bool) {
        let is_client = self.at.direction == Direction::Outbound;
        let of_grpc = grpc_status.filter(|status| match *status {
            0 => false,
            // UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS
            2 | 4 | 12..=15 => true,
            _ => is_client,
        });
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

    /// `at` by the clock.
    fn wall(&self, at: Instant, ended: Ended<'_>) -> u64 {
        let time = self.at.time + at.saturating_duration_since(ended.started);
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

// === impl Attempt ===

impl Attempt {
    fn end(&mut self, why: &'static str) {
        self.ended = Some(Instant::now());
        self.why = Some(why);
    }
}

// === impl Attributes ===

impl Attributes {
    fn push(&mut self, name: &str, value: Value) {
        self.0.push(KeyValue { key: name.into(), value: Some(AnyValue { value: Some(value) }) });
    }

    /// Nothing where there is nothing to say.
    fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.push(name, Value::StringValue(text.into()));
        }
    }

    fn texts(&mut self, name: &str, texts: &[&str]) {
        if !texts.is_empty() {
            let text = |text: &&str| AnyValue { value: Some(Value::StringValue((*text).into())) };
            self.push(name, Value::ArrayValue(ArrayValue { values: texts.iter().map(text).collect() }));
        }
    }

    fn number(&mut self, name: &str, number: i64) {
        self.push(name, Value::IntValue(number));
    }

    /// What the answer was, where there was one.
    fn result(&mut self, code: u16, grpc_status: Option<u16>, grpc: bool) {
        if code != CALLER_LEFT {
            self.number("http.response.status_code", code.into());
        }
        if let Some(status) = grpc_status.filter(|_| grpc) {
            self.text("rpc.response.status_code", name_of_status(status));
        }
    }
}

fn bytes_of(span_id: u64) -> Vec<u8> {
    span_id.to_be_bytes().to_vec()
}

/// The method, and whether it is one that nobody registered.
fn method(about: &About) -> (&str, bool) {
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
    if REGISTERED.contains(&about.method) { (about.method.as_str(), false) } else { ("HTTP", true) }
}

/// Without the query, which may hold what nobody else is to read.
fn path(about: &About) -> &str {
    about.path.split('?').next().unwrap_or_default()
}

/// `<package>.<service>/<method>`
fn procedure(about: &About) -> &str {
    let name = path(about);
    name.strip_prefix('/').unwrap_or(name)
}

fn host_and_port(authority: &str) -> (&str, Option<u16>) {
    let parts = authority.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    match parts.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        Some((host, port)) => (host.trim_matches(['[', ']']), Some(port)),
        None => (authority.trim_matches(['[', ']']), None),
    }
}

fn name_of_status(status: u16) -> &'static str {
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
