//! The application's own bytes, on a port whose mode lets them through.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::request::destination_name;
use crate::socket;
use crate::tcp::{CONNECT_TIMEOUT, Prefixed, relay, within_connect_timeout};
use crate::telemetry::{ConnectionLabels, Direction, OpenConnection, Tls};
use crate::worker::Worker;

/// Dials the application.
pub(super) async fn dial(original: SocketAddr) -> io::Result<TcpStream> {
    within_connect_timeout(CONNECT_TIMEOUT, socket::connect_application(original)).await
}

/// Carries bytes nobody vouches for; the application's own TLS too. `application` is its connection, if it was dialled
/// already.
pub(super) async fn carry(
    worker: &Worker,
    mut caller: Prefixed<TcpStream>,
    application: Option<Prefixed<TcpStream>>,
    original: SocketAddr,
) {
    worker.metrics.passthrough(Direction::Inbound, "no-mutual-tls");
    let labels = ConnectionLabels {
        route: String::new(),
        direction: Direction::Inbound,
        destination: destination_name(&worker.workload.borrow(), original.port()),
        peer: String::new(),
        tls: Tls::None,
    };
    let application = match application {
        Some(application) => Ok(application),
        None => dial(original).await.map(Prefixed::from),
    };
    let mut application = match application {
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
