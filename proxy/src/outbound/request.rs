//! One HTTP request: route, split, balance, send, and once more where nothing was sent.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::live::{Live, LiveEndpoint};
use super::route::{Asked, Taken};
use super::{Outbound, change, own_answer, split, upgrade};
use crate::http::deadline::{Deadline, Passed, within};
use crate::http::headers::{
    PROTO_HEADER, is_grpc, mark_http1, strip_hop_by_hop, take_elsewhere_mark, wants_upgrade,
};
use crate::http::rescue::{Failure, rescue};
use crate::http::{Body, ConnectError, Exchange, Pending, SendError, Upload, Wire, replay};
use crate::state::{DestinationView, PathMatch, Route, WeightedBackend};
use crate::telemetry::{Direction, Record, Series};

/// An HTTP connection of the application.
#[derive(Debug)]
pub struct Connection {
    outbound: Rc<Outbound>,
    original: SocketAddr,
    wire: Wire,
    current: RefCell<(DestinationView, Option<Rc<Live>>)>,
}

/// Where a request goes: one snapshot, and what was chosen in it.
#[derive(Debug)]
pub(super) struct Chosen {
    pub live: Rc<Live>,
    taken: Taken,
    /// Index into the split of the route.
    share: usize,
    pub backend: usize,
}

/// What becomes of a request.
#[derive(Debug)]
enum Choice {
    Send(Chosen),
    /// The route answers by itself.
    Answer(Response<Body>),
}

/// A failed request, with what is recorded about it.
pub(super) type Failed = (Failure, Record);

// === impl Connection ===

impl Connection {
    pub fn new(outbound: Rc<Outbound>, original: SocketAddr, view: DestinationView, wire: Wire) -> Self {
        Self { outbound, original, wire, current: RefCell::new((view, None)) }
    }

