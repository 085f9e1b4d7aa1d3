//! A request's body on its way to an upstream: streamed, and gathered only where it may be sent again or somebody looks at it first.

mod gathered;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::oneshot;

use self::gathered::Gathered;
pub use self::gathered::{Arrived, NotGathered};
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
    /// Its beginning has come, and waits to go on with the rest.
    Gathered(Box<Gathered>),
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

    /// Waits until all of it has come, or more of it than `most` bytes. What came goes on before the rest, also after a wait that was given
    /// up.
    pub async fn gather(&mut self, most: usize) -> Result<Arrived, NotGathered> {
        let Some(parts) = self.0.as_deref_mut() else { return Ok(Arrived::Whole) };
        poll_fn(|cx| parts.source.poll_gather(cx, most)).await
    }

    /// A copy of what has been gathered of it, `most` bytes at most; `None`: the worker has no room for that.
    pub fn beginning(&self, most: usize) -> Option<Bytes> {
        match self.0.as_deref().map(|parts| &parts.source) {
            Some(Source::Gathered(gathered)) => gathered.beginning(most),
            _ => Some(Bytes::new()),
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
        let frame = ready!(parts.source.poll_frame(cx));
        if let Some(activity) = &parts.told {
            activity.seen();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_deref().is_none_or(|parts| parts.source.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        // Not zero: that would be a length that the caller did not tell.
        self.0.as_deref().map(|parts| parts.source.size_hint()).unwrap_or_default()
    }
}

// === impl Source ===

impl Source {
    fn keep(self) -> Self {
        match self {
            Self::Once(incoming) => Self::Again(Playing::record(incoming)),
            Self::Again(_) | Self::Recorded(_) | Self::Gathered(_) => self,
        }
    }

    fn poll_gather(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<Result<Arrived, NotGathered>> {
        if let Self::Gathered(gathered) = self {
            return gathered.poll_more(cx, most);
        }
        let rest = std::mem::replace(self, Self::Recorded(Recorded::default()));
        let mut gathered = Box::new(Gathered::of(rest));
        let arrived = gathered.poll_more(cx, most);
        *self = Self::Gathered(gathered);
        arrived
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        match self {
            Self::Once(incoming) => Pin::new(incoming).poll_frame(cx),
            Self::Again(playing) => playing.poll_frame(cx),
            Self::Recorded(recorded) => Poll::Ready(recorded.next_frame().map(Ok)),
            Self::Gathered(gathered) => gathered.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Once(incoming) => incoming.is_end_stream(),
            Self::Again(playing) => playing.is_end_stream(),
            Self::Recorded(recorded) => recorded.is_empty(),
            Self::Gathered(gathered) => gathered.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Once(incoming) => incoming.size_hint(),
            Self::Again(playing) => playing.size_hint(),
            Self::Recorded(recorded) => recorded.size_hint(),
            Self::Gathered(gathered) => gathered.size_hint(),
        }
    }
}
