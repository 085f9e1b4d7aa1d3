//! A destination with what this worker knows about its endpoints: connections, load, metric handles.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::balance::Balancer;
use super::balance::warmup::Warmup;
use super::balanced::Balanced;
use super::budget::Budget;
use super::gate::Gate;
use super::latencies::Latencies;
use super::outliers::{Advice, Detector, Watched};
use super::route::RouteIndex;
use super::session::Sessions;
use super::view;
use crate::http::{Active, Upstream, UpstreamKey, Upstreams, Wire};
use crate::state::{Backend, Destination, Endpoint, HedgeAfter, Limits, Route, ZonePolicy};
use crate::telemetry::{ConnectionLabels, Direction, Metrics, RequestLabels, Series, Tls};
use crate::worker::Worker;

/// A destination nobody used this long is taken apart; its next use builds it anew.
const FORGET_AFTER: Duration = Duration::from_secs(30);

/// One version of a destination. A request holds it from start to end.
#[derive(Debug)]
pub struct Live {
    pub destination: Arc<Destination>,
    /// `<namespace>/<name>:<port>`, for metrics and messages.
    pub name: String,
    /// Of [`Destination::routes`].
    pub routes: RouteIndex,
    /// In the order of [`Destination::backends`].
    pub backends: Vec<Vec<LiveEndpoint>>,
    /// In the same order; none where the default is all that is asked for.
    pub balanced: Vec<Option<Rc<Balanced>>>,
    /// This proxy's own zone.
    zone: Option<Arc<str>>,
    /// One for each route that has one; it outlives changes of the endpoints.
    budgets: Vec<Option<Rc<RefCell<Budget>>>>,
    /// What ejects endpoints; it outlives changes of them.
    outliers: Option<Rc<Detector>>,
    /// What bounds all that is under way, and what of each route; they outlive changes of the endpoints.
    gate: Option<Rc<Gate>>,
    route_gates: Vec<Option<Rc<Gate>>>,
    /// Of each route that sends copies after a percentile.
    latencies: Vec<Option<Rc<RefCell<Latencies>>>>,
    /// Of each route whose sessions are kept.
    sessions: Vec<Option<Sessions>>,
    /// Requests that fail on purpose, of all routes; it outlives changes of them.
    pub faults: Active,
    /// What the time of budgets counts from.
    started: Instant,
    used: Cell<Instant>,
}

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
    /// Handles by route; a backend belongs to few.
    series: RefCell<Vec<(usize, Rc<Series>)>>,
}

/// How far endpoints have warmed up when a destination changes.
enum Warmups {
    /// Nobody asks.
    Unwanted,
    /// The destination is new to this worker, and so are all its endpoints: none of them is to be spared.
    First,
    Known(HashMap<SocketAddr, Rc<Warmup>>),
}

/// What this worker's connections were dialled to, by [`Destination::key`].
#[derive(Debug, Default)]
pub struct Destinations {
    known: RefCell<HashMap<Arc<str>, Rc<Live>>>,
}

/// What a worker makes live destinations with.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub upstreams: &'a Upstreams,
    pub worker: &'a Worker,
    /// What the time of budgets and ejections counts from.
    pub started: Instant,
}

// === impl Destinations ===

impl Destinations {
    /// The live form of `destination`.
    pub fn get(&self, destination: &Arc<Destination>, place: &Place<'_>) -> Rc<Live> {
        let mut known = self.known.borrow_mut();
        if let Some(live) = known.get(&destination.key)
            && Arc::ptr_eq(&live.destination, destination)
        {
            live.used.set(Instant::now());
            return live.clone();
        }
        let previous = known.get(&destination.key).cloned();
        let live = Rc::new(Live::new(destination.clone(), place, previous.as_deref()));
        known.insert(destination.key.clone(), live.clone());
        live
    }

    /// All of them, for a person.
    pub fn view(&self) -> Value {
        let known = self.known.borrow();
        known.iter().map(|(key, live)| (key.to_string(), view::destination(live))).collect()
    }

    /// Forgets what nobody uses, and looks after the rest: `elapsed` after last time.
    pub fn sweep(&self, elapsed: Duration) {
        self.known.borrow_mut().retain(|_, live| {
            live.look(elapsed);
            Rc::strong_count(live) > 1 || live.used.get().elapsed() < FORGET_AFTER
        });
    }
}

