//! Copies of requests, sent beside them. A request never waits for its copies: its body is kept as it passes, and the
//! copy is sent once all of it has; a body that is too long, or a copy too many, is left out and counted.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use http::header::{EXPECT, HeaderValue};
use http::{HeaderName, Request};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::Outbound;
use super::balance::group::Asked;
use super::live::LiveEndpoint;
use super::request::{Chosen, refusal};
use crate::http::headers::{strip_hop_by_hop, take_elsewhere_mark};
use crate::http::{
    Comparison, Patience, Pending, REPLAY_LIMIT, Recorded, Seen, SendError, Side, TooLong, Upload, Upstream,
    Wire, Witness, replay,
};
use crate::names::MIRROR_HEADER;
use crate::state::Mirror;
use crate::telemetry::{MirrorLabels, MirrorSeries};

/// Copies under way at once, of one worker. With [`REPLAY_LIMIT`] this bounds what they hold to 8 MiB.
const IN_FLIGHT: usize = 128;
/// How long a copy may wait for its body, and then for its answer.
const LIMIT: Duration = Duration::from_secs(10);

const MARK: HeaderName = HeaderName::from_static(MIRROR_HEADER);

/// The copies that a worker has under way.
#[derive(Debug, Default)]
pub(super) struct InFlight(Rc<Cell<usize>>);

/// A place among them.
#[derive(Debug)]
struct Place(Rc<Cell<usize>>);

/// A copy on its way.
struct Copy {
    request: Request<Upload>,
    upstream: Rc<Upstream>,
    wire: Wire,
    comparison: Option<Rc<Comparison>>,
    series: MirrorSeries,
    _place: Place,
}

type Told = oneshot::Receiver<Result<Recorded, TooLong>>;

/// Sends the copies that the route of `request` wants. `dress` makes a copy what an endpoint expects, and `caller` is what
/// the application speaks. What comes back watches the answer for those that compare.
pub(super) fn begin(
    outbound: &Outbound,
    chosen: &Chosen,
    caller: Wire,
    request: &mut Request<Upload>,
    dress: impl Fn(&mut Request<Upload>, &LiveEndpoint),
) -> Option<Box<Witness>> {
    let mut comparisons = Vec::new();
    for mirror in &chosen.route().actions.as_ref()?.mirrors {
        let drawn = outbound.rng.borrow_mut().u32(..mirror.denominator.get());
        if drawn >= mirror.numerator {
            continue;
        }
        let series = series(outbound, chosen, mirror);
        match place(outbound, chosen, mirror, request) {
            Err(reason) => series.skipped(reason),
            Ok((place, told)) => {
                let endpoints = &chosen.live.backends[mirror.backend];
                let asked = Asked { failed: &[], key: chosen.key };
                let endpoint = &endpoints[outbound.pick(&chosen.live, mirror.backend, asked)];
                let mut copy = replay::with_head_of(request, Upload::default());
                dress(&mut copy, endpoint);
                copy.headers_mut().insert(MARK, HeaderValue::from_static("1"));
                copy.headers_mut().remove(EXPECT);
                let compare = mirror.compare.as_ref();
                let comparison = compare.map(|compared| Comparison::new(compared.clone(), series.clone()));
                comparisons.extend(comparison.clone());
                let (upstream, wire) = (endpoint.upstream.clone(), endpoint.wire(caller));
                let copy = Copy { request: copy, upstream, wire, comparison, series, _place: place };
                tokio::task::spawn_local(copy.carry(told));
            }
        }
    }
    (!comparisons.is_empty()).then(|| Box::new(Witness::new(Side::Destination, comparisons)))
}

fn series(outbound: &Outbound, chosen: &Chosen, mirror: &Mirror) -> MirrorSeries {
    outbound.worker.metrics.mirrors.series(MirrorLabels {
        destination: chosen.live.name.clone(),
        route: chosen.route().name.to_string(),
        backend: chosen.live.destination.backends[mirror.backend].name.to_string(),
    })
}

/// A place for a copy and, where the request has a body, who tells it; or why there is no copy.
fn place(
    outbound: &Outbound,
    chosen: &Chosen,
    mirror: &Mirror,
    request: &mut Request<Upload>,
) -> Result<(Place, Option<Told>), &'static str> {
    if let Some(failure) = refusal(&chosen.live, mirror.backend) {
        return Err(failure.reason());
    }
    if request.body().size_hint().lower() > REPLAY_LIMIT as u64 {
        return Err("body-too-long");
    }
    let place = outbound.mirrors.place().ok_or("too-many")?;
    let body = request.body_mut();
    if body.is_none() {
        return Ok((place, None));
    }
    *body = std::mem::take(body).keep();
    Ok((place, body.recorded()))
}

// === impl InFlight, Place ===

impl InFlight {
    fn place(&self) -> Option<Place> {
        if self.0.get() >= IN_FLIGHT {
            return None;
        }
        self.0.set(self.0.get() + 1);
        Some(Place(self.0.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

// === impl Copy ===

impl Copy {
    async fn carry(mut self, told: Option<Told>) {
        if let Some(told) = told {
            match timeout(LIMIT, told).await {
                Ok(Ok(Ok(recorded))) => *self.request.body_mut() = recorded.into(),
                Ok(Ok(Err(TooLong))) => return self.series.skipped("body-too-long"),
                Ok(Err(_)) => return self.series.skipped("request-ended"),
                Err(_) => return self.series.skipped("body-too-slow"),
            }
        }
        let series = self.series.clone();
        match timeout(LIMIT, self.exchange()).await {
            Ok(Ok(status)) => series.sent(status.as_str()),
            Ok(Err(reason)) => series.sent(reason),
            Err(_) => series.sent("timeout"),
        }
    }

    async fn exchange(self) -> Result<http::StatusCode, &'static str> {
        let _pending = Pending::new(&self.upstream);
        let sent = Instant::now();
        let (response, lease) = self.upstream.send(self.request, self.wire, Patience::FULL).await.map_err(
            |error| match error {
                SendError::Connect(error, _) => {
                    self.upstream.load.observe_failure();
                    error.reason()
                }
                SendError::Unsent(..) | SendError::Lost(_) => "connection-lost",
            },
        )?;
        self.upstream.load.observe(sent.elapsed());
        let (mut head, mut body) = response.into_parts();
        let seen = Seen::of(&head.headers);
        strip_hop_by_hop(&mut head.headers, seen);
        take_elsewhere_mark(&mut head.headers, seen);
        let mut witness = Witness::new(Side::Mirror, self.comparison.into_iter().collect());
        witness.head(&head);
        // Read to its end, so that the connection serves again; an answer of great length is given up instead.
        while let Some(frame) = body.frame().await {
            witness.frame(&frame.map_err(|_| "connection-lost")?);
            if witness.is_full() {
                witness.ended();
                return Ok(head.status);
            }
        }
        witness.ended();
        lease.release();
        Ok(head.status)
    }
}
