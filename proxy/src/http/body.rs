//! The bodies of the path: streamed, never gathered, with what must be known when they end.

use std::fmt;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body as HttpBody, Frame, SizeHint};
use thiserror::Error;
use tokio::sync::oneshot;

use super::active::Place;
use super::deadline::{Activity, Limit, Passed};
use super::expect::Hold;
use super::slow::Slow;
use super::tape::{Playing, Recorded, TooLong};
use super::{Incoming, Lease, Pending, WireError, Witness};
use crate::telemetry::Record;

/// gRPC's DEADLINE_EXCEEDED.
pub(super) const GRPC_DEADLINE_EXCEEDED: &str = "4";

/// A request's body on its way to an upstream. One word, since requests are moved about, and none allocated for the many
/// requests without a body.
#[derive(Debug, Default)]
pub struct Upload(Option<Box<Source>>);

#[derive(Debug)]
enum Source {
    Once(Incoming),
    Again(Playing),
    /// Not to be read before its hold ends.
    Held(Hold, Upload),
    Recorded(Recorded),
    /// Each frame is told of.
    Watched(Activity, Upload),
}

/// A response's body on its way to the caller.
#[derive(Debug)]
pub struct Body {
    kind: Kind,
    exchange: Option<Exchange>,
}

#[derive(Debug)]
enum Kind {
    Incoming(Incoming),
    /// Boxed: rare.
    Slow(Box<Slow>),
    Text(Bytes),
    Empty,
}

/// What lives as long as a response is under way. Dropping it records the request and frees its connection.
#[derive(Debug)]
pub struct Exchange {
    pub record: Record,
    pub lease: Lease,
    pub pending: Pending,
    /// When the response must have ended.
    pub limit: Option<Box<Limit>>,
    /// Who is told how it ended.
    pub ending: Option<Box<dyn Ending>>,
    /// Takes note of the response for those who compare it with another.
    pub witness: Option<Box<Witness>>,
}

/// Who wants to know how a response ends whose head was sent on. Dropped without a word where its caller left first, or
/// its deadline passed.
pub trait Ending: fmt::Debug {
    fn ended(self: Box<Self>, end: End);
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As it should; with its gRPC status, where it has one.
    Whole { grpc_status: Option<u16> },
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

// === impl Upload ===

impl Upload {
    /// Whether there is none, so that the request can be told again.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Keeps what is sent, up to a bound, so that it can be sent again.
    pub fn keep(self) -> Self {
        Self(self.0.map(|source| match *source {
            Source::Once(incoming) => Box::new(Source::Again(Playing::record(incoming))),
            Source::Again(_) | Source::Held(..) | Source::Recorded(_) | Source::Watched(..) => source,
        }))
    }

    /// The same body, not to be read before `hold` ends.
    pub fn hold(self, hold: Hold) -> Self {
        Self(Some(Box::new(Source::Held(hold, self))))
    }

    /// The same body, of whose frames `activity` is told.
    pub fn watch(self, activity: &Activity) -> Self {
        if self.is_none() { self } else { Self(Some(Box::new(Source::Watched(activity.clone(), self)))) }
    }

    /// The same body from its beginning, if there is none or it is kept.
    pub fn again(&self) -> Option<Self> {
        match self.0.as_deref() {
            None => Some(Self::default()),
            Some(Source::Once(_) | Source::Recorded(_)) => None,
            Some(Source::Again(playing)) => Some(Self(Some(Box::new(Source::Again(playing.again()))))),
            // Whoever is asked next need not be: the body is there when the first has agreed.
            Some(Source::Held(_, body)) => body.again(),
            Some(Source::Watched(activity, body)) => Some(body.again()?.watch(activity)),
        }
    }

    /// The whole body once it has passed, if it is kept.
    pub fn recorded(&self) -> Option<oneshot::Receiver<Result<Recorded, TooLong>>> {
        match self.0.as_deref() {
            Some(Source::Again(playing)) => Some(playing.recorded()),
            Some(Source::Watched(_, body)) => body.recorded(),
            _ => None,
        }
    }

    /// Whether all of it has arrived and is kept, so that several copies can be sent at a time.
    pub fn is_complete(&self) -> bool {
        match self.0.as_deref() {
            None => true,
            Some(Source::Again(playing)) => playing.is_complete(),
            Some(Source::Watched(_, body)) => body.is_complete(),
            Some(_) => false,
        }
    }

