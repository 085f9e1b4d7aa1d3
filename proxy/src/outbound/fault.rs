//! Failures on purpose, to see what callers make of them: a request waits, is answered as if it had failed, or gets its
//! answer slowly.

use std::pin::pin;

use http_body::Body as _;
use tokio::time::sleep;

use super::Outbound;
use super::request::Chosen;
use crate::http::deadline::{Limit, within};
use crate::http::rescue::Failure;
use crate::http::{Body, Place};
use crate::state::{Fault, Share};

/// Does to a request what `fault` says, where chance wants it. Returns when the request may go on, late or not, or how it
/// ends. Where as many as may be are under way, it goes on as if there were no fault.
pub(super) async fn inject(
    outbound: &Outbound,
    chosen: &Chosen,
    fault: &Fault,
    limit: &mut Option<Box<Limit>>,
) -> Result<(), Failure> {
    let delay = fault.delay.filter(|delay| is_hit(outbound, delay.share));
    let abort = fault.abort.filter(|abort| is_hit(outbound, abort.share));
    if delay.is_none() && abort.is_none() {
        return Ok(());
    }
    let Some(_place) = enter(outbound, chosen, fault) else { return Ok(()) };
    if let Some(delay) = delay {
        count(outbound, chosen, "delay");
        within(limit, None, pin!(sleep(delay.time))).await.map_err(|passed| chosen.overdue(passed))?;
    }
    let Some(abort) = abort else { return Ok(()) };
    count(outbound, chosen, "abort");
    let (status, grpc_status) = (abort.status, abort.grpc_status);
    Err(Failure::Fault { destination: chosen.live.name.clone(), status, grpc_status })
}

/// The answer that `body` is of, slowly where `fault` says so and chance wants it.
pub(super) fn slow(outbound: &Outbound, chosen: &Chosen, fault: &Fault, body: Body) -> Body {
    let Some(slow) = fault.slow_body.filter(|slow| !body.is_end_stream() && is_hit(outbound, slow.share))
    else {
        return body;
    };
    let Some(place) = enter(outbound, chosen, fault) else { return body };
    count(outbound, chosen, "slow-body");
    body.slow(slow.bytes_per_second, place)
}

fn is_hit(outbound: &Outbound, share: Share) -> bool {
    outbound.rng.borrow_mut().u32(..share.of.get()) < share.hit
}

/// A place among those that something may be done to at once; where none is left the request is spared.
fn enter(outbound: &Outbound, chosen: &Chosen, fault: &Fault) -> Option<Place> {
    let place = chosen.live.faults.enter(fault.max_active);
    if place.is_none() {
        count(outbound, chosen, "spared");
    }
    place
}

fn count(outbound: &Outbound, chosen: &Chosen, kind: &'static str) {
    outbound.worker.metrics.fault(&chosen.live.name, &chosen.route().name, kind);
}
