//! The endpoints of a version, looked up before it is made: at once, or in turns with other tasks where they are many.

use std::rc::Rc;
use std::sync::Arc;

use super::{Ground, Live};
use crate::http::{Upstream, UpstreamKey};
use crate::outbound::outliers::{Detector, Watched};
use crate::state::{Backend, Destination, Endpoint};

/// Endpoints that are looked up between two turns of other tasks.
const AT_A_TIME: usize = 128;

/// What is known of the endpoints of a version, and what takes longest to find.
pub struct Prepared {
    pub outliers: Option<Rc<Detector>>,
    /// In the order of [`Destination::backends`].
    pub backends: Vec<Vec<Found>>,
}

/// What leads to an endpoint, and what watches it where somebody does.
pub type Found = (Rc<Upstream>, Option<Rc<Watched>>);

// === impl Prepared ===

impl Prepared {
    pub fn new(destination: &Destination, ground: &Ground, previous: Option<&Live>) -> Self {
        let outliers = Live::outliers_of(destination, ground, previous);
        let of = |backend: &Arc<Backend>| {
            let found = |endpoint| look_up((backend, endpoint), destination, ground, outliers.as_deref());
            backend.endpoints.iter().map(|endpoint| found(endpoint)).collect()
        };
        Self { backends: destination.backends.iter().map(of).collect(), outliers }
    }

    /// The same, in turns with other tasks.
    pub async fn beside(destination: &Destination, ground: &Ground, previous: &Live) -> Self {
        let outliers = Live::outliers_of(destination, ground, Some(previous));
        let mut backends = Vec::with_capacity(destination.backends.len());
        for backend in &destination.backends {
            let mut endpoints = Vec::with_capacity(backend.endpoints.len());
            for some in backend.endpoints.chunks(AT_A_TIME) {
                tokio::task::yield_now().await;
                let found = |one| look_up((backend, one), destination, ground, outliers.as_deref());
                endpoints.extend(some.iter().map(|one| found(one)));
            }
            backends.push(endpoints);
        }
        Self { outliers, backends }
    }
}

fn look_up(
    (backend, endpoint): (&Backend, &Endpoint),
    destination: &Destination,
    ground: &Ground,
    outliers: Option<&Detector>,
) -> Found {
    let upstream = ground.upstreams.get(UpstreamKey {
        addr: endpoint.addr,
        peer: endpoint.peer.clone(),
        tunnel: (endpoint.opaque && endpoint.peer.is_some()).then(|| destination.key.clone()),
        tls: backend.tls.clone().filter(|_| endpoint.peer.is_none()),
    });
    let watched = outliers.map(|outliers| outliers.watch(&upstream.key));
    (upstream, watched)
}
