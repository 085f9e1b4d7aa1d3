//! A worker: one thread with its own runtime, listeners, pools and balancer state. Nothing on the path of a request
//! is shared between workers but metric handles, immutable snapshots, and to which endpoints the pod keeps ([`affinities`]).

pub(crate) mod affinities;
pub(crate) mod entrance;
pub(crate) mod ground;
mod listeners;
pub(crate) mod residents;
mod turns;
mod view;

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::time::Instant;

use crate::asking::LONGEST_ANSWER;
use crate::capacity::Share;
use crate::drain::Drain;
use crate::egress::Lookup;
use crate::explain::Side;
use crate::held;
use crate::http::count_unread;
use crate::inbound::Inbound;
use crate::jwt::TokenCache;
use crate::otlp::{Exporter, Signal};
use crate::outbound::Outbound;
use crate::state::Mesh;
use crate::telemetry::{Direction, Metrics};
use crate::{otlp, tls, trace};

pub use affinities::Affinities;
pub use ground::OriginalDst;
pub use listeners::Listeners;
pub use view::{Questions, Views};

use entrance::Entrance;
use ground::{OwnPodView, Worker};
use view::{Asked, What};

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
    /// What it may hold.
    pub share: Share,
    /// What is counted.
    pub metrics: Metrics,
    /// Which endpoints the pod keeps to; all workers share it.
    pub affinities: Affinities,
    /// Who wants to know what this worker sees.
    pub questions: Questions,
    /// Who says where names of hosts outside the mesh lead.
    pub lookup: Lookup,
}

/// Runs a worker on the calling thread for the life of the process; fails only where it cannot start.
pub fn run(context: WorkerContext) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(serve(context))
}

async fn serve(context: WorkerContext) -> io::Result<()> {
    let index = context.index;
    held::allow(context.share.bytes);
    let own_ports = [context.inbound.ports()?, context.outbound.ports()?].concat();
    let spans = Rc::new(trace::Queue::new(context.drain.clone(), context.metrics.spans.clone()));
    let records = Rc::new(otlp::Queue::new(context.drain.clone(), context.metrics.records.clone()));
    let worker = Rc::new(Worker {
        own_pod: OwnPodView::new(context.mesh.workload()),
        mesh: context.mesh,
        tls_server: context.tls_server,
        tls_client: context.tls_client,
        drain: context.drain,
        metrics: context.metrics,
        own_ips: context.own_ips,
        affinities: context.affinities,
        tokens: TokenCache::default(),
        original_dst: context.original_dst,
        own_ports,
        entrance: Entrance::new(context.share),
        lookup: context.lookup,
        spans,
        records,
    });
    let outbound = Rc::new(Outbound::new(worker.clone()));
    for signal in [Signal::Spans, Signal::Logs] {
        let callout = outbound.callout().reading_at_most(LONGEST_ANSWER);
        tokio::task::spawn_local(Exporter::new(signal, worker.clone(), callout).run());
    }
    let inbound = Rc::new(Inbound::new(worker.clone(), || outbound.callout()));
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
                look_after(&worker);
                swept = Instant::now();
            }
            Some(asked) = questions.recv() => answer(asked, &outbound, &inbound),
        }
    }
}

/// Tells who asked; it may have left.
fn answer(Asked { what, reply }: Asked, outbound: &Rc<Outbound>, inbound: &Rc<Inbound>) {
    match what {
        What::Balancers => drop(reply.send(outbound.view())),
        What::Explain(question) => {
            let (outbound, inbound) = (outbound.clone(), inbound.clone());
            // It may have to ask the control plane, and others have questions too.
            tokio::task::spawn_local(async move {
                let answer = match &question.asks {
                    Side::Caller => outbound.explain(&question).await,
                    Side::Receiver { identity, from } => inbound.explain(&question, identity.as_ref(), *from),
                };
                let _ = reply.send(answer);
            });
        }
    }
}

/// Keeps what this worker holds within bounds, and has told what it took.
fn look_after(worker: &Worker) {
    count_unread();
    held::set_level(worker.entrance.residents.level());
    let asked = worker.entrance.residents.look();
    for (direction, count) in [(Direction::Inbound, asked.inbound), (Direction::Outbound, asked.outbound)] {
        worker.metrics.errors(direction, "idle-shed", count);
    }
    worker.metrics.errors(Direction::Inbound, "held-too-much", held::take_given_up());
}

#[cfg(test)]
mod tests;
