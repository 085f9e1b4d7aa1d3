//! What this worker's balancers weigh and what its limits and budgets hold, as JSON for a person.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::endpoint::LiveEndpoint;
use super::live::{Destinations, Live};
use crate::state::Endpoint;

/// All of them, by their keys.
pub(super) fn destinations(known: &Destinations) -> Value {
    known.each(|key, live| (key.to_owned(), destination(live))).into_iter().collect()
}

/// One destination: each backend with its endpoints and what a choice between them would look at now.
fn destination(live: &Live) -> Value {
    let now = Instant::now();
    let backend = |index: usize| {
        let balanced = live.balanced[index].as_deref();
        json!({
            "name": &*live.destination.backends[index].name,
            "leavesZone": balanced.and_then(|balanced| balanced.balancer.spilled()),
            "endpoints": endpoints(live, index, now).collect::<Vec<_>>(),
        })
    };
    json!({
        "name": live.name,
        "algorithm": format!("{:?}", live.destination.load_balancer.algorithm),
        "backends": (0..live.backends.len()).map(backend).collect::<Vec<_>>(),
        "limits": live.gate().map(|gate| gate.view()),
        "routes": (0..live.destination.routes.len()).filter_map(|index| route(live, index)).collect::<Vec<_>>(),
    })
}

/// The endpoints of a backend, each with what a choice between them would look at now.
pub(super) fn endpoints(live: &Live, backend: usize, now: Instant) -> impl Iterator<Item = Value> {
    let balanced = live.balanced[backend].as_deref();
    let known = &live.destination.backends[backend].endpoints;
    live.backends[backend].iter().zip(known).map(move |(endpoint, known)| {
        let share = balanced.map_or(1.0, |balanced| balanced.share(endpoint, now));
        endpoint_json(endpoint, known, share, now)
    })
}

/// A route that has limits or a budget of its own.
fn route(live: &Live, index: usize) -> Option<Value> {
    let (gate, budget) = (live.route_gate(index), live.budget(index));
    if gate.is_none() && budget.is_none() {
        return None;
    }
    Some(json!({
        "name": &*live.destination.routes[index].name,
        "retriesLeft": budget.map(|budget| budget.borrow_mut().left(live.clock())),
        "limits": gate.map(|gate| gate.view()),
    }))
}

fn endpoint_json(endpoint: &LiveEndpoint, known: &Endpoint, share: f64, now: Instant) -> Value {
    let load = &endpoint.upstream.load;
    let (identity, tls) = endpoint.identity();
    json!({
        "address": endpoint.upstream.key.addr.to_string(),
        "identity": (!identity.is_empty()).then_some(identity),
        "tls": tls.name(),
        "zone": known.zone.as_deref(),
        "node": known.node.as_deref(),
        "weight": known.weight,
        "otherZone": endpoint.far,
        "withinReach": endpoint.within_reach,
        "unreachable": load.is_unreachable(now),
        "pending": load.pending(),
        "latencyMs": load.latency(now).as_secs_f64() * 1e3,
        "score": load.cost(now),
        "pushesBack": load.is_pushed_back(now),
        "ejected": endpoint.watched.as_ref().is_some_and(|watched| watched.is_out()),
        "ejection": endpoint.watched.as_ref().and_then(|watched| watched.ejection()).map(|(reason, left)| {
            json!({ "reason": reason.as_str(), "secondsLeft": left.as_secs_f64() })
        }),
        "share": share,
    })
}