    /// Answers one request, with the upstream's response or with why there is none.
    pub async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        let started = Instant::now();
        let grpc = is_grpc(request.headers());
        let result = match self.choose(&request, started) {
            Ok(Choice::Answer(response)) => Ok(response),
            Ok(Choice::Send(chosen)) if wants_upgrade(&request) => {
                Box::pin(upgrade::carry(&self.outbound, &chosen, request, started)).await
            }
            Ok(Choice::Send(chosen)) => self.carry(&chosen, request, started, grpc).await,
            Err(failed) => Err(failed),
        };
        result.unwrap_or_else(|(failure, mut record)| {
            let response = rescue(&failure, grpc);
            record.answered(response.status(), response.headers());
            self.outbound.worker.metrics.error(Direction::Outbound, failure.reason());
            tracing::debug!(%failure, original = %self.original, "answered in the place of a destination");
            response
        })
    }

    /// The destination as it is now.
    fn live(&self) -> Rc<Live> {
        let mut current = self.current.borrow_mut();
        let (view, live) = &mut *current;
        let destination = view.current();
        match live {
            Some(live) if std::sync::Arc::ptr_eq(&live.destination, destination) => live.clone(),
            _ => {
                let new =
                    self.outbound.destinations.get(self.original, destination, &self.outbound.upstreams);
                live.insert(new).clone()
            }
        }
    }

    fn choose(&self, request: &Request<Incoming>, started: Instant) -> Result<Choice, Failed> {
        let live = self.live();
        let destination = &live.destination;
        let record = |route, backend| {
            live.series_without_endpoint(&self.outbound.worker.metrics, route, backend).begin(started)
        };
        let no_route = || Failure::NoRoute { destination: live.name.clone() };
        if self.wire == Wire::H2 && request.method() == http::Method::CONNECT {
            return Err((Failure::ConnectMethod, record(None, None)));
        }
        let asked = Asked::new(request, &self.outbound.worker.workload);
        let Some(taken) = live.routes.first_match(&destination.routes, asked) else {
            return Err((no_route(), record(None, None)));
        };
        let route = &destination.routes[taken.route];
        if let Some(actions) = &route.actions
            && let Some(answer) = &actions.answer
        {
            let mut response =
                own_answer::respond(answer, request, prefix(route, taken), &destination.target);
            actions.headers.response.apply(response.headers_mut());
            record(Some(taken.route), None).answered(response.status(), response.headers());
            return Ok(Choice::Answer(response));
        }
        let random = |below| self.outbound.rng.borrow_mut().u64(..below);
        let Some(share) = split::choose(&route.split, random) else {
            return Err((no_route(), record(Some(taken.route), None)));
        };
        let backend = route.split[share].backend;
        match refusal(&live, backend) {
            Some(failure) => Err((failure, record(Some(taken.route), Some(backend)))),
            None => Ok(Choice::Send(Chosen { live, taken, share, backend })),
        }
    }

    async fn carry(
        &self,
        chosen: &Chosen,
        request: Request<Incoming>,
        started: Instant,
        grpc: bool,
    ) -> Result<Response<Body>, Failed> {
        let mut request = request.map(Upload::from);
        strip_hop_by_hop(request.headers_mut());
        let timeouts = chosen.route().timeouts;
        let metrics = &self.outbound.worker.metrics;
        let mut limit = Deadline::read(request.headers(), started, timeouts.request, grpc)
            .map(|deadline| deadline.limit(metrics.error_counter(Direction::Outbound, "deadline-exceeded")));
        change::request(&mut request, chosen);
        let mut attempts = Attempts::new(&self.outbound, chosen, started);
        loop {
            let endpoint = attempts.endpoint();
            let wire = endpoint.wire(self.wire);
            self.dress(&mut request, endpoint);
            let pending = Pending::new(&endpoint.upstream);
            let sent = Instant::now();
            if let Some(limit) = &limit {
                if limit.deadline.left(sent).is_zero() {
                    return Err(attempts.overdue());
                }
                limit.deadline.write(request.headers_mut(), sent);
            }
            let spare = attempts.spare(&request);
            let result = within(&mut limit, timeouts.per_try, endpoint.upstream.send(request, wire)).await;
            let result = match result {
                Ok(result) => result,
                Err(passed) => {
                    // As slow as this at the least: what never answers must not look quick.
                    endpoint.upstream.load.observe(sent.elapsed());
                    return Err(match (passed, timeouts.per_try) {
                        (Passed::Try, Some(limit)) => attempts.try_overdue(limit),
                        _ => attempts.overdue(),
                    });
                }
            };
            match result {
                Ok((mut response, lease)) => {
                    if take_elsewhere_mark(response.headers_mut()) && endpoint.carries_mesh_http() {
                        if let Some(spare) = attempts.refused(spare) {
                            request = spare;
                            continue;
                        }
                    } else {
                        endpoint.upstream.load.observe(sent.elapsed());
                    }
                    let exchange = Exchange { record: attempts.record, lease, pending, limit };
                    return Ok(answer(response, chosen, exchange));
                }
                Err(error) => match attempts.again(error) {
                    Ok(unsent) => request = unsent,
                    Err(failure) => return Err((failure, attempts.record)),
                },
            }
        }
    }

    /// Makes the request what `endpoint` expects.
    fn dress(&self, request: &mut Request<Upload>, endpoint: &LiveEndpoint) {
        *request.version_mut() = Version::HTTP_11;
        if self.wire == Wire::H1 && endpoint.carries_mesh_http() {
            mark_http1(request.headers_mut());
        } else {
            request.headers_mut().remove(PROTO_HEADER);
        }
    }
}

/// Why `backend` can take nothing, if so.
pub(super) fn refusal(live: &Live, backend: usize) -> Option<Failure> {
    let described = &live.destination.backends[backend];
    if let Some(reason) = &described.invalid {
        return Some(Failure::InvalidBackend {
            destination: live.name.clone(),
            backend: described.name.to_string(),
            reason: reason.to_string(),
        });
    }
    live.backends[backend].is_empty().then(|| Failure::NoEndpoints { backend: described.name.to_string() })
}

/// The upstream's response as the application sees it.
pub(super) fn answer(
    response: Response<Incoming>,
    chosen: &Chosen,
    mut exchange: Exchange,
) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    head.version = Version::HTTP_11;
    strip_hop_by_hop(&mut head.headers);
    exchange.record.answered(head.status, &head.headers);
    change::response(&mut head.headers, chosen);
    Response::from_parts(head, Body::hold(body, exchange))
}

/// The prefix of the path by which `route` was taken, where it was by one.
fn prefix(route: &Route, taken: Taken) -> &str {
    match route.matches.get(taken.matched).and_then(|matched| matched.path.as_ref()) {
        Some(PathMatch::Prefix(prefix)) => prefix,
        _ => "",
    }
}

