//! Requests that leave HTTP: WebSocket and other upgrades. Both connections are tied together afterwards.

use std::rc::Rc;

use http::header::{HeaderMap, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, on};
use hyper_util::rt::TokioIo;

use super::headers::{put_upgrade, strip_hop_by_hop};
use super::{Body, Download, Seen, Upload, h1};
use crate::drain::Drain;
use crate::tcp::{Bounds, Prefixed, RelayError, Relayed, Stream, relay};

/// The caller's side of an upgrade that was asked for.
#[derive(Debug)]
pub struct Caller {
    io: OnUpgrade,
}

/// Takes the request apart: what goes on, still asking for the upgrade, and the caller's connection.
pub fn ask(mut request: Request<Incoming>) -> (Caller, Request<Upload>) {
    let caller = Caller { io: on(&mut request) };
    let mut request = request.map(Upload::from);
    strip_but_upgrade(request.headers_mut());
    (caller, request)
}

/// What the upstream said to an upgrade.
#[derive(Debug)]
pub enum Answer {
    /// Yes: this is for the caller, and the bytes are carried from now on.
    Agreed(Response<Body>),
    /// No: an ordinary response.
    Declined(Response<Download>),
}

/// Ties the caller to the upstream, whose `connection` this is, if that agreed; `drain` waits for the end of their tie, and
/// `cut` is told of the one of its `bounds` that ends it.
pub fn agree(
    caller: Caller,
    response: Response<Download>,
    connection: Rc<h1::Connection>,
    drain: &Drain,
    bounds: Bounds,
    cut: impl FnOnce(&'static str) + 'static,
) -> Answer {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Answer::Declined(response);
    }
    let in_flight = drain.guard();
    tokio::task::spawn_local(async move {
        let _in_flight = in_flight;
        // Only a request that is not sent yet would have it too, and whoever agrees to that does not speak HTTP.
        let Some(connection) = Rc::into_inner(connection) else { return };
        match tie(caller.io, connection.into_stream(), bounds).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "an upgraded connection ended");
                error.bound().map(cut);
            }
            Err(error) => tracing::debug!(%error, "an upgraded connection failed"),
        }
    });
    let mut response = response.map(|_| Body::empty());
    strip_but_upgrade(response.headers_mut());
    Answer::Agreed(response)
}

async fn tie(
    caller: OnUpgrade,
    mut upstream: Prefixed<Stream>,
    bounds: Bounds,
) -> hyper::Result<Result<(), RelayError>> {
    let mut caller = TokioIo::new(caller.await?);
    let relayed = Relayed::default();
    Ok(bounds.keep(&relayed, relay(&mut caller, &mut upstream, &relayed)).await)
}

fn strip_but_upgrade(headers: &mut HeaderMap) {
    let protocol: Option<HeaderValue> = headers.remove(UPGRADE);
    strip_hop_by_hop(headers, Seen::of(headers));
    if let Some(protocol) = protocol {
        put_upgrade(headers, protocol);
    }
}
