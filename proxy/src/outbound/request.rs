//! One HTTP request of the application: judged by the stages of its route, then sent to an endpoint, and to another where that
//! is allowed.

use std::cell::{OnceCell, RefCell};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;

use http::{HeaderMap, Request, Response};

use super::answer::answer;
use super::attempts::Attempts;
use super::choosing::Choosing;
use super::chosen::Chosen;
use super::dress::dress;
use super::hedge::First;
use super::live::Live;
use super::reader::reader;
use super::retry::Ended;
use super::route::RouteQuery;
use super::stages::Judging;
use super::{change, cors, hedge};
use crate::http::deadline::{Passed, within};
use crate::http::framing::BadHead;
use crate::http::headers::take_elsewhere_mark;
use crate::http::rescue::{Failure, rescue};
use crate::http::{
    Body, Over, OwnConnections, Pending, Seen, SendError, Upload, Wire, authenticates, challenges, expect,
    framing,
};
use crate::request::plan::{Judged, Stage};
use crate::request::{Asked, Caller, Exchange, Watcher};
use crate::state::DestinationView;
use crate::telemetry::Direction;
use crate::worker::residents::Resident;

/// An HTTP connection of the application.
#[derive(Debug)]
pub struct AppConnection {
    choosing: Rc<Choosing>,
    original: SocketAddr,
    wire: Wire,
    current: RefCell<(DestinationView, Option<Rc<Live>>)>,
    /// From when its caller began to authenticate by connections.
    own: OnceCell<Rc<OwnConnections>>,
    resident: Rc<Resident>,
}

// === impl AppConnection ===

impl AppConnection {
    pub fn new(
        choosing: Rc<Choosing>,
        original: SocketAddr,
        view: DestinationView,
        wire: Wire,
        resident: Rc<Resident>,
    ) -> Self {
        Self { choosing, original, wire, current: RefCell::new((view, None)), own: OnceCell::new(), resident }
    }

    /// The connection as one of its worker's.
    pub fn resident(&self) -> &Rc<Resident> {
        &self.resident
    }

    /// Answers one request, with the upstream's response or with why there is none.
    pub async fn respond(&self, request: Request<Upload>) -> Response<Body> {
        let worker = &self.choosing.worker;
        self.resident.heard();
        let mut asked = Asked::new(request, self.wire, Caller::Local, worker);
        let live = self.live();
        let found = asked.normalise(self.original, worker, live.destination.access_log.as_deref());
        let found = found.map_err(|failure| (Stage::Normalise, failure));
        let found = found.and_then(|()| {
            asked.trace(worker, Direction::Outbound, live.destination.sampling.as_deref());
            find_route(&live, &mut asked)
        });
        let mut chosen = match found {
            Ok(chosen) => chosen,
            Err((stage, failure)) => {
                asked.record.refused_by(stage.name());
                asked.record.moved_to(live.series_without_endpoint(&worker.metrics, None, None));
                return self.rescued(&mut asked, failure);
            }
        };
        asked.record.passed(Stage::Route.name());
        let own = self.own.get();
        let mut judge = Judging { choosing: &self.choosing, own, chosen: &mut chosen };
        let limited = asked.own_pod.limits_calls_to(&live.destination.target);
        let stages = live.plan(judge.chosen.route_index(), limited).judging();
        match asked.judged_by(&mut judge, stages).await {
            Ok(()) => {}
            Err(Judged::Answered(stage, response)) => {
                asked.record.answered_by(stage.name());
                asked.record.moved_to(chosen.series_without_endpoint(&self.choosing));
                asked.record.answered(response.status(), response.headers());
                return *response;
            }
            Err(Judged::Refused(stage, failure)) => {
                asked.record.refused_by(stage.name());
                asked.record.moved_to(chosen.series_without_endpoint(&self.choosing));
                return self.failed(&chosen, &mut asked, failure);
            }
        }
        match self.carry(&mut chosen, &mut asked).await {
            Ok(response) => response,
            Err(failure) => self.failed(&chosen, &mut asked, failure),
        }
    }

