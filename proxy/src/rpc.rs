//! A gRPC connection to the control plane: one HTTP/2 connection over TLS towards one exact identity.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use crate::tls::{NO_HOST, TlsError};

/// Where a service of the control plane listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// An open connection; generated clients take it as their transport. Closed when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Connection {
    requests: http2::SendRequest<Body>,
    _driver: Arc<Driver>,
}

/// Drives the connection for as long as somebody holds it.
#[derive(Debug)]
struct Driver(JoinHandle<()>);

/// Why there is no connection. The texts say what to check, because this is what a pod that does not start shows.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name does not resolve.
    #[error(
        "cannot resolve control plane host {host}: {source}; check that the Service exists and that cluster DNS answers"
    )]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: std::io::Error,
    },
    /// Nothing answers.
    #[error(
        "cannot reach control plane at {authority}: {source}; is it running? a NetworkPolicy that denies egress also \
         cuts the proxy: allow TCP 15110, 15112"
    )]
    Reach {
        /// Where.
        authority: Authority,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody answers who is not the control plane, or who does not accept this proxy.
    #[error("control plane at {authority}: {source}")]
    Tls {
        /// Where.
        authority: Authority,
        /// What the handshake said.
        source: TlsError,
    },
    /// TLS stands, HTTP/2 does not.
    #[error("control plane at {authority} does not speak HTTP/2: {source}")]
    Http {
        /// Where.
        authority: Authority,
        /// What hyper said.
        source: hyper::Error,
    },
}

/// How soon a connection is found out whose other end is gone without a word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Liveness {
    /// Between pings, also while nothing is asked.
    pub(crate) interval: Duration,
    /// For the answer to one.
    pub(crate) timeout: Duration,
}

/// TCP and TLS, each.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const LIVENESS: Liveness = Liveness { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) };
/// One large answer fits without waiting; configuration is small otherwise.
const WINDOW: u32 = 256 * 1024;

// === impl Authority ===

impl Authority {
    /// The address that requests name.
    pub fn origin(&self) -> Uri {
        let bracketed = self.host.contains(':');
        let host = if bracketed { format!("[{}]", self.host) } else { self.host.clone() };
        format!("https://{host}:{}", self.port).parse().unwrap_or_else(|_| Uri::from_static("https://weft"))
    }
}

impl std::fmt::Display for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

// === impl Connection ===

impl Connection {
    /// Connects to `authority` under `config`, whose verifier decides who may answer.
    pub async fn open(authority: &Authority, config: ClientConfig) -> Result<Self, ConnectError> {
        Self::open_with(authority, config, LIVENESS).await
    }

    pub(crate) async fn open_with(
        authority: &Authority,
        mut config: ClientConfig,
        liveness: Liveness,
    ) -> Result<Self, ConnectError> {
        let tcp = dial(authority).await?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tls = TlsConnector::from(Arc::new(config)).connect(NO_HOST.into(), tcp);
        let stalled = || std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer to the TLS handshake");
        let tls =
            timeout(CONNECT_TIMEOUT, tls).await.unwrap_or_else(|_| Err(stalled())).map_err(|error| {
                ConnectError::Tls { authority: authority.clone(), source: TlsError::from_handshake(error) }
            })?;
        let (requests, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .keep_alive_interval(liveness.interval)
            .keep_alive_timeout(liveness.timeout)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(tls))
            .await
            .map_err(|source| ConnectError::Http { authority: authority.clone(), source })?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the control plane ended");
            }
        });
        Ok(Self { requests, _driver: Arc::new(Driver(driver)) })
    }
}

/// Tries the addresses of a name in order, IPv4 and IPv6 alike.
async fn dial(authority: &Authority) -> Result<TcpStream, ConnectError> {
    let resolved = timeout(CONNECT_TIMEOUT, lookup_host((authority.host.as_str(), authority.port))).await;
    let unresolved = |source| ConnectError::Resolve { host: authority.host.clone(), source };
    let addrs: Vec<SocketAddr> = resolved.unwrap_or_else(|_| Err(timed_out())).map_err(unresolved)?.collect();
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for addr in addrs {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(addr)).await.unwrap_or_else(|_| Err(timed_out())) {
            Ok(tcp) => {
                // Small messages, each waited for.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Err(error) => last = error,
        }
    }
    Err(ConnectError::Reach { authority: authority.clone(), source: last })
}

fn timed_out() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer within 5 s")
}

impl tower_service::Service<http::Request<Body>> for Connection {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.requests.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.requests.send_request(request))
    }
}

// === impl Driver ===

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::copy_bidirectional, net::TcpListener};

    use super::*;
    use crate::{
        test_util::ControlPlane,
        tls::config,
        wire::envoy::service::discovery::v3::{
            DeltaDiscoveryRequest, aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
    };

    /// Carries bytes to `port` for as long as the task lives; the sockets stay open after it.
    async fn carrier(
        port: u16,
    ) -> (Authority, JoinHandle<()>, tokio::sync::oneshot::Receiver<(TcpStream, TcpStream)>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority =
            Authority { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
        let (keep, kept) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            // A cut cable: nothing is carried any more, nothing is closed.
            let _ = timeout(Duration::from_millis(500), copy_bidirectional(&mut near, &mut far)).await;
            let _ = keep.send((near, far));
        });
        (authority, task, kept)
    }

    #[tokio::test]
    async fn a_control_plane_that_vanishes_without_a_word_is_found_out() {
        let plane = ControlPlane::start().await;
        let certs = plane.ca.certs("shop", "web").current();
        let (authority, _task, _kept) = carrier(plane.config_port).await;
        let config =
            config::client(certs.trust.clone(), plane.ca.id("weft-system", "weft"), Some(certs.key.clone()));
        let liveness = Liveness { interval: Duration::from_millis(100), timeout: Duration::from_millis(300) };
        let connection = Connection::open_with(&authority, config, liveness).await.unwrap();
        let mut client = AggregatedDiscoveryServiceClient::with_origin(connection, authority.origin());
        let idle = tonic::codegen::tokio_stream::pending::<DeltaDiscoveryRequest>();
        let mut stream = client.delta_aggregated_resources(idle).await.unwrap().into_inner();
        let ended = timeout(Duration::from_secs(5), stream.message()).await.expect("found out");
        assert!(ended.is_err(), "an idle stream must fail, got {ended:?}");
    }

    #[test]
    fn an_authority_names_itself_as_uris_and_people_do() {
        let authority = |host: &str| Authority { host: host.to_owned(), port: 15112 };
        assert_eq!(authority("weft.svc").origin().to_string(), "https://weft.svc:15112/");
        assert_eq!(authority("fd00::1").origin().to_string(), "https://[fd00::1]:15112/");
        assert_eq!(authority("weft.svc").to_string(), "weft.svc:15112");
    }
}
