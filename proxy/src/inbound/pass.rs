//! The application's own bytes, on a port whose mode lets them through.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::socket;
use crate::state::{MtlsMode, Workload};
use crate::tcp::{CONNECT_TIMEOUT, Prefixed, Relayed, ResetOnClose, relay, within_connect_timeout};
use crate::telemetry::{ConnectionLabels, Direction, OpenConnection, Tls};
use crate::worker::ground::Worker;

use super::access::Gate;

/// Seconds that plain bytes may go on without a pause on a port that has become strict.
const STRICT_PATIENCE: u32 = 10;

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
    gate: &Gate,
) {
    if !gate.admits_bytes(worker) {
        // Failing to say so means that the caller is gone.
        let _ = caller.reset_on_close(true);
        return;
    }
    worker.metrics.passthrough(Direction::Inbound, "no-mutual-tls");
    let labels = ConnectionLabels {
        route: String::new(),
        direction: Direction::Inbound,
        destination: worker.own_pod.current().name_of_port(original.port()),
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
            // As where nobody listens. Failing to say so means that the caller is gone.
            let _ = caller.reset_on_close(true);
            return worker.metrics.connect_failure(Direction::Inbound, "connect-failed");
        }
    };
    let open = OpenConnection::begin(&worker.metrics, &labels);
    tokio::select! {
        relayed = relay(&mut caller, &mut application, &open.relayed) => if let Err(error) = relayed {
            tracing::debug!(%error, %original, "a plain inbound connection failed");
        },
        () = async {
            turned_strict(worker, original.port()).await;
            paused(&open.relayed).await;
        } => {
            tracing::debug!(%original, "ended a plain connection: the port has become strict");
            worker.metrics.error(Direction::Inbound, "mtls-required");
        }
        () = gate.bytes_refused(worker) => {
            let _ = caller.reset_on_close(true);
        }
    }
}

/// Ends when the port takes no plain connections any more.
pub(super) async fn turned_strict(worker: &Worker, port: u16) {
    let mut workload = worker.mesh.workload();
    let is_strict = |workload: &Arc<Workload>| workload.mtls_mode(port) == MtlsMode::Strict;
    if workload.wait_for(is_strict).await.is_err() {
        std::future::pending().await
    }
}

/// Ends when a plain connection has nothing under way, as far as can be seen of bytes: none has moved for a second. It waits for
/// such a second no longer than ten.
async fn paused(relayed: &Relayed) {
    for _ in 0..STRICT_PATIENCE {
        let before = relayed.total();
        tokio::time::sleep(Duration::from_secs(1)).await;
        if relayed.total() == before {
            return;
        }
    }
}