// === impl Live ===

impl Live {
    fn new(destination: Arc<Destination>, place: &Place<'_>, previous: Option<&Self>) -> Self {
        let target = &destination.target;
        let name = format!("{}/{}:{}", target.namespace, target.name, target.port);
        let outliers = Self::outliers_of(&destination, &name, place, previous);
        let zone = place.worker.workload.borrow().zone.clone();
        let before = |backend: &Backend| {
            let live = previous?;
            let same = |old: &Arc<Backend>| old.name == backend.name;
            Some((live, live.destination.backends.iter().position(same)?))
        };
        let endpoints_of = |backend: &Arc<Backend>| {
            let warmups = Warmups::new(&destination, before(backend));
            let live = |endpoint: &Arc<Endpoint>| {
                let upstream = place.upstreams.get(UpstreamKey {
                    addr: endpoint.addr,
                    peer: endpoint.peer.clone(),
                    tunnel: (endpoint.opaque && endpoint.peer.is_some()).then(|| destination.key.clone()),
                });
                let watched = outliers.as_ref().map(|outliers| outliers.watch(&upstream.key));
                let (warmup, far) = (warmups.of(endpoint.addr), endpoint.zone != zone);
                LiveEndpoint { upstream, watched, warmup, far, series: RefCell::default() }
            };
            backend.endpoints.iter().map(live).collect()
        };
        let backends: Vec<Vec<LiveEndpoint>> = destination.backends.iter().map(endpoints_of).collect();
        if let Some(outliers) = &outliers {
            outliers.keep(|key| backends.iter().flatten().any(|endpoint| endpoint.upstream.key == *key));
        }
        let balanced_of = |backend: &Arc<Backend>| {
            let policy = &destination.load_balancer;
            let old = before(backend).and_then(|(live, index)| {
                let same = live.destination.load_balancer == *policy
                    && live.destination.backends[index].endpoints == backend.endpoints
                    && live.zone == zone;
                Some((live.balanced[index].as_ref()?, same))
            });
            if let Some((balanced, true)) = old {
                return Some(balanced.clone());
            }
            let previous = old.map(|(balanced, _)| &balanced.balancer);
            let balancer = Balancer::new(policy, &backend.endpoints, zone.as_deref(), previous)?;
            Some(Rc::new(Balanced::new(balancer, policy, &name, &place.worker.metrics)))
        };
        let balanced = destination.backends.iter().map(balanced_of).collect();
        let budgets = destination.routes.iter().map(|route| Self::budget_of(route, previous)).collect();
        let routes = RouteIndex::new(&destination.routes);
        let gate = destination.limits.as_deref().map(|limits| {
            let old = previous.and_then(|live| live.gate.as_ref());
            Self::gate_of(limits, old, &name, "", place)
        });
        let route_gates = destination.routes.iter().map(|route| {
            let limits = route.limits.as_deref()?;
            let old = previous.and_then(|live| {
                let index = live.destination.routes.iter().position(|old| old.name == route.name)?;
                live.route_gates.get(index)?.as_ref()
            });
            Some(Self::gate_of(limits, old, &name, &route.name, place))
        });
        let route_gates = route_gates.collect();
        let latencies = destination.routes.iter().map(|route| Self::latencies_of(route, previous)).collect();
        let sessions =
            destination.routes.iter().map(|route| Sessions::new(route, &destination.backends)).collect();
        let faults = previous.map(|live| live.faults.clone()).unwrap_or_default();
        let used = Cell::new(Instant::now());
        let live = Self {
            destination,
            name,
            routes,
            backends,
            balanced,
            zone,
            budgets,
            outliers,
            gate,
            route_gates,
            latencies,
            sessions,
            faults,
            started: place.started,
            used,
        };
        live.look(Duration::ZERO);
        live
    }

    /// Looks after the balancers, `elapsed` after last time.
    fn look(&self, elapsed: Duration) {
        for (balanced, endpoints) in self.balanced.iter().zip(&self.backends) {
            if let Some(balanced) = balanced {
                balanced.look(elapsed, endpoints);
            }
        }
    }

