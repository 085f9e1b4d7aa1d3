//! One stream of a proxy: its requests go to the control plane, and what that says goes out.

use std::future::{Future, pending, poll_fn};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use rustls_pki_types::CertificateDer;
use tokio::time::{Instant, sleep, sleep_until};

use super::connection::Drain;
use super::frames::{self, FIRST_MESSAGE, Status};
use super::hub::Hub;
use super::intake::Intake;
use super::messages::{Messages, Pace};
use super::streams::Said;
use crate::http::deadline::Deadline;
use crate::http::rescue::percent_encode;

/// Who is at the other end of a connection, and what has come from there.
#[derive(Debug)]
pub struct Peer {
    pub address: IpAddr,
    pub leaf: CertificateDer<'static>,
    pub intake: Intake,
}

/// How long a proxy may take to read what was sent before the end of its stream.
const UNREAD: Duration = Duration::from_secs(5);
/// Sent in one piece: what of a message is under way in HTTP/2 is not bounded by more.
const PIECE: usize = 16 * 1024;

/// The proxy has reset the stream, or the connection is gone.
struct Gone;

/// A stream that the control plane knows of.
struct Serving<'a> {
    hub: &'a Hub,
    intake: &'a Intake,
    number: u32,
    said: &'a Said,
}

/// Serves a stream to its end.
pub async fn serve(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    peer: Rc<Peer>,
    hub: Rc<Hub>,
    drain: Rc<Drain>,
) {
    let deadline = Deadline::read_grpc(request.headers(), Instant::now());
    let refusal = refused(&request, &hub);
    let place = match refusal {
        Ok(place) => place,
        Err(response) => {
            drop(respond.send_response(*response, true));
            return;
        }
    };
    // Clients wait for headers before they trust a stream, even where there is nothing to send yet.
    let Ok(mut out) = respond.send_response(grpc(), false) else { return };
    let (number, said) = hub.streams.open();
    hub.outbox.send(frames::opened(number, place, peer.address, &peer.leaf)).await;
    let serving = Serving { hub: &hub, intake: &peer.intake, number, said: &said };
    let mut body = request.into_body();
    let status = tokio::select! {
        status = serving.write(&mut out) => status,
        status = serving.read(&mut body) => status,
        status = serving.tell(&drain) => status,
        status = serving.overdue() => status,
        status = late(deadline) => Ok(status),
    };
    hub.streams.end(number);
    hub.outbox.send(frames::ended(number)).await;
    match status {
        // As all handles of the stream go with this, a client that is still sending gets RST_STREAM(NO_ERROR) behind the trailers (RFC 9113
        // 8.1). One that does not read holds its own place, until the connection ends.
        Ok(status) => drop(out.send_trailers(trailers(&status))),
        // Nothing, for a stream that is closed.
        Err(Gone) => out.send_reset(Reason::CANCEL),
    }
}

/// When the client waits no longer, by its own word.
async fn late(deadline: Option<Deadline>) -> Status {
    match deadline {
        Some(deadline) => sleep_until(deadline.at()).await,
        None => pending().await,
    }
    Status { code: Status::DEADLINE_EXCEEDED, text: "the stream's own deadline has passed".to_owned() }
}

