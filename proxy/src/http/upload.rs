//! A request's body on its way to an upstream: streamed, and gathered only where it may be sent again.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::oneshot;

use super::deadline::Activity;
use super::expect::Hold;
use super::tape::{Playing, Recorded, TooLong};
use super::{Incoming, WireError};

/// See the module. One word, since requests are moved about, and none allocated for the many requests without a body.
#[derive(Debug, Default)]
pub struct Upload(Option<Box<Parts>>);

/// What a body is made of, in the order in which a frame passes, whoever asked for it first: it is not read before its hold
/// ends, then comes from its source, and is told of last.
#[derive(Debug)]
struct Parts {
    hold: Option<Hold>,
    source: Source,
    told: Option<Activity>,
}

#[derive(Debug)]
enum Source {
    Once(Incoming),
    /// Kept as it passes, so that it can be sent again.
    Again(Playing),
    Recorded(Recorded),
}

// === impl Upload ===

impl Upload {
    /// Whether there is none, so that the request can be told again.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Keeps what is sent, up to a bound, so that it can be sent again.
    pub fn keep(self) -> Self {
        self.with(|parts| Parts { source: parts.source.keep(), ..parts })
    }

    /// The same body, not to be read before `hold` ends.
    pub fn hold(self, hold: Hold) -> Self {
        self.with(|parts| Parts { hold: Some(hold), ..parts })
    }

    /// The same body, of whose frames `activity` is told.
    pub fn watch(self, activity: &Activity) -> Self {
        self.with(|parts| Parts { told: Some(activity.clone()), ..parts })
    }

    /// The same body from its beginning, if there is none or it is kept. It is not held: whoever is asked next need not be,
    /// since the body is there when the first has agreed.
    pub fn again(&self) -> Option<Self> {
        let Some(parts) = self.0.as_deref() else { return Some(Self::default()) };
        let Source::Again(playing) = &parts.source else { return None };
        let source = Source::Again(playing.again());
        Some(Self(Some(Box::new(Parts { hold: None, source, told: parts.told.clone() }))))
    }

    /// The whole body once it has passed, if it is kept.
    pub fn recorded(&self) -> Option<oneshot::Receiver<Result<Recorded, TooLong>>> {
        match self.0.as_deref() {
            Some(Parts { source: Source::Again(playing), .. }) => Some(playing.recorded()),
            _ => None,
        }
    }

    /// Whether all of it has arrived and is kept, so that several copies can be sent at a time.
    pub fn is_complete(&self) -> bool {
        match self.0.as_deref() {
            None => true,
            Some(Parts { hold: None, source: Source::Again(playing), .. }) => playing.is_complete(),
            Some(_) => false,
        }
    }

    /// Whether all of it can be sent: what was kept has not become too long.
    pub fn is_whole(&self) -> bool {
        match self.0.as_deref() {
            Some(Parts { source: Source::Again(playing), .. }) => playing.is_whole(),
            _ => true,
        }
    }

    fn with(self, change: impl FnOnce(Parts) -> Parts) -> Self {
        Self(self.0.map(|mut parts| {
            *parts = change(*parts);
            parts
        }))
    }

    fn of(source: Source) -> Self {
        Self(Some(Box::new(Parts { hold: None, source, told: None })))
    }
}

impl From<Incoming> for Upload {
    fn from(incoming: Incoming) -> Self {
        if incoming.is_end_stream() { Self::default() } else { Self::of(Source::Once(incoming)) }
    }
}

impl From<Recorded> for Upload {
    fn from(recorded: Recorded) -> Self {
        if recorded.is_empty() { Self::default() } else { Self::of(Source::Recorded(recorded)) }
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        let Some(parts) = self.0.as_deref_mut() else { return Poll::Ready(None) };
        if let Some(hold) = &mut parts.hold {
            ready!(hold.poll(cx));
            parts.hold = None;
        }
        let frame = match &mut parts.source {
            Source::Once(incoming) => ready!(Pin::new(incoming).poll_frame(cx)),
            Source::Again(playing) => ready!(playing.poll_frame(cx)),
            Source::Recorded(recorded) => recorded.next_frame().map(Ok),
        };
        if let Some(activity) = &parts.told {
            activity.seen();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match self.0.as_deref().map(|parts| &parts.source) {
            Some(Source::Once(incoming)) => incoming.is_end_stream(),
            Some(Source::Again(playing)) => playing.is_end_stream(),
            Some(Source::Recorded(recorded)) => recorded.is_empty(),
            None => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.0.as_deref().map(|parts| &parts.source) {
            Some(Source::Once(incoming)) => incoming.size_hint(),
            Some(Source::Again(playing)) => playing.size_hint(),
            Some(Source::Recorded(recorded)) => recorded.size_hint(),
            // Not zero: that would be a length that the caller did not tell.
            None => SizeHint::default(),
        }
    }
}

// === impl Source ===

impl Source {
    fn keep(self) -> Self {
        match self {
            Self::Once(incoming) => Self::Again(Playing::record(incoming)),
            Self::Again(_) | Self::Recorded(_) => self,
        }
    }
}
