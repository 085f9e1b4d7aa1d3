//! A connection to an upstream, and an exchange on it.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::{Extensions, Method, Request, Response, StatusCode};
use http_body::Body as _;
use tokio::task::{JoinHandle, spawn_local};

use super::io::{Io, Reading};
use super::response_head::ResponseHead;
use super::sending::{Coding, Sending, Unsent};
use super::{Error, Incoming, encode};
use crate::http::deadline::Activity;
use crate::http::expect::Agreement;
use crate::http::{Upload, WireError, interim};
use crate::tcp::{Prefixed, Stream};

/// A connection that carries one exchange at a time. Its holder waits for the response; see [`Incoming`] for the body.
#[derive(Debug)]
pub struct Connection {
    io: Rc<Io>,
    /// Whether the last request has left whole.
    sent: Cell<bool>,
    /// Whether the server keeps the connection open after its last response.
    keeps: Cell<bool>,
    /// Whether a caller may have authenticated it: then it is that caller's for good.
    authenticated: Cell<bool>,
}

/// An exchange without a response.
#[derive(Debug)]
pub struct Failed {
    pub error: Error,
    /// Nothing of the request was sent; it is as it was.
    pub untouched: bool,
}

/// With a response that came before its request had left whole: its server takes no more of it.
#[derive(Clone, Copy, Debug)]
pub struct Closing;

/// The rest of a request whose response has begun. Dropped, the request is given up.
#[derive(Debug)]
pub(super) struct Uploading(Option<JoinHandle<()>>);

// === impl Connection ===

impl Connection {
    pub fn new(stream: Stream) -> Rc<Self> {
        Rc::new(Self {
            io: Io::new(stream),
            sent: Cell::new(true),
            keeps: Cell::new(true),
            authenticated: Cell::new(false),
        })
    }

    /// Sends `request`, whose body is taken from it, and gives the response once its head is there. Informational
    /// responses are not given but for 101, after which the connection is the caller's, see [`Self::into_stream`].
    pub async fn exchange(
        self: &Rc<Self>,
        request: &mut Request<Upload>,
    ) -> Result<Response<Incoming>, Failed> {
        self.sent.set(false);
        let mut sending = self.sending(request);
        let mut broken = None;
        let answered = poll_fn(|cx| {
            if !self.sent.get() && broken.is_none() {
                match sending.poll(cx, &self.io) {
                    Poll::Ready(Ok(())) => self.sent.set(true),
                    // Who stops reading may have said why: what it said is read first.
                    Poll::Ready(Err(Unsent::Io(error))) => broken = Some(error),
                    Poll::Ready(Err(unsent)) => return Poll::Ready(Err(unsent.into_error(caller_failed))),
                    Poll::Pending => {}
                }
            }
            self.poll_head(cx, request.method(), request.extensions())
        });
        match answered.await {
            Ok(head) => {
                self.keeps.set(head.keeps && broken.is_none());
                if head.challenges {
                    self.authenticated.set(true);
                }
                let closing = !self.sent.get() && !self.keeps.get();
                let uploading = (!self.sent.get() && broken.is_none()).then(|| self.clone().upload(sending));
                let mut response = self.response(head, uploading);
                if closing {
                    response.extensions_mut().insert(Closing);
                }
                Ok(response)
            }
            Err(error) => {
                let error = match (error, broken) {
                    (Error::Closed | Error::Io(_), Some(first)) => Error::Io(first),
                    (error, _) => error,
                };
                let body = sending.untouched();
                let untouched = body.is_some();
                *request.body_mut() = body.unwrap_or_default();
                Err(Failed { error, untouched })
            }
        }
    }

    /// Whether another request may follow a response that has ended.
    pub fn is_reusable(&self) -> bool {
        self.sent.get() && self.keeps.get() && self.io.reading() == Reading::Ended && !self.io.has_unread()
    }

    /// Whether it may carry requests of one caller's connection only.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated.get()
    }

    /// Whether the server has neither closed the connection nor said anything without being asked.
    pub fn is_open(&self) -> bool {
        self.io.is_silent()
    }

    /// Takes the body from `request`.
    fn sending(&self, request: &mut Request<Upload>) -> Sending<Upload> {
        let body = std::mem::take(request.body_mut());
        let coding = match (body.is_none(), body.size_hint().exact()) {
            (true, _) => Coding::None,
            (false, Some(length)) => Coding::Length(length),
            (false, None) => Coding::Chunked,
        };
        let head = encode::request_head(request, coding);
        if head.authenticates {
            self.authenticated.set(true);
        }
        Sending::new(head.bytes, coding, body, true)
    }

    /// The bytes behind a response 101, both ways; `None` while its request is still being sent.
    pub fn into_stream(self: Rc<Self>) -> Option<Prefixed<Stream>> {
        let io = Rc::into_inner(self)?.io;
        Some(Rc::into_inner(io)?.into_stream())
    }

    /// The next head that is not merely informational.
    fn poll_head(
        &self,
        cx: &mut Context<'_>,
        method: &Method,
        extensions: &Extensions,
    ) -> Poll<Result<ResponseHead, Error>> {
        loop {
            let head = ready!(self.io.poll_take(cx, |unread| ResponseHead::take(unread, method)))?;
            let head = head.ok_or(Error::Closed)?;
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Poll::Ready(Ok(head));
            }
            if let Some(activity) = extensions.get::<Activity>() {
                activity.seen();
            }
            if head.status == StatusCode::CONTINUE
                && let Some(agreement) = extensions.get::<Agreement>()
            {
                agreement.give();
            }
            interim::tell(head.status, head.headers);
        }
    }

    fn response(&self, head: ResponseHead, uploading: Option<Uploading>) -> Response<Incoming> {
        let ResponseHead { status, version, headers, reason, framing, .. } = head;
        let mut response = Response::new(Incoming::new(&self.io, framing, uploading));
        *response.status_mut() = status;
        *response.version_mut() = version;
        *response.headers_mut() = headers;
        if let Some(reason) = reason {
            response.extensions_mut().insert(reason);
        }
        response
    }

    /// Goes on sending while the response is read by somebody who may wait for the one who sends.
    fn upload(self: Rc<Self>, mut sending: Sending<Upload>) -> Uploading {
        Uploading(Some(spawn_local(async move {
            match poll_fn(|cx| sending.poll(cx, &self.io)).await {
                Ok(()) => self.sent.set(true),
                Err(unsent) => {
                    let error = unsent.into_error(caller_failed);
                    tracing::debug!(%error, "a request ended early, after its response had begun");
                    // So that the server does not wait for the rest. Failing to say so means that it is gone.
                    let _ = poll_fn(|cx| self.io.poll_shutdown(cx)).await;
                }
            }
        })))
    }
}

fn caller_failed(error: WireError) -> Error {
    Error::Body(Box::new(error))
}

// === impl Uploading ===

impl Uploading {
    /// Lets the rest of the request go on though nobody waits for it any more: the response has ended as it should.
    pub fn detach(mut self) {
        self.0 = None;
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}
