//! Bytes from a proved peer.

use std::net::SocketAddr;
use std::time::Duration;

use crate::socket;
use crate::tcp::{CONNECT_TIMEOUT, Stream, read_header, relay, within_connect_timeout};
use crate::telemetry::{ConnectionLabels, Direction, OpenConnection, Tls};
use crate::tls::Peer;
use crate::wire::weft::v1::TunnelHeader;
use crate::worker::ground::Worker;

/// The header follows the handshake at once; who does not send it does not speak our protocol.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// What a tunnel says of itself, if it does so in time and as it should.
pub(super) async fn header(worker: &Worker, caller: &mut Stream, peer: &Peer) -> Option<TunnelHeader> {
    match tokio::time::timeout(HEADER_TIMEOUT, read_header(caller)).await {
        Ok(Ok(header)) => return Some(header),
        Ok(Err(error)) => tracing::debug!(%error, peer = %peer.identity, "refused a tunnel"),
        Err(_) => tracing::debug!(peer = %peer.identity, "refused a tunnel that says nothing"),
    }
    worker.metrics.error(Direction::Inbound, "bad-tunnel-header");
    None
}

/// Carries one connection until both sides have ended.
pub(super) async fn carry(worker: &Worker, mut caller: Stream, original: SocketAddr, peer: &Peer) {
    let Some(header) = header(worker, &mut caller, peer).await else { return };
    let mut application = match within_connect_timeout(CONNECT_TIMEOUT, socket::connect_application(original))
        .await
    {
        Ok(application) => application,
        Err(error) => {
            tracing::debug!(%error, %original, destination = header.destination, "no connection to the application");
            worker.metrics.connect_failure(Direction::Inbound, "connect-failed");
            return worker.metrics.error(Direction::Inbound, "connect-failed");
        }
    };
    let labels = ConnectionLabels {
        route: String::new(),
        direction: Direction::Inbound,
        destination: worker.own_pod.current().name_of_port(original.port()),
        peer: peer.identity.to_string(),
        tls: Tls::Mutual,
    };
    let open = OpenConnection::begin(&worker.metrics, &labels);
    if let Err(error) = relay(&mut caller, &mut application, &open.relayed).await {
        tracing::debug!(%error, %original, peer = %peer.identity, "an opaque inbound connection failed");
    }
}
