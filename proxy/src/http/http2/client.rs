//! A connection to an upstream.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::{Request, Response};
use http_body::Body as _;

use super::heard::Heard;
use super::pings::{Expect, Pings};
use super::{CONNECTION_WINDOW, Incoming, MAX_FRAME, RESETS, SEND_BUFFER, STREAM_WINDOW, sending};
use crate::http::{MAX_HEAD, Upload};
use crate::tcp::Stream;

/// Streams that may be open before the server has said how many it takes, see RFC 9113 6.5.2.
const STREAMS_AT_FIRST: usize = 100;
/// A server that owes answers is pinged after so long a silence.
const SILENCE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection whose driver, a task of its own, runs until the connection ends.
#[derive(Debug)]
pub struct Connection {
    sender: RefCell<SendRequest<Bytes>>,
    open: Rc<Cell<usize>>,
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
    pub async fn open(stream: Stream, pinged: Pinged) -> Result<Self, h2::Error> {
        let (stream, heard) = Heard::listen(stream);
        let (sender, mut connection) = Builder::new()
            .initial_max_send_streams(STREAMS_AT_FIRST)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD as u32)
            .max_send_buffer_size(SEND_BUFFER)
            .max_frame_size(MAX_FRAME)
            .max_local_error_reset_streams(Some(RESETS))
            .enable_push(false)
            .handshake::<_, Bytes>(stream)
            .await?;
        let open = Rc::new(Cell::new(0));
        let mut pings = match pinged {
            Pinged::Yes => {
                let expect = Expect { silence: SILENCE, patience: PATIENCE, owed: Some(open.clone()) };
                connection.ping_pong().map(|pings| Pings::new(pings, heard, expect))
            }
            Pinged::No => None,
        };
        tokio::task::spawn_local(async move {
            let mut connection = pin!(connection);
            let ended = poll_fn(|cx| {
                // First, so that an answer that is there counts before it is said to be late.
                if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                    return Poll::Ready(Some(ended));
                }
                pings.as_mut().map_or(Poll::Pending, |pings| pings.poll_gone(cx)).map(|()| None)
            });
            // What goes wrong is told to the requests on it.
            match ended.await {
                None => tracing::debug!("an upstream connection answered no ping"),
                Some(Err(error)) => tracing::debug!(%error, "an upstream connection failed"),
                Some(Ok(())) => {}
            }
        });
        Ok(Self { sender: RefCell::new(sender), open })
    }

    /// Streams under way.
    pub fn streams(&self) -> usize {
        self.open.get()
    }

    /// How many streams may be under way at once.
    pub fn limit(&self) -> usize {
        self.sender.borrow().current_max_send_streams()
    }

    /// Whether it takes requests: it has not ended, and its server has not asked it to.
    pub fn is_open(&self) -> bool {
        is_ready(&mut self.sender.borrow_mut()).is_ok()
    }

    pub(super) fn count(&self, streams: isize) {
        self.open.set(self.open.get().saturating_add_signed(streams));
    }

    /// Sends a request and waits for the head of its answer. Dropping the future takes the request back.
    pub async fn exchange(&self, request: Request<Upload>) -> Result<Response<Incoming>, Failed> {
        // A handle remembers a stream that waits for its turn, and refuses the next one meanwhile; a fresh one does not.
        let mut sender = self.sender.borrow().clone();
        if let Err(error) = is_ready(&mut sender) {
            return Err(Failed::Unsent(error, Box::new(request)));
        }
        let (head, body) = request.into_parts();
        let whole = body.is_end_stream();
        let (answer, stream) =
            sender.send_request(Request::from_parts(head, ()), whole).map_err(Failed::Lost)?;
        drop(sender);
        let sending = (!whole).then(|| sending::begin(body, stream)).flatten();
        let answer = answer.await.map_err(Failed::Lost)?;
        // The answer came: what is still to be sent goes on, whoever wants to know of it.
        if let Some(sending) = sending {
            sending.let_be();
        }
        let (head, stream) = answer.into_parts();
        let body = Incoming::new(stream, &head.headers);
        Ok(Response::from_parts(head, body))
    }
}

/// Whether requests can be sent. For handles that have sent none: they never wait, so nobody need be woken.
fn is_ready(sender: &mut SendRequest<Bytes>) -> Result<(), h2::Error> {
    match sender.poll_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(error)) => Err(error),
        Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
    }
}
