//! A body as it comes in, in either HTTP.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{WireError, h1, h2_client};

/// See the module.
#[derive(Debug)]
pub enum Incoming {
    H1(h1::Incoming),
    /// Of an answer in HTTP/2.
    Answer(h2_client::Incoming),
    /// Of a request in HTTP/2.
    Request(hyper::body::Incoming),
}

// === impl Incoming ===

impl Body for Incoming {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        match &mut *self {
            Self::H1(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Answer(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Request(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::H1(body) => body.is_end_stream(),
            Self::Answer(body) => body.is_end_stream(),
            Self::Request(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::H1(body) => body.size_hint(),
            Self::Answer(body) => body.size_hint(),
            Self::Request(body) => body.size_hint(),
        }
    }
}
