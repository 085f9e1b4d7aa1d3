//! One HTTP request: route, split, balance, send, and once more where nothing was sent.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;

use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use tokio::time::Instant;

use super::attempts::Attempts;
use super::balance::key;
use super::budget::Budget;
use super::hedge::First;
use super::latencies::Latencies;
use super::live::{Live, LiveEndpoint};
use super::retry::Ended;
use super::route::{Asked, Taken};
use super::session::Home;
use super::{Outbound, admit, change, cors, fault, hedge, mirror, own_answer, session, split, upgrade};
use crate::http::deadline::{Deadline, Idle, Limit, Passed, within};
use crate::http::headers::{
    ATTEMPT_HEADER, PROTO_HEADER, is_grpc, mark_http1, strip_hop_by_hop, take_elsewhere_mark, wants_upgrade,
};
use crate::http::rescue::{Failure, rescue};
use crate::http::via::add_via;
use crate::http::{Body, Exchange, Incoming, Pending, Seen, Upload, Wire, Witness, expect, framing};
use crate::state::{Cors, DestinationView, PathMatch, Route, WeightedBackend};
use crate::telemetry::{About, Direction, Record, Series};

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
    /// The endpoint to which its session keeps.
    pub home: Option<usize>,
    /// The origin of the page that asks, where the route minds.
    pub origin: Option<Box<HeaderValue>>,
    /// What the request has in common with others that should go the same way.
    pub key: Option<u64>,
    /// For the record that is begun, where there is an access log.
    about: RefCell<Option<Box<About>>>,
}

/// What becomes of a request.
#[derive(Debug)]
enum Choice {
    Send(Chosen),
    /// The route answers by itself.
    Answer(Box<Response<Body>>),
}

/// A failed request, with what is recorded about it.
pub(super) type Failed = (Failure, Record);

// === impl Connection ===

impl Connection {
    pub fn new(outbound: Rc<Outbound>, original: SocketAddr, view: DestinationView, wire: Wire) -> Self {
        Self { outbound, original, wire, current: RefCell::new((view, None)) }
    }

    /// Answers one request, with the upstream's response or with why there is none.
    pub async fn respond(&self, mut request: Request<Upload>) -> Response<Body> {
        let started = Instant::now();
        let seen = Seen::of(request.headers());
        let grpc = seen.any(Seen::CONTENT_TYPE) && is_grpc(request.headers());
        let admitted = framing::admit(&mut request, self.original).map_err(|refused| {
            let record = self.live().series_without_endpoint(&self.outbound.worker.metrics, None, None);
            let mut record = record.begin(started);
            record.about(&request);
            (Failure::Refused(refused), record)
        });
        if admitted.is_ok() && self.outbound.names_itself() {
            let version = request.version();
            add_via(request.headers_mut(), version);
        }
        match admitted.and_then(|()| self.choose(&request, started)) {
            Ok(Choice::Answer(response)) => *response,
            Ok(Choice::Send(chosen)) => {
                let result = match refusal(&chosen.live, chosen.backend) {
                    Some(failure) => Err((failure, chosen.record(&self.outbound, started))),
                    None if wants_upgrade(&request, seen) => {
                        Box::pin(upgrade::carry(&self.outbound, &chosen, request, started)).await
                    }
                    None => self.carry(&chosen, request, seen, started, grpc).await,
                };
                result.unwrap_or_else(|failed| {
                    let mut response = self.rescued(failed, grpc);
                    // A page could not read what is wrong.
                    if let Some(cors) = chosen.cors() {
                        cors::tell(cors, chosen.origin.as_deref(), response.headers_mut());
                    }
                    response
                })
            }
            Err(failed) => self.rescued(failed, grpc),
        }
    }

    /// The answer to a request that failed.
    fn rescued(&self, (failure, mut record): Failed, grpc: bool) -> Response<Body> {
        let response = rescue(&failure, grpc);
        record.answered(response.status(), response.headers());
        record.refused(failure.reason());
        self.outbound.worker.metrics.error(Direction::Outbound, failure.reason());
        tracing::debug!(%failure, original = %self.original, "answered in the place of a destination");
        response
    }

    /// The destination as it is now.
    fn live(&self) -> Rc<Live> {
        let mut current = self.current.borrow_mut();
        let (view, live) = &mut *current;
        let destination = view.current();
        match live {
            Some(live) if std::sync::Arc::ptr_eq(&live.destination, destination) => live.clone(),
            _ => live.insert(self.outbound.live(destination)).clone(),
        }
    }

