//! What both halves of a worker stand on. It knows neither of them.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::entrance::Entrance;
use crate::drain::Drain;
use crate::egress::Lookup;
use crate::http::Upstreams;
use crate::jwt::TokenCache;
use crate::socket;
use crate::state::{Mesh, Workload};
use crate::telemetry::Metrics;
use crate::worker::affinities::Affinities;
use crate::{otlp, tls, trace};

/// How to learn where an accepted connection was going.
#[derive(Clone, Copy, Debug)]
pub enum OriginalDst {
    /// From the redirect that captured it.
    Socket,
    /// Always here; for running without capture rules, as tests do.
    Fixed(SocketAddr),
}

/// Why a connection is not carried that was captured.
#[derive(Debug, Error)]
pub enum NotOurs {
    #[error("{0} is this proxy itself")]
    Itself(SocketAddr),
    #[error("{0} is no address of this pod")]
    Elsewhere(SocketAddr),
    #[error("its original destination is not known: {0}")]
    Unknown(#[from] io::Error),
}

/// What both halves of a worker use.
#[derive(Debug)]
pub(crate) struct Worker {
    pub mesh: Mesh,
    pub own_pod: OwnPodView,
    pub tls_server: tls::Server,
    pub drain: Drain,
    pub metrics: Metrics,
    pub tls_client: tls::Client,
    pub own_ips: Arc<[IpAddr]>,
    pub affinities: Affinities,
    /// Tokens that it has verified.
    pub tokens: TokenCache,
    pub original_dst: OriginalDst,
    /// Of the listeners of this proxy.
    pub own_ports: Vec<u16>,
    /// Where its connections come in.
    pub entrance: Entrance,
    /// Who says where names of hosts outside the mesh lead.
    pub lookup: Lookup,
    /// What is to be told of traces.
    pub spans: Rc<trace::Queue>,
    /// What a collector is to be told of the access log.
    pub records: Rc<otlp::Queue>,
}

/// The pod this proxy stands in, as it was when a request or connection began. What is judged by it is judged by one version
/// of it from beginning to end.
pub(crate) type OwnPod = Rc<Arc<Workload>>;

/// Follows its changes. Looking costs a request no lock that workers share.
#[derive(Debug)]
pub(crate) struct OwnPodView {
    current: RefCell<(OwnPod, watch::Receiver<Arc<Workload>>)>,
}

// === impl OwnPodView ===

impl OwnPodView {
    pub fn new(mut updates: watch::Receiver<Arc<Workload>>) -> Self {
        let now = Rc::new(updates.borrow_and_update().clone());
        Self { current: RefCell::new((now, updates)) }
    }

    /// As it is now.
    pub fn current(&self) -> OwnPod {
        let (now, updates) = &mut *self.current.borrow_mut();
        // An error says that there will be no more changes.
        if updates.has_changed().unwrap_or(false) {
            *now = Rc::new(updates.borrow_and_update().clone());
        }
        now.clone()
    }
}

// === impl NotOurs ===

impl NotOurs {
    /// For the metric.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Itself(_) | Self::Unknown(_) => "not-captured",
            Self::Elsewhere(_) => "not-this-pod",
        }
    }
}

// === impl Worker ===

impl Worker {
    /// Where `tcp` was going that the application opened. Refuses what would come back to this very proxy: without the refusal, a
    /// connection to a listener of its own would be dialled again and again until the sockets run out.
    pub fn dialled(&self, tcp: &TcpStream) -> Result<SocketAddr, NotOurs> {
        let original = match self.original_dst {
            OriginalDst::Fixed(addr) => return Ok(addr),
            OriginalDst::Socket => socket::original_destination(tcp)?,
        };
        if self.own_ports.contains(&original.port()) && self.is_own(original.ip()) {
            return Err(NotOurs::Itself(original));
        }
        Ok(original)
    }

    /// Where `tcp` was going that somebody else opened. The rules take all that reaches the pod's interface, whatever address a
    /// neighbour wrote on it: what is for another address is refused, or the proxy would dial it for whoever asks, from the pod's own.
    pub fn asked_for(&self, tcp: &TcpStream) -> Result<SocketAddr, NotOurs> {
        let original = match self.original_dst {
            OriginalDst::Fixed(addr) => return Ok(addr),
            OriginalDst::Socket => socket::original_destination(tcp)?,
        };
        match self.is_own(original.ip()) {
            true if self.own_ports.contains(&original.port()) => Err(NotOurs::Itself(original)),
            true if !original.ip().is_loopback() => Ok(original),
            _ => Err(NotOurs::Elsewhere(original)),
        }
    }

    /// Whether the pod has this address. Those it was started with are looked at first; it may have more, on a second network.
    fn is_own(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.own_ips.contains(&ip) || socket::is_local(ip)
    }

    /// Addresses of this pod.
    pub fn own_ips(&self) -> &[IpAddr] {
        &self.own_ips
    }

    /// A set of upstreams of its own.
    pub fn upstreams(&self) -> Upstreams {
        Upstreams::new(self.tls_client.clone(), self.own_ips.clone(), self.metrics.goaways.clone())
    }
}
