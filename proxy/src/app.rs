//! The composition root: builds every part, hands each its inputs, and ends the process when one of them ends.
//!
//! The control runtime runs on the calling thread: identity, configuration, probes, administration. The data path has
//! threads of its own, which begin once there is a certificate and a workload; until then captured connections wait in
//! the queues of the listeners, which are open from the beginning.

mod dump;
mod parts;
mod status;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use crate::{
    admin::{Admin, LINGER, Metrics as MetricsServer},
    capacity::{self, Capacity},
    config::Config,
    drain::{self, Drain, Outcome, Trigger},
    egress::Lookup,
    identity,
    log::Log,
    memory,
    probe::{Prober, Probes},
    readiness::Readiness,
    report::Reporter,
    socket,
    telemetry::{AccessLog, Metrics, OwnPodSeries, tap::Taps},
    tls,
    worker::{self, OriginalDst, Views, WorkerContext},
    xds,
};
use dump::Dump;
use parts::Parts;
use status::Status;

/// How long the last lines of the access log may take, when nobody reads them.
const FLUSH_LIMIT: Duration = Duration::from_millis(500);

/// Runs the proxy until SIGTERM or SIGINT, then drains. Fails when a part of it ends before.
pub async fn run(config: Config, log: Log) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Proxy::bind(config, log, OriginalDst::Socket)?.run(stop).await
}

/// A proxy whose ports are open and which does nothing yet.
pub struct Proxy {
    config: Config,
    log: Log,
    original_dst: OriginalDst,
    listeners: Listeners,
    addresses: Addresses,
    probes: Probes,
}

/// Where the proxy listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Captured outbound connections.
    pub outbound: SocketAddr,
    /// Captured inbound connections.
    pub inbound: SocketAddr,
    /// Rewritten probes.
    pub probe: SocketAddr,
    /// Metrics and readiness.
    pub metrics: SocketAddr,
}

/// Every worker has sockets of its own on the same two ports.
struct Listeners {
    outbound: Vec<Vec<TcpListener>>,
    inbound: Vec<Vec<TcpListener>>,
    probe: TcpListener,
    metrics: TcpListener,
    admin: UnixListener,
}

// === impl Proxy ===

impl Proxy {
    /// Opens every port, so that whatever is wrong with the pod shows at once.
    pub fn bind(config: Config, log: Log, original_dst: OriginalDst) -> anyhow::Result<Self> {
        let probes = Probes::parse(&config.probes)?;
        let listeners = Listeners::bind(&config)?;
        let addresses = listeners.addresses()?;
        Ok(Self { config, log, original_dst, listeners, addresses, probes })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Runs until `stop`, then drains. Fails when a part ends before.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let access_log = OnceLock::new();
        let ended = self.carry(stop, &access_log).await;
        // Also where a part has failed: what came before is what people look for.
        if let Some(access_log) = access_log.get() {
            access_log.flush(FLUSH_LIMIT).await;
        }
        ended
    }

    async fn carry(
        self,
        stop: impl Future<Output = ()>,
        access_log: &OnceLock<AccessLog>,
    ) -> anyhow::Result<()> {
        let (trigger, drain) = drain::channel();
        let (parts, mut ended) = parts::channel();
        let limit = self.config.drain;
        let work = async {
            self.come_up(&parts, trigger.clone(), drain, access_log).await?;
            std::future::pending().await
        };
        tokio::select! {
            failed = work => return failed,
            fatal = ended.first() => return Err(fatal.into()),
            () = stop => {}
        }
        tracing::info!(limit = ?limit, "told to end, draining");
        tokio::select! {
            fatal = ended.first() => return Err(fatal.into()),
            outcome = trigger.drain(limit) => match outcome {
                Outcome::Drained => tracing::info!("drained"),
                Outcome::DeadlinePassed { open } => tracing::warn!(open, "connections are still open, ending all the same"),
            },
        }
        Ok(())
    }