    fn choose(&self, request: &Request<Upload>, started: Instant) -> Result<Choice, Failed> {
        let live = self.live();
        let destination = &live.destination;
        let record = |route, backend| {
            let series = live.series_without_endpoint(&self.outbound.worker.metrics, route, backend);
            let mut record = series.begin(started);
            record.about(request);
            record
        };
        let no_route = || Failure::NoRoute { destination: live.name.clone() };
        let asked = Asked::new(request, &self.outbound.worker.workload);
        if let Some(method) = cors::asked_about(request)
            && let Some(taken) =
                live.routes.first_match(&destination.routes, Asked { method: &method, ..asked })
            && let Some(cors) = destination.routes[taken.route].cors()
        {
            let response = cors::preflight(cors, request.headers());
            record(Some(taken.route), None).answered(response.status(), response.headers());
            return Ok(Choice::Answer(Box::new(response)));
        }
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
            if let Some(cors) = route.cors() {
                cors::tell(cors, request.headers().get(ORIGIN), response.headers_mut());
            }
            record(Some(taken.route), None).answered(response.status(), response.headers());
            return Ok(Choice::Answer(Box::new(response)));
        }
        let home = home(&live, taken, request.headers());
        let random = |below| self.outbound.rng.borrow_mut().u64(..below);
        let share = home.map(|home| home.share).or_else(|| split::choose(&route.split, random));
        let Some(share) = share else {
            return Err((no_route(), record(Some(taken.route), None)));
        };
        let backend = route.split[share].backend;
        let asking = |_: &Cors| request.headers().get(ORIGIN).cloned().map(Box::new);
        let origin = route.cors().and_then(asking);
        let key = self.key(&live, request);
        let about = RefCell::new(self.outbound.worker.metrics.about(request));
        let home = home.map(|home| home.endpoint);
        Ok(Choice::Send(Chosen { live, taken, share, backend, home, origin, key, about }))
    }

    fn key(&self, live: &Live, request: &Request<Upload>) -> Option<u64> {
        let inputs = &live.destination.load_balancer.hash;
        if inputs.is_empty() {
            return None;
        }
        key::of_request(inputs, request.uri(), request.headers(), self.outbound.caller())
    }

    async fn carry(
        &self,
        chosen: &Chosen,
        request: Request<Upload>,
        mut seen: Seen,
        started: Instant,
        grpc: bool,
    ) -> Result<Response<Body>, Failed> {
        let mut request = request;
        strip_hop_by_hop(request.headers_mut(), seen);
        let timeouts = chosen.route().timeouts;
        let metrics = &self.outbound.worker.metrics;
        let limited = timeouts.request.is_some() || seen.any(Seen::DEADLINES);
        let cut = |reason| metrics.error_counter(Direction::Outbound, reason);
        let deadline =
            limited.then(|| Deadline::read(request.headers(), started, timeouts.request, grpc)).flatten();
        let idle = timeouts.idle.map(|limit| Idle::new(limit, cut("idle-timeout")));
        let mut limit = Limit::new(deadline, idle, grpc, || cut("deadline-exceeded"));
        change::by_route(&mut request, chosen);
        let admitted = admit::request(&self.outbound, chosen, self.wire, started, &mut limit).await?;
        let mut witness = self.mirror(chosen, &mut request);
        change::by_share(&mut request, chosen);
        if change::changes_headers(chosen) {
            seen = Seen::of(request.headers());
        }
        let mut attempts = Attempts::new(&self.outbound, chosen, admitted, started);
        attempts.record.deadline(deadline.map(|deadline| deadline.at()));
        attempts.prepare(&mut request, grpc);
        let asks = expect::hold(&mut request);
        if let Some(activity) = limit.as_ref().and_then(|limit| limit.activity()) {
            let body = std::mem::take(request.body_mut());
            *request.body_mut() = body.watch(activity);
        }
        loop {
            let endpoint = attempts.endpoint();
            let wire = self.dress(&mut request, seen, endpoint, attempts.tries);
            let wire = if asks { Wire::H1 } else { wire };
            let pending = Pending::new(&endpoint.upstream);
            let sent = Instant::now();
            if let Some(deadline) = deadline {
                if deadline.left(sent).is_zero() {
                    return Err(attempts.overdue(Passed::Deadline));
                }
                deadline.write(request.headers_mut(), sent);
            }
            let spare = attempts.spare(&request);
            let result = match &chosen.route().hedging {
                None => {
                    let answer = pin!(endpoint.upstream.send(request, wire, attempts.patience()));
                    within(&mut limit, timeouts.per_try, answer).await.map(|result| (result, pending, sent))
                }
                Some(hedging) => {
                    let first = First { request, wire, pending, sent };
                    let mut race = Box::pin(hedge::race(self, &mut attempts, hedging, first, deadline));
                    within(&mut limit, timeouts.per_try, race.as_mut()).await
                }
            };
            let (result, pending, sent) = match result {
                Ok(result) => result,
                Err(passed) => {
                    attempts.too_slow(passed);
                    if passed == Passed::Try
                        && let Some(spare) = attempts.once_more(Ended::TimedOut, spare, &limit).await
                    {
                        endpoint.upstream.load.observe(sent.elapsed());
                        request = spare;
                        continue;
                    }
                    // As slow as this at the least: what never answers must not look quick.
                    endpoint.upstream.load.observe(sent.elapsed());
                    if attempts.is_spent() {
                        return Err(attempts.refused_by_budget());
                    }
                    return Err(match (passed, timeouts.per_try) {
                        (Passed::Try, Some(limit)) => attempts.try_overdue(limit),
                        _ => attempts.overdue(passed),
                    });
                }
            };
            let endpoint = attempts.endpoint();
            match result {
                Ok((mut response, lease)) => {
                    let seen = Seen::of(response.headers());
                    let again = if take_elsewhere_mark(response.headers_mut(), seen)
                        && endpoint.carries_mesh_http()
                    {
                        attempts.refused(spare, &limit).await
                    } else {
                        attempts.observe(&response, sent.elapsed(), grpc);
                        attempts.answered(&response, spare, &limit).await
                    };
                    if let Some(again) = again {
                        request = again;
                        continue;
                    }
                    if attempts.is_spent() {
                        return Err(attempts.refused_by_budget());
                    }
                    if let Err(reason) = framing::usable(&response) {
                        return Err(attempts.unusable(reason));
                    }
                    let ending = attempts.ending();
                    let served_by = attempts.current();
                    let witness = witness.take();
                    let exchange =
                        Exchange { record: attempts.record, lease, pending, limit, ending, witness };
                    let mut response = answer(&self.outbound, chosen, response, seen, exchange);
                    chosen.tell_session(served_by, response.headers_mut());
                    return Ok(response);
                }
                Err(error) => match attempts.again(error, spare, &limit).await {
                    Ok(unsent) => request = unsent,
                    Err(failure) => return Err((failure, attempts.record)),
                },
            }
        }
    }

    /// Sends the copies that the route wants.
    fn mirror(&self, chosen: &Chosen, request: &mut Request<Upload>) -> Option<Box<Witness>> {
        let dress = |copy: &mut Request<Upload>, endpoint: &LiveEndpoint| {
            self.dress(copy, Seen::of(copy.headers()), endpoint, 1);
        };
        mirror::begin(&self.outbound, chosen, self.wire, request, dress)
    }

    /// Makes the request what `endpoint` expects; gives how it travels. `seen` are the headers that its caller and the
    /// route gave it.
    pub(super) fn dress(
        &self,
        request: &mut Request<Upload>,
        seen: Seen,
        endpoint: &LiveEndpoint,
        tries: u32,
    ) -> Wire {
        *request.version_mut() = Version::HTTP_11;
        if tries > 1 || seen.any(Seen::WEFT) {
            request.headers_mut().remove(ATTEMPT_HEADER);
        }
        if tries > 1 {
            request.headers_mut().insert(ATTEMPT_HEADER, HeaderValue::from(tries));
        }
        if self.wire == Wire::H1 && endpoint.carries_mesh_http() {
            mark_http1(request.headers_mut());
        } else if tries > 1 || seen.any(Seen::PROTO) {
            request.headers_mut().remove(PROTO_HEADER);
        }
        endpoint.wire(self.wire)
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
    let none = live.backends[backend].is_empty() || live.is_beyond_reach(backend);
    none.then(|| Failure::NoEndpoints { backend: described.name.to_string() })
}

