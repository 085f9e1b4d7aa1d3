//! Serving HTTP on one accepted connection until it ends, or until a drain has ended it gently.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::ping_timer::PingTimer;
use super::{
    Body, CONNECTION_WINDOW, Incoming, LocalExec, MAX_HEAD, MAX_STREAMS, SEND_BUFFER, STREAM_WINDOW, Upload,
    Wire, WireError, h1,
};
use crate::drain::Drain;
use crate::tcp::Stream;

/// Connections accepted during a drain may still send what brought them here before they are asked to end.
const LATE_GRACE: Duration = Duration::from_secs(1);
/// A peer that does not answer a ping this long is gone.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers requests with `respond`. With `drain`, the connection is asked to end when draining starts: GOAWAY, or
/// `Connection: close` with the next response.
pub async fn serve<S, F>(
    stream: Stream,
    wire: Wire,
    respond: S,
    drain: Option<&Drain>,
) -> Result<(), WireError>
where
    S: Fn(Request<Upload>) -> F + 'static,
    F: Future<Output = Response<Body>> + 'static,
{
    match wire {
        Wire::H1 => Ok(h1::serve(stream, respond, asked_to_end(drain)).await?),
        // Boxed: connections of HTTP/2 are few, and would make those of HTTP/1.1 larger.
        Wire::H2 => Ok(Box::pin(serve_h2(stream, respond, drain)).await?),
    }
}

async fn serve_h2<S, F>(stream: Stream, respond: S, drain: Option<&Drain>) -> hyper::Result<()>
where
    S: Fn(Request<Upload>) -> F + 'static,
    F: Future<Output = Response<Body>> + 'static,
{
    let service = service_fn(move |request: Request<hyper::body::Incoming>| Answering {
        answer: Box::pin(respond(request.map(|body| Incoming::Request(body).into()))),
    });
    let connection = http2::Builder::new(LocalExec)
        .timer(PingTimer)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEAD as u32)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        // Rapid reset (CVE-2023-44487): a peer is cut off that has reset more before they were accepted than it may have open. Not
        // fewer: a proxy whose callers leave together resets their requests together, on a connection that others share.
        .max_pending_accept_reset_streams(MAX_STREAMS as usize)
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

/// An answer as hyper wants it. Boxed, and no async block: hyper and tokio would move kilobytes three times.
struct Answering<F> {
    answer: Pin<Box<F>>,
}

impl<F: Future<Output = Response<Body>>> Future for Answering<F> {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.as_mut().poll(cx).map(Ok)
    }
}

async fn asked_to_end(drain: Option<&Drain>) {
    let Some(drain) = drain else { return std::future::pending().await };
    if drain.has_started() {
        tokio::time::sleep(LATE_GRACE).await;
    }
    drain.started().await;
}
