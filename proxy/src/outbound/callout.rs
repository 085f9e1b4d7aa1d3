//! Calls of the proxy's own: from inside the mesh to a Service of it, with the usual balancing and mutual TLS.
//!
//! A call goes through no stage, so that a stage can make one without meeting itself. It is bounded by its own deadline, and
//! calls together by a limit of their own. Where nothing of it was sent, it goes to one other endpoint; what may have been
//! acted on is not repeated. Copies of requests are such calls.

use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use thiserror::Error;
use tokio::time::{Instant, timeout, timeout_at};

use super::balance::group::BalanceQuery;
use super::choosing::Choosing;
use super::dress::dress;
use super::live::Live;
use super::route::RouteQuery;
use super::split;
use crate::http::headers::{strip_hop_by_hop, take_elsewhere_mark};
use crate::http::rescue::Failure;
use crate::http::{
    Active, Incoming, Lease, Over, Patience, Pending, Recorded, Seen, SendError, Upload, Wire, replay,
};
use crate::state::{Resolution, Subscription};
use crate::telemetry::Direction;

/// Calls under way at once, of one worker.
const IN_FLIGHT: u32 = 256;
/// The longest answer that is gathered where nobody says less.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// Who calls. Belongs to one worker.
#[derive(Debug)]
pub struct Callout {
    choosing: Rc<Choosing>,
    under_way: Active,
    longest: usize,
}

/// What came behind the body of an answer, among its extensions.
#[derive(Clone, Debug)]
pub struct Trailers(pub HeaderMap);

/// Why a call has no answer.
#[derive(Debug, Error)]
pub enum CalloutError {
    /// As many are under way as may be.
    #[error("too many calls of the proxy's own are under way")]
    TooMany,
    /// The mesh does not know the destination, or this proxy cannot honour what it says.
    #[error("the mesh has no usable destination {0}")]
    NoDestination(Subscription),
    /// What would be answered to a caller.
    #[error("{0}")]
    Failed(Failure),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    TooLate(Duration),
    /// The answer broke off, or is longer than anybody wants to read.
    #[error("the answer broke off or is too long")]
    BadAnswer,
}

/// An endpoint's answer to a call, whose body is still to be read.
pub(super) struct Answered {
    pub response: Response<Incoming>,
    pub lease: Lease,
    pub _pending: Pending,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct To<'a> {
    pub live: &'a Live,
    pub backend: usize,
    /// What it has in common with others that should go the same way.
    pub key: Option<u64>,
    /// The HTTP it is for: what an endpoint without a proxy is spoken to in.
    pub wire: Wire,
}

// === impl Callout ===

impl Callout {
    pub(super) fn new(choosing: Rc<Choosing>) -> Self {
        Self { choosing, under_way: Active::default(), longest: LONGEST_ANSWER }
    }

    /// Takes no longer answers than `longest`.
    pub fn reading_at_most(self, longest: usize) -> Self {
        Self { longest, ..self }
    }

    /// Sends `request` to what the mesh knows by `wanted`, by the route that takes it, and gathers the answer; all of that
    /// within `limit`.
    pub async fn call(
        &self,
        wanted: Subscription,
        request: Request<Bytes>,
        wire: Wire,
        limit: Duration,
    ) -> Result<Response<Bytes>, CalloutError> {
        let _place = self.under_way.enter(IN_FLIGHT).ok_or(CalloutError::TooMany)?;
        timeout(limit, self.exchange(wanted, request, wire))
            .await
            .unwrap_or(Err(CalloutError::TooLate(limit)))
    }

    /// The same, for who goes by the head of an answer: what followed it is `None` where it did not come whole, or in time, or is too
    /// long.
    pub async fn call_for_head(
        &self,
        wanted: Subscription,
        request: Request<Bytes>,
        wire: Wire,
        limit: Duration,
    ) -> Result<Response<Option<Bytes>>, CalloutError> {
        let _place = self.under_way.enter(IN_FLIGHT).ok_or(CalloutError::TooMany)?;
        let ends = Instant::now() + limit;
        let asked = timeout_at(ends, self.ask(wanted, request, wire)).await;
        let Answered { response, lease, _pending } = asked.unwrap_or(Err(CalloutError::TooLate(limit)))?;
        let (head, body) = response.into_parts();
        let gathered = timeout_at(ends, self.gather(body)).await;
        let body = gathered.ok().and_then(Result::ok).map(|(body, _)| body);
        if body.is_some() {
            lease.release();
        }
        Ok(Response::from_parts(head, body))
    }

    async fn exchange(
        &self,
        wanted: Subscription,
        request: Request<Bytes>,
        wire: Wire,
    ) -> Result<Response<Bytes>, CalloutError> {
        let Answered { response, lease, _pending } = self.ask(wanted, request, wire).await?;
        let (mut head, body) = response.into_parts();
        let (body, trailers) = self.gather(body).await?;
        if let Some(trailers) = trailers {
            head.extensions.insert(Trailers(trailers));
        }
        lease.release();
        Ok(Response::from_parts(head, body))
    }

