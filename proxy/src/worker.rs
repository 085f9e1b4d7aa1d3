//! A worker: one thread with its own runtime, listeners, pools and balancer state. Nothing on the path of a request
//! is shared between workers but metric handles and immutable snapshots.

mod listeners;
mod view;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::drain::Drain;
use crate::http::Upstreams;
use crate::inbound::Inbound;
use crate::outbound::Outbound;
use crate::socket;
use crate::state::{Mesh, OutboundPolicy, Workload};
use crate::telemetry::Metrics;
use crate::tls;

pub use listeners::Listeners;
pub use view::{Questions, Views};

/// How often idle connections and unused state are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What a worker is given.
#[derive(Debug)]
pub struct WorkerContext {
    /// Number of the worker, from zero.
    pub index: usize,
    /// Captured outbound connections arrive here.
    pub outbound: Listeners,
    /// Captured inbound connections arrive here.
    pub inbound: Listeners,
    /// How to learn where connections were going.
    pub original_dst: OriginalDst,
    /// Addresses of this pod.
    pub own_ips: Arc<[IpAddr]>,
    /// What the mesh knows.
    pub mesh: Mesh,
    /// Opens mesh connections.
    pub tls_client: tls::Client,
    /// Accepts mesh connections.
    pub tls_server: tls::Server,
    /// Says when to ask connections to end.
    pub drain: Drain,
    /// What is counted.
    pub metrics: Metrics,
    /// Who wants to know what this worker sees.
    pub questions: Questions,
}

/// How to learn where an accepted connection was going.
#[derive(Clone, Copy, Debug)]
pub enum OriginalDst {
    /// From the redirect that captured it.
    Socket,
    /// Always here; for running without capture rules, as tests do.
    Fixed(SocketAddr),
}

/// What both halves of a worker use.
#[derive(Debug)]
pub(crate) struct Worker {
    pub mesh: Mesh,
    pub workload: watch::Receiver<Arc<Workload>>,
    pub tls_server: tls::Server,
    pub drain: Drain,
    pub metrics: Metrics,
    tls_client: tls::Client,
    own_ips: Arc<[IpAddr]>,
    original_dst: OriginalDst,
    own_ports: Vec<u16>,
}

/// Runs a worker on the calling thread until a listener fails.
pub fn run(context: WorkerContext) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(serve(context))
}

async fn serve(context: WorkerContext) -> io::Result<()> {
    let index = context.index;
    let own_ports = [context.inbound.ports()?, context.outbound.ports()?].concat();
    let worker = Rc::new(Worker {
        workload: context.mesh.workload(),
        mesh: context.mesh,
        tls_server: context.tls_server,
        tls_client: context.tls_client,
        drain: context.drain,
        metrics: context.metrics,
        own_ips: context.own_ips,
        original_dst: context.original_dst,
        own_ports,
    });
    let outbound = Rc::new(Outbound::new(worker.clone()));
    let inbound = Rc::new(Inbound::new(worker));
    context.outbound.serve({
        let outbound = outbound.clone();
        move |tcp| outbound.clone().connection(tcp)
    })?;
    context.inbound.serve({
        let inbound = inbound.clone();
        move |tcp| inbound.clone().connection(tcp)
    })?;
    tracing::debug!(index, "worker started");
    let mut questions = context.questions;
    let mut swept = Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(swept + SWEEP_INTERVAL) => {
                outbound.sweep(swept.elapsed());
                inbound.sweep();
                swept = Instant::now();
            }
            Some(reply) = questions.recv() => {
                // Who asked may have left.
                let _ = reply.send(outbound.view());
            }
        }
    }
}

// === impl Worker ===

impl Worker {
    /// Where `tcp` was going. Refuses what would come back to this very proxy: without the refusal, a connection to
    /// a listener of its own would be dialled again and again until the sockets run out.
    pub fn original_destination(&self, tcp: &TcpStream) -> io::Result<SocketAddr> {
        let original = match self.original_dst {
            OriginalDst::Fixed(addr) => return Ok(addr),
            OriginalDst::Socket => socket::original_destination(tcp)?,
        };
        let own = original.ip().is_loopback() || self.own_ips.contains(&original.ip());
        if own && self.own_ports.contains(&original.port()) {
            return Err(io::Error::other(format!("{original} is this proxy itself")));
        }
        Ok(original)
    }

    /// What becomes of destinations the mesh does not know.
    pub fn outbound_policy(&self) -> OutboundPolicy {
        self.workload.borrow().outbound_policy
    }

    /// Addresses of this pod.
    pub fn own_ips(&self) -> &[IpAddr] {
        &self.own_ips
    }

    /// A set of upstreams of its own.
    pub fn upstreams(&self) -> Upstreams {
        Upstreams::new(self.tls_client.clone(), self.own_ips.clone())
    }
}

#[cfg(test)]
mod tests;
