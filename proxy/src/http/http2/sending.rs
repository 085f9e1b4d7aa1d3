//! Sending a body: that of a request, while its answer may already be read, or that of an answer.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;
use tokio::sync::oneshot;

use crate::http::Upload;

/// A request's body that is being sent. Dropped, it is taken back: its caller has left.
#[derive(Debug)]
pub struct Sending(oneshot::Sender<LetBe>);

#[derive(Debug)]
struct LetBe;

/// Sends a body to its end. What goes wrong with the stream is told to whoever waits for the other direction.
pub struct Pump<B> {
    body: B,
    stream: SendStream<Bytes>,
    /// Read, and not sent yet for want of window; whether it is the last.
    held: Option<(Bytes, bool)>,
}

/// An end as short as this need not wait for a window here: h2 holds it as well. More would be held for callers that never
/// open their window, out of reach of the deadlines of their requests.
const SHORT: usize = 16 * 1024;

/// Sends what is there of `body`, and the rest as it comes. `None`: that was all.
pub fn begin(body: Upload, stream: SendStream<Bytes>) -> Option<Sending> {
    let mut pump = Pump::new(body, stream);
    // Nobody need be woken: the task polls before it sleeps.
    if Pin::new(&mut pump).poll(&mut Context::from_waker(Waker::noop())).is_ready() {
        return None;
    }
    let (let_be, dropped) = oneshot::channel();
    tokio::task::spawn_local(until_dropped(pump, dropped));
    Some(Sending(let_be))
}

async fn until_dropped(mut pump: Pump<Upload>, dropped: oneshot::Receiver<LetBe>) {
    tokio::select! {
        biased;
        Err(_) = dropped => pump.stream.send_reset(Reason::CANCEL),
        () = &mut pump => {}
    }
}

// === impl Sending ===

impl Sending {
    /// It goes on by itself.
    pub fn let_be(self) {
        // The pump may have ended.
        let _ = self.0.send(LetBe);
    }
}

// === impl Pump ===

impl<B> Pump<B>
where
    B: Body<Data = Bytes, Error: Error + 'static> + Unpin,
{
    pub fn new(body: B, stream: SendStream<Bytes>) -> Self {
        Self { body, stream, held: None }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some((chunk, last)) = self.held.take() {
                match self.poll_window(cx) {
                    Poll::Ready(true) => {}
                    Poll::Ready(false) => return Poll::Ready(()),
                    Poll::Pending => {
                        self.held = Some((chunk, last));
                        return Poll::Pending;
                    }
                }
                if self.stream.send_data(chunk, last).is_err() || last {
                    return Poll::Ready(());
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(end) if end.len() <= SHORT && self.body.is_end_stream() => {
                        let _ = self.stream.send_data(end, true);
                        return Poll::Ready(());
                    }
                    Ok(chunk) if chunk.is_empty() => {}
                    Ok(chunk) => {
                        // As little as can be, so that a stream that waits takes no window from those that could send.
                        // Sending raises it to what there is.
                        self.stream.reserve_capacity(1);
                        self.held = Some((chunk, self.body.is_end_stream()));
                    }
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            self.stream.reserve_capacity(0);
                            let _ = self.stream.send_trailers(trailers);
                            return Poll::Ready(());
                        }
                    }
                },
                Some(Err(error)) => {
                    self.stream.send_reset(reason(&error));
                    return Poll::Ready(());
                }
                None => {
                    let _ = self.stream.send_data(Bytes::new(), true);
                    return Poll::Ready(());
                }
            }
        }
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

impl<B> Future for Pump<B>
where
    B: Body<Data = Bytes, Error: Error + 'static> + Unpin,
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

/// What the other side of a broken body gave as its reason, to be passed on.
fn reason(error: &(dyn Error + 'static)) -> Reason {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(reason) = error.downcast_ref::<Box<h2::Error>>().and_then(|error| error.reason()) {
            return reason;
        }
        cause = error.source();
    }
    Reason::INTERNAL_ERROR
}
