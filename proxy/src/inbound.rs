//! From others to the application. The path of a connection, top to bottom:
//!
//! accept -> original destination -> first bytes -> mesh: mutual TLS, then HTTP per request or bytes;
//! anything else: the application's own bytes, as the port's mode says.

mod access;
mod explain;
mod external_check;
mod opaque;
mod pass;
mod request;
mod shared_limit;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use self::access::Gate;
use self::request::{Callouts, PeerConnection};
use crate::asking::LONGEST_ANSWER;
use crate::detect::{self, QUIET, Sniffed, http_or};
use crate::explain::Question;
use crate::http::farewell::{DISTRUSTED_GRACE, Farewell, aged, drained};
use crate::http::{UpstreamKey, Upstreams, Wire, server};
use crate::identity::SpiffeId;
use crate::outbound::callout::Callout;
use crate::places::Place;
use crate::state::{MtlsMode, Protocol, Reading};
use crate::tcp::{Prefixed, ReadAhead, ResetOnClose, Stream};
use crate::telemetry::{Direction, HeldSeries};
use crate::tls::hello::{Hello, sniff};
use crate::tls::{Alpn, Peer};
use crate::worker::ground::Worker;
use crate::worker::residents::Resident;

/// How long the greeting of a server waits for a handshake that may be on its way again: with [`QUIET`] longer than what TCP waits at
/// the least before it repeats a lost segment (200 ms).
const LATE_HELLO: Duration = Duration::from_millis(200);
/// How long a peer may take from its first byte to the end of the handshake.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller may be silent on a port where the application may speak first, and is as well. Who looks for open ports
/// says nothing; a pool that connects ahead of its first request reconnects.
pub(crate) const SILENCE_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a caller who has begun to speak HTTP may take until it is plain that it does.
pub(crate) const FIRST_LINE_TIMEOUT: Duration = Duration::from_secs(30);

/// The inbound half of one worker.
#[derive(Debug)]
pub struct Inbound {
    worker: Rc<Worker>,
    applications: Upstreams,
    callouts: Callouts,
}

/// What the first bytes of a connection say.
enum First {
    /// Another proxy calls.
    Mesh(Prefixed<TcpStream>),
    /// Anybody else; with the connection to the application, if that was listened to as well.
    Application(Prefixed<TcpStream>, Option<Prefixed<TcpStream>>),
    Nothing,
    /// Nobody spoke, neither the caller nor the application.
    Silence,
    /// Others came, and it had not said enough.
    GivenUp,
}

// === impl Inbound ===

impl Inbound {
    /// `callout` makes how it asks others in the mesh about requests.
    pub(crate) fn new(worker: Rc<Worker>, callout: impl Fn() -> Callout) -> Self {
        let applications = worker.upstreams();
        let asks = || Rc::new(callout().reading_at_most(LONGEST_ANSWER));
        let callouts = Callouts { checks: asks(), limits: asks() };
        Self { worker, applications, callouts }
    }

