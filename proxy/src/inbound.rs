//! From others to the application. The path of a connection, top to bottom:
//!
//! accept -> original destination -> first bytes -> mesh: mutual TLS, then HTTP per request or bytes;
//! anything else: the application's own bytes, as the port's mode says.

mod opaque;
mod pass;
mod request;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::detect::QUIET;
use crate::http::{Upstreams, Wire, server};
use crate::state::MtlsMode;
use crate::tcp::{Prefixed, ReadAhead, Stream};
use crate::telemetry::Direction;
use crate::tls::hello::{Hello, sniff};
use crate::tls::{Alpn, Peer};
use crate::worker::Worker;

/// How long a peer may take from its first byte to the end of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// The inbound half of one worker.
#[derive(Debug)]
pub struct Inbound {
    worker: Rc<Worker>,
    applications: Upstreams,
}

/// What the first bytes of a connection say.
enum First {
    /// Another proxy calls.
    Mesh(Prefixed<TcpStream>),
    /// Anybody else; with the connection to the application, if that was listened to as well.
    Application(Prefixed<TcpStream>, Option<Prefixed<TcpStream>>),
    Nothing,
}

// === impl Inbound ===

impl Inbound {
    pub(crate) fn new(worker: Rc<Worker>) -> Self {
        let applications = worker.upstreams();
        Self { worker, applications }
    }

    /// Carries one accepted connection until it ends.
    pub async fn connection(self: Rc<Self>, tcp: TcpStream) {
        let _in_flight = self.worker.drain.guard();
        let original = match self.worker.original_destination(&tcp) {
            Ok(original) => original,
            Err(error) => {
                tracing::debug!(%error, "refused an inbound connection");
                return self.worker.metrics.error(Direction::Inbound, "not-captured");
            }
        };
        let caller = tcp.peer_addr().ok();
        let mode = self.worker.workload.borrow().mtls_mode(original.port());
        let first = match mode {
            MtlsMode::Permissive => first_of_both(tcp, original).await,
            // Proxies speak at once, and nobody else is welcome.
            MtlsMode::Strict => timeout(HANDSHAKE_TIMEOUT, first(tcp)).await.unwrap_or(Ok(First::Nothing)),
        };
        match (first, mode) {
            (Ok(First::Mesh(stream)), _) => self.mesh(stream, original, caller).await,
            (Ok(First::Application(stream, application)), MtlsMode::Permissive) => {
                pass::carry(&self.worker, stream, application, original).await;
            }
            (Ok(_), _) => {
                tracing::debug!(%original, "refused a connection without mutual TLS: the port is strict");
                self.worker.metrics.error(Direction::Inbound, "mtls-required");
            }
            (Err(error), _) => tracing::debug!(%error, %original, "an inbound connection failed"),
        }
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
    ) {
        let accepted =
            timeout(HANDSHAKE_TIMEOUT, self.worker.tls_server.accept(ReadAhead::new(stream))).await;
        let (stream, peer) = match accepted {
            Ok(Ok((stream, peer))) => (Stream::from(stream), peer),
            Ok(Err(error)) => {
                tracing::debug!(%error, %original, "refused a peer");
                return self.worker.metrics.error(Direction::Inbound, "tls-failed");
            }
            Err(_) => return self.worker.metrics.error(Direction::Inbound, "tls-timeout"),
        };
        match peer.alpn {
            Alpn::Tcp => opaque::carry(&self.worker, stream, original, &peer).await,
            Alpn::H2 => self.http(stream, Wire::H2, original, caller, &peer).await,
            Alpn::H1 => self.http(stream, Wire::H1, original, caller, &peer).await,
        }
    }

    async fn http(
        self: Rc<Self>,
        stream: Stream,
        wire: Wire,
        original: SocketAddr,
        caller: Option<SocketAddr>,
        peer: &Peer,
    ) {
        let worker = self.worker.clone();
        let connection = Rc::new(request::Connection::new(&self, original, caller, peer, wire));
        let respond = move |request| {
            let connection = connection.clone();
            async move { connection.respond(request).await }
        };
        if let Err(error) = server::serve(stream, wire, respond, Some(&worker.drain)).await {
            tracing::debug!(%error, %original, peer = %peer.identity, "an inbound HTTP connection failed");
        }
    }
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
async fn first_of_both(mut tcp: TcpStream, original: SocketAddr) -> io::Result<First> {
    let mut seen = BytesMut::new();
    if let Ok(mesh) = timeout(QUIET, is_mesh(&mut tcp, &mut seen)).await {
        let mesh = mesh?;
        let stream = Prefixed::new(seen.freeze(), tcp);
        return Ok(if mesh { First::Mesh(stream) } else { First::Application(stream, None) });
    }
    let mut application = pass::dial(original).await?;
    let mut greeting = BytesMut::new();
    let mesh = tokio::select! {
        mesh = is_mesh(&mut tcp, &mut seen) => mesh?,
        read = application.read_buf(&mut greeting) => read.map(|_| false)?,
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
        let ended = tcp.read_buf(seen).await? == 0;
        match sniff(seen) {
            Hello::Tls(hello) => return Ok(hello.is_mesh()),
            Hello::NeedMore if !ended => {}
            Hello::NeedMore | Hello::NotTls => return Ok(false),
        }
    }
}