    /// Answers a request whose head could not be read.
    pub fn refuse(&self, bad: BadHead) -> Response<Body> {
        let worker = &self.choosing.worker;
        let live = self.live();
        let logged = live.destination.access_log.as_deref();
        let mut asked = Asked::unread(self.wire, Caller::Local, worker, logged);
        asked.record.moved_to(live.series_without_endpoint(&worker.metrics, None, None));
        self.rescued(&mut asked, Failure::BadHead(bad))
    }

    /// The answer to a request that failed once its route was known.
    fn failed(&self, chosen: &Chosen, asked: &mut Asked, failure: Failure) -> Response<Body> {
        let mut response = self.rescued(asked, failure);
        // A page could not read what is wrong.
        if let Some(cors) = chosen.cors() {
            cors::tell(cors, chosen.origin.as_deref(), response.headers_mut());
        }
        response
    }

    fn rescued(&self, asked: &mut Asked, failure: Failure) -> Response<Body> {
        let response = rescue(&failure, asked.grpc, reader(&self.choosing.worker));
        asked.record.answered(response.status(), response.headers());
        asked.record.refused(failure.reason());
        self.choosing.worker.metrics.error(Direction::Outbound, failure.reason());
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
            _ => live.insert(self.choosing.live(destination)).clone(),
        }
    }

    /// The connections of its own over which a request with `headers`, of which these are `seen`, is to go; nearly always it
    /// needs none. HTTP/2 authenticates requests, not connections.
    fn own(&self, headers: &HeaderMap, seen: Seen) -> Option<&Rc<OwnConnections>> {
        if self.wire == Wire::H1 && authenticates(headers, seen) {
            self.own.get_or_init(Rc::default);
        }
        self.own.get()
    }

    /// Sends the request, as often as its route allows, and passes the answer on.
    async fn carry(&self, chosen: &mut Chosen, asked: &mut Asked) -> Result<Response<Body>, Failure> {
        let timeouts = chosen.route().timeouts;
        change::by_share(&mut asked.request, chosen);
        if change::changes_headers(chosen) {
            asked.seen = Seen::of(asked.request.headers());
        }
        let over = match self.own(asked.request.headers(), asked.seen) {
            _ if asked.leaving.is_some() => Over::Alone,
            Some(own) => Over::OfCaller(own),
            None => Over::Shared,
        };
        let passes = std::mem::take(&mut chosen.passes);
        let mut watchers = std::mem::take(&mut chosen.watchers);
        watchers.extend(asked.bill.take().map(|bill| bill as Box<dyn Watcher>));
        let chosen = &*chosen;
        let mut request = std::mem::take(&mut asked.request);
        let mut attempts = Attempts::new(&self.choosing, chosen, passes, &mut asked.record, asked.started);
        attempts.prepare(&mut request, asked.grpc);
        let asks = expect::hold(&mut request);
        if let Some(activity) = asked.limit.as_ref().and_then(|limit| limit.activity()) {
            let body = std::mem::take(request.body_mut());
            *request.body_mut() = body.watch(activity);
            request.extensions_mut().insert(activity.clone());
        }
        loop {
            let endpoint = attempts.endpoint();
            let wire = dress(&mut request, self.wire, asked.seen, endpoint, attempts.tries);
            let wire = if asks || !matches!(over, Over::Shared) { Wire::H1 } else { wire };
            let pending = Pending::new(&endpoint.upstream);
            let sent = attempts.sent;
            if let Some(deadline) = asked.deadline {
                if deadline.left(sent).is_zero() {
                    return Err(attempts.overdue(Passed::Deadline));
                }
                deadline.write(request.headers_mut(), sent);
            }
            attempts.name_span(request.headers_mut());
            let spare = attempts.spare(&request);
            // A copy would go elsewhere, where the caller is not known, or have nobody whose bytes to carry.
            let hedging = chosen.route().hedging.as_ref();
            let result = match hedging.filter(|_| matches!(over, Over::Shared)) {
                None => {
                    let answer =
                        pin!(endpoint.upstream.send(request, asked.seen, wire, attempts.patience(), over));
                    within(&mut asked.limit, timeouts.per_try, answer)
                        .await
                        .map(|result| (result, pending, sent))
                }
                Some(hedging) => {
                    let first = First { request, seen: asked.seen, wire, pending, sent };
                    let mut race =
                        Box::pin(hedge::race(self.wire, &mut attempts, hedging, first, asked.deadline));
                    within(&mut asked.limit, timeouts.per_try, race.as_mut()).await
                }
            };
            let by_deadline = |error: &SendError| {
                matches!(error, SendError::Lost(error)
                    if asked.limit.as_ref().is_some_and(|limit| limit.explains(error)))
            };
            let (result, pending, sent) = match result {
                Ok((Err(error), ..)) if by_deadline(&error) => {
                    attempts.too_slow(Passed::Deadline);
                    return Err(attempts.overdue(Passed::Deadline));
                }
                Ok(result) => result,
                Err(passed) => {
                    attempts.too_slow(passed);
                    if passed == Passed::Try
                        && let Some(spare) = attempts.once_more(Ended::TimedOut, spare, &asked.limit).await
                    {
                        endpoint.upstream.load.observe(sent.elapsed());
                        request = spare;
                        continue;
                    }
                    // As slow as this at the least: what never answers must not look quick.
                    endpoint.upstream.load.observe(sent.elapsed());
                    if attempts.is_spent() {
                        return Err(attempts.budget_spent());
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
                    if self.wire == Wire::H1 && challenges(response.headers(), seen) {
                        self.own.get_or_init(Rc::default);
                    }
                    let again = if take_elsewhere_mark(response.headers_mut(), seen)
                        && endpoint.carries_mesh_http()
                    {
                        attempts.refused(spare, &asked.limit).await
                    } else {
                        attempts.observe(&response, sent, asked.grpc);
                        attempts.answered(&response, spare, &asked.limit).await
                    };
                    if let Some(again) = again {
                        request = again;
                        continue;
                    }
                    if attempts.is_spent() {
                        return Err(attempts.budget_spent());
                    }
                    if let Err(reason) = framing::usable(&response, asked.leaving.as_ref()) {
                        return Err(attempts.unusable(reason));
                    }
                    watchers.extend(attempts.until_end());
                    let served_by = attempts.current();
                    let (record, limit) = (asked.record.take(), asked.limit.take());
                    let exchange = Exchange { lease, pending, watchers, limit, record };
                    return Ok(answer(&self.choosing, chosen, asked, served_by, (response, seen), exchange));
                }
                Err(error) => match attempts.again(error, spare, &asked.limit).await {
                    Ok(unsent) => request = unsent,
                    Err(failure) => return Err(failure),
                },
            }
        }
    }
}

/// The stage `route`: the first route that takes the request, or that would take what a preflight asks about.
pub(super) fn find_route(live: &Rc<Live>, asked: &mut Asked) -> Result<Chosen, (Stage, Failure)> {
    let routes = &live.destination.routes;
    let query = RouteQuery::new(&asked.request, &asked.own_pod);
    let asked_about = cors::asked_about(&asked.request).and_then(|method| {
        let taken = live.routes.first_match(routes, RouteQuery { method: &method, ..query })?;
        routes[taken.route].cors().map(|_| taken)
    });
    let preflight = asked_about.is_some();
    let Some(taken) = asked_about.or_else(|| live.routes.first_match(routes, query)) else {
        return Err((Stage::Route, Failure::NoRoute { destination: live.name.clone() }));
    };
    asked.leave_hop();
    Ok(Chosen::new(live.clone(), taken, preflight))
}
