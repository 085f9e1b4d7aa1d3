//! Sending a body: that of a request, while its answer may already be read, or that of an answer.

use std::cell::Cell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::{Reason, SendStream};
use http_body::{Body, Frame};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

use crate::held::Count;
use crate::http::{Upload, WireError};

/// A request's body that is being sent. Dropped, it is taken back: nobody waits for the answer any more. Boxed, since it is
/// rare and goes with every answer.
#[derive(Debug)]
pub struct Sending(Box<Inner>);

#[derive(Debug)]
struct Inner {
    let_be: oneshot::Sender<Outliving>,
    /// Streams under way on the connection.
    open: Rc<Cell<usize>>,
}

/// The place of a stream whose answer has ended before its request.
#[derive(Debug)]
struct Outliving(Rc<Cell<usize>>);

/// Sends a body to its end. What goes wrong with the stream is told to whoever waits for the other direction.
pub struct Pump<B: Body> {
    body: B,
    stream: SendStream<Bytes>,
    held: Held,
    /// Nothing follows what is held.
    last: bool,
    /// What was read behind that, and cannot go into one frame with it.
    next: Option<Next<B>>,
    blocked: Option<Blocked>,
    /// What was given to h2 last, of which some may still wait there.
    last_sent: usize,
    /// What is held while the stream waits for its window.
    counted: Count,
    breaking: Option<Breaking>,
    /// Whether its reader may take a reset with CANCEL for the end of the body.
    misreads_cancel: bool,
}

/// A body that broke off. What was sent of it leaves before the stream is reset: `h2` throws away what has not.
struct Breaking {
    reason: Reason,
    /// Looks at what can leave that are left.
    looks: u8,
    patience: Pin<Box<Sleep>>,
}

/// Data that was read and is not sent yet: what came in small parts leaves in one frame.
#[derive(Debug, Default)]
struct Held {
    first: Bytes,
    /// `first` and what came behind it, once something did.
    gathered: BytesMut,
}

type Next<B> = Option<Result<Frame<Bytes>, <B as Body>::Error>>;

/// Counts a stream while it waits for a window.
struct Blocked {
    is: bool,
    count: Rc<Cell<usize>>,
}

/// What is gathered before it is sent; a part as long goes on as it is. One frame that every peer takes.
const GATHERED: usize = 16 * 1024;

/// How long what came before a break may wait for window.
const BREAKING_PATIENCE: Duration = Duration::from_secs(5);
/// The connection's task writes between two turns of a stream's.
const BREAKING_LOOKS: u8 = 3;

/// An end as short as this need not wait for a window here: h2 holds it as well. More would be held for callers that never
/// open their window, out of reach of the deadlines of their requests.
const SHORT: usize = 16 * 1024;

/// Sends what is there of `body`, and the rest as it comes. `None`: that was all.
/// `open` counts the streams of the connection, `blocked` those that wait for a window.
pub fn begin(
    body: Upload,
    stream: SendStream<Bytes>,
    grpc: bool,
    open: &Rc<Cell<usize>>,
    blocked: &Rc<Cell<usize>>,
) -> Option<Sending> {
    let mut pump = Pump::new(body, stream, grpc);
    pump.blocked = Some(Blocked { is: false, count: blocked.clone() });
    // Nobody need be woken: the task polls before it sleeps.
    if Pin::new(&mut pump).poll(&mut Context::from_waker(Waker::noop())).is_ready() {
        return None;
    }
    let (let_be, dropped) = oneshot::channel();
    tokio::task::spawn_local(until_dropped(pump, dropped));
    Some(Sending(Box::new(Inner { let_be, open: open.clone() })))
}

async fn until_dropped(mut pump: Pump<Upload>, dropped: oneshot::Receiver<Outliving>) {
    let told = tokio::select! {
        biased;
        told = dropped => told,
        () = &mut pump => return,
    };
    match told {
        Ok(_place) => pump.await,
        Err(_) => pump.stream.send_reset(pump.told(Reason::CANCEL)),
    }
}

// === impl Sending ===

impl Sending {
    /// The answer has ended as it should: what is left of the request is sent though nobody waits for it.
    pub fn let_be(self) {
        let Inner { let_be, open } = *self.0;
        open.set(open.get() + 1);
        // The pump may have ended.
        let _ = let_be.send(Outliving(open));
    }
}