    /// An endpoint of `backend` cannot be reached: its zone may have too few now, and a second is long.
    pub fn lost_one(&self, backend: usize) {
        if let Some(balanced) = &self.balanced[backend] {
            balanced.look(Duration::ZERO, &self.backends[backend]);
        }
    }

    /// The budget of the route of this name so far, if its limits have not changed.
    fn budget_of(route: &Route, previous: Option<&Self>) -> Option<Rc<RefCell<Budget>>> {
        let retries = route.retries.as_ref().map(|retries| retries.budget);
        let limits = retries.or_else(|| route.hedging.as_ref().map(|hedging| hedging.budget))?;
        let same = previous.and_then(|live| {
            let index = live.destination.routes.iter().position(|old| old.name == route.name)?;
            live.budget(index).filter(|budget| budget.borrow().limits() == limits)
        });
        Some(same.cloned().unwrap_or_else(|| Rc::new(RefCell::new(Budget::new(limits)))))
    }

    /// The gate so far, if its limits have not changed.
    fn gate_of(
        limits: &Limits,
        old: Option<&Rc<Gate>>,
        name: &str,
        route: &str,
        place: &Place<'_>,
    ) -> Rc<Gate> {
        let same = old.filter(|old| old.limits() == limits).cloned();
        same.unwrap_or_else(|| Gate::new(limits.clone(), name, route, &place.worker.metrics, place.started))
    }

    /// What bounds all that is under way, where it is bounded.
    pub fn gate(&self) -> Option<&Rc<Gate>> {
        self.gate.as_ref()
    }

    /// What bounds what is under way by a route, beside that.
    pub fn route_gate(&self, route: usize) -> Option<&Rc<Gate>> {
        self.route_gates.get(route)?.as_ref()
    }

    /// Time since the worker began, as budgets count it.
    pub fn clock(&self) -> Duration {
        self.started.elapsed()
    }

    /// What a request of `route` has to pass, the narrowest first.
    pub fn gates(&self, route: usize) -> impl Iterator<Item = &Rc<Gate>> {
        self.route_gates.get(route).and_then(Option::as_ref).into_iter().chain(&self.gate)
    }

    /// What ejects endpoints of this destination so far, if its limits have not changed.
    fn outliers_of(
        destination: &Destination,
        name: &str,
        place: &Place<'_>,
        previous: Option<&Self>,
    ) -> Option<Rc<Detector>> {
        let limits = destination.outliers.as_deref()?;
        let same = previous.and_then(|live| live.outliers.as_ref()).filter(|old| old.limits() == limits);
        Some(match same {
            Some(same) => same.clone(),
            None => Detector::new(limits.clone(), name, &place.worker.metrics, place.started),
        })
    }

    /// What the balancing of `backend` should keep to; nothing while no endpoint is ejected.
    pub fn advice(&self, backend: usize, failed: &[usize]) -> Option<Advice> {
        let outliers = self.outliers.as_deref().filter(|outliers| outliers.any_out())?;
        let watched = self.backends[backend].iter().map(|endpoint| endpoint.watched.as_ref());
        Some(outliers.advise(watched, failed))
    }

    /// What the route of this name has seen so far.
    fn latencies_of(route: &Route, previous: Option<&Self>) -> Option<Rc<RefCell<Latencies>>> {
        let HedgeAfter::Percentile(_) = route.hedging.as_ref()?.after else { return None };
        let same = previous.and_then(|live| {
            let index = live.destination.routes.iter().position(|old| old.name == route.name)?;
            live.latencies(index)
        });
        Some(same.cloned().unwrap_or_default())
    }

    /// The endpoints of a route by the tokens of its sessions, where they are kept.
    pub fn sessions(&self, route: usize) -> Option<&Sessions> {
        self.sessions.get(route)?.as_ref()
    }

    /// Whether an endpoint may get a request that asks for it: it is not ejected, nor where traffic must not go.
    pub fn is_in(&self, backend: usize, endpoint: usize) -> bool {
        let endpoint = &self.backends[backend][endpoint];
        let beyond_reach = endpoint.far && self.destination.load_balancer.zone == ZonePolicy::Strict;
        !beyond_reach && endpoint.watched.as_ref().is_none_or(|watched| watched.is_in())
    }

    /// How long requests of a route take, where it wants to know.
    pub fn latencies(&self, route: usize) -> Option<&Rc<RefCell<Latencies>>> {
        self.latencies.get(route)?.as_ref()
    }

