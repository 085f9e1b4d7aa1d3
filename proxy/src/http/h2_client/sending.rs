//! Sending the body of a request, while its answer may already be read.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;
use tokio::sync::oneshot;

use crate::http::Upload;

/// A body that is being sent. Dropped, it is taken back: its caller has left.
#[derive(Debug)]
pub struct Sending(oneshot::Sender<LetBe>);

#[derive(Debug)]
struct LetBe;

struct Pump {
    body: Upload,
    stream: SendStream<Bytes>,
    /// Read, and not sent yet for want of window; whether it is the last.
    held: Option<(Bytes, bool)>,
}

/// Sends what is there of `body`, and the rest as it comes. `None`: that was all.
pub fn begin(body: Upload, stream: SendStream<Bytes>) -> Option<Sending> {
    let mut pump = Pump { body, stream, held: None };
    // Whoever polls later is woken: the task polls before it sleeps.
    if pump.poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready() {
        return None;
    }
    let (let_be, dropped) = oneshot::channel();
    tokio::task::spawn_local(pump.run(dropped));
    Some(Sending(let_be))
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

impl Pump {
    async fn run(mut self, dropped: oneshot::Receiver<LetBe>) {
        let mut dropped = Some(dropped);
        std::future::poll_fn(|cx| {
            if let Some(waiting) = &mut dropped
                && let Poll::Ready(told) = Pin::new(waiting).poll(cx)
            {
                if told.is_err() {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(());
                }
                dropped = None;
            }
            self.poll(cx)
        })
        .await;
    }

    /// Ready when there is no more to do. What goes wrong with the stream is told to whoever waits for the answer.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // Also registers for it.
            if self.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(());
            }
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
                continue;
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    self.stream.send_reset(error.reason().unwrap_or(Reason::INTERNAL_ERROR));
                    return Poll::Ready(());
                }
                None => {
                    let _ = self.stream.send_data(Bytes::new(), true);
                    return Poll::Ready(());
                }
            };
            match frame.into_data() {
                Ok(chunk) => {
                    let last = self.body.is_end_stream();
                    if !chunk.is_empty() {
                        // As little as can be, so that a stream that waits takes no window from those that could send.
                        // Sending raises it to what there is.
                        self.stream.reserve_capacity(1);
                        self.held = Some((chunk, last));
                    } else if last {
                        let _ = self.stream.send_data(chunk, true);
                        return Poll::Ready(());
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        self.stream.reserve_capacity(0);
                        let _ = self.stream.send_trailers(trailers);
                        return Poll::Ready(());
                    }
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
