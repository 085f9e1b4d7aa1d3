//! Connections to what the mesh does not know, or could not be asked about: outside, as far as the outbound policy lets them.
//!
//! dialled -> declared as bytes: there; else what is spoken -> host (server name, or authority of each request) -> ExternalService ->
//! where the name leads ([`ways`]) -> as to any destination. Without a declaration nothing is dialled.
//!
//! Hosts to which an ExternalService has TLS opened are judged so under every policy, and reached in TLS or not at all. At ports that it
//! names requests are read for that, and those for other hosts go where they were dialled as far as the policy lets them.

mod first;
mod rehearsal;
mod requests;
mod ways;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::net::TcpStream;

use self::first::First;
use self::requests::OutsideRequests;
use self::ways::Ways;
use super::choosing::Choosing;
use super::opaque;
use super::pass::{self, UNJUDGED};
use super::said::Said;
use crate::detect::{DETECT_TIMEOUT, Sniffed};
use crate::egress::{self, ExternalService, HostName, Refusal, Speaks, judge};
use crate::http::rescue::Failure;
use crate::state::{DestinationView, OutboundPolicy};
use crate::tcp::{Prefixed, ResetOnClose};
use crate::telemetry::Direction;
use crate::worker::ground::{OwnPod, Worker};
use crate::worker::residents::Resident;

/// Why the mesh says nothing about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ignorance {
    /// The control plane said that there is nothing of the mesh.
    Unknown,
    /// Nobody could be asked, and the address was never seen before.
    Unreachable,
}

/// The way out of one worker.
#[derive(Debug)]
pub(super) struct Outside {
    choosing: Rc<Choosing>,
    ways: Ways,
}

/// What leads to a host.
#[derive(Debug)]
struct Way {
    service: Arc<ExternalService>,
    view: DestinationView,
}

/// One connection on its way out.
#[derive(Clone, Debug)]
struct Leaving {
    original: SocketAddr,
    ignorance: Ignorance,
    /// By which it is judged; it ends with another.
    policy: OutboundPolicy,
    resident: Rc<Resident>,
}

// === impl Ignorance ===

impl Ignorance {
    fn reason(self) -> &'static str {
        match self {
            Self::Unknown => "unknown-destination",
            Self::Unreachable => "control-plane-unreachable",
        }
    }

    /// What the caller is told who was refused.
    pub fn failure(self, refusal: Refusal, host: Option<&HostName>, original: SocketAddr) -> Failure {
        match (refusal, self) {
            // The address may well be one of the mesh.
            (Refusal::Undeclared | Refusal::NoHost, Self::Unreachable) => {
                Failure::ControlPlaneUnreachable { addr: original }
            }
            _ => {
                let host = host.map_or_else(|| original.ip().to_string(), |host| host.as_str().to_owned());
                Failure::NotLetOut { host: host.into(), port: original.port(), refusal }
            }
        }
    }
}

// === impl Outside ===

impl Outside {
    pub fn new(choosing: Rc<Choosing>) -> Self {
        let ways = Ways::new(choosing.worker.lookup.clone());
        Self { choosing, ways }
    }

    /// Carries one connection until it ends, or refuses it.
    pub async fn connection(
        self: Rc<Self>,
        tcp: TcpStream,
        original: SocketAddr,
        ignorance: Ignorance,
        resident: Rc<Resident>,
    ) {
        let pod = self.choosing.worker.own_pod.current();
        let leaving = Leaving { original, ignorance, policy: pod.outbound_policy, resident };
        match pod.outbound_policy {
            OutboundPolicy::RegistryOnly => self.judged(tcp, leaving).await,
            _ if egress::originates_at(&pod.external_services, original.port()) => {
                self.read(tcp, leaving).await;
            }
            _ => {
                let read_from_now_on =
                    |pod: &OwnPod| egress::originates_at(&pod.external_services, original.port());
                self.passed(tcp, BytesMut::new(), &leaving, read_from_now_on).await;
            }
        }
    }