    /// What bounds the retries of a route.
    pub fn budget(&self, route: usize) -> Option<&Rc<RefCell<Budget>>> {
        self.budgets.get(route)?.as_ref()
    }

    /// Whether `backend` has endpoints and traffic may go to none of them, since they are of other zones.
    pub fn is_beyond_reach(&self, backend: usize) -> bool {
        self.balanced[backend].as_ref().is_some_and(|balanced| balanced.balancer.is_empty())
    }

    /// Handles for requests of `route` that `endpoint` of `backend` answers.
    pub fn series(
        &self,
        metrics: &Metrics,
        route: usize,
        backend: usize,
        endpoint: &LiveEndpoint,
    ) -> Rc<Series> {
        let mut series = endpoint.series.borrow_mut();
        if let Some((_, known)) = series.iter().find(|(known, _)| *known == route) {
            return known.clone();
        }
        let labels = self.labels(Some(route), Some(backend), Some(endpoint));
        let new = Series::new(metrics, labels);
        series.push((route, new.clone()));
        new
    }

    /// Handles for requests that reached no endpoint.
    pub fn series_without_endpoint(
        &self,
        metrics: &Metrics,
        route: Option<usize>,
        backend: Option<usize>,
    ) -> Rc<Series> {
        Series::new(metrics, self.labels(route, backend, None))
    }

    /// Labels for an opaque connection to `endpoint` by `route`.
    pub fn connection_labels(&self, route: usize, endpoint: &LiveEndpoint) -> ConnectionLabels {
        let (peer, tls) = endpoint.identity();
        let route =
            self.destination.routes.get(route).map(|route| route.name.to_string()).unwrap_or_default();
        ConnectionLabels { direction: Direction::Outbound, destination: self.name.clone(), route, peer, tls }
    }

    fn labels(
        &self,
        route: Option<usize>,
        backend: Option<usize>,
        endpoint: Option<&LiveEndpoint>,
    ) -> RequestLabels {
        let name_of_route = route.and_then(|index| self.destination.routes.get(index));
        let name_of_backend = backend.and_then(|index| self.destination.backends.get(index));
        let (peer, tls) = endpoint.map_or((String::new(), Tls::None), LiveEndpoint::identity);
        RequestLabels {
            direction: Direction::Outbound,
            destination: self.name.clone(),
            backend: name_of_backend.map(|backend| backend.name.to_string()).unwrap_or_default(),
            route: name_of_route.map(|route| route.name.to_string()).unwrap_or_default(),
            peer,
            tls,
        }
    }
}

// === impl Warmups ===

impl Warmups {
    fn new(destination: &Destination, before: Option<(&Live, usize)>) -> Self {
        if destination.load_balancer.slow_start.is_none() {
            return Self::Unwanted;
        }
        let Some((live, index)) = before else { return Self::First };
        let known = live.backends[index]
            .iter()
            .map(|endpoint| (endpoint.upstream.key.addr, endpoint.warmup.clone().unwrap_or_default()));
        Self::Known(known.collect())
    }

    /// That of an endpoint: what it was, or the beginning of one that has just come.
    fn of(&self, addr: SocketAddr) -> Option<Rc<Warmup>> {
        match self {
            Self::Unwanted => None,
            Self::First => Some(Rc::default()),
            Self::Known(known) => {
                Some(known.get(&addr).cloned().unwrap_or_else(|| Rc::new(Warmup::begin(Instant::now()))))
            }
        }
    }
}

// === impl LiveEndpoint ===

impl LiveEndpoint {
    /// How a request is carried there that arrived as `caller`: over h2 between proxies, else as it came.
    pub fn wire(&self, caller: Wire) -> Wire {
        if self.carries_mesh_http() { Wire::H2 } else { caller }
    }

    /// Whether a proxy answers there that takes HTTP as HTTP.
    pub fn carries_mesh_http(&self) -> bool {
        self.upstream.key.peer.is_some() && self.upstream.key.tunnel.is_none()
    }

    fn identity(&self) -> (String, Tls) {
        match &self.upstream.key.peer {
            Some(peer) => (peer.to_string(), Tls::Mutual),
            None => (String::new(), Tls::None),
        }
    }
}
