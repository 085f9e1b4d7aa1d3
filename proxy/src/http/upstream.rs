//! One address and port that requests are sent to, with its connections.

mod opening;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Version};
use tokio::time::Instant;

pub use opening::{Carry, Patience};

use super::http2::{self, Goaways, StreamPermit};
use super::load::Load;
use super::{ConnectError, Incoming, OwnConnections, Seen, Upload, WireError, authenticates, h1, replay};
use crate::identity::SpiffeId;
use crate::tls;

/// An upstream nobody asked for this long is forgotten with its connections.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// What makes connections interchangeable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamKey {
    pub addr: SocketAddr,
    /// Who must answer; `None`: no proxy of the mesh.
    pub peer: Option<Arc<SpiffeId>>,
    /// The port takes opaque bytes only: HTTP goes through a tunnel that names this destination.
    pub tunnel: Option<Arc<str>>,
    /// What a server that is no proxy of the mesh must prove; `None`: nothing, plain text. Connections that were verified in
    /// another way are never shared.
    pub tls: Option<Arc<tls::Origin>>,
}

/// Which HTTP an upstream is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    H1,
    H2,
}

/// See [`UpstreamKey`]. Belongs to one worker.
#[derive(Debug)]
pub struct Upstream {
    pub key: UpstreamKey,
    pub load: Load,
    dialer: Rc<Dialer>,
    h1: h1::Pool,
    h2: http2::Pool,
    /// Of gRPC, where no proxy of the mesh answers: servers that hold both kinds on one port choose by the first request of a
    /// connection (cmux), and callers that have a connection each would not have met the other kind.
    grpc: http2::Pool,
    /// Since the last sweep, which saves each request a look at the clock.
    used: Cell<bool>,
    unused_since: Cell<Instant>,
    /// What it took to open the last HTTP/2 connection.
    opened_in: Cell<Option<Duration>>,
}

/// Whose connection a request goes over.
#[derive(Clone, Copy, Debug)]
pub enum Over<'a> {
    /// One of the pool, or over HTTP/2 a stream beside those of others.
    Shared,
    /// One of these, of a caller that shares none and speaks HTTP/1.1.
    OfCaller(&'a Rc<OwnConnections>),
    /// One that is opened for it, in HTTP/1.1: it asks to leave HTTP, and may get the bytes of the connection.
    Alone,
}

/// Upstreams of one worker. An upstream outlives the destination that named it for a while, so that callers who
/// connect anew for each request do not pay for a handshake each time.
#[derive(Debug)]
pub struct Upstreams {
    dialer: Rc<Dialer>,
    known: RefCell<HashMap<UpstreamKey, Rc<Upstream>>>,
}

#[derive(Debug)]
struct Dialer {
    tls: tls::Client,
    own_ips: Arc<[IpAddr]>,
    goaways: Goaways,
}

/// The connection, or its part, that a response still comes over.
#[derive(Debug)]
pub enum Lease {
    H1 {
        upstream: Rc<Upstream>,
        connection: Rc<h1::Connection>,
        /// Where it goes back to, if it is one caller's.
        own: Option<Rc<OwnConnections>>,
    },
    H2 {
        _permit: StreamPermit,
    },
    /// Used once: it ends with the response.
    Once,
    /// The same, of a request that asked to leave HTTP: where the answer agrees, the bytes of the connection.
    Alone(Rc<h1::Connection>),
}

/// A request without a response.
#[derive(Debug)]
pub enum SendError {
    /// No connection; the request is untouched.
    Connect(ConnectError, Box<Request<Upload>>),
    /// A connection turned out to have been closed while it was kept. Nothing of the request was sent, or it changes nothing,
    /// so it may go again to the same endpoint; the next one gets a fresh connection (RFC 9112 9.3.1).
    Stale(WireError, Box<Request<Upload>>),
    /// The connection ended before a byte of the request was sent.
    Unsent(WireError, Box<Request<Upload>>),
    /// The connection ended after, so the request may have been processed.
    Lost(WireError),
}

// === impl Upstreams ===

impl Upstreams {
    pub fn new(tls: tls::Client, own_ips: Arc<[IpAddr]>, goaways: Goaways) -> Self {
        Self { dialer: Rc::new(Dialer { tls, own_ips, goaways }), known: RefCell::default() }
    }

    pub fn get(&self, key: UpstreamKey) -> Rc<Upstream> {
        let mut known = self.known.borrow_mut();
        let upstream = known.entry(key).or_insert_with_key(|key| {
            Rc::new(Upstream {
                key: key.clone(),
                load: Load::default(),
                dialer: self.dialer.clone(),
                h1: h1::Pool::default(),
                h2: http2::Pool::default(),
                grpc: http2::Pool::default(),
                used: Cell::default(),
                unused_since: Cell::new(Instant::now()),
                opened_in: Cell::default(),
            })
        });
        upstream.clone()
    }

    /// Closes idle connections and forgets upstreams that nobody needs. Called about once a second.
    pub fn sweep(&self) {
        let now = Instant::now();
        let trust = self.dialer.tls.trust();
        self.known.borrow_mut().retain(|_, upstream| {
            upstream.h1.sweep();
            upstream.h2.sweep(&trust);
            upstream.grpc.sweep(&trust);
            if upstream.used.take() {
                upstream.unused_since.set(now);
            }
            Rc::strong_count(upstream) > 1 || now - upstream.unused_since.get() < FORGET_AFTER
        });
    }
}

// === impl Upstream ===

