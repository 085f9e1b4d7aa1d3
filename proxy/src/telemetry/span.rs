//! How a request of a trace is told: a span of what this proxy did with it, and one of each attempt, by OpenTelemetry's stable conventions
//! for HTTP and RPC. What the mesh has to add begins with `weft.`.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::about::About;
use super::attributes::{self, Attributes, name_of_status, registered, without_query};
use super::request::CALLER_LEFT;
use super::{Direction, RequestLabels};
use crate::http::Wire;
use crate::trace::{Begun, Context, Queue};
use crate::wire::opentelemetry::trace as otlp;
use otlp::span::{Event, SpanKind};
use otlp::status::StatusCode as SpanStatus;
use otlp::{Span, Status};

/// Attempts that are told one by one; what comes beyond is not.
const MOST_ATTEMPTS: usize = 16;
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

// === impl Trace ===

impl Trace {
    pub fn new(begun: Begun, queue: Rc<Queue>, at: Beginning) -> Self {
        Self { begun, queue, at, attempts: Vec::new(), beyond: false, faults: Vec::new() }
    }

    /// The span of the request.
    pub(super) fn context(&self) -> Context {
        self.begun.context
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
        self.result(&mut attributes, code, grpc_status);
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
        let (error, is_error) = attributes::error(self.at.direction, code, grpc_status, about.reason);
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
                self.result(&mut attributes, ended.code, ended.grpc_status);
                attributes::error(self.at.direction, ended.code, ended.grpc_status, about.reason)
            }
            Some(_) => {
                self.result(&mut attributes, attempt.code.unwrap_or(CALLER_LEFT), None);
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
                false => registered(&about.method).0.to_owned(),
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
        attributes.method(&about.method);
        attributes.text("url.scheme", "http");
        attributes.path(&about.path);
        attributes.authority(&about.authority);
        attributes.text("network.protocol.version", if self.at.wire == Wire::H2 { "2" } else { "1.1" });
        if self.at.grpc {
            attributes.text("rpc.system.name", "grpc");
            attributes.text("rpc.method", procedure(about));
        }
        attributes
    }

    /// What the answer was, where there was one.
    fn result(&self, attributes: &mut Attributes, code: u16, grpc_status: Option<u16>) {
        attributes.code(code);
        if let Some(status) = grpc_status.filter(|_| self.at.grpc) {
            attributes.text("rpc.response.status_code", name_of_status(status));
        }
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

fn bytes_of(span_id: u64) -> Vec<u8> {
    span_id.to_be_bytes().to_vec()
}

/// `<package>.<service>/<method>`
fn procedure(about: &About) -> &str {
    let name = without_query(&about.path);
    name.strip_prefix('/').unwrap_or(name)
}
