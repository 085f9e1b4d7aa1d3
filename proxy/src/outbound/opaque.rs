//! Bytes to a destination of the mesh: one connection in, one connection out, both ends half-closed as they come.

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use super::balance::group::Asked;
use super::balance::key;
use super::ejection::Outcome;
use super::gate::Pass;
use super::live::{Live, LiveEndpoint};
use super::outliers::Watched;
use super::request::refusal;
use super::{Outbound, admit, route, split};
use crate::http::rescue::Failure;
use crate::http::{Carry, ConnectError, Pending};
use crate::tcp::{Prefixed, Stream, relay};
use crate::telemetry::{Direction, OpenConnection};

/// A connection to an endpoint of the mesh or outside.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    endpoint: &'a LiveEndpoint,
    upstream: Prefixed<Stream>,
    /// Index into the destination's.
    route: usize,
    _pending: Pending,
    _passes: Vec<Pass>,
}

/// Carries one connection until both sides have ended. `server_name` is what its TLS asks for, where routes want to know.
pub(super) async fn carry(outbound: &Outbound, caller: Stream, live: &Live, server_name: Option<&str>) {
    if let Some(server_name) = server_name {
        tracing::debug!(server_name, destination = live.name, "TLS of the application's own");
    }
    match open(outbound, live, server_name).await {
        Ok(opened) => join(outbound, caller, opened, live).await,
        Err(failure) => {
            tracing::debug!(%failure, "closed an opaque connection");
            outbound.worker.metrics.error(Direction::Outbound, failure.reason());
        }
    }
}

/// Carries bytes between both until both have ended.
pub(super) async fn join(outbound: &Outbound, mut caller: Stream, mut opened: Opened<'_>, live: &Live) {
    let open = OpenConnection::begin(
        &outbound.worker.metrics,
        &live.connection_labels(opened.route, opened.endpoint),
    );
    let bytes = relay(&mut caller, &mut opened.upstream, &open.relayed);
    let bounds = live.destination.routes[opened.route].timeouts.of_bytes();
    if let Err(error) = bounds.keep(&open.relayed, bytes).await {
        tracing::debug!(%error, destination = live.name, "an opaque connection ended");
        if let Some(reason) = error.bound() {
            outbound.worker.metrics.error(Direction::Outbound, reason);
        }
    }
}

/// Waits until the upstream has said something, which is left in `greeting`, or has ended.
pub(super) async fn spoke_first(opened: &mut Option<Opened<'_>>, greeting: &mut BytesMut) {
    match opened {
        // An error is met again, and told, when the bytes are carried.
        Some(opened) => drop(opened.upstream.read_buf(greeting).await),
        None => std::future::pending().await,
    }
}

/// Opens a connection to an endpoint, or to another one if that fails.
pub(super) async fn open<'a>(
    outbound: &Outbound,
    live: &'a Live,
    server_name: Option<&str>,
) -> Result<Opened<'a>, Failure> {
    let no_route = || Failure::NoRoute { destination: live.name.clone() };
    let route = route::first_for_bytes(&live.destination.routes, &outbound.worker.workload, server_name)
        .ok_or_else(no_route)?;
    let random = |below| outbound.rng.borrow_mut().u64(..below);
    let split = &live.destination.routes[route].split;
    let backend = split[split::choose(split, random).ok_or_else(no_route)?].backend;
    if let Some(failure) = refusal(live, backend) {
        return Err(failure);
    }
    let passes = admit::connection(live, route, &outbound.worker.metrics).await?;
    let with_passes = |opened: Opened<'a>| Opened { _passes: passes, ..opened };
    let endpoints = &live.backends[backend];
    let key = key::of_connection(&live.destination.load_balancer.hash, outbound.caller());
    let first = outbound.pick(live, backend, Asked { failed: &[], key });
    match dial(outbound, &endpoints[first], live, route).await {
        Ok(opened) => return Ok(with_passes(opened)),
        Err(error) => outbound.worker.metrics.retry(Direction::Outbound, error.reason()),
    }
    let second = outbound.pick(live, backend, Asked { failed: &[first], key });
    dial(outbound, &endpoints[second], live, route)
        .await
        .map(with_passes)
        .map_err(|error| Failure::Connect { destination: live.name.clone(), error })
}

async fn dial<'a>(
    outbound: &Outbound,
    endpoint: &'a LiveEndpoint,
    live: &Live,
    route: usize,
) -> Result<Opened<'a>, ConnectError> {
    let pending = Pending::new(&endpoint.upstream);
    let trial = endpoint.watched.as_ref().and_then(Watched::begin);
    let connect = live.destination.routes[route].timeouts.connect;
    let opened = endpoint.upstream.open(Carry::Bytes(&live.destination.key), connect).await;
    if let Some(watched) = &endpoint.watched {
        watched.ended(if opened.is_ok() { Outcome::Success } else { Outcome::Local }, trial);
    }
    match opened {
        Ok(upstream) => {
            Ok(Opened { endpoint, upstream: upstream.into(), route, _pending: pending, _passes: Vec::new() })
        }
        Err(error) => {
            endpoint.upstream.load.observe_failure();
            outbound.worker.metrics.connect_failure(Direction::Outbound, error.reason());
            Err(error)
        }
    }
}

// === impl Opened ===

impl Opened<'_> {
    /// The same, with what it has said already.
    pub fn after(mut self, greeting: Bytes) -> Self {
        self.upstream = self.upstream.after(greeting);
        self
    }
}
