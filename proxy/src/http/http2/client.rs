//! A connection to an upstream.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::{Request, Response};
use http_body::Body as _;
use tokio::sync::Notify;

use super::frames::Frames;
use super::goaways::{Goaways, Role};
use super::heard::Heard;
use super::intake::Intakes;
use super::pings::{Expect, Pings};
use super::windows::{self, Care};
use super::{
    DATA_BUDGET, Incoming, MAX_FRAME, MAX_RESPONSE_TRAILERS, MAX_STREAMS, RESET_MEMORY, RESETS,
    RESETS_REMEMBERED, SEND_BUFFER, sending,
};
use crate::http::deadline::Activity;
use crate::http::headers::is_grpc;
use crate::http::{MAX_RESPONSE_HEAD, Upload, interim};
use crate::tcp::Stream;

/// Streams that may be open before the server has said how many it takes: those beyond would be bound to this connection, and
/// wait for streams that never end.
const STREAMS_AT_FIRST: usize = 0;
/// A server that owes answers is pinged after so long a silence.
const SILENCE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection whose driver, a task of its own, runs until the connection ends.
#[derive(Debug)]
pub struct Connection {
    sender: RefCell<SendRequest<Bytes>>,
    open: Rc<Cell<usize>>,
    /// Streams whose body waits for the server's window.
    blocked: Rc<Cell<usize>>,
    used: Cell<bool>,
    intakes: Rc<Intakes>,
    driver: Rc<Driver>,
}

/// What the connection's handle and its driver tell each other.
#[derive(Debug, Default)]
struct Driver {
    /// The server has said how many streams it takes.
    settled: Cell<bool>,
    /// Something of this has changed, or the driver has ended.
    changed: Notify,
    cut: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// Whether the peer is pinged while it is silent and owes answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinged {
    Yes,
    /// For servers of any make: many count pings as an attack, gRPC's among them.
    No,
}

/// A request without an answer.
#[derive(Debug)]
pub enum Failed {
    /// The connection takes no more; the request is untouched.
    Unsent(h2::Error, Box<Request<Upload>>),
    /// The server may have processed it.
    Lost(h2::Error),
}

// === impl Connection ===

