//! The application's own bytes, on a port whose mode lets them through.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::request::destination_name;
use crate::socket;
use crate::tcp::{Prefixed, relay, within_connect_timeout};
use crate::telemetry::{ConnectionLabels, Direction, OpenConnection, Tls};
use crate::worker::Worker;

/// Carries bytes nobody vouches for; the application's own TLS too.
pub(super) async fn carry(worker: &Worker, mut caller: Prefixed<TcpStream>, original: SocketAddr) {
    worker.metrics.passthrough(Direction::Inbound, "no-mutual-tls");
    let labels = ConnectionLabels {
        direction: Direction::Inbound,
        destination: destination_name(&worker.workload.borrow(), original.port()),
        peer: String::new(),
        tls: Tls::None,
    };
    let mut application = match within_connect_timeout(socket::connect_application(original)).await {
        Ok(application) => application,
        Err(error) => {
            tracing::debug!(%error, %original, "no connection to the application");
            return worker.metrics.connect_failure(Direction::Inbound, "connect-failed");
        }
    };
    let open = OpenConnection::begin(&worker.metrics, &labels);
    if let Err(error) = relay(&mut caller, &mut application, &open.relayed).await {
        tracing::debug!(%error, %original, "a plain inbound connection failed");
    }
}
