//! One HTTP request of a proved peer, on its way to the application.

use std::cell::{OnceCell, RefCell};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use http::header::HOST;
use http::{Request, Response, Version};
use tokio::time::Instant;

use super::{external_check, shared_limit};
use crate::http::deadline::within;
use crate::http::framing::{self, BadHead, Unusable};
use crate::http::headers::{
    count_attempt, mark_closing, mark_elsewhere, take_closing_mark, take_elsewhere_mark, take_http1_mark,
};
use crate::http::rescue::{Failure, Reader, rescue};
use crate::http::upgrade::Until;
use crate::http::via::add_forwarded;
use crate::http::{
    Body, Carry, Closing, ConnectError, Incoming, Lease, Over, OwnConnections, Patience, Pending, Seen,
    SendError, Upload, Upstream, Wire, WireError, authenticates, challenges, expect, replay,
};
use crate::outbound::callout::Callout;
use crate::request::plan::{Judged, Plan, Stage, Turn};
use crate::request::rate_limit::{self, Between};
use crate::request::{Asked, Caller, Exchange, Judge, Onward, Watcher, pass_on};
use crate::tcp::Bounds;
use crate::telemetry::access_log::Choice;
use crate::telemetry::{Direction, RequestLabels, Series, Tls};
use crate::tls::Peer;
use crate::worker::ground::{OwnPod, Worker};
use crate::worker::residents::Resident;

use super::access::{Gate, Ruling};

/// An HTTP connection of a peer.
#[derive(Debug)]
pub struct PeerConnection {
    worker: Rc<Worker>,
    callouts: Callouts,
    application: Rc<Upstream>,
    series: Rc<Series>,
    destination: String,
    caller: Caller,
    /// The pod at its other end.
    from: Option<SocketAddr>,
    /// Who opened it, as access rules ask.
    gate: Gate,
    /// What is asked about its requests, for one version of this pod.
    planned: RefCell<Option<Rc<Planned>>>,
    wire: Wire,
    /// From when its caller began to authenticate by connections. Over HTTP/2 requests of many callers come.
    own: OnceCell<Rc<OwnConnections>>,
    resident: Rc<Resident>,
}

/// How others are asked about requests. Those that are slow must not keep the places of the rest.
#[derive(Clone, Debug)]
pub struct Callouts {
    /// External checks.
    pub checks: Rc<Callout>,
    /// Services that count.
    pub limits: Rc<Callout>,
}

/// What is asked about requests of one connection, for one version of this pod.
#[derive(Debug)]
struct Planned {
    of: OwnPod,
    plan: Plan,
    ruling: Option<Ruling>,
    /// Which of them are logged, where a policy says it of the port.
    log: Option<Choice>,
}

// === impl PeerConnection ===

impl PeerConnection {
    pub fn new(
        (worker, callouts): (Rc<Worker>, Callouts),
        application: Rc<Upstream>,
        from: Option<SocketAddr>,
        (gate, resident): (Gate, Rc<Resident>),
        peer: Option<&Peer>,
        wire: Wire,
    ) -> Self {
        let destination = worker.own_pod.current().name_of_port(application.key.addr.port());
        let series = Series::new(
            &worker.metrics,
            RequestLabels {
                direction: Direction::Inbound,
                destination: destination.clone(),
                backend: String::new(),
                route: String::new(),
                peer: peer.map(|peer| peer.identity.to_string()).unwrap_or_default(),
                tls: if peer.is_some() { Tls::Mutual } else { Tls::None },
            },
        );
        let caller = peer.map_or(Caller::Plain, |peer| Caller::Peer(peer.identity.clone()));
        let (planned, own) = (RefCell::default(), OnceCell::new());
        Self {
            worker,
            callouts,
            application,
            series,
            destination,
            caller,
            from,
            gate,
            planned,
            wire,
            own,
            resident,
        }
    }

    /// Answers one request, with the application's response or with why there is none.
    pub async fn respond(&self, request: Request<Upload>) -> Response<Body> {
        self.resident.heard();
        let mut asked = Asked::new(request, self.wire, self.caller.clone(), &self.worker);
        asked.record.moved_to(self.series.clone());
        let planned = self.planned(&asked.own_pod);
        let (dialled, log) = (self.application.key.addr, planned.log.as_ref());
        let judged = match asked.normalise(dialled, &self.worker, log) {
            Ok(()) => self.judge(&mut asked, &planned.plan).await,
            Err(failure) => Err(Judged::Refused(Stage::Normalise, failure)),
        };
        let failure = match judged {
            Ok(()) => match self.carry(&mut asked).await {
                Ok(response) => return response,
                Err(failure) => failure,
            },
            Err(Judged::Answered(stage, response)) => {
                asked.record.answered_by(stage.name());
                asked.record.answered(response.status(), response.headers());
                return *response;
            }
            Err(Judged::Refused(stage, failure)) => {
                asked.record.refused_by(stage.name());
                failure
            }
        };
        self.rescued(&mut asked, &failure)
    }

