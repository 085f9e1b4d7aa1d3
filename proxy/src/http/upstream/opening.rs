//! Opening connections to an upstream: who waits for one, for how long, and what both sides prove meanwhile.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::Upstream;
use crate::http::http2::{Connection, Found, Pinged, StreamPermit};
use crate::http::{ConnectError, h1};
use crate::socket;
use crate::tcp::{CONNECT_TIMEOUT, ReadAhead, Stream, encode_header, within_connect_timeout};
use crate::tls::{Alpn, Inside, Origin, Proof};

/// Bytes a pooled connection sent and nobody acknowledged for this long: the peer is gone.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(15);
/// The short patience, in times of what opening a connection took last; processors that are throttled stall this long.
const SHORT_TIMES: u32 = 4;
const SHORT_LEAST: Duration = Duration::from_millis(100);

/// What a connection is to carry.
#[derive(Clone, Copy, Debug)]
pub enum Carry<'a> {
    /// HTTP/1.1 that may be upgraded.
    H1,
    /// HTTP/2.
    H2,
    /// Opaque bytes for the destination of this name.
    Bytes(&'a str),
    /// The same, which are TLS of the caller's own: what the server must prove is the caller's business.
    Sealed(&'a str),
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

// === impl Upstream ===

impl Upstream {
    /// A place for one stream, on a new connection if need be.
    pub(super) async fn stream(
        self: &Rc<Self>,
        patience: Patience,
        grpc: bool,
    ) -> Result<StreamPermit, ConnectError> {
        let mut waits = None;
        loop {
            match self.pool(grpc).find() {
                Found::Stream(permit) => return Ok(permit),
                Found::MustDial => self.dial(patience, grpc),
                Found::Dialing => {}
            }
            let (limit, until) = *waits.get_or_insert_with(|| {
                let limit = self.limit(patience);
                (limit, limit.map(|limit| Instant::now() + limit))
            });
            let opened = self.pool(grpc).dialed();
            let opened = match until {
                None => opened.await,
                // Boxed: rare, and would make the future of every request larger.
                Some(until) => match Box::pin(tokio::time::timeout_at(until, opened)).await {
                    Ok(opened) => opened,
                    Err(_) => {
                        return Err(ConnectError::slow(self.key.addr, limit.unwrap_or(CONNECT_TIMEOUT)));
                    }
                },
            };
            if let Err(error) = opened {
                let more = patience.connect.is_some_and(|connect| connect > CONNECT_TIMEOUT);
                if let Some(permit) = self.pool(grpc).any() {
                    return Ok(permit);
                }
                // Somebody else's dial, with less patience.
                if !(error.is_timeout() && more && until.is_some_and(|until| Instant::now() < until)) {
                    return Err(error);
                }
            }
        }
    }

    /// Opens a connection for whoever waits for one. A task of its own, so that it does not end with the request that began it;
    /// nor with that request's patience, which is not that of others.
    fn dial(self: &Rc<Self>, patience: Patience, grpc: bool) {
        if self.pool(grpc).is_empty() {
            self.load.doubt();
        }
        let limit = patience.connect.filter(|connect| *connect > CONNECT_TIMEOUT);
        let upstream = self.clone();
        tokio::task::spawn_local(async move {
            let began = Instant::now();
            let result = upstream.open_h2(limit).await;
            if result.is_ok() {
                upstream.opened_in.set(Some(began.elapsed()));
            }
            upstream.pool(grpc).dial_ended(result);
        });
    }

    /// The wait of a request, where it is shorter than what opening a connection may take anyway.
    fn limit(&self, patience: Patience) -> Option<Duration> {
        let last = self.opened_in.get().filter(|_| patience.short);
        let short = last.map(|last| last.saturating_mul(SHORT_TIMES).max(SHORT_LEAST));
        let limit = short.into_iter().chain(patience.connect).min()?;
        (patience.connect.is_some() || limit < CONNECT_TIMEOUT).then_some(limit)
    }

    pub(super) async fn open_h2(
        &self,
        connect: Option<Duration>,
    ) -> Result<(Connection, Option<Proof>), ConnectError> {
        let began = Instant::now();
        let addr = self.key.addr;
        let (stream, proof) = self.open_proven(Carry::H2, connect).await?;
        let pinged = if self.key.peer.is_some() { Pinged::Yes } else { Pinged::No };
        let goaways = self.dialer.goaways.clone();
        let connection = Connection::open(stream, pinged, goaways)
            .await
            .map_err(|error| ConnectError::http(addr, &error))?;
        let left = connect.map_or(CONNECT_TIMEOUT, |connect| connect.saturating_sub(began.elapsed()));
        if tokio::time::timeout(left, connection.settled()).await.is_err() {
            return Err(ConnectError::slow(addr, connect.unwrap_or(CONNECT_TIMEOUT)));
        }
        if !connection.is_open() {
            return Err(ConnectError::ended(addr));
        }
        Ok((connection, proof))
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
        Ok(self.open_proven(carry, connect).await?.0)
    }

    /// The same, with what the peer has shown, where it has an identity.
    async fn open_proven(
        &self,
        carry: Carry<'_>,
        connect: Option<Duration>,
    ) -> Result<(Stream, Option<Proof>), ConnectError> {
        let began = Instant::now();
        self.used.set(true);
        let limit = connect.unwrap_or(CONNECT_TIMEOUT);
        let addr = self.key.addr;
        let Some(peer) = &self.key.peer else {
            let sealed = matches!(carry, Carry::Sealed(_));
            let origin = self.key.tls.as_deref().filter(|_| !sealed);
            if let Some(refusal) = origin.and_then(Origin::refusal) {
                return Err(ConnectError::tls(addr, &refusal));
            }
            let tcp = within_connect_timeout(limit, socket::connect_application(addr)).await;
            let tcp = tcp.map_err(|error| ConnectError::tcp(addr, &error))?;
            if matches!(carry, Carry::H2) {
                // Many share it, and no ping tells that the server is gone. Failing to set it costs a slower discovery.
                let _ = socket::set_user_timeout(&tcp, UNACKNOWLEDGED_LIMIT);
            }
            let stream = match origin {
                None => tcp.into(),
                Some(origin) => {
                    let left =
                        connect.map_or(CONNECT_TIMEOUT, |connect| connect.saturating_sub(began.elapsed()));
                    let handshake = origin.connect(ReadAhead::new(tcp.into()), inside(carry));
                    let stream = tokio::time::timeout(left, handshake)
                        .await
                        .map_err(|_| ConnectError::tls_timeout(addr, limit))?;
                    stream.map_err(|error| ConnectError::tls(addr, &error))?.into()
                }
            };
            self.load.reached();
            return Ok((stream, None));
        };
        let tcp = within_connect_timeout(limit, socket::connect_peer(addr, &self.dialer.own_ips))
            .await
            .map_err(|error| ConnectError::tcp(addr, &error))?;
        let (alpn, header) = match (&self.key.tunnel, carry) {
            (Some(destination), _) => (Alpn::Tcp, Some(&**destination)),
            (None, Carry::Bytes(destination) | Carry::Sealed(destination)) => (Alpn::Tcp, Some(destination)),
            (None, Carry::H1) => (Alpn::H1, None),
            (None, Carry::H2) => (Alpn::H2, None),
        };
        if alpn == Alpn::H2 {
            // Others carry the bytes of one request, whose reader may pause for hours: the kernel takes a reader that pauses for
            // a peer that is gone. Failing to set it costs a slower discovery of a dead peer, no more.
            let _ = socket::set_user_timeout(&tcp, UNACKNOWLEDGED_LIMIT);
        }
        let offer = [alpn];
        let handshake = self.dialer.tls.connect(ReadAhead::new(tcp.into()), peer, &offer);
        let left = connect.map_or(CONNECT_TIMEOUT, |connect| connect.saturating_sub(began.elapsed()));
        let (stream, agreed) = tokio::time::timeout(left, handshake)
            .await
            .map_err(|_| ConnectError::tls_timeout(addr, limit))?
            .map_err(|error| ConnectError::tls(addr, &error))?;
        let mut stream = Stream::from(stream);
        if let Some(destination) = header {
            let header = encode_header(destination);
            stream.write_all(&header).await.map_err(|error| ConnectError::tcp(addr, &error))?;
        }
        self.load.reached();
        Ok((stream, Some(agreed.proof)))
    }
}

/// What a server outside the mesh is told that its TLS carries.
fn inside(carry: Carry<'_>) -> Inside {
    match carry {
        Carry::H1 => Inside::H1,
        Carry::H2 => Inside::H2,
        Carry::Bytes(_) | Carry::Sealed(_) => Inside::Bytes,
    }
}

// === impl Patience ===

impl Patience {
    /// As long as opening a connection usually may take: nobody else can have the request.
    pub const FULL: Self = Self { connect: None, short: false };
}
