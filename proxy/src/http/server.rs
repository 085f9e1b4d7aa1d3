//! Serving HTTP on one accepted connection until it ends, or until a drain has ended it gently.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::idle::{Activity, Answering, Watched};
use super::{Body, CONNECTION_WINDOW, LocalExec, MAX_HEAD, MAX_STREAMS, SEND_BUFFER, STREAM_WINDOW, Wire};
use crate::drain::Drain;
use crate::tcp::Stream;

/// Connections accepted during a drain may still send what brought them here before they are asked to end.
const LATE_GRACE: Duration = Duration::from_secs(1);
/// A peer that does not answer a ping this long is gone.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves requests with `service`. With `drain`, the connection is asked to end when draining starts: GOAWAY, or
/// `Connection: close` with the next response.
pub async fn serve<S>(stream: Stream, wire: Wire, service: S, drain: Option<&Drain>) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + 'static,
{
    match wire {
        Wire::H1 => serve_h1(stream, service, drain).await,
        // Boxed: connections of HTTP/2 are few, and would make those of HTTP/1.1 larger.
        Wire::H2 => Box::pin(serve_h2(stream, service, drain)).await,
    }
}

/// While the connection is idle, only the socket and the service are kept, see [`super::idle`].
async fn serve_h1<S>(stream: Stream, service: S, drain: Option<&Drain>) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + 'static,
{
    let activity = Arc::new(Activity::default());
    let watched = activity.clone();
    let mut service = service_fn(move |request: Request<Incoming>| {
        let busy = watched.begin(!request.body().is_end_stream());
        Answering::new(service.call(request), busy)
    });
    // TLS may hold bytes that no socket tells of.
    let plain = matches!(stream, Stream::Plain(_));
    let mut stream = stream;
    loop {
        let connection = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .auto_date_header(false)
            // An application may keep a connection idle as long as it likes.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(Watched { stream, activity: activity.clone() }), service)
            .with_upgrades();
        // Boxed, so that it can go while the connection is idle.
        let mut connection = Box::new(connection);
        tokio::select! {
            result = Pin::new(&mut *connection) => return result,
            () = asked_to_end(drain) => {
                Pin::new(&mut *connection).graceful_shutdown();
                return connection.await;
            }
            () = activity.ended(), if plain => {}
        }
        let Some(parts) = connection.into_parts() else { return Ok(()) };
        service = parts.service;
        stream = parts.io.into_inner().stream.again(parts.read_buf);
        tokio::select! {
            () = stream.readable() => {}
            () = asked_to_end(drain) => return Ok(()),
        }
    }
}

async fn serve_h2<S>(stream: Stream, service: S, drain: Option<&Drain>) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + 'static,
{
    let connection = http2::Builder::new(LocalExec)
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEAD as u32)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        // Rapid reset (CVE-2023-44487): a peer that resets what is not even accepted yet is cut off.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(1024)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        result = &mut connection => return result,
        () = asked_to_end(drain) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

async fn asked_to_end(drain: Option<&Drain>) {
    let Some(drain) = drain else { return std::future::pending().await };
    if drain.has_started() {
        tokio::time::sleep(LATE_GRACE).await;
    }
    drain.started().await;
}
