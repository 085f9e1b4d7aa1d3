//! Serving HTTP on one accepted connection until it ends, or until a drain has ended it gently.

use std::time::Duration;

use http::{Request, Response};

use super::{Body, Upload, Wire, WireError, h1, http2};
use crate::drain::Drain;
use crate::tcp::Stream;

/// Connections accepted during a drain may still send what brought them here before they are asked to end.
const LATE_GRACE: Duration = Duration::from_secs(1);
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
        Wire::H2 => Ok(Box::pin(http2::serve(stream, respond, asked_to_end(drain))).await?),
    }
}

async fn asked_to_end(drain: Option<&Drain>) {
    let Some(drain) = drain else { return std::future::pending().await };
    if drain.has_started() {
        tokio::time::sleep(LATE_GRACE).await;
    }
    drain.started().await;
}