    /// Carries one accepted connection until it ends.
    pub async fn connection(self: Rc<Self>, tcp: TcpStream) {
        let _in_flight = self.worker.drain.guard();
        let caller = tcp.peer_addr().ok();
        let from = caller.map(|caller| caller.ip().to_canonical());
        let resident = match self.worker.entrance.residents.enter(Direction::Inbound, from) {
            Ok(resident) => Rc::new(resident),
            Err(refused) => return self.refuse(&tcp, refused.reason()),
        };
        let Some(arrival) = from.and_then(|from| self.worker.entrance.arrivals.take(from)) else {
            return self.refuse(&tcp, "too-many-handshakes");
        };
        let original = match self.worker.asked_for(&tcp) {
            Ok(original) => original,
            Err(error) => {
                tracing::debug!(%error, "refused an inbound connection");
                return self.worker.metrics.error(Direction::Inbound, error.reason());
            }
        };
        let (mode, reading, may_listen) = {
            let own_pod = self.worker.own_pod.current();
            let mode = own_pod.mtls_mode(original.port());
            // Whom nobody lets in is not listened to by the application either, not even for its greeting.
            let welcome =
                mode == MtlsMode::Permissive && !gate_of(None, caller, original).refuses_bytes(&own_pod);
            (mode, own_pod.reading(original.port()), welcome)
        };
        let saying = async {
            match reading {
                Reading::Bytes | Reading::Declared(_) if may_listen => {
                    let first = first_of_both(&self.worker, tcp, original);
                    timeout(SILENCE_TIMEOUT, first).await.unwrap_or(Ok(First::Silence))
                }
                // Proxies speak at once, as whoever has a request does, and nobody else is welcome.
                Reading::Bytes | Reading::Declared(_) | Reading::Requests(_) => {
                    timeout(HANDSHAKE_TIMEOUT, first(tcp)).await.unwrap_or(Ok(First::Nothing))
                }
            }
        };
        // Boxed: it is over before anything is carried, and would make each connection larger.
        let said = tokio::select! {
            said = Box::pin(saying) => said,
            () = arrival.given_up() => Ok(First::GivenUp),
        };
        match (said, mode, reading) {
            (Ok(First::Mesh(stream)), ..) => {
                // Boxed here and below: what a connection may turn out to be must not make each one larger.
                Box::pin(self.mesh(stream, original, caller, reading, arrival, resident)).await;
            }
            (Ok(First::Application(stream, _)), MtlsMode::Permissive, Reading::Requests(protocol)) => {
                drop(arrival);
                let _held = self.count_plain(original, from, "would-refuse");
                Box::pin(self.requests(stream.into(), protocol, original, caller, None, resident)).await;
            }
            (Ok(First::Application(stream, application)), MtlsMode::Permissive, _) => {
                drop(arrival);
                let _held = self.count_plain(original, from, "would-refuse");
                let gate = gate_of(None, caller, original);
                pass::carry(&self.worker, stream, application, original, &gate).await;
            }
            (Ok(First::Nothing), MtlsMode::Permissive, Reading::Requests(_)) => {
                tracing::debug!(%original, "refused a silent connection: requests are read on this port");
                self.worker.metrics.error(Direction::Inbound, "not-http");
            }
            // It would have been listened to if it were let in.
            (Ok(First::Nothing), MtlsMode::Permissive, _) => {
                gate_of(None, caller, original).admits_bytes(&self.worker);
            }
            (Ok(First::GivenUp), ..) => {
                tracing::debug!(%original, "gave up a connection that had said nothing, for another");
                self.worker.metrics.error(Direction::Inbound, "too-many-handshakes");
            }
            (Ok(First::Silence), ..) => {
                tracing::debug!(%original, "gave up a connection on which nobody had said anything");
                self.worker.metrics.error(Direction::Inbound, "silent");
            }
            (Ok(_), ..) => {
                tracing::debug!(%original, "refused a connection without mutual TLS: the port is strict");
                self.worker.metrics.error(Direction::Inbound, "mtls-required");
                drop(self.count_plain(original, from, "refused"));
            }
            (Err(error), ..) => tracing::debug!(%error, %original, "an inbound connection failed"),
        }
    }

    /// What would become of a request by `identity` from there.
    pub fn explain(
        &self,
        question: &Question,
        identity: Option<&Arc<SpiffeId>>,
        from: Option<IpAddr>,
    ) -> serde_json::Value {
        explain::explain(&self.worker, question, identity, from)
    }

    /// A connection without mutual TLS.
    fn count_plain(&self, original: SocketAddr, from: Option<IpAddr>, verdict: &'static str) -> HeldSeries {
        let destination = self.worker.own_pod.current().name_of_port(original.port());
        self.worker.metrics.plain_connection(destination, from, verdict)
    }

    /// As where nobody listens.
    fn refuse(&self, tcp: &TcpStream, reason: &'static str) {
        // Failing to say so means that the caller is gone.
        let _ = tcp.reset_on_close(true);
        self.worker.metrics.error(Direction::Inbound, reason);
    }

    /// Forgets what nobody uses; called about once a second.
    pub fn sweep(&self) {
        self.applications.sweep();
    }