/// The attempts at one request: one, and one more where nothing of the request was sent.
pub(super) struct Attempts<'a> {
    outbound: &'a Outbound,
    chosen: &'a Chosen,
    /// Counts the request for the endpoint of the last attempt.
    pub record: Record,
    current: usize,
    retried: bool,
}

// === impl Attempts ===

impl<'a> Attempts<'a> {
    pub fn new(outbound: &'a Outbound, chosen: &'a Chosen, started: Instant) -> Self {
        let current = outbound.pick(&chosen.live.backends[chosen.backend], None);
        let record = chosen.series(outbound, current).begin(started);
        Self { outbound, chosen, record, current, retried: false }
    }

    /// Where the request goes now.
    pub fn endpoint(&self) -> &'a LiveEndpoint {
        &self.chosen.live.backends[self.chosen.backend][self.current]
    }

    /// The request for another attempt, if `error` and the attempts so far allow one.
    pub fn again(&mut self, error: SendError) -> Result<Request<Upload>, Failure> {
        match error {
            SendError::Connect(error, request) => self.connect_again(error).map(|()| *request),
            SendError::Unsent(_, request) if self.move_on("connection-lost") => Ok(*request),
            SendError::Unsent(error, _) | SendError::Lost(error) => Err(Failure::Lost {
                destination: self.chosen.live.name.clone(),
                addr: self.endpoint().upstream.key.addr,
                error,
            }),
        }
    }

    /// A copy of the request, where another endpoint could take it and there is no body, which can be sent only once.
    fn spare(&self, request: &Request<Upload>) -> Option<Request<Upload>> {
        let others = self.chosen.live.backends[self.chosen.backend].len() > 1;
        if self.retried || !others || !self.endpoint().carries_mesh_http() {
            return None;
        }
        replay::copy(request)
    }

    /// The request for another attempt, after a proxy said that its application never saw it.
    fn refused(&mut self, spare: Option<Request<Upload>>) -> Option<Request<Upload>> {
        self.endpoint().upstream.load.observe_failure();
        spare.filter(|_| self.move_on("application-unreachable"))
    }

    /// Whether another endpoint may be dialled after `error`.
    pub fn connect_again(&mut self, error: ConnectError) -> Result<(), Failure> {
        self.endpoint().upstream.load.observe_failure();
        self.outbound.worker.metrics.connect_failure(Direction::Outbound, error.reason());
        if self.move_on(error.reason()) {
            return Ok(());
        }
        Err(Failure::Connect { destination: self.chosen.live.name.clone(), error })
    }

    /// The request ends here: its deadline has passed.
    fn overdue(self) -> Failed {
        (Failure::DeadlinePassed { destination: self.chosen.live.name.clone() }, self.record)
    }

    /// The request ends here: this try took longer than `limit`.
    fn try_overdue(self, limit: Duration) -> Failed {
        let addr = self.endpoint().upstream.key.addr;
        (Failure::TryTimeout { destination: self.chosen.live.name.clone(), addr, limit }, self.record)
    }

    fn move_on(&mut self, reason: &'static str) -> bool {
        if std::mem::replace(&mut self.retried, true) {
            return false;
        }
        self.outbound.worker.metrics.retry(Direction::Outbound, reason);
        let endpoints = &self.chosen.live.backends[self.chosen.backend];
        self.current = self.outbound.pick(endpoints, Some(self.current));
        self.record.moved_to(&self.chosen.series(self.outbound, self.current));
        true
    }
}

// === impl Chosen ===

impl Chosen {
    pub fn route(&self) -> &Route {
        &self.live.destination.routes[self.taken.route]
    }

    /// Of the route's split.
    pub fn share(&self) -> &WeightedBackend {
        &self.route().split[self.share]
    }

    /// See [`prefix`].
    pub fn prefix(&self) -> &str {
        prefix(self.route(), self.taken)
    }

    fn series(&self, outbound: &Outbound, endpoint: usize) -> Rc<Series> {
        let endpoint = &self.live.backends[self.backend][endpoint];
        self.live.series(&outbound.worker.metrics, self.taken.route, self.backend, endpoint)
    }
}