    /// At a port where requests for some hosts go out in TLS, and nothing else is judged. Such a port is one for HTTP: what speaks neither that
    /// nor TLS of its own could be a request that nobody recognises.
    async fn read(self: Rc<Self>, mut tcp: TcpStream, leaving: Leaving) {
        let mut seen = BytesMut::with_capacity(1024);
        match first::read(&mut tcp, &mut seen, None).await {
            First::Http(wire) => {
                let stream = Prefixed::new(seen.freeze(), tcp).into();
                OutsideRequests::new(self, wire, leaving).serve(stream).await;
            }
            First::Tls(_) => self.passed(tcp, seen, &leaving, |_| false).await,
            First::Bytes => {
                let failure = self.refused(Refusal::Undeclared, None, &leaving);
                reset(&self.choosing.worker, &tcp, &failure);
            }
        }
    }

    /// Lets bytes, of which some were `seen`, go where they were dialled, for as long as nobody judges them and they need not be read.
    async fn passed(
        &self,
        tcp: TcpStream,
        seen: BytesMut,
        leaving: &Leaving,
        read_from_now_on: impl Fn(&OwnPod) -> bool,
    ) {
        let (worker, original) = (self.choosing.worker.clone(), leaving.original);
        worker.metrics.passthrough(Direction::Outbound, leaving.ignorance.reason());
        let passed = async {
            match leaving.policy {
                OutboundPolicy::DryRun => rehearsal::pass(&worker, tcp, seen, original).await,
                _ => {
                    let tcp = Prefixed::new(seen.freeze(), tcp);
                    pass::pass(&worker, tcp, original, UNJUDGED.to_owned()).await;
                }
            }
        };
        let narrowed =
            |pod: &OwnPod| pod.outbound_policy == OutboundPolicy::RegistryOnly || read_from_now_on(pod);
        tokio::select! {
            () = passed => {}
            // What nobody judged goes on no longer than nobody judges.
            () = until(&worker, narrowed) => worker.metrics.error(Direction::Outbound, "outbound-narrowed"),
        }
    }

    /// Forgets names that nobody asks for.
    pub fn sweep(&self) {
        self.ways.sweep();
    }

    async fn judged(self: Rc<Self>, mut tcp: TcpStream, leaving: Leaving) {
        let worker = self.choosing.worker.clone();
        let (pod, original) = (worker.own_pod.current(), leaving.original);
        if let Ok(service) = judge(&pod.external_services, Speaks::Bytes, None, original) {
            worker.metrics.egress.allowed(&service.name, "-", original.port());
            let carried = pass::pass(&worker, tcp.into(), original, service.at(original.port()));
            return self.while_allowed(Speaks::Bytes, None, original, carried).await;
        }
        let mut seen = BytesMut::with_capacity(1024);
        // Where nothing is declared there is nothing to wait for.
        let patience =
            (!egress::reads_port(&pod.external_services, original.port())).then_some(DETECT_TIMEOUT);
        match first::read(&mut tcp, &mut seen, patience).await {
            First::Http(wire) => {
                let stream = Prefixed::new(seen.freeze(), tcp).into();
                OutsideRequests::new(self, wire, leaving).serve(stream).await;
            }
            First::Tls(name) => {
                let host = name.as_deref().and_then(HostName::parse);
                match self.way(Speaks::Tls, host.as_ref(), &leaving).await {
                    Ok(Way { mut view, .. }) => {
                        let live = self.choosing.live(view.current());
                        let said = Said { sniffed: Sniffed::Opaque, server_name: name, own_tls: true };
                        let stream = Prefixed::new(seen.freeze(), tcp).into();
                        let carried = opaque::carry(&self.choosing, stream, &live, &said);
                        self.while_allowed(Speaks::Tls, host.as_ref(), original, carried).await;
                    }
                    Err(failure) => reset(&worker, &tcp, &failure),
                }
            }
            First::Bytes => {
                let refusal = match judge(&pod.external_services, Speaks::Bytes, None, original) {
                    Err(refusal) => refusal,
                    // Declared since it came; it may come again.
                    Ok(_) => Refusal::Undeclared,
                };
                let failure = self.refused(refusal, None, &leaving);
                reset(&worker, &tcp, &failure);
            }
        }
    }

