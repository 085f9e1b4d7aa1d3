//! Serving HTTP/2 on one accepted connection.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, SendResponse};
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use http_body::Body as _;

use super::frames::Frames;
use super::goaways::{Goaways, Role};
use super::heard::Heard;
use super::pings::{Expect, Pings};
use super::sending::Pump;
use super::windows::{self, Care};
use super::{
    DATA_BUDGET, Incoming, MAX_REQUEST_TRAILERS, MAX_STREAMS, RESET_MEMORY, RESETS, RESETS_REMEMBERED,
    SEND_BUFFER,
};
use crate::http::farewell::Farewell;
use crate::http::seldom::Seldom;
use crate::http::{Body, MAX_HEAD, Upload, interim};
use crate::tcp::Stream;

/// A caller that has been silent this long is pinged, whether it waits for something or not: it may have gone without a word.
const SILENCE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers requests with `respond` until the connection ends. After `asked_to_end` it takes no new ones, and ends when those
/// under way have.
pub async fn serve<S, F>(
    stream: Stream,
    respond: S,
    asked_to_end: impl Future<Output = Farewell>,
    goaways: &Goaways,
) -> Result<(), h2::Error>
where
    S: Fn(Request<Upload>) -> F,
    F: Future<Output = Response<Body>> + 'static,
{
    let (stream, ear) = Heard::listen(stream, Frames::of_client(MAX_HEAD, MAX_REQUEST_TRAILERS));
    let mut care = Care::new(ear.clone());
    let intakes = care.intakes().clone();
    let mut connection = Builder::new()
        .max_concurrent_streams(MAX_STREAMS)
        .initial_window_size(windows::LEAST)
        .initial_connection_window_size(windows::CONNECTION)
        .data_frame_budget(DATA_BUDGET)
        .max_header_list_size(MAX_HEAD as u32)
        .max_send_buffer_size(SEND_BUFFER)
        // Rapid reset (CVE-2023-44487): a peer is cut off that has reset more before they were accepted than it may have
        // open. Not fewer: a proxy whose callers leave together resets their requests together, on one connection.
        .max_pending_accept_reset_streams(MAX_STREAMS as usize)
        .reset_stream_duration(RESET_MEMORY)
        .max_concurrent_reset_streams(RESETS_REMEMBERED)
        .max_local_error_reset_streams(Some(RESETS))
        .handshake::<_, Bytes>(stream)
        .await?;
    let expect = Expect { silence: SILENCE, patience: PATIENCE, owed: None };
    let mut pings = connection.ping_pong().map(|pings| Pings::new(pings, ear, expect));
    let asked_to_end = pin!(asked_to_end);
    let mut asked_to_end = Seldom::new(asked_to_end);
    let mut asked = false;
    loop {
        let accepted = poll_fn(|cx| {
            if !asked && let Poll::Ready(farewell) = Pin::new(&mut asked_to_end).poll(cx) {
                asked = true;
                goaways.asked(farewell);
                connection.graceful_shutdown();
            }
            if let Poll::Ready(accepted) = connection.poll_accept(cx) {
                return Poll::Ready(accepted);
            }
            // Those that hold it are this, `care`, and the streams that something is still to come on.
            let open = Rc::strong_count(&intakes) - 2;
            if care.look(open, |window| connection.set_initial_window_size(window)) {
                cx.waker().wake_by_ref();
            }
            let gone = pings.as_mut().map_or(Poll::Pending, |pings| pings.poll_gone(cx));
            gone.map(|()| {
                tracing::debug!("a caller answered no ping");
                None
            })
        });
        let Some(accepted) = accepted.await else { return Ok(()) };
        let (request, reply) = accepted.inspect_err(|error| goaways.failed(Role::Server, error))?;
        let (head, stream) = request.into_parts();
        let body = crate::http::Incoming::H2(Incoming::of_request(intakes.stream(stream), &head.headers));
        // Boxed: its kilobytes would be moved three times on their way into a task.
        let answer = Box::pin(respond(Request::from_parts(head, body.into())));
        tokio::task::spawn_local(reply_with(answer, reply));
    }
}

/// Sends what `answer` gives, unless the caller leaves before.
async fn reply_with<F>(mut answer: Pin<Box<F>>, mut reply: SendResponse<Bytes>)
where
    F: Future<Output = Response<Body>>,
{
    let mut left = interim::MOST;
    let response = poll_fn(|cx| {
        let (polled, early) = interim::hear(|| answer.as_mut().poll(cx));
        for early in early.into_iter().take(left) {
            left -= 1;
            // The caller has left, and the rest tells so.
            let _ = reply.send_informational(early);
        }
        match polled {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => reply.poll_reset(cx).map(|_| None),
        }
    });
    let Some(response) = response.await else { return };
    drop(answer);
    let (mut head, body) = response.into_parts();
    let whole = body.is_end_stream();
    let grpc = body.is_grpc();
    if !whole && let Some(length) = body.size_hint().exact() {
        head.headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    match reply.send_response(Response::from_parts(head, ()), whole) {
        Ok(stream) if !whole => Pump::new(body, stream, grpc).await,
        Ok(_) => {}
        // The caller has left, or the head cannot be sent in HTTP/2.
        Err(error) => {
            tracing::debug!(%error, "an answer could not be sent");
            reply.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}
