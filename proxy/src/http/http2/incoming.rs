//! A body that comes in.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};

use super::intake::{Stream, Trailers};
use super::sending::Sending;
use super::{MAX_REQUEST_TRAILERS, MAX_RESPONSE_TRAILERS};
use crate::http::WireError;

/// gRPC's RESOURCE_EXHAUSTED.
const GRPC_RESOURCE_EXHAUSTED: &str = "8";

/// See the module. What was read is given back to the sender's window at once.
///
/// A stream that is reset before its end is an error whatever the code, NO_ERROR too: a server may reset so only after
/// END_STREAM (RFC 9113 8.1), which `h2` tells apart by itself.
#[derive(Debug)]
pub struct Incoming {
    stream: Stream,
    /// Bytes to come, where the head says so; that it does not lie is seen to by h2.
    left: Option<u64>,
    /// The most that trailers may have, as HTTP/2 counts (RFC 9113 6.5.2).
    max_trailers: usize,
    /// Nothing but trailers may follow.
    data_ended: bool,
    /// The request that a response's body answers, where it is not sent yet.
    sending: Option<Sending>,
}

// === impl Incoming ===

impl Incoming {
    /// What follows the head of a request with `headers`.
    pub(super) fn of_request(stream: Stream, headers: &HeaderMap) -> Self {
        Self::new(stream, headers, MAX_REQUEST_TRAILERS, None)
    }

    /// What follows the head of a response; `sending` is the rest of the request that it answers. Dropped before its end, it
    /// takes that back.
    pub(super) fn of_response(stream: Stream, headers: &HeaderMap, sending: Option<Sending>) -> Self {
        Self::new(stream, headers, MAX_RESPONSE_TRAILERS, sending)
    }

    fn new(stream: Stream, headers: &HeaderMap, max_trailers: usize, sending: Option<Sending>) -> Self {
        let length = headers.get(CONTENT_LENGTH).and_then(|length| number(length.as_bytes()));
        Self { stream, left: length, max_trailers, data_ended: false, sending }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(sending) = self.sending.take()
            && self.stream.is_end_stream()
        {
            sending.let_be();
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        if !self.data_ended {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => self.data_ended = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(bounded(trailers, self.max_trailers)?))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let add = |number: u64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, add) }
}

/// Trailers that are not too long; a gRPC caller is told of those that are by their status.
fn bounded(Trailers { fields, cut }: Trailers, most: usize) -> Result<HeaderMap, WireError> {
    let length: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
    if length <= most && !cut {
        return Ok(fields);
    }
    if !fields.contains_key("grpc-status") {
        return Err(WireError::TrailersTooLong);
    }
    let message = HeaderValue::try_from(format!("weft: {}", WireError::TrailersTooLong));
    Ok([
        ("grpc-status", Some(HeaderValue::from_static(GRPC_RESOURCE_EXHAUSTED))),
        ("grpc-message", message.ok()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((http::HeaderName::from_static(name), value?)))
    .collect())
}