/// The upstream's response as the application sees it; `seen` are its headers.
pub(super) fn answer(
    outbound: &Outbound,
    chosen: &Chosen,
    response: Response<Incoming>,
    seen: Seen,
    mut exchange: Exchange,
) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    strip_hop_by_hop(&mut head.headers, seen);
    if outbound.names_itself() {
        add_via(&mut head.headers, head.version);
    }
    head.version = Version::HTTP_11;
    exchange.record.coded(head.status);
    if seen.any(Seen::GRPC_STATUS) {
        exchange.record.read_grpc_status(&head.headers);
    }
    if let Some(witness) = &exchange.witness {
        witness.head(&head);
    }
    change::response(&mut head.headers, chosen);
    let body = Body::hold(body, exchange);
    let body = match &chosen.route().fault {
        None => body,
        Some(fault) => fault::slow(outbound, chosen, fault, body),
    };
    Response::from_parts(head, body)
}

/// The path by which `route` was taken, where it was by one.
fn taken_by(route: &Route, taken: Taken) -> Option<&PathMatch> {
    route.matches.get(taken.matched)?.path.as_ref()
}

/// The prefix of the path by which `route` was taken, where it was by one.
fn prefix(route: &Route, taken: Taken) -> &str {
    match taken_by(route, taken) {
        Some(PathMatch::Prefix(prefix)) => prefix,
        _ => "",
    }
}

