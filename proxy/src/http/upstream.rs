//! One address and port that requests are sent to, with its connections.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Version};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::http2::{self, Connection, Found, Pinged, StreamPermit};
use super::load::Load;
use super::{ConnectError, Incoming, Upload, WireError, h1, replay};
use crate::identity::SpiffeId;
use crate::socket;
use crate::tcp::{CONNECT_TIMEOUT, ReadAhead, Stream, encode_header, within_connect_timeout};
use crate::tls::{self, Alpn};

/// Bytes a pooled connection sent and nobody acknowledged for this long: the peer is gone.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(15);
/// The short patience, in times of what opening a connection took last; processors that are throttled stall this long.
const SHORT_TIMES: u32 = 4;
const SHORT_LEAST: Duration = Duration::from_millis(100);
/// An upstream nobody asked for this long is forgotten with its connections.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// What makes connections interchangeable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamKey {
    pub addr: SocketAddr,
    /// Who must answer; `None`: plain text.
    pub peer: Option<Arc<SpiffeId>>,
    /// The port takes opaque bytes only: HTTP goes through a tunnel that names this destination.
    pub tunnel: Option<Arc<str>>,
}

/// What a connection is to carry.
#[derive(Clone, Copy, Debug)]
pub enum Carry<'a> {
    /// HTTP/1.1 that may be upgraded.
    H1,
    /// HTTP/2.
    H2,
    /// Opaque bytes for the destination of this name.
    Bytes(&'a str),
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
    /// Since the last sweep, which saves each request a look at the clock.
    used: Cell<bool>,
    unused_since: Cell<Instant>,
    /// What it took to open the last HTTP/2 connection.
    opened_in: Cell<Option<Duration>>,
}

/// How long a request waits for a connection that is being opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// No longer than this; `None`: as long as opening one usually may take.
    pub connect: Option<Duration>,
    /// A few times what it took here last: another endpoint can have the request. One that was never reached gets the
    /// full time, since it may just be far away.
    pub short: bool,
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
}

/// The connection, or its part, that a response still comes over.
#[derive(Debug)]
pub enum Lease {
    H1 {
        upstream: Rc<Upstream>,
        connection: Rc<h1::Connection>,
    },
    H2 {
        _permit: StreamPermit,
    },
    /// Used once: it ends with the response.
    Once,
}

/// A request without a response.
#[derive(Debug)]
pub enum SendError {
    /// No connection; the request is untouched.
    Connect(ConnectError, Box<Request<Upload>>),
    /// The connection ended before a byte of the request was sent.
    Unsent(WireError, Box<Request<Upload>>),
    /// The connection ended after, so the request may have been processed.
    Lost(WireError),
}

// === impl Upstreams ===

impl Upstreams {
    pub fn new(tls: tls::Client, own_ips: Arc<[IpAddr]>) -> Self {
        Self { dialer: Rc::new(Dialer { tls, own_ips }), known: RefCell::default() }
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
        self.known.borrow_mut().retain(|_, upstream| {
            upstream.h1.sweep();
            upstream.h2.sweep();
            if upstream.used.take() {
                upstream.unused_since.set(now);
            }
            Rc::strong_count(upstream) > 1 || now - upstream.unused_since.get() < FORGET_AFTER
        });
    }
}

// === impl Upstream ===

impl Upstream {
    /// Sends one request over a pooled or new connection; a short `patience` is about HTTP/2.
    pub async fn send(
        self: &Rc<Self>,
        request: Request<Upload>,
        wire: Wire,
        patience: Patience,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        self.used.set(true);
        match wire {
            Wire::H1 => self.send_h1(request, patience.connect).await,
            Wire::H2 => self.send_h2(request, patience).await,
        }
    }

    async fn send_h1(
        self: &Rc<Self>,
        request: Request<Upload>,
        connect: Option<Duration>,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        let mut request = request;
        if let Some(kept) = self.h1.take() {
            let safe = replay::is_safe(&request);
            match self.exchange_h1(kept, &mut request).await {
                Ok(answered) => return Ok(answered),
                // Closed while it was kept: the others of its age may be too, and a fresh connection costs no retry.
                Err(failed) if failed.untouched || (safe && failed.error.connection_ended()) => {
                    self.h1.clear()
                }
                Err(failed) => return Err(SendError::Lost(failed.error.into())),
            }
        }
        // Boxed: dialling is rare, and would make the future of every request larger.
        match Box::pin(self.open_h1(Carry::H1, connect)).await {
            Ok(connection) => match self.exchange_h1(connection, &mut request).await {
                Ok(answered) => Ok(answered),
                Err(failed) if failed.untouched => {
                    Err(SendError::Unsent(failed.error.into(), Box::new(request)))
                }
                Err(failed) => Err(SendError::Lost(failed.error.into())),
            },
            Err(error) => Err(SendError::Connect(error, Box::new(request))),
        }
    }

    async fn exchange_h1(
        self: &Rc<Self>,
        connection: Rc<h1::Connection>,
        request: &mut Request<Upload>,
    ) -> Result<(Response<Incoming>, Lease), h1::Failed> {
        let response = connection.exchange(request).await?;
        Ok((response.map(Incoming::H1), Lease::H1 { upstream: self.clone(), connection }))
    }

