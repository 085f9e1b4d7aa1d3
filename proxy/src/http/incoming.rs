//! A body as it comes in, in either HTTP.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{WireError, h1, http2, trailers};

/// See the module.
#[derive(Debug)]
pub enum Incoming {
    H1(h1::Incoming),
    H2(http2::Incoming),
}

// === impl Incoming ===

impl Body for Incoming {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        let frame = match &mut *self {
            Self::H1(body) => ready!(Pin::new(body).poll_frame(cx)).map(|frame| frame.map_err(Into::into)),
            Self::H2(body) => ready!(Pin::new(body).poll_frame(cx)),
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) if frame.is_trailers() => permitted(frame).map(Ok),
            frame => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::H1(body) => body.is_end_stream(),
            Self::H2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::H1(body) => body.size_hint(),
            Self::H2(body) => body.size_hint(),
        }
    }
}

/// The trailers of `frame` that may be some; where none is left the body has just ended.
fn permitted(frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
    let mut left = frame.into_trailers().ok()?;
    trailers::keep_permitted(&mut left);
    (!left.is_empty()).then(|| Frame::trailers(left))
}
