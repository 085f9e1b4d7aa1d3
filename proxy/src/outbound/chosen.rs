//! Where a request goes: what was chosen for it before it is sent anywhere.

use std::cell::RefCell;
use std::rc::Rc;

use http::{HeaderMap, HeaderValue};

use super::budget::Budget;
use super::choosing::Choosing;
use super::gate::Pass;
use super::latencies::Latencies;
use super::live::Live;
use super::route::Taken;
use super::session::Home;
use crate::http::deadline::Passed;
use crate::http::rescue::Failure;
use crate::request::Watcher;
use crate::state::{Cors, PathMatch, Route, WeightedBackend};
use crate::telemetry::Series;

/// Where a request goes: one snapshot, what was chosen in it, and what the stages leave for the way there and back.
#[derive(Debug)]
pub(super) struct Chosen {
    pub live: Rc<Live>,
    /// Which route takes it, and why.
    pub taken: Taken,
    /// The request only asks what it would be allowed (CORS).
    pub preflight: bool,
    /// Index into the split of the route, once there is one.
    pub share: Option<usize>,
    /// That of the share.
    pub backend: usize,
    /// The endpoint to which its session keeps.
    pub home: Option<usize>,
    /// The endpoint to which the caller has authenticated a connection.
    pub authenticated: Option<usize>,
    /// The origin of the page that asks, where the route minds.
    pub origin: Option<Box<HeaderValue>>,
    /// What the request has in common with others that should go the same way.
    pub key: Option<u64>,
    /// What the limits hold for it.
    pub passes: Vec<Pass>,
    /// See the answer, in the order of the stages that left them.
    pub watchers: Vec<Box<dyn Watcher>>,
}

/// The path by which `route` was taken, where it was by one.
fn taken_by(route: &Route, taken: Taken) -> Option<&PathMatch> {
    route.matches.get(taken.matched)?.path.as_ref()
}

/// The prefix of the path by which `route` was taken, where it was by one.
pub(super) fn prefix(route: &Route, taken: Taken) -> &str {
    match taken_by(route, taken) {
        Some(PathMatch::Prefix(prefix)) => prefix,
        _ => "",
    }
}

/// Where the session of a request keeps it, if the endpoint is there to take it.
pub(super) fn home(live: &Live, taken: Taken, headers: &HeaderMap) -> Option<Home> {
    let route = &live.destination.routes[taken.route];
    let home = live.sessions(taken.route)?.home(route.session.as_ref()?, headers)?;
    live.is_in(route.split[home.share].backend, home.endpoint).then_some(home)
}

// === impl Chosen ===

impl Chosen {
    pub fn new(live: Rc<Live>, taken: Taken, preflight: bool) -> Self {
        Self {
            live,
            taken,
            preflight,
            share: None,
            backend: 0,
            home: None,
            authenticated: None,
            origin: None,
            key: None,
            passes: Vec::new(),
            watchers: Vec::new(),
        }
    }

    pub fn route(&self) -> &Route {
        &self.live.destination.routes[self.taken.route]
    }

    /// Of the destination and of the route, as series have them.
    pub fn names(&self) -> (&str, &str) {
        (&self.live.name, &self.route().name)
    }

    /// What the route tells browsers.
    pub fn cors(&self) -> Option<&Cors> {
        self.route().cors()
    }

    /// Of the destination's routes.
    pub fn route_index(&self) -> usize {
        self.taken.route
    }

    /// Handles for a request that reaches no endpoint.
    pub fn series_without_endpoint(&self, choosing: &Choosing) -> Rc<Series> {
        let backend = self.share.map(|_| self.backend);
        self.live.series_without_endpoint(&choosing.worker.metrics, Some(self.taken.route), backend)
    }

    /// Why a request ends whose time, or the time for which it may be silent, has passed.
    pub fn overdue(&self, passed: Passed) -> Failure {
        let destination = self.live.name.clone();
        match (passed, self.route().timeouts.idle) {
            (Passed::Idle, Some(limit)) => Failure::Silent { destination, limit },
            _ => Failure::DeadlinePassed { destination },
        }
    }

    /// Of the route's split.
    pub fn share(&self) -> &WeightedBackend {
        &self.route().split[self.share.unwrap_or_default()]
    }

    /// Tells a caller whose request `endpoint` answered how to come back there, where its session should and it cannot
    /// know yet.
    pub fn tell_session(&self, endpoint: usize, headers: &mut HeaderMap) {
        if let Some(session) = &self.route().session
            && let Some(sessions) = self.live.sessions(self.taken.route)
            && self.home != Some(endpoint)
        {
            let backend = &self.live.destination.backends[self.backend];
            let taken_by = taken_by(self.route(), self.taken);
            sessions.tell(session, (backend, backend.endpoints[endpoint].addr), taken_by, headers);
        }
    }

    /// See [`prefix`].
    pub fn prefix(&self) -> &str {
        prefix(self.route(), self.taken)
    }

    /// What bounds the retries of the route.
    pub fn budget(&self) -> Option<&Rc<RefCell<Budget>>> {
        self.live.budget(self.taken.route)
    }

    /// What is known of how long its requests take, where that decides when a copy is sent.
    pub fn latencies(&self) -> Option<&Rc<RefCell<Latencies>>> {
        self.live.latencies(self.taken.route)
    }

    /// Handles for requests that this endpoint of the backend answers.
    pub fn series(&self, choosing: &Choosing, endpoint: usize) -> Rc<Series> {
        let endpoint = &self.live.backends[self.backend][endpoint];
        self.live.series(&choosing.worker.metrics, self.taken.route, self.backend, endpoint)
    }
}
