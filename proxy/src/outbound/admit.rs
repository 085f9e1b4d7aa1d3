//! What may be under way: a request or connection is let in by the limits of its route and of its destination, or refused.

use std::pin::pin;

use super::choosing::Choosing;
use super::chosen::Chosen;
use super::gate::{Entry, Full, Pass};
use super::live::Live;
use crate::http::Wire;
use crate::http::deadline::within;
use crate::http::rescue::Failure;
use crate::request::Asked;
use crate::request::plan::Turn;
use crate::telemetry::Metrics;

/// The stage `limits`: lets a request in, perhaps after it has waited.
pub(super) fn ask<'a>(choosing: &'a Choosing, chosen: &'a mut Chosen, asked: &'a mut Asked) -> Turn<'a> {
    let entry = entry_of(chosen, asked);
    // One whose caller leaves meanwhile is recorded too.
    asked.record.moved_to(chosen.series_without_endpoint(choosing));
    Turn::wait(async move {
        let (live, route) = (&chosen.live, chosen.route_index());
        match within(&mut asked.limit, None, pin!(enter(live, route, entry))).await {
            Ok(Ok(passes)) => {
                live.gates(route).take(1).for_each(|gate| asked.record.under_way(gate.under_way()));
                chosen.passes = passes;
                Ok(())
            }
            Ok(Err(full)) => Err(refused(live, route, full, &choosing.worker.metrics)),
            Err(passed) => Err(chosen.overdue(passed)),
        }
    })
}

/// What a request needs room for.
pub(super) fn entry_of(chosen: &Chosen, asked: &Asked) -> Entry {
    Entry { request: true, connection: holds_connection(chosen, asked) }
}

/// Whether a request has a connection to itself: HTTP/1.1 where no proxy answers, and what leaves HTTP anywhere.
fn holds_connection(chosen: &Chosen, asked: &Asked) -> bool {
    let endpoints = &chosen.live.backends[chosen.backend];
    asked.leaving.is_some()
        || asked.wire == Wire::H1 && endpoints.iter().any(|endpoint| !endpoint.carries_mesh_http())
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
