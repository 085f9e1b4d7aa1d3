//! Requests that leave HTTP: WebSocket and other upgrades. Both connections are tied together afterwards.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use http::Request;
use http::header::{HeaderMap, HeaderValue};
use tokio::sync::oneshot;

use super::headers::{put_upgrade, strip_hop_by_hop, tunnelled};
use super::{Seen, Upload, h1};
use crate::drain::InFlight;
use crate::tcp::{Bounds, Prefixed, RelayError, Relayed, Stream, relay};

/// The caller's side of an upgrade that is asked for.
#[derive(Debug)]
pub struct Leaving {
    switched: Option<Switched>,
    /// The protocols that go on being offered.
    offered: Option<HeaderValue>,
}

/// Gives the connection of a request away that leaves HTTP, once its answer has left.
#[derive(Debug)]
pub struct Switch(oneshot::Sender<Prefixed<Stream>>);

/// The other end of a [`Switch`], with the request. Extensions can be cloned; the connection is there once.
#[derive(Clone, Debug)]
struct Switched(Arc<Mutex<Option<oneshot::Receiver<Prefixed<Stream>>>>>);

// === impl Leaving ===

impl Leaving {
    /// Takes the caller's side from a request, which goes on asking for the upgrade.
    pub fn ask(request: &mut Request<Upload>) -> Self {
        let offered = tunnelled(request.headers());
        strip_but_upgrade(request.headers_mut());
        Self { switched: request.extensions_mut().remove(), offered }
    }

    /// Whether an answer with these headers, which agrees to leave HTTP, goes on in something that was offered.
    pub fn offers(&self, headers: &HeaderMap) -> bool {
        let Some(agreed) = tunnelled(headers) else { return false };
        let mut offered =
            self.offered.iter().flat_map(|offered| offered.as_bytes().split(|byte| *byte == b','));
        offered.any(|offered| offered.trim_ascii().eq_ignore_ascii_case(agreed.as_bytes()))
    }

    /// Ties the caller to the upstream, whose `connection` this is and which has agreed, until both have ended or one of
    /// `bounds` has passed, or `until` ends. `ended` is told what was carried, and how it ended; dropped without being told, the two never
    /// came together. A drain waits for it with `in_flight`.
    pub fn tie(
        self,
        connection: Rc<h1::Connection>,
        in_flight: InFlight,
        bounds: Bounds,
        until: Option<Until>,
        ended: impl FnOnce(&Relayed, Result<(), RelayError>) + 'static,
    ) {
        tokio::task::spawn_local(async move {
            let _in_flight = in_flight;
            // Only a request that is not sent yet would have it too, and whoever agrees to that does not speak HTTP.
            let Some(mut upstream) = connection.into_stream() else { return };
            let Some(mut caller) = self.connection().await else { return };
            let relayed = Relayed::default();
            let until = until.unwrap_or_else(|| Box::pin(std::future::pending()));
            let result = tokio::select! {
                result = bounds.keep(&relayed, relay(&mut caller, &mut upstream, &relayed)) => result,
                // Whoever ends it says why.
                () = until => return,
            };
            if let Err(error) = &result {
                tracing::debug!(%error, "an upgraded connection ended");
            }
            ended(&relayed, result);
        });
    }

    /// The bytes of the caller's connection; `None`: it ended before the answer had left.
    async fn connection(self) -> Option<Prefixed<Stream>> {
        let given = self.switched?.0.lock().ok()?.take()?;
        given.await.ok()
    }
}

/// Removes what belongs to one connection, but for what says that HTTP is left on it for a protocol that is tunnelled.
pub fn strip_but_upgrade(headers: &mut HeaderMap) {
    let protocols = tunnelled(headers);
    strip_hop_by_hop(headers, Seen::of(headers));
    if let Some(protocols) = protocols {
        put_upgrade(headers, protocols);
    }
}

/// When something ends for another reason than its own.
pub type Until = Pin<Box<dyn Future<Output = ()>>>;

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