impl Connection {
    /// Speaks HTTP/2 on `stream`.
    pub async fn open(stream: Stream, pinged: Pinged, goaways: Goaways) -> Result<Self, h2::Error> {
        let (stream, ear) =
            Heard::listen(stream, Frames::of_server(MAX_RESPONSE_HEAD, MAX_RESPONSE_TRAILERS));
        let mut care = Care::new(ear.clone());
        let (sender, mut connection) = Builder::new()
            .initial_max_send_streams(STREAMS_AT_FIRST)
            .initial_window_size(windows::LEAST)
            .initial_connection_window_size(windows::CONNECTION)
            .data_frame_budget(DATA_BUDGET)
            .max_header_list_size(MAX_RESPONSE_HEAD as u32)
            .max_send_buffer_size(SEND_BUFFER)
            .max_frame_size(MAX_FRAME)
            .reset_stream_duration(RESET_MEMORY)
            .max_concurrent_reset_streams(RESETS_REMEMBERED)
            .max_local_error_reset_streams(Some(RESETS))
            .enable_push(false)
            .handshake::<_, Bytes>(stream)
            .await?;
        let open = Rc::new(Cell::new(0));
        let mut pings = match pinged {
            Pinged::Yes => {
                let expect = Expect { silence: SILENCE, patience: PATIENCE, owed: Some(open.clone()) };
                connection.ping_pong().map(|pings| Pings::new(pings, ear, expect))
            }
            Pinged::No => None,
        };
        let (counted, intakes) = (open.clone(), care.intakes().clone());
        let driver = Rc::new(Driver::default());
        let driven = driver.clone();
        tokio::task::spawn_local(async move {
            let mut connection = pin!(connection);
            let ended = poll_fn(|cx| {
                if driven.cut.get() {
                    return Poll::Ready(Some(Ok(())));
                }
                // First, so that an answer that is there counts before it is said to be late.
                if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                    return Poll::Ready(Some(ended));
                }
                if !driven.settled.get() && connection.max_concurrent_send_streams() > 0 {
                    driven.settled.set(true);
                    driven.waker.replace(Some(cx.waker().clone()));
                    driven.changed.notify_waiters();
                }
                if care.look(counted.get(), |window| connection.set_initial_window_size(window)) {
                    cx.waker().wake_by_ref();
                }
                pings.as_mut().map_or(Poll::Pending, |pings| pings.poll_gone(cx)).map(|()| None)
            });
            // What goes wrong is told to the requests on it.
            match ended.await {
                None => tracing::debug!("an upstream connection answered no ping"),
                Some(Err(error)) => {
                    goaways.failed(Role::Client, &error);
                    tracing::debug!(%error, "an upstream connection failed");
                }
                Some(Ok(())) => {}
            }
            driven.changed.notify_waiters();
        });
        let (blocked, used) = (Rc::default(), Cell::default());
        Ok(Self { sender: RefCell::new(sender), open, blocked, used, intakes, driver })
    }

    /// Waits until the server has said how many streams it takes; not, if the connection ends before.
    pub async fn settled(&self) {
        while !self.driver.settled.get() && self.is_open() {
            self.driver.changed.notified().await;
        }
    }

    /// Ends it with all that is under way.
    pub fn cut(&self) {
        self.driver.cut.set(true);
        if let Some(driver) = self.driver.waker.take() {
            driver.wake();
        }
    }

    /// Whether a body waits for the server's window now.
    pub(super) fn is_stuck(&self) -> bool {
        self.blocked.get() > 0
    }

    /// Whether a request was sent since this was asked last.
    pub(super) fn was_used(&self) -> bool {
        self.used.take()
    }

    /// Streams under way.
    pub fn streams(&self) -> usize {
        self.open.get()
    }

    /// How many streams may be under way at once. No more than their windows are reckoned for.
    pub fn limit(&self) -> usize {
        self.sender.borrow().current_max_send_streams().min(MAX_STREAMS as usize)
    }

    /// Whether it takes requests: it has not ended, and its server has not asked it to.
    pub fn is_open(&self) -> bool {
        is_ready(&mut self.sender.borrow_mut()).is_ok()
    }

    pub(super) fn count(&self, streams: isize) {
        self.used.set(true);
        self.open.set(self.open.get().saturating_add_signed(streams));
    }

    /// Sends a request and waits for the head of its answer. Dropping the future, or the body of the answer before its end,
    /// takes the request back.
    pub async fn exchange(&self, request: Request<Upload>) -> Result<Response<Incoming>, Failed> {
        // A handle remembers a stream that waits for its turn, and refuses the next one meanwhile; a fresh one does not.
        let mut sender = self.sender.borrow().clone();
        if let Err(error) = is_ready(&mut sender) {
            return Err(Failed::Unsent(error, Box::new(request)));
        }
        let (head, body) = request.into_parts();
        let whole = body.is_end_stream();
        let grpc = !whole && is_grpc(&head.headers);
        let activity = head.extensions.get::<Activity>().cloned();
        let (answer, stream) =
            sender.send_request(Request::from_parts(head, ()), whole).map_err(Failed::Lost)?;
        drop(sender);
        let sending =
            (!whole).then(|| sending::begin(body, stream, grpc, &self.open, &self.blocked)).flatten();
        let answer = awaited(answer, activity).await.map_err(Failed::Lost)?;
        let (head, stream) = answer.into_parts();
        let body = Incoming::of_response(self.intakes.stream(stream), &head.headers, sending);
        Ok(Response::from_parts(head, body))
    }
}

/// The head of an answer. Those before it that are merely informational go on, and `activity` is told of them.
async fn awaited(
    mut answer: ResponseFuture,
    activity: Option<Activity>,
) -> Result<Response<h2::RecvStream>, h2::Error> {
    // Nothing has been read since the request was given to the connection.
    let mut sent_just_now = true;
    poll_fn(|cx| {
        if std::mem::take(&mut sent_just_now) {
            return pin!(&mut answer).poll(cx);
        }
        while let Poll::Ready(Some(Ok(early))) = answer.poll_informational(cx) {
            activity.iter().for_each(Activity::seen);
            let (head, ()) = early.into_parts();
            interim::tell(head.status, head.headers);
        }
        pin!(&mut answer).poll(cx)
    })
    .await
}

/// Whether requests can be sent. For handles that have sent none: they never wait, so nobody need be woken.
fn is_ready(sender: &mut SendRequest<Bytes>) -> Result<(), h2::Error> {
    match sender.poll_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(error)) => Err(error),
        Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
    }
}