    async fn mesh(
        self: Rc<Self>,
        stream: Prefixed<TcpStream>,
        original: SocketAddr,
        caller: Option<SocketAddr>,
        reading: Reading,
        arrival: Place,
        resident: Rc<Resident>,
    ) {
        // Boxed: it is over before anything is carried, and would make each connection larger.
        let handshake = Box::pin(self.worker.tls_server.accept(ReadAhead::new(stream)));
        let accepted = tokio::select! {
            accepted = timeout(HANDSHAKE_TIMEOUT, self.worker.entrance.turns.of(handshake)) => accepted,
            () = arrival.given_up() => {
                return self.worker.metrics.error(Direction::Inbound, "too-many-handshakes");
            }
        };
        drop(arrival);
        let (stream, peer) = match accepted {
            Ok(Ok((stream, peer))) => (Stream::from(stream), peer),
            Ok(Err(error)) => {
                tracing::debug!(%error, %original, "refused a peer");
                return self.worker.metrics.error(Direction::Inbound, "tls-failed");
            }
            Err(_) => return self.worker.metrics.error(Direction::Inbound, "tls-timeout"),
        };
        match (peer.alpn, reading) {
            (Alpn::Tcp, Reading::Bytes) => {
                let gate = gate_of(Some(&peer), caller, original);
                if gate.admits_bytes(&self.worker) {
                    tokio::select! {
                        () = opaque::carry(&self.worker, stream, original, &peer) => {}
                        () = cut(&self.worker, Some(&peer)) => {}
                        () = gate.bytes_refused(&self.worker) => {}
                    }
                }
            }
            (Alpn::Tcp, Reading::Declared(protocol) | Reading::Requests(protocol)) => {
                let mut stream = stream;
                if opaque::header(&self.worker, &mut stream, &peer).await.is_some() {
                    self.requests(stream, protocol, original, caller, Some(&peer), resident).await;
                }
            }
            (Alpn::H2, _) => self.http(stream, Wire::H2, original, caller, Some(&peer), resident).await,
            (Alpn::H1, _) => self.http(stream, Wire::H1, original, caller, Some(&peer), resident).await,
        }
    }

    /// Bytes on a port that is read request by request, declared as `protocol` or not at all.
    async fn requests(
        self: Rc<Self>,
        mut stream: Stream,
        protocol: Protocol,
        original: SocketAddr,
        caller: Option<SocketAddr>,
        peer: Option<&Peer>,
        resident: Rc<Resident>,
    ) {
        let mut seen = BytesMut::new();
        let sniffed = timeout(FIRST_LINE_TIMEOUT, detect::sniff(&mut stream, &mut seen)).await;
        let Ok(sniffed) = sniffed else {
            tracing::debug!(%original, "refused a caller that did not say what it speaks");
            return self.worker.metrics.error(Direction::Inbound, "not-http");
        };
        let wire = match protocol {
            Protocol::Http1 => http_or(Sniffed::Http1, sniffed),
            Protocol::Http2 => http_or(Sniffed::Http2, sniffed),
            Protocol::Unknown | Protocol::Opaque => sniffed.unwrap_or(Sniffed::Opaque),
        };
        let wire = match wire {
            Sniffed::Http1 => Wire::H1,
            Sniffed::Http2 => Wire::H2,
            Sniffed::Opaque => {
                tracing::debug!(%original, "refused bytes: requests are read on this port");
                return self.worker.metrics.error(Direction::Inbound, "not-http");
            }
        };
        self.http(stream.after(seen.freeze()), wire, original, caller, peer, resident).await;
    }

    async fn http(
        self: Rc<Self>,
        stream: Stream,
        wire: Wire,
        original: SocketAddr,
        caller: Option<SocketAddr>,
        peer: Option<&Peer>,
        resident: Rc<Resident>,
    ) {
        let worker = self.worker.clone();
        let application =
            self.applications.get(UpstreamKey { addr: original, peer: None, tunnel: None, tls: None });
        let gate = gate_of(peer, caller, original);
        let since = Arc::clone(&worker.own_pod.current());
        let of_caller = (gate.clone(), resident.clone());
        let connection = PeerConnection::new(
            (worker.clone(), self.callouts.clone()),
            application,
            caller,
            of_caller,
            peer,
            wire,
        );
        let connection = Rc::new(connection);
        let refusing = connection.clone();
        let refuse = move |bad| refusing.refuse(bad);
        let respond = move |request| {
            let connection = connection.clone();
            async move { connection.respond(request).await }
        };
        let farewell = Box::pin(async {
            tokio::select! {
                farewell = drained(&worker.drain) => farewell,
                farewell = unwelcome(&worker, peer, original.port()) => farewell,
                () = resident.asked_to_go() => Farewell::Shed,
                () = gate.narrowed(&worker, since.clone()) => Farewell::Narrowed,
            }
        });
        let goaways = &worker.metrics.goaways;
        tokio::select! {
            served = server::serve(stream, wire, respond, refuse, farewell, goaways) => {
                if let Err(error) = served {
                    let peer = peer.map(|peer| tracing::field::display(&peer.identity));
                    tracing::debug!(%error, %original, peer, "an inbound HTTP connection failed");
                }
            }
            () = Box::pin(cut(&worker, peer)) => {}
            () = Box::pin(gate.cut(&worker, since.clone())) => {}
        }
    }
}

fn gate_of(peer: Option<&Peer>, caller: Option<SocketAddr>, original: SocketAddr) -> Gate {
    let (identity, ip) = (peer.map(|peer| peer.identity.clone()), caller.map(|caller| caller.ip()));
    Gate { identity, ip, port: original.port() }
}

