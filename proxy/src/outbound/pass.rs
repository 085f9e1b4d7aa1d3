//! Connections that are not the mesh's: carried to where they were going as if there were no mesh, or refused.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::reader::reader;
use crate::detect::{DETECT_TIMEOUT, Sniffed, sniff};
use crate::http::headers::is_grpc;
use crate::http::rescue::{Failure, rescue};
use crate::http::{Upload, Wire, server};
use crate::socket;
use crate::tcp::{CONNECT_TIMEOUT, Prefixed, ResetOnClose, Stream, relay, within_connect_timeout};
use crate::telemetry::{ConnectionLabels, Direction, OpenConnection, Tls};
use crate::worker::ground::Worker;

/// What connections are counted as that nobody judges.
pub(super) const UNJUDGED: &str = "passthrough";

/// The mesh knows it, but not in a form this proxy can honour.
pub(super) async fn rejected(worker: &Worker, tcp: TcpStream, original: SocketAddr, reason: Arc<str>) {
    refuse(worker, tcp, Failure::Rejected { addr: original, reason }).await;
}

/// Carries the bytes to where they were going.
pub(super) async fn pass(
    worker: &Worker,
    tcp: Prefixed<TcpStream>,
    original: SocketAddr,
    destination: String,
) {
    if let Some(upstream) = dial(worker, tcp.get_ref(), original).await {
        join(worker, tcp, upstream, destination).await;
    }
}

/// A connection to where `caller` was going; without one it is ended as where nobody listens.
pub(super) async fn dial(worker: &Worker, caller: &TcpStream, original: SocketAddr) -> Option<TcpStream> {
    match within_connect_timeout(CONNECT_TIMEOUT, socket::connect_application(original)).await {
        Ok(upstream) => Some(upstream),
        Err(error) => {
            tracing::debug!(%error, %original, "no connection to a destination outside the mesh");
            // Failing to say so means that the caller is gone.
            let _ = caller.reset_on_close(true);
            worker.metrics.connect_failure(Direction::Outbound, "connect-failed");
            None
        }
    }
}

/// Carries bytes between both until both have ended.
pub(super) async fn join<C>(worker: &Worker, mut caller: C, mut upstream: TcpStream, destination: String)
where
    C: AsyncRead + AsyncWrite + ResetOnClose + Unpin,
{
    let labels = ConnectionLabels {
        route: String::new(),
        direction: Direction::Outbound,
        destination,
        peer: String::new(),
        tls: Tls::None,
    };
    let open = OpenConnection::begin(&worker.metrics, &labels);
    if let Err(error) = relay(&mut caller, &mut upstream, &open.relayed).await {
        tracing::debug!(%error, "a connection outside the mesh failed");
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
