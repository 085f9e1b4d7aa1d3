//! An endpoint with what this worker knows about it: connections, failures, metric handles.

use std::cell::RefCell;
use std::rc::Rc;

use super::balance::warmup::Warmup;
use super::outliers::Watched;
use crate::http::{Upstream, Wire};
use crate::telemetry::{Series, Tls};

/// An endpoint as member of one backend.
#[derive(Debug)]
pub struct LiveEndpoint {
    pub upstream: Rc<Upstream>,
    /// What is known of its failures, where the destination ejects endpoints.
    pub watched: Option<Rc<Watched>>,
    /// Where there is a slow start; kept from one version of the destination to the next.
    pub warmup: Option<Rc<Warmup>>,
    /// It is of another zone than this proxy.
    pub far: bool,
    /// Traffic from here may go there.
    pub within_reach: bool,
    /// Handles by route; a backend belongs to few.
    series: RefCell<Vec<(usize, Rc<Series>)>>,
}

// === impl LiveEndpoint ===

impl LiveEndpoint {
    pub fn new(
        upstream: Rc<Upstream>,
        watched: Option<Rc<Watched>>,
        warmup: Option<Rc<Warmup>>,
        (far, within_reach): (bool, bool),
    ) -> Self {
        Self { upstream, watched, warmup, far, within_reach, series: RefCell::default() }
    }

    /// Handles for requests of `route`, which `make` makes the first time.
    pub fn series(&self, route: usize, make: impl FnOnce() -> Rc<Series>) -> Rc<Series> {
        let mut series = self.series.borrow_mut();
        if let Some((_, known)) = series.iter().find(|(known, _)| *known == route) {
            return known.clone();
        }
        let new = make();
        series.push((route, new.clone()));
        new
    }

    /// How a request is carried there that arrived as `caller`: over h2 between proxies, else as it came.
    pub fn wire(&self, caller: Wire) -> Wire {
        if self.carries_mesh_http() { Wire::H2 } else { caller }
    }

    /// Whether a proxy answers there that takes HTTP as HTTP.
    pub fn carries_mesh_http(&self) -> bool {
        self.upstream.key.peer.is_some() && self.upstream.key.tunnel.is_none()
    }

    /// Who answers there, as metrics tell it.
    pub fn identity(&self) -> (String, Tls) {
        match &self.upstream.key.peer {
            Some(peer) => (peer.to_string(), Tls::Mutual),
            None if self.upstream.key.tls.is_some() => (String::new(), Tls::Backend),
            None => (String::new(), Tls::None),
        }
    }
}