    /// Answers a request whose head could not be read.
    pub fn refuse(&self, bad: BadHead) -> Response<Body> {
        let planned = self.planned(&self.worker.own_pod.current());
        let mut asked = Asked::unread(self.wire, self.caller.clone(), &self.worker, planned.log.as_ref());
        asked.record.moved_to(self.series.clone());
        self.rescued(&mut asked, &Failure::BadHead(bad))
    }

    /// The answer to a request that failed.
    fn rescued(&self, asked: &mut Asked, failure: &Failure) -> Response<Body> {
        let mut response = rescue(failure, asked.grpc, Reader::Caller);
        if self.is_mesh() && matches!(failure, Failure::Connect { .. }) {
            mark_elsewhere(response.headers_mut());
        }
        asked.record.answered(response.status(), response.headers());
        asked.record.refused(failure.reason());
        self.worker.metrics.error(Direction::Inbound, failure.reason());
        tracing::debug!(%failure, caller = %asked.caller, "answered in the application's place");
        response
    }

    /// Whether another proxy calls, to which what proxies tell each other can be told.
    fn is_mesh(&self) -> bool {
        matches!(self.caller, Caller::Peer(_))
    }

    /// Asks the stages of the port. An error: the request goes nowhere.
    async fn judge(&self, asked: &mut Asked, plan: &Plan) -> Result<(), Judged> {
        asked.record.upstream(self.application.key.addr);
        asked.leave_hop();
        let mut judge = self;
        asked.judged_by(&mut judge, plan.judging()).await
    }

    /// Sends the request to the application, and passes the answer on.
    async fn carry(&self, asked: &mut Asked) -> Result<Response<Body>, Failure> {
        let mut request = std::mem::take(&mut asked.request);
        if let Some(deadline) = asked.deadline {
            deadline.write_marked(request.headers_mut(), Instant::now());
        }
        let marked = take_http1_mark(request.headers_mut(), asked.seen) && self.is_mesh();
        let http1 = marked || self.wire == Wire::H1;
        let wire = if http1 { Wire::H1 } else { Wire::H2 };
        if self.wire == Wire::H1 {
            expect::hold(&mut request);
        }
        *request.version_mut() = Version::HTTP_11;
        let pending = Pending::new(&self.application);
        let harmless = replay::is_safe(&request);
        if self.wire == Wire::H1 && authenticates(request.headers(), asked.seen) {
            self.own.get_or_init(Rc::default);
        }
        let over = match self.own.get() {
            _ if asked.leaving.is_some() => Over::Alone,
            Some(own) => Over::OfCaller(own),
            None => Over::Shared,
        };
        let mut stale = 0;
        loop {
            let answer = pin!(self.application.send(request, asked.seen, wire, Patience::FULL, over));
            return match within(&mut asked.limit, None, answer).await {
                Ok(Ok((response, lease))) => match framing::usable(&response, asked.leaving.as_ref()) {
                    Ok(()) => Ok(self.answer(asked, response, lease, pending)),
                    Err(reason) => Err(self.unusable(reason)),
                },
                Ok(Err(SendError::Stale(_, again))) if stale < replay::STALE_LIMIT => {
                    self.worker.metrics.retry(Direction::Inbound, (&self.destination, ""), replay::STALE);
                    asked.record.tried_again(replay::STALE);
                    (request, stale) = (*again, stale + 1);
                    count_attempt(request.headers_mut());
                    continue;
                }
                Ok(Err(SendError::Lost(error)))
                    if asked.limit.as_ref().is_some_and(|limit| limit.explains(&error)) =>
                {
                    Err(self.overdue())
                }
                // Boxed: it dials, and would make the future of every request larger.
                Ok(Err(error)) => Err(Box::pin(self.failure(error, harmless)).await),
                Err(_) => Err(self.overdue()),
            };
        }
    }

    /// An application that ends resets what it has accepted and not read, and what it has not accepted yet. If it is gone
    /// now, a request that may be processed twice counts as one that never arrived.
    async fn failure(&self, error: SendError, harmless: bool) -> Failure {
        let (error, may_dial) = match error {
            SendError::Connect(error, _) => return self.failure_to_connect(error),
            SendError::Unsent(error, _) | SendError::Stale(error, _) => (error, true),
            SendError::Lost(error) if error.caller_failed() => return Failure::BadBody,
            SendError::Lost(error) => (error, harmless),
        };
        if may_dial && let Err(gone) = self.application.open_h1(Carry::H1, None).await {
            return self.failure_to_connect(gone);
        }
        self.lost(error)
    }

    fn failure_to_connect(&self, error: ConnectError) -> Failure {
        self.worker.metrics.connect_failure(Direction::Inbound, error.reason());
        Failure::Connect { destination: self.destination.clone(), error }
    }

    fn unusable(&self, reason: Unusable) -> Failure {
        Failure::Unusable { destination: self.destination.clone(), addr: self.application.key.addr, reason }
    }

    fn overdue(&self) -> Failure {
        Failure::DeadlinePassed { destination: self.destination.clone() }
    }

