//! A response's body on its way to the caller: streamed, never gathered, with whoever goes along until it ends.

use std::fmt;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use thiserror::Error;

use super::active::Place;
use super::deadline::Passed;
use super::slow::Slow;
use super::{Incoming, WireError};

/// See the module.
#[derive(Debug)]
pub struct Body {
    kind: Kind,
    escort: Option<Box<dyn Escort>>,
    /// That of a message of gRPC.
    grpc: bool,
}

#[derive(Debug)]
enum Kind {
    Incoming(Incoming),
    /// Boxed: rare.
    Slow(Box<Slow>),
    Text(Bytes),
    Empty,
}

/// Goes with a body until that ends. Dropped without a word where the caller left first.
pub trait Escort: fmt::Debug {
    /// Ready when what is left must be given up.
    fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<Passed>;

    /// Whether `error` means that as well.
    fn explains(&self, error: &WireError) -> Option<Passed>;

    /// What is left is given up since `passed`; this is how the caller is told.
    fn cut(self: Box<Self>, passed: Passed) -> Result<Frame<Bytes>, BodyError>;

    /// This goes on to the caller.
    fn frame(&mut self, frame: &Frame<Bytes>);

    /// The body has ended.
    fn ended(self: Box<Self>, end: End);
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Whole,
    /// Before its end.
    Broken,
}

/// Why a response ended before its end.
#[derive(Debug, Error)]
pub enum BodyError {
    #[error(transparent)]
    Upstream(#[from] WireError),
    #[error("the deadline of the request has passed")]
    DeadlinePassed,
    #[error("nothing passed for as long as a request may be silent")]
    Silent,
}

// === impl Body ===

impl Body {
    /// Nothing.
    pub fn empty() -> Self {
        Self { kind: Kind::Empty, escort: None, grpc: false }
    }

    /// One chunk.
    pub fn text(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        let kind = if text.is_empty() { Kind::Empty } else { Kind::Text(text) };
        Self { kind, escort: None, grpc: false }
    }

    /// What comes from an upstream, in a message of gRPC or not. With `escort`, if it does not end here.
    pub fn incoming(incoming: Incoming, escort: Option<Box<dyn Escort>>, grpc: bool) -> Self {
        Self { kind: Kind::Incoming(incoming), escort, grpc }
    }

    /// Whether it comes from an upstream in a message of gRPC.
    pub fn is_grpc(&self) -> bool {
        self.grpc
    }

    /// The same body, no faster than this; `place` is kept until it has ended or was given up.
    pub fn slow(self, bytes_per_second: NonZeroU32, place: Place) -> Self {
        let Self { kind, escort, grpc } = self;
        let kind = match kind {
            Kind::Incoming(incoming) => Kind::Slow(Box::new(Slow::new(incoming, bytes_per_second, place))),
            Kind::Slow(_) | Kind::Text(_) | Kind::Empty => kind,
        };
        Self { kind, escort, grpc }
    }

    /// Gives up what is left.
    fn cut(&mut self, passed: Passed) -> Option<Result<Frame<Bytes>, BodyError>> {
        self.kind = Kind::Empty;
        self.escort.take().map(|escort| escort.cut(passed))
    }

    fn end(&mut self, end: End) {
        if let Some(escort) = self.escort.take() {
            escort.ended(end);
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(escort) = &mut this.escort
            && let Poll::Ready(passed) = escort.poll_passed(cx)
        {
            return Poll::Ready(this.cut(passed));
        }
        let frame = match &mut this.kind {
            Kind::Incoming(incoming) => ready!(Pin::new(incoming).poll_frame(cx)),
            Kind::Slow(slow) => ready!(Pin::new(&mut **slow).poll_frame(cx)),
            Kind::Text(text) => {
                let text = std::mem::take(text);
                this.kind = Kind::Empty;
                return Poll::Ready(Some(Ok(Frame::data(text))));
            }
            Kind::Empty => return Poll::Ready(None),
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(escort) = &mut this.escort {
                    escort.frame(frame);
                }
                if this.is_end_stream() {
                    this.end(End::Whole);
                }
            }
            // Nothing is known of the connection's state: it is not used again.
            Some(Err(error)) => {
                if let Some(passed) = this.escort.as_ref().and_then(|escort| escort.explains(error)) {
                    return Poll::Ready(this.cut(passed));
                }
                this.end(End::Broken);
            }
            None => this.end(End::Whole),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Incoming(incoming) => incoming.is_end_stream(),
            Kind::Slow(slow) => slow.is_end_stream(),
            Kind::Text(_) => false,
            Kind::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Incoming(incoming) => incoming.size_hint(),
            Kind::Slow(slow) => slow.size_hint(),
            Kind::Text(text) => SizeHint::with_exact(text.len() as u64),
            Kind::Empty => SizeHint::with_exact(0),
        }
    }
}