    /// Starts every part in the order of what it needs.
    async fn come_up(
        self,
        parts: &Parts,
        trigger: Trigger,
        drain: Drain,
        access_log: &OnceLock<AccessLog>,
    ) -> anyhow::Result<()> {
        let Self { config, log, original_dst, listeners, probes, .. } = self;
        let readiness = Readiness::new();
        let certificate = readiness.block("identity certificate");
        let workload = readiness.block("workload configuration");
        let started = readiness.block("workers");

        let mut registry = Registry::default();
        log.register(&mut registry);
        if config.access_log != Some(false) {
            let lines = AccessLog::to_stdout(config.access_log == Some(true), &mut registry);
            access_log.get_or_init(|| lines);
        }
        let metrics = Metrics::register(&mut registry).with_access_log(access_log.get().cloned());
        let status = Status::register(&mut registry);
        let own_pod = OwnPodSeries::register(&mut registry);
        let capacity = Capacity::of_this_process();
        let watch = capacity::Watch::register(capacity, &mut registry);
        parts.spawn_forever("series", metrics.clone().forget_what_is_gone());
        let dump: Arc<OnceLock<Dump>> = Arc::default();
        let own = config.pod.ips.first().context("the pod has no address")?;
        let views = Views::default();
        let admin =
            administration(&config, trigger, dump.clone(), (views.clone(), metrics.taps.clone()), log);
        parts.spawn(
            "metrics",
            MetricsServer { registry: Arc::new(registry), readiness }.serve(listeners.metrics),
        );
        parts.spawn("admin", admin.serve(listeners.admin));
        parts.spawn("probes", Prober::new(probes, *own).serve(listeners.probe));

        let (certs, renewal) = identity::obtain(&config).await;
        drop(certificate);
        parts.spawn_forever("identity", renewal.run());

        let (client, mesh) = xds::Client::new(&config, certs.clone());
        own_pod.follow(mesh.workload());
        let mut link = client.link();
        let known = Dump { certs: certs.clone(), mesh: mesh.clone(), link: link.clone() };
        dump.get_or_init(|| known);
        let reporter = Reporter::new(&config.pod.uid, client.origin(), metrics.clone(), mesh.workload());
        parts.spawn_forever("reports", reporter.run(client.connection()));
        parts.spawn_forever("configuration", client.run());
        parts.spawn_forever("status", status.follow(certs.clone(), link.clone()));
        link.wait_for(|link| link.workload_known).await.context("the configuration client ended")?;
        drop(workload);

        let own_ips: Arc<[_]> = config.pod.ips.clone().into();
        let affinities = worker::Affinities::default();
        let outbound = worker::Listeners::shared(listeners.outbound);
        let inbound = worker::Listeners::shared(listeners.inbound);
        for (index, (outbound, inbound)) in outbound.into_iter().zip(inbound).enumerate() {
            let context = WorkerContext {
                index,
                outbound,
                inbound,
                original_dst,
                own_ips: own_ips.clone(),
                affinities: affinities.clone(),
                mesh: mesh.clone(),
                tls_client: tls::Client::new(certs.clone()),
                tls_server: tls::Server::new(certs.clone()),
                drain: drain.clone(),
                share: capacity.share(config.workers, watch.pressure().clone()),
                metrics: metrics.for_worker(),
                questions: views.worker(),
                lookup: Lookup::default(),
            };
            parts.spawn("worker", start_worker(context)?);
        }
        drop(started);
        parts.spawn_forever("memory", memory::keep_small());
        parts.spawn_forever("capacity", watch.run());
        let Capacity { memory, connections } = capacity;
        tracing::info!(workers = config.workers, memory, connections, identity = %config.identity(), "proxy is up");
        Ok(())
    }
}

fn administration(
    config: &Config,
    drain: Trigger,
    dump: Arc<OnceLock<Dump>>,
    (views, taps): (Views, Taps),
    log: Log,
) -> Admin {
    let config_dump = Arc::new(move || dump.get().map_or_else(|| "{}".to_owned(), Dump::json));
    let identity = config.identity().to_string().into();
    Admin { drain, drain_limit: config.drain, linger: LINGER, config_dump, views, taps, identity, log }
}

/// Starts the thread; the future tells how it ended, which it never should.
fn start_worker(context: WorkerContext) -> io::Result<impl Future<Output = io::Result<()>>> {
    let (report, ended) = oneshot::channel();
    thread::Builder::new().name(format!("worker-{}", context.index)).spawn(move || {
        let _ = report.send(worker::run(context));
    })?;
    Ok(async move { ended.await.unwrap_or_else(|_| Err(io::Error::other("its thread ended"))) })
}

// === impl Listeners ===

impl Listeners {
    fn bind(config: &Config) -> anyhow::Result<Self> {
        let ports = config.ports;
        let workers = 0..config.workers;
        Ok(Self {
            outbound: workers
                .clone()
                .map(|_| opened("outbound", ports.outbound, socket::listen_loopback))
                .collect::<anyhow::Result<_>>()?,
            inbound: workers
                .map(|_| Ok(vec![opened("inbound", ports.inbound, socket::listen_everywhere)?]))
                .collect::<anyhow::Result<_>>()?,
            probe: opened("probe", ports.probe, socket::listen_everywhere)?,
            metrics: opened("metrics", ports.metrics, socket::listen_everywhere)?,
            admin: {
                let path = config.files.admin_socket();
                socket::listen_privately(&path)
                    .with_context(|| format!("cannot listen on the admin socket {}", path.display()))?
            },
        })
    }

    fn addresses(&self) -> anyhow::Result<Addresses> {
        let outbound = self.outbound.iter().flatten().next().context("there is no loopback address")?;
        let inbound = self.inbound.iter().flatten().next().context("there is no inbound listener")?;
        Ok(Addresses {
            outbound: outbound.local_addr()?,
            inbound: inbound.local_addr()?,
            probe: self.probe.local_addr()?,
            metrics: self.metrics.local_addr()?,
        })
    }
}

fn opened<T>(name: &str, port: u16, open: impl Fn(u16) -> io::Result<T>) -> anyhow::Result<T> {
    open(port).with_context(|| {
        format!("cannot listen on {name} port {port}; another container of the pod may use it, and it is the proxy's")
    })
}

#[cfg(test)]
mod tests;