    async fn send_h2(
        self: &Rc<Self>,
        mut request: Request<Upload>,
        patience: Patience,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        // The HTTP/2 client refuses a request without authority, unless it is forwarded HTTP/1.1.
        *request.version_mut() =
            if request.uri().authority().is_some() { Version::HTTP_2 } else { Version::HTTP_11 };
        let permit = match self.stream(patience).await {
            Ok(permit) => permit,
            Err(error) => return Err(SendError::Connect(error, Box::new(request))),
        };
        match permit.connection().exchange(request).await {
            Ok(response) => Ok((response.map(Incoming::H2), Lease::H2 { _permit: permit })),
            Err(error) => Err(error.into()),
        }
    }

    /// A place for one stream, on a new connection if need be.
    async fn stream(self: &Rc<Self>, patience: Patience) -> Result<StreamPermit, ConnectError> {
        loop {
            match self.h2.find() {
                Found::Stream(permit) => return Ok(permit),
                Found::MustDial => {
                    if self.h2.is_empty() {
                        self.load.doubt();
                    }
                    // A task of its own: others wait for this dial, so it must not end with the request that began it.
                    let upstream = self.clone();
                    tokio::task::spawn_local(async move {
                        let began = Instant::now();
                        let result = upstream.open_h2(patience.connect).await;
                        if result.is_ok() {
                            upstream.opened_in.set(Some(began.elapsed()));
                        }
                        upstream.h2.dial_ended(result);
                    });
                }
                Found::Dialing => {}
            }
            let opened = self.h2.dialed();
            match self.limit(patience) {
                None => opened.await?,
                // Boxed: rare, and would make the future of every request larger.
                Some(limit) => match Box::pin(tokio::time::timeout(limit, opened)).await {
                    Ok(opened) => opened?,
                    Err(_) => return Err(ConnectError::slow(self.key.addr, limit)),
                },
            }
        }
    }

    /// The wait of a request, where it is shorter than what opening a connection may take anyway.
    fn limit(&self, patience: Patience) -> Option<Duration> {
        let last = self.opened_in.get().filter(|_| patience.short);
        let short = last.map(|last| last.saturating_mul(SHORT_TIMES).max(SHORT_LEAST));
        let limit = short.into_iter().chain(patience.connect).min()?;
        (patience.connect.is_some() || limit < CONNECT_TIMEOUT).then_some(limit)
    }

    async fn open_h2(&self, connect: Option<Duration>) -> Result<Connection, ConnectError> {
        let stream = self.open(Carry::H2, connect).await?;
        let pinged = if self.key.peer.is_some() { Pinged::Yes } else { Pinged::No };
        Connection::open(stream, pinged).await.map_err(|error| ConnectError::http(self.key.addr, &error))
    }

    /// A connection of its own for a request that will leave HTTP; it goes back to no pool.
    pub async fn open_h1(
        &self,
        carry: Carry<'_>,
        connect: Option<Duration>,
    ) -> Result<Rc<h1::Connection>, ConnectError> {
        Ok(h1::Connection::new(self.open(carry, connect).await?))
    }

    /// Dials, and proves and checks identities where the upstream has one, all within `connect`; without it within the
    /// usual time for each of both.
    pub async fn open(&self, carry: Carry<'_>, connect: Option<Duration>) -> Result<Stream, ConnectError> {
        let began = Instant::now();
        self.used.set(true);
        let limit = connect.unwrap_or(CONNECT_TIMEOUT);
        let addr = self.key.addr;
        let Some(peer) = &self.key.peer else {
            let tcp = within_connect_timeout(limit, socket::connect_application(addr)).await;
            let tcp = tcp.map_err(|error| ConnectError::tcp(addr, &error))?;
            if matches!(carry, Carry::H2) {
                // Many share it, and no ping tells that the server is gone. Failing to set it costs a slower discovery.
                let _ = socket::set_user_timeout(&tcp, UNACKNOWLEDGED_LIMIT);
            }
            self.load.reached();
            return Ok(tcp.into());
        };
        let tcp = within_connect_timeout(limit, socket::connect_peer(addr, &self.dialer.own_ips))
            .await
            .map_err(|error| ConnectError::tcp(addr, &error))?;
        let (alpn, header) = match (&self.key.tunnel, carry) {
            (Some(destination), _) => (Alpn::Tcp, Some(&**destination)),
            (None, Carry::Bytes(destination)) => (Alpn::Tcp, Some(destination)),
            (None, Carry::H1) => (Alpn::H1, None),
            (None, Carry::H2) => (Alpn::H2, None),
        };
        if alpn != Alpn::Tcp {
            // Failing to set it costs a slower discovery of a dead peer, no more.
            let _ = socket::set_user_timeout(&tcp, UNACKNOWLEDGED_LIMIT);
        }
        let offer = [alpn];
        let handshake = self.dialer.tls.connect(ReadAhead::new(tcp.into()), peer, &offer);
        let left = connect.map_or(CONNECT_TIMEOUT, |connect| connect.saturating_sub(began.elapsed()));
        let (stream, _) = tokio::time::timeout(left, handshake)
            .await
            .map_err(|_| ConnectError::tls_timeout(addr, limit))?
            .map_err(|error| ConnectError::tls(addr, &error))?;
        let mut stream = Stream::from(stream);
        if let Some(destination) = header {
            let header = encode_header(destination);
            stream.write_all(&header).await.map_err(|error| ConnectError::tcp(addr, &error))?;
        }
        self.load.reached();
        Ok(stream)
    }
}

// === impl Patience ===

impl Patience {
    /// As long as opening a connection usually may take: nobody else can have the request.
    pub const FULL: Self = Self { connect: None, short: false };
}

// === impl Lease ===

impl Lease {
    /// The response has ended as it should: the connection may be used again.
    pub fn release(self) {
        if let Self::H1 { upstream, connection } = self {
            upstream.h1.give_back(connection);
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