    async fn ask(
        &self,
        wanted: Subscription,
        request: Request<Bytes>,
        wire: Wire,
    ) -> Result<Answered, CalloutError> {
        let choosing = &*self.choosing;
        let Resolution::Known(mut view) = choosing.worker.mesh.destination(wanted.clone()).await else {
            return Err(CalloutError::NoDestination(wanted));
        };
        let live = choosing.live(view.current());
        let no_route = || CalloutError::Failed(Failure::NoRoute { destination: live.name.clone() });
        let own_pod = choosing.worker.own_pod.current();
        let query = RouteQuery::new(&request, &own_pod);
        let taken = live.routes.first_match(&live.destination.routes, query).ok_or_else(no_route)?;
        let shares = &live.destination.routes[taken.route].split;
        let random = |below| choosing.rng.borrow_mut().u64(..below);
        let share = split::choose(shares, random).ok_or_else(no_route)?;
        let to = To { live: &live, backend: shares[share].backend, key: None, wire };
        let mut request = request;
        let length = HeaderValue::from(request.body().len());
        request.headers_mut().insert(CONTENT_LENGTH, length);
        send(choosing, to, request.map(Recorded::from)).await.map_err(CalloutError::Failed)
    }

    async fn gather(&self, mut body: Incoming) -> Result<(Bytes, Option<HeaderMap>), CalloutError> {
        let (mut gathered, mut trailers) = (BytesMut::new(), None);
        while let Some(frame) = body.frame().await {
            let data = match frame.map_err(|_| CalloutError::BadAnswer)?.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    trailers = frame.into_trailers().ok();
                    continue;
                }
            };
            if gathered.len() + data.len() > self.longest {
                return Err(CalloutError::BadAnswer);
            }
            gathered.extend_from_slice(&data);
        }
        Ok((gathered.freeze(), trailers))
    }
}

/// Sends `request` to an endpoint, and to another where nothing of it was sent; gives the answer without what concerns the
/// connection it came over. The failure: what a caller would be told.
pub(super) async fn send(
    choosing: &Choosing,
    to: To<'_>,
    request: Request<Recorded>,
) -> Result<Answered, Failure> {
    let To { live, backend, key, wire } = to;
    if let Some(failure) = live.refusal(backend) {
        return Err(failure);
    }
    let (head, body) = request.into_parts();
    let request = Request::from_parts(head, Upload::default());
    let endpoints = &live.backends[backend];
    let (mut failed, mut stale) = (Vec::new(), 0);
    loop {
        let sent = Instant::now();
        let index = choosing.pick(live, backend, BalanceQuery { failed: &failed, key }, sent);
        let (endpoint, tries) = (&endpoints[index], failed.len() as u32 + 1);
        let mut attempt = replay::with_head_of(&request, body.clone().into());
        let seen = Seen::of(attempt.headers());
        let wire = dress(&mut attempt, wire, seen, endpoint, tries);
        let pending = Pending::new(&endpoint.upstream);
        let answered = endpoint.upstream.send(attempt, seen, wire, Patience::FULL, Over::Shared).await;
        let (reason, failure) = match answered {
            Ok((mut response, lease)) => {
                let seen = Seen::of(response.headers());
                let elsewhere = take_elsewhere_mark(response.headers_mut(), seen);
                if !(elsewhere && endpoint.carries_mesh_http() && failed.is_empty() && endpoints.len() > 1) {
                    endpoint.upstream.load.observe(sent.elapsed());
                    strip_hop_by_hop(response.headers_mut(), seen);
                    return Ok(Answered { response, lease, _pending: pending });
                }
                endpoint.upstream.load.observe_failure();
                ("application-unreachable", None)
            }
            Err(SendError::Connect(error, _)) => {
                endpoint.upstream.load.observe_failure();
                choosing.worker.metrics.connect_failure(Direction::Outbound, error.reason());
                (error.reason(), Some(Failure::Connect { destination: live.name.clone(), error }))
            }
            Err(SendError::Stale(..)) if stale < replay::STALE_LIMIT => {
                choosing.worker.metrics.retry(Direction::Outbound, (&live.name, ""), replay::STALE);
                stale += 1;
                continue;
            }
            Err(SendError::Unsent(error, _) | SendError::Stale(error, _)) => {
                ("connection-lost", Some(lost(to, index, error)))
            }
            Err(SendError::Lost(error)) => return Err(lost(to, index, error)),
        };
        if let Some(failure) = failure
            && (!failed.is_empty() || endpoints.len() < 2)
        {
            return Err(failure);
        }
        choosing.worker.metrics.retry(Direction::Outbound, (&live.name, ""), reason);
        failed.push(index);
    }
}

fn lost(to: To<'_>, endpoint: usize, error: crate::http::WireError) -> Failure {
    let addr = to.live.backends[to.backend][endpoint].upstream.key.addr;
    Failure::Lost { destination: to.live.name.clone(), addr, error }
}
