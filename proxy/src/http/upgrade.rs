//! Requests that leave HTTP: WebSocket and other upgrades. Both connections are tied together afterwards.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use http::header::{HeaderMap, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};
use tokio::sync::oneshot;

use super::headers::{put_upgrade, strip_hop_by_hop};
use super::{Body, Incoming, Seen, Upload, h1};
use crate::drain::Drain;
use crate::tcp::{Bounds, Prefixed, Relayed, Stream, relay};

/// The caller's side of an upgrade that was asked for.
#[derive(Debug)]
pub struct Caller {
    switched: Option<Switched>,
}

/// Gives the connection of a request away that leaves HTTP, once its answer has left.
#[derive(Debug)]
pub struct Switch(oneshot::Sender<Prefixed<Stream>>);

/// The other end of a [`Switch`], with the request. Extensions can be cloned; the connection is there once.
#[derive(Clone, Debug)]
struct Switched(Arc<Mutex<Option<oneshot::Receiver<Prefixed<Stream>>>>>);

/// Takes the request apart: what goes on, still asking for the upgrade, and the caller's connection.
pub fn ask(mut request: Request<Upload>) -> (Caller, Request<Upload>) {
    let caller = Caller { switched: request.extensions_mut().remove() };
    strip_but_upgrade(request.headers_mut());
    (caller, request)
}

/// What the upstream said to an upgrade.
#[derive(Debug)]
pub enum Answer {
    /// Yes: this is for the caller, and the bytes are carried from now on.
    Agreed(Response<Body>),
    /// No: an ordinary response.
    Declined(Response<Incoming>),
}

/// Ties the caller to the upstream, whose `connection` this is, if that agreed; `drain` waits for the end of their tie, and
/// `cut` is told of the one of its `bounds` that ends it.
pub fn agree(
    caller: Caller,
    response: Response<Incoming>,
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
        let Some(mut upstream) = connection.into_stream() else { return };
        let Some(mut caller) = caller.connection().await else { return };
        let relayed = Relayed::default();
        if let Err(error) = bounds.keep(&relayed, relay(&mut caller, &mut upstream, &relayed)).await {
            tracing::debug!(%error, "an upgraded connection ended");
            error.bound().map(cut);
        }
    });
    let mut response = response.map(|_| Body::empty());
    strip_but_upgrade(response.headers_mut());
    Answer::Agreed(response)
}

fn strip_but_upgrade(headers: &mut HeaderMap) {
    let protocol: Option<HeaderValue> = headers.remove(UPGRADE);
    strip_hop_by_hop(headers, Seen::of(headers));
    if let Some(protocol) = protocol {
        put_upgrade(headers, protocol);
    }
}

// === impl Switch ===

impl Switch {
    /// With `request` goes the right to its connection.
    pub fn offer(request: &mut Request<Upload>) -> Self {
        let (give, given) = oneshot::channel();
        request.extensions_mut().insert(Switched(Arc::new(Mutex::new(Some(given)))));
        Self(give)
    }

    pub fn give(self, connection: Prefixed<Stream>) {
        // Who does not want it any more has closed the other side as well.
        let _ = self.0.send(connection);
    }
}

// === impl Caller ===

impl Caller {
    /// The bytes of the connection; `None`: it ended before the answer had left.
    async fn connection(self) -> Option<Prefixed<Stream>> {
        let given = self.switched?.0.lock().ok()?.take()?;
        given.await.ok()
    }
}
