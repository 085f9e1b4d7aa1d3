//! One HTTP request: route, split, balance, send, and once more where nothing was sent.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, Version};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep};

use super::budget::Budget;
use super::live::{Live, LiveEndpoint};
use super::retry::{self, Ended};
use super::route::{Asked, Taken};
use super::{Outbound, change, own_answer, split, upgrade};
use crate::http::deadline::{Deadline, Limit, Passed, within};
use crate::http::headers::{
    ATTEMPT_HEADER, PROTO_HEADER, is_grpc, mark_http1, strip_hop_by_hop, take_elsewhere_mark, wants_upgrade,
};
use crate::http::rescue::{Failure, rescue};
use crate::http::{Body, ConnectError, Exchange, Pending, SendError, Upload, Wire, replay};
use crate::state::{DestinationView, PathMatch, Retries, Route, WeightedBackend};
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
        if self.wire == Wire::H2 && request.method() == Method::CONNECT {
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
        attempts.prepare(&mut request, grpc);
        loop {
            let endpoint = attempts.endpoint();
            let wire = endpoint.wire(self.wire);
            self.dress(&mut request, endpoint, attempts.tries);
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
                    if passed == Passed::Try
                        && let Some(spare) = attempts.once_more(Ended::TimedOut, spare, &limit).await
                    {
                        endpoint.upstream.load.observe(sent.elapsed());
                        request = spare;
                        continue;
                    }
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
                    let again = if take_elsewhere_mark(response.headers_mut()) && endpoint.carries_mesh_http()
                    {
                        attempts.refused(spare, &limit).await
                    } else {
                        endpoint.upstream.load.observe(sent.elapsed());
                        attempts.answered(&response, spare, &limit).await
                    };
                    if let Some(again) = again {
                        request = again;
                        continue;
                    }
                    let exchange = Exchange { record: attempts.record, lease, pending, limit };
                    return Ok(answer(response, chosen, exchange));
                }
                Err(error) => match attempts.again(error, spare, &limit).await {
                    Ok(unsent) => request = unsent,
                    Err(failure) => return Err((failure, attempts.record)),
                },
            }
        }
    }

    /// Makes the request what `endpoint` expects.
    fn dress(&self, request: &mut Request<Upload>, endpoint: &LiveEndpoint, tries: u32) {
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().remove(ATTEMPT_HEADER);
        if tries > 1 {
            request.headers_mut().insert(ATTEMPT_HEADER, HeaderValue::from(tries));
        }
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

/// The attempts at one request: one, one more where nothing of the request was sent, and what the route allows.
pub(super) struct Attempts<'a> {
    outbound: &'a Outbound,
    chosen: &'a Chosen,
    /// Counts the request for the endpoint of the last attempt.
    pub record: Record,
    current: usize,
    /// Those that failed before.
    failed: Vec<usize>,
    /// With the current one.
    tries: u32,
    policy: Option<Policy<'a>>,
}

/// What the route wants tried again, and what that depends on.
struct Policy<'a> {
    retries: &'a Retries,
    budget: &'a RefCell<Budget>,
    method: Method,
    grpc: bool,
}

// === impl Attempts ===

impl<'a> Attempts<'a> {
    pub fn new(outbound: &'a Outbound, chosen: &'a Chosen, started: Instant) -> Self {
        let current = outbound.pick(&chosen.live.backends[chosen.backend], &[]);
        let record = chosen.series(outbound, current).begin(started);
        Self { outbound, chosen, record, current, failed: Vec::new(), tries: 1, policy: None }
    }

    /// Follows the route's policy: counts the request, and keeps its body, since it may be sent again.
    fn prepare(&mut self, request: &mut Request<Upload>, grpc: bool) {
        let Some(retries) = &self.chosen.live.destination.routes[self.chosen.taken.route].retries else {
            return;
        };
        let Some(budget) = self.chosen.live.budget(self.chosen.taken.route) else { return };
        budget.borrow_mut().request(self.outbound.clock());
        let body = std::mem::take(request.body_mut());
        *request.body_mut() = body.keep();
        self.policy = Some(Policy { retries, budget, method: request.method().clone(), grpc });
    }

