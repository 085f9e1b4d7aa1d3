//! Bytes from a proved peer.

use std::net::SocketAddr;
use std::time::Duration;

use super::request::destination_name;
use crate::socket;
use crate::tcp::{CONNECT_TIMEOUT, Stream, read_header, relay, within_connect_timeout};
use crate::telemetry::{ConnectionLabels, Direction, OpenConnection, Tls};
use crate::tls::Peer;
use crate::worker::Worker;

/// The header follows the handshake at once; who does not send it does not speak our protocol.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Carries one connection until both sides have ended.
pub(super) async fn carry(worker: &Worker, mut caller: Stream, original: SocketAddr, peer: &Peer) {
    let header = match tokio::time::timeout(HEADER_TIMEOUT, read_header(&mut caller)).await {
        Ok(Ok(header)) => header,
        Ok(Err(error)) => {
            tracing::debug!(%error, peer = %peer.identity, "refused a tunnel");
            return worker.metrics.error(Direction::Inbound, "bad-tunnel-header");
        }
        Err(_) => return worker.metrics.error(Direction::Inbound, "bad-tunnel-header"),
    };
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
        destination: destination_name(&worker.workload.borrow(), original.port()),
        peer: peer.identity.to_string(),
        tls: Tls::Mutual,
    };
    let open = OpenConnection::begin(&worker.metrics, &labels);
    if let Err(error) = relay(&mut caller, &mut application, &open.relayed).await {
        tracing::debug!(%error, %original, peer = %peer.identity, "an opaque inbound connection failed");
    }
}
