//! Failures on purpose, to see what callers make of them: a request waits, or is answered as if it had failed.

use std::cell::Cell;
use std::rc::Rc;

use tokio::time::sleep;

use super::Outbound;
use super::request::Chosen;
use crate::http::deadline::{Limit, within};
use crate::http::rescue::Failure;
use crate::state::{Fault, Share};

/// Requests of this worker to a destination that something is done to now.
#[derive(Clone, Debug, Default)]
pub struct Active(Rc<Cell<u32>>);

/// One of them, until it is dropped.
#[derive(Debug)]
struct Place(Rc<Cell<u32>>);

/// Does to a request what `fault` says, where chance wants it. Returns when the request may go on, late or not, or how it
/// ends. Where as many as may be are under way, it goes on as if there were no fault.
pub(super) async fn inject(
    outbound: &Outbound,
    chosen: &Chosen,
    fault: &Fault,
    limit: &mut Option<Box<Limit>>,
) -> Result<(), Failure> {
    let hit = |share: Share| outbound.rng.borrow_mut().u32(..share.of.get()) < share.hit;
    let delay = fault.delay.filter(|delay| hit(delay.share));
    let abort = fault.abort.filter(|abort| hit(abort.share));
    if delay.is_none() && abort.is_none() {
        return Ok(());
    }
    let live = &chosen.live;
    let count = |kind| outbound.worker.metrics.fault(&live.name, &chosen.route().name, kind);
    let Some(_place) = live.faults.enter(fault.max_active) else {
        count("spared");
        return Ok(());
    };
    if let Some(delay) = delay {
        count("delay");
        if within(limit, None, sleep(delay.time)).await.is_err() {
            return Err(Failure::DeadlinePassed { destination: live.name.clone() });
        }
    }
    let Some(abort) = abort else { return Ok(()) };
    count("abort");
    let (status, grpc_status) = (abort.status, abort.grpc_status);
    Err(Failure::Fault { destination: live.name.clone(), status, grpc_status })
}

// === impl Active ===

impl Active {
    /// A place among at most `most`, if one is left.
    fn enter(&self, most: u32) -> Option<Place> {
        let active = self.0.get();
        if active >= most {
            return None;
        }
        self.0.set(active + 1);
        Some(Place(self.0.clone()))
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
