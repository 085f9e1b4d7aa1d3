//! Serving HTTP on one accepted connection until it ends, or until a drain has ended it gently.

use http::{Request, Response};

use super::farewell::Farewell;
use super::framing::BadHead;
use super::http2::Goaways;
use super::{Body, Upload, Wire, WireError, h1, http2};
use crate::tcp::Stream;

/// Answers requests with `respond`, and with `refuse` those of HTTP/1.1 whose head cannot be read. When `asked_to_end` ends, the
/// connection is asked to: GOAWAY, or `Connection: close` with the next response.
pub async fn serve<S, F>(
    stream: Stream,
    wire: Wire,
    respond: S,
    refuse: impl Fn(BadHead) -> Response<Body>,
    asked_to_end: impl Future<Output = Farewell>,
    goaways: &Goaways,
) -> Result<(), WireError>
where
    S: Fn(Request<Upload>) -> F + 'static,
    F: Future<Output = Response<Body>> + 'static,
{
    match wire {
        Wire::H1 => {
            let asked_to_end = async {
                asked_to_end.await;
            };
            Ok(h1::serve(stream, respond, refuse, asked_to_end).await?)
        }
        // Boxed: connections of HTTP/2 are few, and would make those of HTTP/1.1 larger.
        Wire::H2 => Ok(Box::pin(http2::serve(stream, respond, asked_to_end, goaways)).await?),
    }
}