    /// Where the request goes now.
    pub fn endpoint(&self) -> &'a LiveEndpoint {
        &self.chosen.live.backends[self.chosen.backend][self.current]
    }

    /// The request for another attempt, if `error` and the attempts so far allow one.
    async fn again(
        &mut self,
        error: SendError,
        spare: Option<Request<Upload>>,
        limit: &Option<Box<Limit>>,
    ) -> Result<Request<Upload>, Failure> {
        let destination = || self.chosen.live.name.clone();
        let addr = self.endpoint().upstream.key.addr;
        let (ended, request, reason, failure) = match error {
            SendError::Connect(error, request) => {
                self.could_not_connect(&error);
                let reason = error.reason();
                (
                    Ended::Unsent,
                    Some(*request),
                    reason,
                    Failure::Connect { destination: destination(), error },
                )
            }
            SendError::Unsent(error, request) => {
                let failure = Failure::Lost { destination: destination(), addr, error };
                (Ended::Unsent, Some(*request), "connection-lost", failure)
            }
            SendError::Lost(error) => {
                let ended = if replay::stream_refused(&error) { Ended::Refused } else { Ended::Reset };
                (ended, spare, ended.reason(), Failure::Lost { destination: destination(), addr, error })
            }
        };
        if ended == Ended::Unsent && self.tries == 1 {
            self.move_on(reason);
            return request.ok_or(failure);
        }
        self.once_more(ended, request, limit).await.ok_or(failure)
    }

    /// A copy of the request, where it may have to be sent again.
    fn spare(&self, request: &Request<Upload>) -> Option<Request<Upload>> {
        let others = self.chosen.live.backends[self.chosen.backend].len() > 1;
        let unsent = self.tries == 1 && others && self.endpoint().carries_mesh_http();
        let wanted = self.policy.as_ref().is_some_and(|policy| self.tries <= policy.retries.attempts);
        if unsent || wanted { replay::copy(request) } else { None }
    }

    /// The request for another attempt, after a proxy said that its application never saw it.
    async fn refused(
        &mut self,
        spare: Option<Request<Upload>>,
        limit: &Option<Box<Limit>>,
    ) -> Option<Request<Upload>> {
        self.endpoint().upstream.load.observe_failure();
        let others = self.chosen.live.backends[self.chosen.backend].len() > 1;
        if self.tries == 1 && others {
            let spare = spare.filter(|spare| spare.body().is_whole())?;
            self.move_on("application-unreachable");
            return Some(spare);
        }
        self.once_more(Ended::Unsent, spare, limit).await
    }

    /// The request for another attempt, if the route does not want this response.
    async fn answered(
        &mut self,
        response: &Response<Incoming>,
        spare: Option<Request<Upload>>,
        limit: &Option<Box<Limit>>,
    ) -> Option<Request<Upload>> {
        self.policy.as_ref()?;
        let grpc_status = response.headers().get("grpc-status");
        let grpc_status = grpc_status.and_then(|status| status.to_str().ok()?.parse().ok());
        let ended = Ended::Answered { status: response.status().as_u16(), grpc_status };
        self.once_more(ended, spare, limit).await
    }

    /// The request for another attempt by the route's policy, after the pause before it.
    async fn once_more(
        &mut self,
        ended: Ended,
        spare: Option<Request<Upload>>,
        limit: &Option<Box<Limit>>,
    ) -> Option<Request<Upload>> {
        let policy = self.policy.as_ref()?;
        if !retry::wanted(policy.retries, &policy.method, policy.grpc, ended) {
            return None;
        }
        let metrics = &self.outbound.worker.metrics;
        let pause = pause_before(self.tries, &mut self.outbound.rng.borrow_mut());
        let late = limit.as_ref().is_some_and(|limit| limit.deadline.left(Instant::now()) <= pause);
        let withheld = if self.tries > policy.retries.attempts {
            Some("attempts")
        } else if late {
            Some("deadline")
        } else if !spare.as_ref().is_some_and(|spare| spare.body().is_whole()) {
            Some("body-too-long")
        } else if !policy.budget.borrow_mut().try_retry(self.outbound.clock()) {
            Some("budget")
        } else {
            None
        };
        if let Some(reason) = withheld {
            metrics.retry_withheld(Direction::Outbound, reason);
            return None;
        }
        // Boxed: rare, and would make the future of every request larger.
        Box::pin(sleep(pause)).await;
        self.move_on(ended.reason());
        spare
    }

    fn could_not_connect(&self, error: &ConnectError) {
        self.endpoint().upstream.load.observe_failure();
        self.outbound.worker.metrics.connect_failure(Direction::Outbound, error.reason());
    }

    /// Whether another endpoint may be dialled after `error`; for a connection of its own.
    pub fn connect_again(&mut self, error: ConnectError) -> Result<(), Failure> {
        self.could_not_connect(&error);
        if self.tries == 1 {
            self.move_on(error.reason());
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

    fn move_on(&mut self, reason: &'static str) {
        self.outbound.worker.metrics.retry(Direction::Outbound, reason);
        let endpoints = &self.chosen.live.backends[self.chosen.backend];
        self.tries += 1;
        self.failed.retain(|failed| *failed != self.current);
        self.failed.push(self.current);
        self.current = self.outbound.pick(endpoints, &self.failed);
        self.record.moved_to(&self.chosen.series(self.outbound, self.current));
    }
}

/// Between nothing and 25 ms before the second try, twice as much before the next, up to 250 ms (Envoy's values): full
/// jitter spreads the callers of a server that failed them all at once.
fn pause_before(tries: u32, rng: &mut fastrand::Rng) -> Duration {
    let most = Duration::from_millis(25).saturating_mul(1 << tries.saturating_sub(1).min(4));
    most.min(Duration::from_millis(250)).mul_f64(rng.f64())
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
