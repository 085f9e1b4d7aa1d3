//! Bytes to a destination of the mesh: one connection in, one connection out, both ends half-closed as they come.

use std::rc::Rc;

use super::live::{Live, LiveEndpoint};
use super::request::refusal;
use super::{Outbound, route, split};
use crate::http::rescue::Failure;
use crate::http::{Carry, ConnectError, Pending};
use crate::tcp::{Stream, relay};
use crate::telemetry::{Direction, OpenConnection};

/// Carries one connection until both sides have ended.
pub(super) async fn carry(outbound: &Rc<Outbound>, mut caller: Stream, live: &Live) {
    let metrics = &outbound.worker.metrics;
    let (endpoint, mut upstream) = match open(outbound, live).await {
        Ok(opened) => opened,
        Err(failure) => {
            tracing::debug!(%failure, "closed an opaque connection");
            return metrics.error(Direction::Outbound, failure.reason());
        }
    };
    let _pending = Pending::new(&endpoint.upstream);
    let open = OpenConnection::begin(metrics, &live.connection_labels(endpoint));
    if let Err(error) = relay(&mut caller, &mut upstream, &open.relayed).await {
        tracing::debug!(%error, destination = live.name, "an opaque connection failed");
    }
}

/// Opens a connection to an endpoint, or to another one if that fails.
async fn open<'a>(outbound: &Outbound, live: &'a Live) -> Result<(&'a LiveEndpoint, Stream), Failure> {
    let no_route = || Failure::NoRoute { destination: live.name.clone() };
    let route = route::first_unconditional(&live.destination.routes).ok_or_else(no_route)?;
    let random = |below| outbound.rng.borrow_mut().u64(..below);
    let backend = split::choose(&live.destination.routes[route].split, random).ok_or_else(no_route)?;
    if let Some(failure) = refusal(live, backend) {
        return Err(failure);
    }
    let endpoints = &live.backends[backend];
    let first = outbound.pick(endpoints, None);
    match dial(outbound, &endpoints[first], live).await {
        Ok(stream) => return Ok((&endpoints[first], stream)),
        Err(error) => outbound.worker.metrics.retry(Direction::Outbound, error.reason()),
    }
    let second = outbound.pick(endpoints, Some(first));
    dial(outbound, &endpoints[second], live)
        .await
        .map(|stream| (&endpoints[second], stream))
        .map_err(|error| Failure::Connect { destination: live.name.clone(), error })
}

async fn dial(outbound: &Outbound, endpoint: &LiveEndpoint, live: &Live) -> Result<Stream, ConnectError> {
    let result = endpoint.upstream.open(Carry::Bytes(&live.destination.key)).await;
    if let Err(error) = &result {
        endpoint.upstream.load.observe_failure();
        outbound.worker.metrics.connect_failure(Direction::Outbound, error.reason());
    }
    result
}
