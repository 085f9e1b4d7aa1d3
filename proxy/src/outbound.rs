//! From the application to others. The path of a connection, top to bottom:
//!
//! accept -> original destination -> what the mesh knows -> protocol -> HTTP: each request by [`request`];
//! bytes: [`opaque`]; not the mesh's: [`pass`].

mod balance;
mod live;
mod opaque;
mod pass;
mod request;
mod route;
mod split;
mod upgrade;

use std::cell::RefCell;
use std::rc::Rc;

use bytes::BytesMut;
use hyper::service::service_fn;
use tokio::net::TcpStream;

use crate::detect::{DETECT_TIMEOUT, Sniffed, sniff};
use crate::http::{Upstreams, Wire, server};
use crate::state::{DestinationView, Protocol, Resolution};
use crate::tcp::{Prefixed, Stream};
use crate::telemetry::Direction;
use crate::worker::Worker;

/// The outbound half of one worker.
#[derive(Debug)]
pub struct Outbound {
    worker: Rc<Worker>,
    upstreams: Upstreams,
    destinations: live::Destinations,
    rng: RefCell<fastrand::Rng>,
}

// === impl Outbound ===

impl Outbound {
    pub(crate) fn new(worker: Rc<Worker>) -> Self {
        let upstreams = worker.upstreams();
        Self {
            worker,
            upstreams,
            destinations: live::Destinations::default(),
            rng: RefCell::new(fastrand::Rng::new()),
        }
    }

    /// Carries one accepted connection until it ends.
    pub async fn connection(self: Rc<Self>, tcp: TcpStream) {
        let _in_flight = self.worker.drain.guard();
        let original = match self.worker.original_destination(&tcp) {
            Ok(original) => original,
            Err(error) => {
                tracing::debug!(%error, "refused an outbound connection");
                return self.worker.metrics.error(Direction::Outbound, "not-captured");
            }
        };
        match self.worker.mesh.destination(original).await {
            Resolution::Known(view) => self.known(tcp, original, view).await,
            Resolution::Unknown => pass::unknown(&self.worker, tcp, original).await,
            Resolution::Unreachable => pass::unreachable(&self.worker, tcp, original).await,
            Resolution::Rejected(reason) => pass::rejected(&self.worker, tcp, original, reason).await,
        }
    }

    /// Forgets what nobody uses; called about once a second.
    pub fn sweep(&self) {
        self.destinations.sweep();
        self.upstreams.sweep();
    }

    /// The endpoint for the next request or connection; `failed` is avoided where there is another.
    fn pick(&self, endpoints: &[live::LiveEndpoint], failed: Option<usize>) -> usize {
        let cost = |index: usize| endpoints[index].upstream.load.cost();
        balance::pick(endpoints.len(), failed, cost, &mut self.rng.borrow_mut())
            .expect("a backend without endpoints was refused before")
    }

    async fn known(
        self: Rc<Self>,
        tcp: TcpStream,
        original: std::net::SocketAddr,
        mut view: DestinationView,
    ) {
        let protocol = view.current().protocol;
        let Ok((sniffed, stream)) = protocol_of(tcp, protocol).await else {
            return; // The application went away before it said anything.
        };
        let wire = match sniffed {
            Sniffed::Http1 => Wire::H1,
            Sniffed::Http2 => Wire::H2,
            Sniffed::Opaque => {
                let live = self.destinations.get(original, view.current(), &self.upstreams);
                return opaque::carry(&self, stream, &live).await;
            }
        };
        let connection = Rc::new(request::Connection::new(self, original, view, wire));
        let service = service_fn(move |request| {
            let connection = connection.clone();
            async move { Ok(connection.respond(request).await) }
        });
        // The application ends its own connections when it ends; a drain concerns callers of this pod.
        if let Err(error) = server::serve(stream, wire, service, None).await {
            tracing::debug!(%error, %original, "an outbound HTTP connection failed");
        }
    }
}

/// What a connection speaks: as declared, else by its first bytes, which stay in the stream.
async fn protocol_of(mut tcp: TcpStream, declared: Protocol) -> std::io::Result<(Sniffed, Stream)> {
    // A connection that is declared HTTP is looked at too, to tell HTTP/1.1 from HTTP/2, and waited for without end.
    let (limit, fallback) = match declared {
        Protocol::Opaque => return Ok((Sniffed::Opaque, tcp.into())),
        Protocol::Unknown => (Some(DETECT_TIMEOUT), Sniffed::Opaque),
        Protocol::Http1 => (None, Sniffed::Http1),
        Protocol::Http2 => (None, Sniffed::Http2),
    };
    let mut seen = BytesMut::with_capacity(1024);
    let sniffed = match limit {
        None => sniff(&mut tcp, &mut seen).await?,
        Some(limit) => match tokio::time::timeout(limit, sniff(&mut tcp, &mut seen)).await {
            Ok(sniffed) => sniffed?,
            Err(_) => Sniffed::Opaque,
        },
    };
    let sniffed = if sniffed == Sniffed::Opaque { fallback } else { sniffed };
    Ok((sniffed, Prefixed::new(seen.freeze(), tcp).into()))
}