/// Where the session of a request keeps it, if the endpoint is there to take it.
fn home(live: &Live, taken: Taken, headers: &HeaderMap) -> Option<Home> {
    let route = &live.destination.routes[taken.route];
    let home = live.sessions(taken.route)?.home(route.session.as_ref()?, headers)?;
    live.is_in(route.split[home.share].backend, home.endpoint).then_some(home)
}

// === impl Chosen ===

impl Chosen {
    pub fn route(&self) -> &Route {
        &self.live.destination.routes[self.taken.route]
    }

    /// What the route tells browsers.
    pub fn cors(&self) -> Option<&Cors> {
        self.route().cors()
    }

    /// Of the destination's routes.
    pub fn route_index(&self) -> usize {
        self.taken.route
    }

    /// Of a request that reaches no endpoint.
    pub fn record(&self, outbound: &Outbound, started: Instant) -> Record {
        let (route, backend) = (Some(self.taken.route), Some(self.backend));
        let series = self.live.series_without_endpoint(&outbound.worker.metrics, route, backend);
        self.noted(series.begin(started))
    }

    /// The first record of the request, with what the access log says of it.
    pub fn noted(&self, mut record: Record) -> Record {
        record.noted(self.about.take());
        record
    }

    /// Why a request ends whose time, or the time for which it may be silent, has passed.
    pub fn overdue(&self, passed: Passed) -> Failure {
        let destination = self.live.name.clone();
        match (passed, self.route().timeouts.idle) {
            (Passed::Idle, Some(limit)) => Failure::Silent { destination, limit },
            _ => Failure::DeadlinePassed { destination },
        }
    }

    /// Of the route's split.
    pub fn share(&self) -> &WeightedBackend {
        &self.route().split[self.share]
    }

    /// Tells a caller whose request `endpoint` answered how to come back there, where its session should and it cannot
    /// know yet.
    pub fn tell_session(&self, endpoint: usize, headers: &mut HeaderMap) {
        if let Some(session) = &self.route().session
            && self.home != Some(endpoint)
        {
            let backend = &self.live.destination.backends[self.backend];
            let taken_by = taken_by(self.route(), self.taken);
            session::tell(session, backend, backend.endpoints[endpoint].addr, taken_by, headers);
        }
    }

    /// See [`prefix`].
    pub fn prefix(&self) -> &str {
        prefix(self.route(), self.taken)
    }

    /// What bounds the retries of the route.
    pub fn budget(&self) -> Option<&Rc<RefCell<Budget>>> {
        self.live.budget(self.taken.route)
    }

    /// What is known of how long its requests take, where that decides when a copy is sent.
    pub fn latencies(&self) -> Option<&Rc<RefCell<Latencies>>> {
        self.live.latencies(self.taken.route)
    }

    /// Handles for requests that this endpoint of the backend answers.
    pub fn series(&self, outbound: &Outbound, endpoint: usize) -> Rc<Series> {
        let endpoint = &self.live.backends[self.backend][endpoint];
        self.live.series(&outbound.worker.metrics, self.taken.route, self.backend, endpoint)
    }
}
