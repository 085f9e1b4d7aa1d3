//! Copies of requests, sent beside them. A request never waits for its copies: its body is kept as it passes, and the
//! copy is sent once all of it has; a body that is too long, or a copy too many, is left out and counted.

use std::rc::Rc;
use std::time::Duration;

use http::header::{EXPECT, HeaderValue};
use http::{HeaderName, Request};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::callout::{self, Answered, To};
use super::choosing::Choosing;
use super::chosen::Chosen;
use super::compare::{Comparison, Side, Witness};
use super::live::Live;
use crate::http::{Place, REPLAY_LIMIT, Recorded, TooLong, Upload, Wire, replay};
use crate::names::MIRROR_HEADER;
use crate::request::plan::Turn;
use crate::request::{Asked, Watcher};
use crate::state::Mirror;
use crate::telemetry::{MirrorLabels, MirrorSeries};

/// Copies under way at once, of one worker. With [`REPLAY_LIMIT`] this bounds what they hold to 8 MiB.
const IN_FLIGHT: u32 = 128;
/// How long a copy may wait for its body, and then for its answer.
const LIMIT: Duration = Duration::from_secs(10);

const MARK: HeaderName = HeaderName::from_static(MIRROR_HEADER);

/// A copy on its way.
struct Copy {
    choosing: Rc<Choosing>,
    live: Rc<Live>,
    backend: usize,
    key: Option<u64>,
    /// What the application speaks.
    caller: Wire,
    head: Request<()>,
    comparison: Option<Rc<Comparison>>,
    series: MirrorSeries,
    _place: Place,
}

type Told = oneshot::Receiver<Result<Recorded, TooLong>>;

/// The stage of that name: sends the copies that the route wants. What leaves HTTP is not copied.
pub(super) fn ask<'a>(choosing: &Rc<Choosing>, chosen: &mut Chosen, asked: &mut Asked) -> Turn<'a> {
    if asked.leaving.is_none() {
        let witness = begin(choosing, chosen, asked.wire, &mut asked.request);
        chosen.watchers.extend(witness.map(|witness| witness as Box<dyn Watcher>));
    }
    Turn::Go
}

/// What comes back watches the answer for those that compare; `caller` is what the application speaks.
fn begin(
    choosing: &Rc<Choosing>,
    chosen: &Chosen,
    caller: Wire,
    request: &mut Request<Upload>,
) -> Option<Box<Witness>> {
    let mut comparisons = Vec::new();
    for mirror in &chosen.route().actions.as_ref()?.mirrors {
        let drawn = choosing.rng.borrow_mut().u32(..mirror.denominator.get());
        if drawn >= mirror.numerator {
            continue;
        }
        let series = series(choosing, chosen, mirror);
        match place(choosing, chosen, mirror, request) {
            Err(reason) => series.skipped(reason),
            Ok((place, told)) => {
                let compare = mirror.compare.as_ref();
                let comparison = compare.map(|compared| Comparison::new(compared.clone(), series.clone()));
                comparisons.extend(comparison.clone());
                let copy = Copy {
                    choosing: choosing.clone(),
                    live: chosen.live.clone(),
                    backend: mirror.backend,
                    key: chosen.key,
                    caller,
                    head: marked(request),
                    comparison,
                    series,
                    _place: place,
                };
                tokio::task::spawn_local(copy.carry(told));
            }
        }
    }
    (!comparisons.is_empty()).then(|| Box::new(Witness::new(Side::Destination, comparisons)))
}

/// The head of a copy of `request`.
fn marked(request: &Request<Upload>) -> Request<()> {
    let mut copy = replay::with_head_of(request, Upload::default()).map(|_| ());
    copy.headers_mut().insert(MARK, HeaderValue::from_static("1"));
    copy.headers_mut().remove(EXPECT);
    copy
}

fn series(choosing: &Choosing, chosen: &Chosen, mirror: &Mirror) -> MirrorSeries {
    choosing.worker.metrics.mirrors.series(MirrorLabels {
        destination: chosen.live.name.clone(),
        route: chosen.route().name.to_string(),
        backend: chosen.live.destination.backends[mirror.backend].name.to_string(),
    })
}

/// A place for a copy and, where the request has a body, who tells it; or why there is no copy.
fn place(
    choosing: &Choosing,
    chosen: &Chosen,
    mirror: &Mirror,
    request: &mut Request<Upload>,
) -> Result<(Place, Option<Told>), &'static str> {
    if let Some(failure) = chosen.live.refusal(mirror.backend) {
        return Err(failure.reason());
    }
    if request.body().size_hint().lower() > REPLAY_LIMIT as u64 {
        return Err("body-too-long");
    }
    let place = choosing.mirrors.enter(IN_FLIGHT).ok_or("too-many")?;
    let body = request.body_mut();
    if body.is_none() {
        return Ok((place, None));
    }
    *body = std::mem::take(body).keep();
    Ok((place, body.recorded()))
}

// === impl Copy ===

impl Copy {
    async fn carry(self, told: Option<Told>) {
        let body = match told {
            None => Recorded::default(),
            Some(told) => match timeout(LIMIT, told).await {
                Ok(Ok(Ok(recorded))) => recorded,
                Ok(Ok(Err(TooLong))) => return self.series.skipped("body-too-long"),
                Ok(Err(_)) => return self.series.skipped("request-ended"),
                Err(_) => return self.series.skipped("body-too-slow"),
            },
        };
        let series = self.series.clone();
        match timeout(LIMIT, self.exchange(body)).await {
            Ok(Ok(status)) => series.sent(status),
            Ok(Err(reason)) => series.failed(reason),
            Err(_) => series.failed("timeout"),
        }
    }

    async fn exchange(self, body: Recorded) -> Result<http::StatusCode, &'static str> {
        let to = To { live: &self.live, backend: self.backend, key: self.key, wire: self.caller };
        let answered = callout::send(&self.choosing, to, self.head.map(|()| body)).await;
        let Answered { response, lease, _pending } = answered.map_err(|failure| failure.reason())?;
        let (head, mut body) = response.into_parts();
        let mut witness = Witness::new(Side::Mirror, self.comparison.into_iter().collect());
        witness.see_head(&head);
        // Read to its end, so that the connection serves again; an answer of great length is given up instead.
        while let Some(frame) = body.frame().await {
            witness.see(&frame.map_err(|_| "connection-lost")?);
            if witness.is_full() {
                witness.note_end();
                return Ok(head.status);
            }
        }
        witness.note_end();
        lease.release();
        Ok(head.status)
    }
}
