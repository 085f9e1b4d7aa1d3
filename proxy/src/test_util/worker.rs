use std::rc::Rc;
use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::TestCa;
use crate::capacity::Share;
use crate::egress::Lookup;
use crate::jwt::TokenCache;
use crate::state::Mesh;
use crate::telemetry::Metrics;
use crate::worker::Affinities;
use crate::worker::entrance::Entrance;
use crate::worker::ground::{OriginalDst, OwnPodView, Worker};
use crate::{drain, otlp, tls, trace};

/// What one half stands on, without a thread of its own. It is `web`, and may hold its `share`.
pub(crate) fn a_worker(ca: &TestCa, mesh: Mesh, original_dst: OriginalDst, share: Share) -> Worker {
    let certs = ca.certs("shop", "web");
    let (drain, metrics) = (drain::channel().1, Metrics::register(&mut Registry::default()));
    Worker {
        own_pod: OwnPodView::new(mesh.workload()),
        mesh,
        tls_server: tls::Server::new(certs.clone()),
        tls_client: tls::Client::new(certs),
        spans: Rc::new(trace::Queue::new(drain.clone(), metrics.spans.clone())),
        records: Rc::new(otlp::Queue::new(drain.clone(), metrics.records.clone())),
        drain,
        metrics,
        own_ips: Arc::new([]),
        affinities: Affinities::default(),
        tokens: TokenCache::default(),
        original_dst,
        own_ports: Vec::new(),
        entrance: Entrance::new(share),
        lookup: Lookup::Fixed(Arc::default()),
    }
}