/// Ends when `peer`, or whoever has proved nothing, is to be asked to call anew.
async fn unwelcome(worker: &Worker, peer: Option<&Peer>, port: u16) -> Farewell {
    match peer {
        Some(peer) => tokio::select! {
            farewell = aged(peer.proof.left()) => farewell,
            () = distrusted(worker, peer) => Farewell::Distrusted,
        },
        None => {
            pass::turned_strict(worker, port).await;
            Farewell::Strict
        }
    }
}

/// Ends when the trust bundle has changed, and under the new one `peer` would not be accepted.
async fn distrusted(worker: &Worker, peer: &Peer) {
    peer.proof.clone().refuted(worker.tls_server.certs().clone()).await;
}

/// Ends when what a peer still has under way is to be cut off, since it is not trusted any more.
async fn cut(worker: &Worker, peer: Option<&Peer>) {
    let Some(peer) = peer else { return std::future::pending().await };
    distrusted(worker, peer).await;
    tokio::time::sleep(DISTRUSTED_GRACE).await;
    tracing::info!(peer = %peer.identity, "cut a connection whose peer the trust bundle does not accept any more");
    worker.metrics.error(Direction::Inbound, "peer-distrusted");
}

/// Reads until it is plain whether another proxy calls.
async fn first(mut tcp: TcpStream) -> io::Result<First> {
    let mut seen = BytesMut::new();
    let mesh = is_mesh(&mut tcp, &mut seen).await?;
    let stream = Prefixed::new(seen.freeze(), tcp);
    Ok(if mesh { First::Mesh(stream) } else { First::Application(stream, None) })
}

/// The same on a port where the application may be the one who speaks first: a proxy never waits for that, so when the
/// caller is silent the application is dialled and both are listened to.
///
/// A greeting is held back for [`LATE_HELLO`], since a peer's first segment may have been lost: a proxy would take the greeting for the
/// answer to its handshake.
async fn first_of_both(worker: &Worker, mut tcp: TcpStream, original: SocketAddr) -> io::Result<First> {
    let mut seen = BytesMut::new();
    if let Ok(mesh) = timeout(QUIET, is_mesh(&mut tcp, &mut seen)).await {
        let mesh = mesh?;
        let stream = Prefixed::new(seen.freeze(), tcp);
        return Ok(if mesh { First::Mesh(stream) } else { First::Application(stream, None) });
    }
    let dialled = pass::dial(original).await;
    if dialled.is_err() {
        worker.metrics.connect_failure(Direction::Inbound, "connect-failed");
        worker.metrics.error(Direction::Inbound, "connect-failed");
        // As where nobody listens. Failing to say so means that the caller is gone.
        let _ = tcp.reset_on_close(true);
    }
    let mut application = dialled?;
    let mut greeting = BytesMut::new();
    let mesh = tokio::select! {
        mesh = is_mesh_in_time(worker, &mut tcp, &mut seen) => mesh?,
        read = application.read_buf(&mut greeting) => match read? {
            0 => false,
            _ => timeout(LATE_HELLO, is_mesh(&mut tcp, &mut seen)).await.unwrap_or(Ok(false))?,
        },
    };
    let stream = Prefixed::new(seen.freeze(), tcp);
    if mesh {
        return Ok(First::Mesh(stream));
    }
    Ok(First::Application(stream, Some(Prefixed::new(greeting.freeze(), application))))
}

/// Reads into `seen` until it is plain whether another proxy calls. Cancel safe.
async fn is_mesh(tcp: &mut TcpStream, seen: &mut BytesMut) -> io::Result<bool> {
    loop {
        match sniff(seen) {
            Hello::Tls(hello) => return Ok(hello.is_mesh()),
            Hello::NotTls => return Ok(false),
            Hello::NeedMore => {}
        }
        if tcp.read_buf(seen).await? == 0 {
            return Ok(false);
        }
    }
}

/// The same for a caller that may stay silent. Who has begun a hello and does not end it in time is the application's, which
/// ends it when it likes. Cancel safe.
async fn is_mesh_in_time(worker: &Worker, tcp: &mut TcpStream, seen: &mut BytesMut) -> io::Result<bool> {
    if seen.is_empty() && tcp.read_buf(seen).await? == 0 {
        return Ok(false);
    }
    timeout(HANDSHAKE_TIMEOUT, is_mesh(tcp, seen)).await.unwrap_or_else(|_| {
        worker.metrics.error(Direction::Inbound, "tls-timeout");
        Ok(false)
    })
}
