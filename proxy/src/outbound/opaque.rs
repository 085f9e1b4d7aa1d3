//! Bytes to a destination of the mesh: one connection in, one connection out, both ends half-closed as they come.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use super::balance::group::BalanceQuery;
use super::balance::key;
use super::choosing::Choosing;
use super::ejection::Outcome;
use super::endpoint::LiveEndpoint;
use super::gate::Pass;
use super::live::Live;
use super::outliers::Watched;
use super::said::Said;
use super::{admit, route, split};
use crate::http::rescue::Failure;
use crate::http::{Carry, ConnectError, Pending};
use crate::tcp::{Bounds, Prefixed, ResetOnClose, Stream, relay};
use crate::telemetry::{Direction, OpenConnection};

/// A connection to an endpoint of the mesh or outside.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    endpoint: &'a LiveEndpoint,
    upstream: Prefixed<Stream>,
    /// Index into the destination's.
    route: usize,
    /// It carries TLS of the caller's own.
    own_tls: bool,
    _pending: Pending,
    _passes: Vec<Pass>,
}

/// Carries one connection until both sides have ended.
pub(super) async fn carry(choosing: &Choosing, caller: Stream, live: &Live, said: &Said) {
    let server_name = said.server_name.as_deref();
    if let Some(server_name) = server_name {
        tracing::debug!(server_name, destination = live.name, "TLS of the application's own");
    }
    match open(choosing, live, server_name, said.own_tls).await {
        Ok(opened) => join(choosing, caller, opened, live).await,
        Err(failure) => {
            tracing::debug!(%failure, "reset an opaque connection");
            // As where nobody listens: a clean end would be an empty answer. Failing to say so means that the caller is gone.
            let _ = caller.reset_on_close(true);
            choosing.worker.metrics.error(Direction::Outbound, failure.reason());
        }
    }
}

/// Carries bytes between both until both have ended.
pub(super) async fn join(choosing: &Choosing, mut caller: Stream, mut opened: Opened<'_>, live: &Live) {
    let open = OpenConnection::begin(
        &choosing.worker.metrics,
        &live.connection_labels(opened.route, opened.endpoint, opened.own_tls),
    );
    let bytes = relay(&mut caller, &mut opened.upstream, &open.relayed);
    let bounds = live.destination.routes[opened.route].timeouts.of_bytes();
    if let Err(error) = bounds.keep(&open.relayed, bytes).await {
        tracing::debug!(%error, destination = live.name, "an opaque connection ended");
        if let Some(reason) = error.bound() {
            choosing.worker.metrics.error(Direction::Outbound, reason);
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

/// Opens a connection to an endpoint, or to another one if that fails. `server_name` is what the caller's TLS asks for, where routes
/// want to know; `own_tls`: it is known to speak TLS of its own, to which nothing is added.
pub(super) async fn open<'a>(
    choosing: &Choosing,
    live: &'a Live,
    server_name: Option<&str>,
    own_tls: bool,
) -> Result<Opened<'a>, Failure> {
    let no_route = || Failure::NoRoute { destination: live.name.clone() };
    let route =
        route::first_for_bytes(&live.destination.routes, &choosing.worker.own_pod.current(), server_name)
            .ok_or_else(no_route)?;
    let random = |below| choosing.rng.borrow_mut().u64(..below);
    let split = &live.destination.routes[route].split;
    let backend = split[split::choose(split, random).ok_or_else(no_route)?].backend;
    if let Some(failure) = live.refusal(backend) {
        return Err(failure);
    }
    let passes = admit::connection(live, route, &choosing.worker.metrics).await?;
    let with_passes = |opened: Opened<'a>| Opened { _passes: passes, ..opened };
    let endpoints = &live.backends[backend];
    let key = key::of_connection(&live.destination.load_balancer.hash, choosing.caller());
    let first = choosing.pick(live, backend, BalanceQuery { failed: &[], key }, Instant::now());
    match dial(choosing, &endpoints[first], live, (route, own_tls)).await {
        Ok(opened) => return Ok(with_passes(opened)),
        Err(error) => {
            let name = &live.destination.routes[route].name;
            choosing.worker.metrics.retry(Direction::Outbound, (&live.name, name), error.reason());
        }
    }
    let second = choosing.pick(live, backend, BalanceQuery { failed: &[first], key }, Instant::now());
    dial(choosing, &endpoints[second], live, (route, own_tls))
        .await
        .map(with_passes)
        .map_err(|error| Failure::Connect { destination: live.name.clone(), error })
}

async fn dial<'a>(
    choosing: &Choosing,
    endpoint: &'a LiveEndpoint,
    live: &Live,
    (route, own_tls): (usize, bool),
) -> Result<Opened<'a>, ConnectError> {
    let pending = Pending::new(&endpoint.upstream);
    let trial = endpoint.watched.as_ref().and_then(Watched::begin);
    let connect = live.destination.routes[route].timeouts.connect;
    let key = &live.destination.key;
    let carry = if own_tls { Carry::Sealed(key) } else { Carry::Bytes(key) };
    let opened = endpoint.upstream.open(carry, connect).await;
    if let Some(watched) = &endpoint.watched {
        watched.ended(if opened.is_ok() { Outcome::Success } else { Outcome::Local }, trial);
    }
    match opened {
        Ok(upstream) => Ok(Opened {
            endpoint,
            upstream: upstream.into(),
            route,
            own_tls,
            _pending: pending,
            _passes: Vec::new(),
        }),
        Err(error) => {
            endpoint.upstream.load.observe_failure();
            choosing.worker.metrics.connect_failure(Direction::Outbound, error.reason());
            Err(error)
        }
    }
}

// === impl Opened ===

impl Opened<'_> {
    /// How long its route lets both sides be silent, if that is bounded.
    pub fn longest_silence(&self, live: &Live) -> Option<Duration> {
        let Bounds { idle, total } = live.destination.routes[self.route].timeouts.of_bytes();
        idle.into_iter().chain(total).min()
    }

    /// The same, with what it has said already.
    pub fn after(mut self, greeting: Bytes) -> Self {
        self.upstream = self.upstream.after(greeting);
        self
    }
}
