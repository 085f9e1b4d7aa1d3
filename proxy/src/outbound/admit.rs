//! What a request or connection has to pass before it goes anywhere: the faults of its route, and the limits of that and
//! of its destination.

use tokio::time::Instant;

use super::gate::{Entry, Full, Pass};
use super::live::Live;
use super::request::{Chosen, Failed};
use super::{Outbound, fault};
use crate::http::Wire;
use crate::http::deadline::{Limit, within};
use crate::http::rescue::Failure;
use crate::telemetry::{Metrics, Record};

/// What a request holds that was let in.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    pub passes: Vec<Pass>,
    /// Begun where the request may have waited, so that one whose caller left meanwhile is recorded too.
    pub record: Option<Record>,
}

/// Lets in a request that arrived as `wire`; at once where nothing is limited and nothing fails on purpose.
pub(super) async fn request(
    outbound: &Outbound,
    chosen: &Chosen,
    wire: Wire,
    started: Instant,
    limit: &mut Option<Box<Limit>>,
) -> Result<Admitted, Failed> {
    let route = chosen.route_index();
    let fault = chosen.route().fault.as_deref();
    if fault.is_none() && chosen.live.gates(route).next().is_none() {
        return Ok(Admitted::default());
    }
    let mut record = chosen.record(outbound, started);
    // Boxed, as below: the future of every request would be larger.
    if let Some(fault) = fault
        && let Err(failure) = Box::pin(fault::inject(outbound, chosen, fault, limit)).await
    {
        return Err((failure, record));
    }
    let endpoints = &chosen.live.backends[chosen.backend];
    let connection = wire == Wire::H1 && endpoints.iter().any(|endpoint| !endpoint.carries_mesh_http());
    let entry = Entry { request: true, connection };
    match within(limit, None, Box::pin(enter(&chosen.live, route, entry)).as_mut()).await {
        Ok(Ok(passes)) => {
            chosen.live.gates(route).take(1).for_each(|gate| record.under_way(gate.under_way()));
            Ok(Admitted { passes, record: Some(record) })
        }
        Ok(Err(full)) => Err((refused(&chosen.live, route, full, &outbound.worker.metrics), record)),
        Err(passed) => Err((chosen.overdue(passed), record)),
    }
}

/// Passes for an opaque connection by `route`.
pub(super) async fn connection(live: &Live, route: usize, metrics: &Metrics) -> Result<Vec<Pass>, Failure> {
    let entry = Entry { request: false, connection: true };
    enter(live, route, entry).await.map_err(|full| refused(live, route, full, metrics))
}

async fn enter(live: &Live, route: usize, entry: Entry) -> Result<Vec<Pass>, Full> {
    let mut passes = Vec::new();
    for gate in live.gates(route) {
        passes.push(gate.enter(entry).await?);
    }
    Ok(passes)
}

fn refused(live: &Live, route: usize, full: Full, metrics: &Metrics) -> Failure {
    let name = live.destination.routes.get(route).map_or("", |route| &*route.name);
    metrics.shed(&live.name, name, full.reason());
    Failure::Overloaded { destination: live.name.clone(), route: name.to_owned(), reason: full.reason() }
}
