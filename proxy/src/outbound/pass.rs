//! Connections to what the mesh does not know, or could not be asked about.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::reader::reader;
use crate::detect::{DETECT_TIMEOUT, Sniffed, sniff};
use crate::http::headers::is_grpc;
use crate::http::rescue::{Failure, rescue};
use crate::http::{Upload, Wire, server};
use crate::socket;
use crate::state::OutboundPolicy;
use crate::tcp::{CONNECT_TIMEOUT, Prefixed, ResetOnClose, Stream, relay, within_connect_timeout};
use crate::telemetry::{ConnectionLabels, Direction, OpenConnection, Tls};
use crate::worker::ground::Worker;

/// The control plane said that there is nothing of the mesh.
pub(super) async fn unknown(worker: &Worker, tcp: TcpStream, original: SocketAddr) {
    if worker.outbound_policy() == OutboundPolicy::RegistryOnly {
        return refuse(worker, tcp, Failure::UnknownDestination { addr: original }).await;
    }
    pass(worker, tcp, original, "unknown-destination").await;
}

/// Nobody could be asked, and the destination was never seen before.
pub(super) async fn unreachable(worker: &Worker, tcp: TcpStream, original: SocketAddr) {
    if worker.outbound_policy() == OutboundPolicy::RegistryOnly {
        return refuse(worker, tcp, Failure::ControlPlaneUnreachable { addr: original }).await;
    }
    pass(worker, tcp, original, "control-plane-unreachable").await;
}

/// The mesh knows it, but not in a form this proxy can honour.
pub(super) async fn rejected(worker: &Worker, tcp: TcpStream, original: SocketAddr, reason: Arc<str>) {
    refuse(worker, tcp, Failure::Rejected { addr: original, reason }).await;
}

/// Carries the bytes to where they were going, as if there were no mesh.
async fn pass(worker: &Worker, mut tcp: TcpStream, original: SocketAddr, reason: &'static str) {
    worker.metrics.passthrough(Direction::Outbound, reason);
    let mut upstream =
        match within_connect_timeout(CONNECT_TIMEOUT, socket::connect_application(original)).await {
            Ok(upstream) => upstream,
            Err(error) => {
                tracing::debug!(%error, %original, "no connection to a destination outside the mesh");
                // As where nobody listens. Failing to say so means that the caller is gone.
                let _ = tcp.reset_on_close(true);
                return worker.metrics.connect_failure(Direction::Outbound, "connect-failed");
            }
        };
    let labels = ConnectionLabels {
        route: String::new(),
        direction: Direction::Outbound,
        destination: "passthrough".to_owned(),
        peer: String::new(),
        tls: Tls::None,
    };
    let open = OpenConnection::begin(&worker.metrics, &labels);
    if let Err(error) = relay(&mut tcp, &mut upstream, &open.relayed).await {
        tracing::debug!(%error, %original, "a connection outside the mesh failed");
    }
}

/// Says why to a caller that speaks HTTP, and resets on anybody else.
async fn refuse(worker: &Worker, mut tcp: TcpStream, failure: Failure) {
    worker.metrics.error(Direction::Outbound, failure.reason());
    let mut seen = BytesMut::with_capacity(1024);
    let sniffed = tokio::time::timeout(DETECT_TIMEOUT, sniff(&mut tcp, &mut seen)).await;
    let wire = match sniffed {
        Ok(Ok(Sniffed::Http1)) => Wire::H1,
        Ok(Ok(Sniffed::Http2)) => Wire::H2,
        _ => {
            let _ = tcp.reset_on_close(true);
            return;
        }
    };
    let (failure, reader) = (std::rc::Rc::new(failure), reader(worker));
    let respond = move |request: http::Request<Upload>| {
        std::future::ready(rescue(&failure, is_grpc(request.headers()), reader))
    };
    let stream = Stream::from(Prefixed::new(seen.freeze(), tcp));
    let refuse = |bad| rescue(&Failure::BadHead(bad), false, reader);
    let served = server::serve(stream, wire, respond, refuse, pending(), &worker.metrics.goaways).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a refused connection failed");
    }
}
