//! The response of an upstream, on its way to the caller.

use http::response::Parts;
use http::{Response, StatusCode, Version};
use http_body::Body as _;

use super::{Asked, Exchange};
use crate::drain::Drain;
use crate::http::headers::strip_hop_by_hop;
use crate::http::upgrade::{Until, strip_but_upgrade};
use crate::http::via::add_via;
use crate::http::{Body, End, Escort, Incoming, Lease, Seen};
use crate::tcp::Bounds;
use crate::telemetry::tap::Ended;
use crate::telemetry::{Direction, Metrics};

/// What a half says of a response that goes on.
pub(crate) struct Onward<'a> {
    pub direction: Direction,
    pub metrics: &'a Metrics,
    /// What bounds the bytes of a connection that has left HTTP.
    pub bounds: Bounds,
    /// A drain waits for these bytes.
    pub drain: &'a Drain,
    /// When this ends, these bytes do too.
    pub until: Option<Until>,
}

/// Makes `response`, of whose headers `seen` are known, what the caller shall see; `change` is what the half adds to its head.
/// `exchange` lives until the response has ended, or the connection that has left HTTP by it.
pub(crate) fn pass_on(
    asked: &mut Asked,
    response: Response<Incoming>,
    seen: Seen,
    mut exchange: Exchange,
    onward: Onward<'_>,
    change: impl FnOnce(&mut Parts),
) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let leaving = asked.leaving.take().filter(|_| head.status == StatusCode::SWITCHING_PROTOCOLS);
    match leaving {
        None => strip_hop_by_hop(&mut head.headers, seen),
        Some(_) => strip_but_upgrade(&mut head.headers),
    }
    if asked.own_pod.via {
        add_via(&mut head.headers, head.version);
    }
    head.version = Version::HTTP_11;
    exchange.record.coded(head.status);
    if seen.any(Seen::GRPC_STATUS) {
        exchange.record.read_grpc_status(&head.headers);
    }
    exchange.head(&head);
    change(&mut head);
    exchange.record.answer(&head.headers);
    let Some(leaving) = leaving else {
        let escort = if body.is_end_stream() {
            exchange.finish(End::Whole);
            None
        } else {
            Some(Box::new(exchange) as Box<dyn Escort>)
        };
        return Response::from_parts(head, Body::incoming(body, escort, seen.any(Seen::GRPC)));
    };
    // Nothing but the lease may hold the connection when its bytes are taken.
    drop(body);
    let Exchange { lease, pending, watchers, mut record, .. } = exchange;
    if let Lease::Alone(connection) = lease {
        let (metrics, direction) = (onward.metrics.clone(), onward.direction);
        leaving.tie(connection, onward.drain.guard(), onward.bounds, onward.until, move |relayed, result| {
            let _pending = pending;
            record.sent(usize::try_from(relayed.back.get()).unwrap_or(usize::MAX));
            record.ended(if result.is_ok() { Ended::Whole } else { Ended::Broken });
            match result {
                Ok(()) => {
                    for watcher in watchers.into_iter().rev() {
                        record.ejected(watcher.ended(End::Whole, None));
                    }
                }
                // Which of both sides broke it off is not known, so it is held against nobody.
                Err(error) => error.bound().into_iter().for_each(|reason| metrics.error(direction, reason)),
            }
        });
    }
    Response::from_parts(head, Body::empty())
}