    /// The way to a host that is declared for this pod; counts what is made of it.
    async fn way(&self, speaks: Speaks, host: Option<&HostName>, leaving: &Leaving) -> Result<Way, Failure> {
        let pod = self.choosing.worker.own_pod.current();
        let judged = judge(&pod.external_services, speaks, host, leaving.original);
        let (service, host) = match (judged, host) {
            (Ok(service), Some(host)) => (service, host),
            (Err(refusal), _) => return Err(self.refused(refusal, host, leaving)),
            (Ok(_), None) => return Err(self.refused(Refusal::NoHost, None, leaving)),
        };
        let view = self.lead(service, speaks, host, leaving).await?;
        let pattern = service.pattern_of(host).map(ToString::to_string).unwrap_or_default();
        self.choosing.worker.metrics.egress.allowed(&service.name, &pattern, leaving.original.port());
        Ok(Way { service: service.clone(), view })
    }

    /// Where a host leads that was judged. A name that is known is answered at once.
    async fn lead(
        &self,
        service: &ExternalService,
        speaks: Speaks,
        host: &HostName,
        leaving: &Leaving,
    ) -> Result<DestinationView, Failure> {
        self.ways.to(service, speaks, host, leaving.original).await.map_err(|error| match error.refusal() {
            Some(refusal) => self.refused(refusal, Some(host), leaving),
            None => {
                tracing::debug!(%error, %host, "a host outside the mesh has no address");
                Failure::Unresolved { host: host.as_str().into() }
            }
        })
    }

    /// Counts a refusal, and makes what its caller is told. The rule stands in the log and the metrics only.
    fn refused(&self, refusal: Refusal, host: Option<&HostName>, leaving: &Leaving) -> Failure {
        let (worker, port) = (&self.choosing.worker, leaving.original.port());
        let named = host.map(HostName::as_str);
        let first = worker.metrics.egress.refused(named, port, "refused", refusal.reason());
        let (original, reason) = (leaving.original, refusal.reason());
        if first {
            tracing::info!(host = named, %original, reason, "refused what was going outside the mesh");
        } else {
            tracing::debug!(host = named, %original, reason, "refused what was going outside the mesh");
        }
        leaving.ignorance.failure(refusal, host, original)
    }

    /// Carries on for as long as what was allowed would still be; then it is given up, which is a reset for both ends.
    async fn while_allowed(
        &self,
        speaks: Speaks,
        host: Option<&HostName>,
        original: SocketAddr,
        carried: impl Future<Output = ()>,
    ) {
        let worker = &self.choosing.worker;
        let narrowed = |pod: &OwnPod| {
            pod.outbound_policy == OutboundPolicy::RegistryOnly
                && judge(&pod.external_services, speaks, host, original).is_err()
        };
        tokio::select! {
            () = carried => {}
            () = until(worker, narrowed) => worker.metrics.error(Direction::Outbound, "outbound-narrowed"),
        }
    }
}

/// Ends once the pod is such that `holds`.
async fn until(worker: &Worker, holds: impl Fn(&OwnPod) -> bool) {
    let mut updates = worker.mesh.workload();
    while !holds(&worker.own_pod.current()) {
        if updates.changed().await.is_err() {
            // Nothing will change any more.
            std::future::pending::<()>().await;
        }
    }
}

/// Ends a connection that speaks no HTTP as where nobody listens.
fn reset(worker: &Worker, tcp: &TcpStream, failure: &Failure) {
    // Failing to say so means that the caller is gone.
    let _ = tcp.reset_on_close(true);
    worker.metrics.error(Direction::Outbound, failure.reason());
}