    /// Whether all of it can be sent: what was kept has not become too long.
    pub fn is_whole(&self) -> bool {
        match self.0.as_deref() {
            Some(Source::Again(playing)) => playing.is_whole(),
            Some(Source::Held(_, body) | Source::Watched(_, body)) => body.is_whole(),
            Some(Source::Once(_) | Source::Recorded(_)) | None => true,
        }
    }
}

impl From<Incoming> for Upload {
    fn from(incoming: Incoming) -> Self {
        Self((!incoming.is_end_stream()).then(|| Box::new(Source::Once(incoming))))
    }
}

impl From<Recorded> for Upload {
    fn from(recorded: Recorded) -> Self {
        Self((!recorded.is_empty()).then(|| Box::new(Source::Recorded(recorded))))
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        match self.0.as_deref_mut() {
            Some(Source::Once(incoming)) => Pin::new(incoming).poll_frame(cx),
            Some(Source::Again(playing)) => playing.poll_frame(cx),
            Some(Source::Held(hold, body)) => {
                std::task::ready!(hold.poll(cx));
                *self = std::mem::take(body);
                self.poll_frame(cx)
            }
            Some(Source::Recorded(recorded)) => Poll::Ready(recorded.next_frame().map(Ok)),
            Some(Source::Watched(activity, body)) => {
                let frame = std::task::ready!(Pin::new(body).poll_frame(cx));
                activity.seen();
                Poll::Ready(frame)
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.0.as_deref() {
            Some(Source::Once(incoming)) => incoming.is_end_stream(),
            Some(Source::Again(playing)) => playing.is_end_stream(),
            Some(Source::Held(_, body) | Source::Watched(_, body)) => body.is_end_stream(),
            Some(Source::Recorded(recorded)) => recorded.is_empty(),
            None => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.0.as_deref() {
            Some(Source::Once(incoming)) => incoming.size_hint(),
            Some(Source::Again(playing)) => playing.size_hint(),
            Some(Source::Held(_, body) | Source::Watched(_, body)) => body.size_hint(),
            Some(Source::Recorded(recorded)) => recorded.size_hint(),
            // Not zero: that would be a length that the caller did not tell.
            None => SizeHint::default(),
        }
    }
}

// === impl Body ===

impl Body {
    /// Nothing.
    pub fn empty() -> Self {
        Self { kind: Kind::Empty, exchange: None }
    }

    /// One chunk.
    pub fn text(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        Self { kind: if text.is_empty() { Kind::Empty } else { Kind::Text(text) }, exchange: None }
    }

    /// Keeps `exchange` until the body has ended or was given up.
    pub fn hold(incoming: Incoming, exchange: Exchange) -> Self {
        if let Some(activity) = exchange.limit.as_ref().and_then(|limit| limit.activity()) {
            activity.seen();
        }
        let mut body = Self { kind: Kind::Incoming(incoming), exchange: Some(exchange) };
        if body.is_end_stream() {
            body.end();
        }
        body
    }

    /// The same body, no faster than this; `place` is kept until it has ended or was given up.
    pub fn slow(self, bytes_per_second: NonZeroU32, place: Place) -> Self {
        let Self { kind, exchange } = self;
        let kind = match kind {
            Kind::Incoming(incoming) => Kind::Slow(Box::new(Slow::new(incoming, bytes_per_second, place))),
            Kind::Slow(_) | Kind::Text(_) | Kind::Empty => kind,
        };
        Self { kind, exchange }
    }

    /// Whether a bound has passed; then what is left is given up, and this is how the caller is told.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(exchange) = &mut self.exchange else { return Poll::Pending };
        let Some(limit) = &mut exchange.limit else { return Poll::Pending };
        let passed = std::task::ready!(limit.poll_passed(cx));
        self.kind = Kind::Empty;
        let error = match passed {
            Passed::Idle => BodyError::Silent,
            Passed::Deadline | Passed::Try => BodyError::DeadlinePassed,
        };
        let told = limit.cut(passed).then(|| overdue_trailers(&error));
        if let Some(trailers) = &told {
            exchange.record.read_grpc_status(trailers);
        }
        self.exchange = None;
        Poll::Ready(Some(told.map(Frame::trailers).ok_or(error)))
    }

    fn end(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.lease.release();
            if let Some(ending) = exchange.ending {
                ending.ended(End::Whole { grpc_status: exchange.record.grpc_status() });
            }
            if let Some(witness) = exchange.witness {
                witness.ended();
            }
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
        if let Poll::Ready(cut) = this.poll_cut(cx) {
            return Poll::Ready(cut);
        }
        let frame = match &mut this.kind {
            Kind::Incoming(incoming) => std::task::ready!(Pin::new(incoming).poll_frame(cx)),
            Kind::Slow(slow) => std::task::ready!(Pin::new(&mut **slow).poll_frame(cx)),
            Kind::Text(text) => {
                let text = std::mem::take(text);
                this.kind = Kind::Empty;
                return Poll::Ready(Some(Ok(Frame::data(text))));
            }
            Kind::Empty => return Poll::Ready(None),
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(exchange) = &mut this.exchange {
                    if let Some(activity) = exchange.limit.as_ref().and_then(|limit| limit.activity()) {
                        activity.seen();
                    }
                    if let Some(trailers) = frame.trailers_ref() {
                        exchange.record.read_grpc_status(trailers);
                        exchange.pending.read_trailers(trailers);
                    }
                    if let Some(data) = frame.data_ref() {
                        exchange.record.sent(data.len());
                    }
                    if let Some(witness) = &mut exchange.witness {
                        witness.frame(frame);
                    }
                }
                if this.is_end_stream() {
                    this.end();
                }
            }
            // Nothing is known of the connection's state: it is not used again.
            Some(Err(_)) => {
                if let Some(ending) = this.exchange.take().and_then(|exchange| exchange.ending) {
                    ending.ended(End::Broken);
                }
            }
            None => this.end(),
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

/// How a gRPC response ends that took too long.
fn overdue_trailers(error: &BodyError) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert("grpc-status", HeaderValue::from_static(GRPC_DEADLINE_EXCEEDED));
    if let Ok(message) = HeaderValue::try_from(format!("weft: {error}")) {
        trailers.insert("grpc-message", message);
    }
    trailers
}