    /// The application's response as the caller's proxy sees it.
    fn answer(
        &self,
        asked: &mut Asked,
        response: Response<Incoming>,
        lease: Lease,
        pending: Pending,
    ) -> Response<Body> {
        let seen = Seen::of(response.headers());
        let (record, limit) = (asked.record.take(), asked.limit.take());
        let rate_limit = asked.rate_limit.take();
        let watchers = asked.bill.take().map(|bill| bill as Box<dyn Watcher>).into_iter().collect();
        let edits = std::mem::take(&mut asked.answer_edits);
        let exchange = Exchange { lease, pending, watchers, limit, record };
        let onward = Onward {
            direction: Direction::Inbound,
            metrics: &self.worker.metrics,
            bounds: Bounds::default(),
            drain: &self.worker.drain,
            until: asked.leaving.is_some().then(|| self.until_cut(&asked.own_pod)),
        };
        pass_on(asked, response, seen, exchange, onward, |head| {
            if let Some(fields) = &rate_limit {
                fields.write(&mut head.headers);
            }
            for edits in edits {
                edits.apply(&mut head.headers);
            }
            take_elsewhere_mark(&mut head.headers, seen);
            take_closing_mark(&mut head.headers, seen);
            if head.extensions.get::<Closing>().is_some() {
                mark_closing(&mut head.headers);
            }
            if self.wire == Wire::H1 && challenges(&head.headers, seen) {
                self.own.get_or_init(Rc::default);
            }
        })
    }

    /// Ends when what the caller has under way is to be cut off by access rules.
    fn until_cut(&self, judged: &OwnPod) -> Until {
        let (gate, worker, since) = (self.gate.clone(), self.worker.clone(), Arc::clone(judged));
        Box::pin(async move { gate.cut(&worker, since).await })
    }

    /// The stage `changes`: tells the application by whom the request came.
    fn tell(&self, request: &mut Request<Upload>) {
        let Some(caller) = self.from else { return };
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let host = request.uri().authority().map(|authority| authority.as_str()).or(host).map(str::to_owned);
        add_forwarded(request.headers_mut(), caller.ip(), host.as_deref());
    }

    /// What is asked about requests to this port, as the pod is now.
    fn planned(&self, own_pod: &OwnPod) -> Rc<Planned> {
        let mut known = self.planned.borrow_mut();
        match &*known {
            Some(planned) if Rc::ptr_eq(&planned.of, own_pod) => planned.clone(),
            _ => {
                let port = self.application.key.addr.port();
                let said = own_pod.inbound_port(port);
                let planned = Rc::new(Planned {
                    of: own_pod.clone(),
                    plan: Plan::of_port(own_pod, port),
                    ruling: self.gate.ruling(own_pod),
                    log: said.and_then(|said| said.access_log.as_deref().copied()),
                });
                known.insert(planned).clone()
            }
        }
    }

    /// As limits see its requests.
    fn between(&self) -> Between<'_> {
        Between { address: self.from.map(|from| from.ip()), destination: &self.destination }
    }

    fn lost(&self, error: impl Into<WireError>) -> Failure {
        let addr = self.application.key.addr;
        Failure::Lost { destination: self.destination.clone(), addr, error: error.into() }
    }
}

impl Judge for &PeerConnection {
    fn ask<'a>(&'a mut self, stage: Stage, asked: &'a mut Asked) -> Turn<'a> {
        match stage {
            Stage::RateLimit => {
                let (own_pod, port) = (asked.own_pod.clone(), self.application.key.addr.port());
                let undoable = !own_pod.shared_limits(port).is_empty();
                return rate_limit::ask(own_pod.rate_limits(port).iter(), self.between(), undoable, asked);
            }
            Stage::SharedLimit => {
                let (port, between) = (self.application.key.addr.port(), self.between());
                return shared_limit::Asking { callout: &self.callouts.limits, port, between }.ask(asked);
            }
            Stage::ExternalCheck => {
                let between = (self.from, self.application.key.addr);
                return external_check::ask(&self.callouts.checks, between, asked);
            }
            Stage::Jwt | Stage::Access => {
                let planned = self.planned.borrow();
                let Some(ruling) = planned.as_ref().and_then(|planned| planned.ruling.as_ref()) else {
                    return Turn::Refuse(Failure::Denied);
                };
                return match stage {
                    Stage::Jwt => ruling.read_token(asked, &self.gate, &self.worker),
                    _ => ruling.ask(asked, &self.gate, &self.worker.metrics),
                };
            }
            Stage::Deadline => {
                asked.bound(None, None, &self.worker.metrics, Direction::Inbound);
                if asked.deadline.is_some_and(|deadline| deadline.left(asked.started).is_zero()) {
                    return Turn::Refuse(self.overdue());
                }
            }
            Stage::Trace => {
                let own_pod = asked.own_pod.clone();
                let port = own_pod.inbound_port(self.application.key.addr.port());
                let own = port.and_then(|port| port.sampling.as_deref());
                asked.trace(&self.worker, Direction::Inbound, own);
            }
            Stage::Changes => self.tell(&mut asked.request),
            // They come before there is a plan, carry it out, or are the calling side's.
            _ => {}
        }
        Turn::Go
    }
}
