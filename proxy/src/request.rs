//! What a request is while it is here: one value, made once, whichever half takes it and whichever HTTP it came in.

mod exchange;
mod judging;
mod pass_on;
pub mod plan;
pub(crate) mod rate_limit;

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Request;
use tokio::time::Instant;

use self::plan::Stage;
use crate::header_edits::HeaderEdits;
use crate::http::deadline::{Deadline, Idle, Limit};
use crate::http::framing::{self, BadHead};
use crate::http::headers::{keep_end_to_end, strip_hop_by_hop, wants_upgrade};
use crate::http::rescue::Failure;
use crate::http::upgrade::Leaving;
use crate::http::via::add_via;
use crate::http::{RateLimitFields, Seen, Upload, Wire};
use crate::identity::SpiffeId;
use crate::jwt::Token;
use crate::rate_limit::Bill;
use crate::telemetry::access_log::Choice;
use crate::telemetry::{Beginning, Direction, Metrics, Record, Trace};
use crate::trace::{self, Sampling};
use crate::worker::ground::{OwnPod, Worker};

pub(crate) use exchange::{Exchange, Watcher};
pub(crate) use judging::Judge;
pub(crate) use pass_on::{Onward, pass_on};

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The application of this pod.
    Local,
    /// A workload of the mesh, which has proved it.
    Peer(Arc<SpiffeId>),
    /// Anybody, in plain text.
    Plain,
}

/// One request, from its head to the head of its answer. Everything that judges it reads this value, so that all judge the
/// same: one head, one caller, one version of what the pod is.
#[derive(Debug)]
pub(crate) struct Asked {
    pub request: Request<Upload>,
    /// Headers that the request has; it may name some that have gone since.
    pub seen: Seen,
    /// Errors are told in gRPC's terms.
    pub grpc: bool,
    /// The HTTP it came in.
    pub wire: Wire,
    pub caller: Caller,
    pub own_pod: OwnPod,
    pub started: Instant,
    /// When it must have ended, once that was read.
    pub deadline: Option<Deadline>,
    /// What bounds it, with the timers.
    pub limit: Option<Box<Limit>>,
    /// One that is believed, where rules ask for tokens.
    pub token: Option<Rc<Token>>,
    /// What its caller is told of the limits that let it in.
    pub rate_limit: Option<Box<RateLimitFields>>,
    /// What its response has to pay to limits.
    pub bill: Option<Box<Bill>>,
    /// What external checks that let it in want changed in the answer.
    pub answer_edits: Vec<HeaderEdits>,
    /// It asks to leave HTTP.
    pub leaving: Option<Leaving>,
    /// Says once how it ended, also where it is given up.
    pub record: Record,
}

// === impl Caller ===

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("the application of this pod"),
            Self::Peer(identity) => write!(f, "{identity}"),
            Self::Plain => f.write_str("somebody in plain text"),
        }
    }
}

// === impl Asked ===

impl Asked {
    /// A request that has just come.
    pub fn new(request: Request<Upload>, wire: Wire, caller: Caller, worker: &Worker) -> Self {
        let started = Instant::now();
        let seen = Seen::of(request.headers());
        Self {
            grpc: seen.any(Seen::GRPC),
            seen,
            wire,
            caller,
            own_pod: worker.own_pod.current(),
            started,
            deadline: None,
            limit: None,
            token: None,
            rate_limit: None,
            bill: None,
            answer_edits: Vec::new(),
            leaving: None,
            record: Record::begin(started),
            request,
        }
    }

    /// What stands for a request whose head could not be read, and which is refused for that.
    pub fn unread(wire: Wire, caller: Caller, worker: &Worker, logged: Option<&Choice>) -> Self {
        let mut asked = Self::new(BadHead::request().map(|()| Upload::default()), wire, caller, worker);
        asked.note(worker, logged);
        asked.record.refused_by(Stage::Normalise.name());
        asked
    }

    /// Begins what the access log and who watches are told, where there are any.
    fn note(&mut self, worker: &Worker, logged: Option<&Choice>) {
        let direction = if self.caller == Caller::Local { Direction::Outbound } else { Direction::Inbound };
        let policy = self.own_pod.access_log.as_deref();
        let mut about = worker.metrics.about(&self.request, direction, policy, logged);
        if let Some(about) = &mut about
            && policy.is_some_and(|policy| policy.collector.is_some())
        {
            about.told_to(&worker.records);
        }
        self.record.noted(about);
    }

    /// The stage of that name: refuses what could be read in two ways, gives the request its one authority, and names this
    /// proxy where the mesh wants that. `dialled` is where the request was going, and `logged` what is said of the log of its Service.
    pub fn normalise(
        &mut self,
        dialled: SocketAddr,
        worker: &Worker,
        logged: Option<&Choice>,
    ) -> Result<(), Failure> {
        let admitted = framing::admit(&mut self.request, self.seen, dialled).map_err(Failure::Refused);
        self.note(worker, logged);
        admitted?;
        self.record.passed(Stage::Normalise.name());
        if self.own_pod.via {
            let version = self.request.version();
            add_via(self.request.headers_mut(), version);
        }
        Ok(())
    }

    /// The stage of that name: finds the trace that the request belongs to, or begins one, where the mesh wants to be told of some.
    /// `own` is what its destination says of traces that begin with it.
    pub fn trace(&mut self, worker: &Worker, direction: Direction, own: Option<&Sampling>) {
        let Some(tracing) = &self.own_pod.tracing else { return };
        let sampling = own.unwrap_or(&tracing.sampling);
        let headers = self.request.headers_mut();
        let begun = trace::begin(sampling, &worker.spans, headers);
        if self.seen.any(Seen::CONNECTION) {
            // They are ours now: what the caller names as its hop's own would be stripped.
            keep_end_to_end(headers, &trace::NAMES);
        }
        self.record.belongs_to(begun.context.trace_id);
        if !begun.context.sampled {
            return;
        }
        let at = Beginning {
            direction,
            wire: self.wire,
            grpc: self.grpc,
            time: SystemTime::now() - self.started.elapsed(),
        };
        let trace = Box::new(Trace::new(begun, worker.spans.clone(), at));
        self.record.traced(trace, &self.request);
    }

    /// Takes off what concerns the caller's connection only (RFC 9110 7.6.1). What asks to leave HTTP goes on asking.
    pub fn leave_hop(&mut self) {
        if wants_upgrade(&self.request, self.seen) {
            self.leaving = Some(Leaving::ask(&mut self.request));
        } else {
            strip_hop_by_hop(self.request.headers_mut(), self.seen);
        }
    }

    /// The stage `deadline`: reads when the request must have ended, of which `own` is the word of its route, and starts the
    /// timers. `idle` is how long it may be silent.
    pub fn bound(
        &mut self,
        own: Option<Duration>,
        idle: Option<Duration>,
        metrics: &Metrics,
        direction: Direction,
    ) {
        let cut = |reason| metrics.error_counter(direction, reason);
        if own.is_some() || self.seen.any(Seen::DEADLINES) {
            self.deadline = Deadline::read(self.request.headers(), self.started, own, self.grpc);
            self.record.deadline(self.deadline.map(|deadline| deadline.at()));
        }
        let idle = idle.map(|limit| Idle::new(limit, cut("idle-timeout")));
        self.limit = Limit::new(self.deadline, idle, self.grpc, || cut("deadline-exceeded"));
    }
}