impl Upstream {
    /// Sends one request, of whose headers `seen` are known, over a connection of the kind that `over` says; a short `patience` is
    /// about HTTP/2.
    pub async fn send(
        self: &Rc<Self>,
        request: Request<Upload>,
        seen: Seen,
        wire: Wire,
        patience: Patience,
        over: Over<'_>,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        self.used.set(true);
        let own = match over {
            Over::Shared => None,
            Over::OfCaller(own) => Some(own),
            // Boxed: rare, and would make the future of every request larger.
            Over::Alone => return Box::pin(self.send_alone(request, patience.connect)).await,
        };
        match wire {
            Wire::H1 => self.send_h1(request, patience.connect, own).await,
            // Boxed: rare, and would make the future of every request larger.
            Wire::H2 if self.must_be_alone(&request, seen) => {
                Box::pin(self.send_h2_alone(request, patience)).await
            }
            Wire::H2 => self.send_h2(request, seen, patience).await,
        }
    }

    async fn send_h1(
        self: &Rc<Self>,
        request: Request<Upload>,
        connect: Option<Duration>,
        own: Option<&Rc<OwnConnections>>,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        let mut request = request;
        let kept = match own {
            None => self.h1.take(),
            Some(own) => own.take(self),
        };
        if let Some(kept) = kept {
            let safe = replay::is_safe(&request);
            match self.exchange_h1(kept, &mut request, own).await {
                Ok(answered) => return Ok(answered),
                // The others of its age may be closed too.
                Err(failed) if failed.untouched || (safe && failed.error.connection_ended()) => {
                    self.h1.clear();
                    return Err(SendError::Stale(failed.error.into(), Box::new(request)));
                }
                Err(failed) => return Err(SendError::Lost(failed.error.into())),
            }
        }
        // Boxed: dialling is rare, and would make the future of every request larger.
        match Box::pin(self.open_h1(Carry::H1, connect)).await {
            Ok(connection) => match self.exchange_h1(connection, &mut request, own).await {
                Ok(answered) => Ok(answered),
                Err(failed) if failed.untouched => {
                    Err(SendError::Unsent(failed.error.into(), Box::new(request)))
                }
                Err(failed) => Err(SendError::Lost(failed.error.into())),
            },
            Err(error) => Err(SendError::Connect(error, Box::new(request))),
        }
    }

    /// Sends one request that asks to leave HTTP, over a connection of its own.
    async fn send_alone(
        &self,
        mut request: Request<Upload>,
        connect: Option<Duration>,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        let connection = match self.open_h1(Carry::H1, connect).await {
            Ok(connection) => connection,
            Err(error) => return Err(SendError::Connect(error, Box::new(request))),
        };
        match connection.exchange(&mut request).await {
            Ok(response) => Ok((response.map(Incoming::H1), Lease::Alone(connection))),
            Err(failed) if failed.untouched => Err(SendError::Unsent(failed.error.into(), Box::new(request))),
            Err(failed) => Err(SendError::Lost(failed.error.into())),
        }
    }

    async fn exchange_h1(
        self: &Rc<Self>,
        connection: Rc<h1::Connection>,
        request: &mut Request<Upload>,
        own: Option<&Rc<OwnConnections>>,
    ) -> Result<(Response<Incoming>, Lease), h1::Failed> {
        let response = connection.exchange(request).await?;
        let lease = Lease::H1 { upstream: self.clone(), connection, own: own.cloned() };
        Ok((response.map(Incoming::H1), lease))
    }

    async fn send_h2(
        self: &Rc<Self>,
        mut request: Request<Upload>,
        seen: Seen,
        patience: Patience,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        *request.version_mut() = h2_version(&request);
        let grpc = !self.is_mesh() && seen.any(Seen::GRPC);
        let permit = match self.stream(patience, grpc).await {
            Ok(permit) => permit,
            Err(error) => return Err(SendError::Connect(error, Box::new(request))),
        };
        match permit.connection().exchange(request).await {
            Ok(response) => Ok((response.map(Incoming::H2), Lease::H2 { _permit: permit })),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether what it authenticates could be the connection of others: that of a server which is no proxy of the mesh.
    fn must_be_alone(&self, request: &Request<Upload>, seen: Seen) -> bool {
        !self.is_mesh() && authenticates(request.headers(), seen)
    }

    /// Whether a proxy of the mesh answers, to which connections mean nothing.
    fn is_mesh(&self) -> bool {
        self.key.peer.is_some() && self.key.tunnel.is_none()
    }

    fn pool(&self, grpc: bool) -> &http2::Pool {
        if grpc { &self.grpc } else { &self.h2 }
    }

    async fn send_h2_alone(
        &self,
        mut request: Request<Upload>,
        patience: Patience,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        *request.version_mut() = h2_version(&request);
        let connection = match self.open_h2(patience.connect).await {
            Ok((connection, _)) => connection,
            Err(error) => return Err(SendError::Connect(error, Box::new(request))),
        };
        // It ends with its only stream.
        let response = connection.exchange(request).await?;
        Ok((response.map(Incoming::H2), Lease::Once))
    }
}

/// The HTTP/2 client refuses a request without authority, unless it is forwarded HTTP/1.1.
fn h2_version(request: &Request<Upload>) -> Version {
    if request.uri().authority().is_some() { Version::HTTP_2 } else { Version::HTTP_11 }
}

// === impl Lease ===

impl Lease {
    /// The response has ended as it should: the connection may be used again.
    pub fn release(self) {
        match self {
            Self::H1 { upstream, connection, own: Some(own) } => own.give_back(upstream, connection),
            Self::H1 { upstream, connection, own: None } => upstream.h1.give_back(connection),
            Self::H2 { .. } | Self::Once | Self::Alone(_) => {}
        }
    }
}

// === impl SendError ===

impl From<http2::Failed> for SendError {
    fn from(failed: http2::Failed) -> Self {
        match failed {
            http2::Failed::Unsent(error, request) => Self::Unsent(error.into(), request),
            http2::Failed::Lost(error) => Self::Lost(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
