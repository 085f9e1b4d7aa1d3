//! Failures on purpose, to see what callers make of them: a request waits, is answered as if it had failed, or gets its
//! answer slowly.

use std::pin::pin;

use http_body::Body as _;
use tokio::time::sleep;

use super::choosing::Choosing;
use super::chosen::Chosen;
use crate::http::deadline::within;
use crate::http::rescue::Failure;
use crate::http::{Body, Place};
use crate::request::Asked;
use crate::request::plan::Turn;
use crate::state::{Fault, Share};

/// The stage of that name: does to a request what its route says, where chance wants it. Where as many as may be are under
/// way, it goes on as if there were no fault.
pub(super) fn ask<'a>(choosing: &'a Choosing, chosen: &'a Chosen, asked: &'a mut Asked) -> Turn<'a> {
    let Some(fault) = chosen.route().fault.as_deref() else { return Turn::Go };
    let delay = fault.delay.filter(|delay| is_hit(choosing, delay.share));
    let abort = fault.abort.filter(|abort| is_hit(choosing, abort.share));
    if delay.is_none() && abort.is_none() {
        return Turn::Go;
    }
    let Some(place) = enter(choosing, chosen, fault) else { return Turn::Go };
    // One whose caller leaves meanwhile is recorded too.
    asked.record.moved_to(chosen.series_without_endpoint(choosing));
    Turn::wait(async move {
        let _place = place;
        if let Some(delay) = delay {
            count(choosing, chosen, "delay");
            asked.record.faulted("delay");
            let delayed = within(&mut asked.limit, None, pin!(sleep(delay.time))).await;
            delayed.map_err(|passed| chosen.overdue(passed))?;
        }
        let Some(abort) = abort else { return Ok(()) };
        count(choosing, chosen, "abort");
        asked.record.faulted("abort");
        let (status, grpc_status) = (abort.status, abort.grpc_status);
        Err(Failure::Fault { destination: chosen.live.name.clone(), status, grpc_status })
    })
}

/// The answer that `body` is of, slowly where `fault` says so and chance wants it.
pub(super) fn slow(choosing: &Choosing, chosen: &Chosen, fault: &Fault, body: Body) -> Body {
    let Some(slow) = fault.slow_body.filter(|slow| !body.is_end_stream() && is_hit(choosing, slow.share))
    else {
        return body;
    };
    let Some(place) = enter(choosing, chosen, fault) else { return body };
    count(choosing, chosen, "slow-body");
    body.slow(slow.bytes_per_second, place)
}

fn is_hit(choosing: &Choosing, share: Share) -> bool {
    choosing.rng.borrow_mut().u32(..share.of.get()) < share.hit
}

/// A place among those that something may be done to at once; where none is left the request is spared.
fn enter(choosing: &Choosing, chosen: &Chosen, fault: &Fault) -> Option<Place> {
    let place = chosen.live.faults.enter(fault.max_active);
    if place.is_none() {
        count(choosing, chosen, "spared");
    }
    place
}

fn count(choosing: &Choosing, chosen: &Chosen, kind: &'static str) {
    choosing.worker.metrics.fault(&chosen.live.name, &chosen.route().name, kind);
}