/// What is not gRPC is answered in plain HTTP.
fn refused(request: &Request<RecvStream>, hub: &Hub) -> Result<u8, Box<Response<()>>> {
    let plain = |status| {
        let mut response = Response::new(());
        *response.status_mut() = status;
        Box::new(response)
    };
    if request.method() != Method::POST {
        return Err(plain(StatusCode::METHOD_NOT_ALLOWED));
    }
    let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    if !matches!(kind, b"application/grpc" | b"application/grpc+proto") {
        return Err(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    hub.paths.get(request.uri().path()).copied().ok_or_else(|| {
        let mut response = grpc();
        let status = Status { code: Status::UNIMPLEMENTED, text: "no such method".to_owned() };
        response.headers_mut().extend(trailers(&status));
        Box::new(response)
    })
}

fn grpc() -> Response<()> {
    let mut response = Response::new(());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn trailers(Status { code, text }: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert("grpc-status", HeaderValue::from(u16::from(*code)));
    if !text.is_empty() {
        let encoded = percent_encode(&text.as_bytes()[..text.len().min(1024)]);
        if let Ok(encoded) = HeaderValue::try_from(encoded) {
            trailers.insert("grpc-message", encoded);
        }
    }
    trailers
}

// === impl Serving ===

impl Serving<'_> {
    /// Sends what the control plane says until that is all, or the proxy has gone.
    async fn write(&self, out: &mut SendStream<Bytes>) -> Result<Status, Gone> {
        let mut written = 0;
        loop {
            while let Some(message) = self.said.next_message() {
                written += message.len();
                send(out, message).await?;
                if let Some(credit) = self.said.credit(&mut written) {
                    self.hub.outbox.send(frames::credit(self.number, credit)).await;
                }
            }
            if let Some(status) = self.said.status() {
                return Ok(status);
            }
            tokio::select! {
                () = self.said.to_send.notified() => {}
                Gone = reset(out) => return Err(Gone),
            }
        }
    }

    /// Hands on what the proxy says. Ends only where that is wrong, or the proxy has gone.
    async fn read(&self, body: &mut RecvStream) -> Result<Status, Gone> {
        let mut messages = Messages::default();
        let mut pace = Pace::new(Instant::now());
        let mut partial = self.hub.partials.of_stream();
        let mut is_first = true;
        loop {
            let largest = match self.said.read_on() {
                Some(largest) => largest,
                None if is_first => FIRST_MESSAGE,
                None => {
                    self.said.to_read.notified().await;
                    continue;
                }
            };
            match messages.next(largest) {
                Err(status) => return Ok(status),
                Ok(Some(message)) => {
                    is_first = false;
                    partial.end();
                    let rest = pace.read(message.len(), Instant::now());
                    self.hub.outbox.send(frames::message(self.number, &message)).await;
                    if let Some(rest) = rest {
                        sleep(rest).await;
                    }
                }
                Ok(None) => {
                    if messages.waiting() > 0 {
                        partial.wait(messages.held());
                    }
                    let data = tokio::select! {
                        biased;
                        status = partial.given_up() => return Ok(status),
                        data = body.data() => data,
                    };
                    let Some(data) = data else { break };
                    let data = data.map_err(|_| Gone)?;
                    messages.push(&data);
                    self.intake.of_messages(data.len());
                    body.flow_control().release_capacity(data.len()).map_err(|_| Gone)?;
                }
            }
        }
        if messages.waiting() > 0 {
            let text = "the request ended in the middle of a message".to_owned();
            return Ok(Status { code: Status::INTERNAL, text });
        }
        self.hub.outbox.send(frames::half_closed(self.number)).await;
        pending().await
    }

    /// Ends when the proxy has not read in time what was sent before the end.
    async fn overdue(&self) -> Result<Status, Gone> {
        self.said.is_ended.notified().await;
        sleep(UNREAD).await;
        Err(Gone)
    }

    /// Tells the control plane when the connection should end; never ends itself.
    async fn tell(&self, drain: &Drain) -> Result<Status, Gone> {
        drain.begun().await;
        self.hub.outbox.send(frames::draining(self.number)).await;
        pending().await
    }
}

/// Sends a message as the proxy reads it.
async fn send(out: &mut SendStream<Bytes>, mut message: Bytes) -> Result<(), Gone> {
    while !message.is_empty() {
        out.reserve_capacity(message.len().min(PIECE));
        let capacity = poll_fn(|cx| out.poll_capacity(cx)).await.ok_or(Gone)?.map_err(|_| Gone)?;
        let piece = message.split_to(capacity.min(message.len()));
        if !piece.is_empty() {
            out.send_data(piece, false).map_err(|_| Gone)?;
        }
    }
    Ok(())
}

fn reset(out: &mut SendStream<Bytes>) -> impl Future<Output = Gone> {
    poll_fn(|cx| out.poll_reset(cx).map(|_| Gone))
}