impl Drop for Outliving {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

// === impl Pump ===

impl<B> Pump<B>
where
    B: Body<Data = Bytes, Error: Error + Unpin + 'static> + Unpin,
{
    /// Sends `body`. Node.js and hyper, as clients and as servers, take one that is reset with CANCEL for whole, without an error,
    /// so what broke off is never reset with it. Except for gRPC: its readers miss the trailers or the length of a message, and
    /// make their status of the code.
    pub fn new(body: B, stream: SendStream<Bytes>, grpc: bool) -> Self {
        let (held, last, next) = (Held::default(), false, None);
        let misreads_cancel = !grpc;
        Self {
            body,
            stream,
            held,
            last,
            next,
            blocked: None,
            last_sent: 0,
            counted: Count::default(),
            breaking: None,
            misreads_cancel,
        }
    }

    /// For a body of which nobody wants the rest any more, or that broke off for `reason`.
    fn told(&self, reason: Reason) -> Reason {
        if reason == Reason::CANCEL && self.misreads_cancel { Reason::INTERNAL_ERROR } else { reason }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.breaking.is_some() {
            return self.poll_break(cx);
        }
        loop {
            self.gather(cx);
            if self.last && self.held.len() <= SHORT {
                let _ = self.stream.send_data(self.held.take(), true);
                return Poll::Ready(());
            }
            if self.held.len() > 0 {
                let window = self.poll_window(cx);
                if let Some(blocked) = &mut self.blocked {
                    blocked.set(window.is_pending());
                }
                self.counted.set(if window.is_pending() { self.held.len() + self.last_sent } else { 0 });
                if !ready!(window) {
                    return Poll::Ready(());
                }
                self.last_sent = self.held.len();
                if self.stream.send_data(self.held.take(), self.last).is_err() || self.last {
                    return Poll::Ready(());
                }
                continue;
            }
            match self.next.take() {
                None => return Poll::Pending,
                Some(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.hold(data),
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            self.stream.reserve_capacity(0);
                            let _ = self.stream.send_trailers(trailers);
                            return Poll::Ready(());
                        }
                    }
                },
                Some(Some(Err(error))) => {
                    // So much that what is held has its window before this one byte.
                    self.stream.reserve_capacity(1);
                    let patience = Box::pin(sleep(BREAKING_PATIENCE));
                    let reason = self.told(reason(&error));
                    self.breaking = Some(Breaking { reason, looks: BREAKING_LOOKS, patience });
                    return self.poll_break(cx);
                }
                Some(None) => {
                    let _ = self.stream.send_data(Bytes::new(), true);
                    return Poll::Ready(());
                }
            }
        }
    }

    /// Reads what is there, until that is worth a frame. While a stream waits for its window this goes on, so that its reader
    /// has few frames to keep.
    fn gather(&mut self, cx: &mut Context<'_>) {
        while self.next.is_none() && !self.last && self.held.len() < GATHERED {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if self.held.len() == 0 || data.len() < GATHERED => self.hold(data),
                    Ok(data) => self.next = Some(Some(Ok(Frame::data(data)))),
                    Err(frame) => self.next = Some(Some(Ok(frame))),
                },
                Poll::Ready(ended) => self.next = Some(ended),
            }
        }
    }

    fn hold(&mut self, data: Bytes) {
        if !data.is_empty() && self.held.len() == 0 {
            // As little as can be, so that a stream that waits takes no window from those that could send. Sending raises it
            // to what there is.
            self.stream.reserve_capacity(1);
        }
        self.held.add(data);
        self.last = self.next.is_none() && self.body.is_end_stream();
    }

    /// Resets the stream once what was sent of its body has left, or has waited too long.
    fn poll_break(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut breaking) = self.breaking.take() else { return Poll::Ready(()) };
        let waits = breaking.patience.as_mut().poll(cx).is_pending();
        if waits && self.poll_window(cx).is_pending() {
            self.breaking = Some(breaking);
            return Poll::Pending;
        }
        if waits && breaking.looks > 0 {
            breaking.looks -= 1;
            self.breaking = Some(breaking);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.stream.send_reset(breaking.reason);
        Poll::Ready(())
    }

    /// Waits until the window lets something through; `false`: it never will, since the stream has ended.
    fn poll_window(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        while self.stream.capacity() == 0 {
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(false),
            }
        }
        Poll::Ready(true)
    }
}

// === impl Blocked ===

impl Blocked {
    fn set(&mut self, is: bool) {
        if self.is != is {
            self.is = is;
            let count = self.count.get();
            self.count.set(if is { count + 1 } else { count.saturating_sub(1) });
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        self.set(false);
    }
}

// === impl Held ===

impl Held {
    fn len(&self) -> usize {
        if self.gathered.is_empty() { self.first.len() } else { self.gathered.len() }
    }

    fn add(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
        } else if !data.is_empty() {
            if self.gathered.is_empty() {
                self.gathered.extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.gathered.extend_from_slice(&data);
        }
    }

    fn take(&mut self) -> Bytes {
        if self.gathered.is_empty() {
            std::mem::take(&mut self.first)
        } else {
            self.gathered.split().freeze()
        }
    }
}

impl<B> Future for Pump<B>
where
    B: Body<Data = Bytes, Error: Error + Unpin + 'static> + Unpin,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_send(cx).is_ready() {
            return Poll::Ready(());
        }
        // Nobody wants it any more.
        self.stream.poll_reset(cx).map(|_| ())
    }
}

/// What the other side of a broken body gave as its reason, to be passed on. Not NO_ERROR, which many take for an end.
fn reason(error: &(dyn Error + 'static)) -> Reason {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(WireError::Overtaken) = error.downcast_ref() {
            return Reason::CANCEL;
        }
        if let Some(reason) = error.downcast_ref::<Box<h2::Error>>().and_then(|error| error.reason()) {
            return if reason == Reason::NO_ERROR { Reason::CANCEL } else { reason };
        }
        cause = error.source();
    }
    Reason::INTERNAL_ERROR
}
