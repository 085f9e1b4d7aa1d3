//! A connection to an upstream, and an exchange on it.

use std::cell::{Cell, RefCell, RefMut};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::ext::ReasonPhrase;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::{JoinHandle, spawn_local};

use super::head::{self, Head};
use super::sending::Sending;
use super::{Error, Incoming};
use crate::http::Upload;
use crate::http::expect::Agreement;
use crate::tcp::{Prefixed, Stream, with_scratch};

/// A connection that carries one exchange at a time. Its holder waits for the response; see [`Incoming`] for the body.
#[derive(Debug)]
pub struct Connection {
    io: RefCell<Io>,
    /// Whether the last request has left whole.
    sent: Cell<bool>,
    /// Whether the server keeps the connection open after its last response.
    keeps: Cell<bool>,
}

#[derive(Debug)]
pub(super) struct Io {
    pub stream: Stream,
    /// Read, and not used yet.
    pub unread: Bytes,
}

/// An exchange without a response.
#[derive(Debug)]
pub struct Failed {
    pub error: Error,
    /// Nothing of the request was sent; it is as it was.
    pub untouched: bool,
}

/// The rest of a request whose response has begun. Dropped, the request is given up.
#[derive(Debug)]
pub(super) struct Uploading(Option<JoinHandle<()>>);

// === impl Connection ===

impl Connection {
    pub fn new(stream: Stream) -> Rc<Self> {
        Rc::new(Self {
            io: RefCell::new(Io { stream, unread: Bytes::new() }),
            sent: Cell::new(true),
            keeps: Cell::new(true),
        })
    }

    /// Sends `request`, whose body is taken from it, and gives the response once its head is there. Informational
    /// responses are not given but for 101, after which the connection is the caller's, see [`Self::into_stream`].
    pub async fn exchange(
        self: &Rc<Self>,
        request: &mut Request<Upload>,
    ) -> Result<Response<Incoming>, Failed> {
        self.sent.set(false);
        let mut sending = Sending::new(request);
        let mut broken = None;
        let answered = poll_fn(|cx| {
            let io = &mut *self.io.borrow_mut();
            if !self.sent.get() && broken.is_none() {
                match sending.poll(cx, &mut io.stream) {
                    Poll::Ready(Ok(())) => self.sent.set(true),
                    // Who stops reading may have said why: what it said is read first.
                    Poll::Ready(Err(Error::Io(error))) => broken = Some(error),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
            }
            io.poll_head(cx, request.method(), request.extensions().get())
        });
        match answered.await {
            Ok(head) => {
                self.keeps.set(head.keeps && broken.is_none());
                let uploading = (!self.sent.get() && broken.is_none()).then(|| self.clone().upload(sending));
                Ok(self.response(head, uploading))
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
        self.sent.get() && self.keeps.get() && self.io.borrow().unread.is_empty()
    }

    /// Whether the server has neither closed the connection nor said anything without being asked.
    pub fn is_open(&self) -> bool {
        let mut byte = [0];
        let mut byte = ReadBuf::new(&mut byte);
        // Costs no system call while nothing has come.
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(&mut self.io.borrow_mut().stream).poll_read(&mut cx, &mut byte).is_pending()
    }

    /// The bytes behind a response 101, both ways.
    pub fn into_stream(self) -> Prefixed<Stream> {
        let Io { stream, unread } = self.io.into_inner();
        Prefixed::new(unread, stream)
    }

    pub(super) fn io(&self) -> RefMut<'_, Io> {
        self.io.borrow_mut()
    }

    fn response(self: &Rc<Self>, head: Head, uploading: Option<Uploading>) -> Response<Incoming> {
        let Head { status, version, headers, reason, framing, .. } = head;
        let connection = (status != StatusCode::SWITCHING_PROTOCOLS).then(|| self.clone());
        let mut response = Response::new(Incoming::new(connection, framing, uploading));
        *response.status_mut() = status;
        *response.version_mut() = version;
        *response.headers_mut() = headers;
        if let Some(Ok(reason)) = reason.map(ReasonPhrase::try_from) {
            response.extensions_mut().insert(reason);
        }
        response
    }

    /// Goes on sending while the response is read by somebody who may wait for the one who sends.
    fn upload(self: Rc<Self>, mut sending: Sending) -> Uploading {
        Uploading(Some(spawn_local(async move {
            let sent = poll_fn(|cx| sending.poll(cx, &mut self.io.borrow_mut().stream)).await;
            match sent {
                Ok(()) => self.sent.set(true),
                Err(error) => {
                    tracing::debug!(%error, "a request ended early, after its response had begun");
                    // So that the server does not wait for the rest. Failing to say so means that it is gone.
                    let _ = poll_fn(|cx| Pin::new(&mut self.io.borrow_mut().stream).poll_shutdown(cx)).await;
                }
            }
        })))
    }
}

// === impl Io ===

impl Io {
    /// Reads more behind what is unread. Gives how much; nothing is the end.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        with_scratch(|scratch| {
            let mut buf = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
            let read = buf.filled();
            self.unread = if self.unread.is_empty() {
                Bytes::copy_from_slice(read)
            } else {
                [&self.unread, read].concat().into()
            };
            Poll::Ready(Ok(read.len()))
        })
    }

    /// The next head that is not merely informational.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        method: &Method,
        agreement: Option<&Agreement>,
    ) -> Poll<Result<Head, Error>> {
        loop {
            let head = if self.unread.is_empty() { None } else { head::take(&mut self.unread, method)? };
            match head {
                Some(head) if head.status == StatusCode::CONTINUE => {
                    if let Some(agreement) = agreement {
                        agreement.give();
                    }
                }
                Some(head)
                    if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS => {}
                Some(head) => return Poll::Ready(Ok(head)),
                None if ready!(self.poll_fill(cx))? == 0 => return Poll::Ready(Err(Error::Closed)),
                None => {}
            }
        }
    }
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
