//! A destination with what this worker knows about its endpoints: connections, load, metric handles.

mod destinations;
mod prepared;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use destinations::Destinations;
use prepared::Prepared;

use super::affinity::Affinity;
use super::balance::warmup::Warmup;
use super::balance::{Balancer, Here};
use super::balanced::Balanced;
use super::budget::Budget;
use super::endpoint::LiveEndpoint;
use super::gate::Gate;
use super::latencies::Latencies;
use super::outliers::{Advice, Detector};
use super::route::RouteIndex;
use super::session::Sessions;
use crate::http::rescue::Failure;
use crate::http::{Active, Upstreams};
use crate::request::plan::Plan;
use crate::state::{Backend, Destination, Endpoint, HedgeAfter, Limits, NodePolicy, Route};
use crate::telemetry::{
    ConnectionLabels, Direction, HeldSeries, Metrics, RequestLabels, Series, Subject, Tls,
};
use crate::worker::ground::Worker;

/// One version of a destination. A request holds it from start to end.
#[derive(Debug)]
pub struct Live {
    pub destination: Arc<Destination>,
    /// `<namespace>/<name>:<port>`, for metrics and messages.
    pub name: String,
    /// Of [`Destination::routes`].
    pub routes: RouteIndex,
    /// What is asked about the requests of each route.
    plans: Vec<Plan>,
    /// The same where limits of this pod count them, once one has.
    limited_plans: OnceCell<Vec<Plan>>,
    /// In the order of [`Destination::backends`].
    pub backends: Vec<Vec<LiveEndpoint>>,
    /// In the same order; none where the default is all that is asked for.
    pub balanced: Vec<Option<Rc<Balanced>>>,
    /// This proxy's own zone and node.
    zone: Option<Arc<str>>,
    node: Option<Arc<str>>,
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
    /// Its series are kept as long.
    _held: HeldSeries,
}

/// How far endpoints have warmed up when a destination changes.
enum Warmups {
    /// Nobody asks.
    Unwanted,
    /// The destination is new to this worker, and so are all its endpoints: none of them is to be spared.
    First,
    Known(HashMap<SocketAddr, Rc<Warmup>>),
}

/// What a worker makes live destinations with.
#[derive(Debug)]
pub struct Ground {
    pub upstreams: Upstreams,
    pub worker: Rc<Worker>,
    /// What the time of budgets and ejections counts from.
    pub started: Instant,
}

fn name_of(destination: &Destination) -> String {
    let target = &destination.target;
    if target.namespace.is_empty() {
        // Nobody judged it: as what passes unread.
        return target.name.to_string();
    }
    format!("{}/{}:{}", target.namespace, target.name, target.port)
}

fn plans_of(destination: &Destination, limited: bool) -> Vec<Plan> {
    destination.routes.iter().map(|route| Plan::of_route(route, destination, limited)).collect()
}

/// Where each is; of two with one name the first.
fn by_name<T>(all: &[T], name: impl Fn(&T) -> &str) -> HashMap<&str, usize> {
    all.iter().enumerate().rev().map(|(index, one)| (name(one), index)).collect()
}

// === impl Live ===

impl Live {
    fn new(
        destination: Arc<Destination>,
        ground: &Ground,
        previous: Option<&Self>,
        Prepared { outliers, backends: prepared }: Prepared,
    ) -> Self {
        let name = name_of(&destination);
        let held = ground.worker.metrics.hold(Subject::Destination(name.clone()));
        let own_pod = ground.worker.own_pod.current();
        let (zone, node) = (own_pod.zone.clone(), own_pod.node.clone());
        let here = Here { zone: zone.as_deref(), node: node.as_deref() };
        let known_backends =
            previous.map(|live| by_name(&live.destination.backends, |backend| &backend.name));
        let before = |backend: &Backend| Some((previous?, *known_backends.as_ref()?.get(&*backend.name)?));
        let known_routes = previous.map(|live| by_name(&live.destination.routes, |route| &route.name));
        // What holds for the route of the same name so far.
        let before_of = |route: &Route| Some((previous?, *known_routes.as_ref()?.get(&*route.name)?));
        let endpoints_of = |(backend, found): (&Arc<Backend>, Vec<_>)| {
            let warmups = Warmups::new(&destination, before(backend));
            let live = |(endpoint, (upstream, watched)): (&Arc<Endpoint>, _)| {
                let reach = here.reaches(endpoint, backend, &destination.load_balancer);
                LiveEndpoint::new(
                    upstream,
                    watched,
                    warmups.of(endpoint.addr),
                    (endpoint.zone != zone, reach),
                )
            };
            backend.endpoints.iter().zip(found).map(live).collect()
        };
        let backends: Vec<Vec<LiveEndpoint>> =
            destination.backends.iter().zip(prepared).map(endpoints_of).collect();
        if let Some(outliers) = &outliers {
            outliers.keep(&backends.iter().flatten().map(|endpoint| &endpoint.upstream.key).collect());
        }
        let balanced_of = |backend: &Arc<Backend>| {
            let policy = &destination.load_balancer;
            let old = before(backend).and_then(|(live, index)| {
                let before = &live.destination.backends[index];
                let same = live.destination.load_balancer == *policy
                    && (before.node, before.affinity) == (backend.node, backend.affinity)
                    && before.endpoints == backend.endpoints
                    && (&live.zone, &live.node) == (&zone, &node);
                Some((live.balanced[index].as_ref()?, same))
            });
            if let Some((balanced, true)) = old {
                return Some(balanced.clone());
            }
            let previous = old.map(|(balanced, _)| &balanced.balancer);
            let balancer = Balancer::new(policy, backend, here, previous)?;
            let affinity = backend.affinity.map(|lasts| {
                let members = balancer.groups().flatten().copied();
                let names = (&destination.key, &backend.name);
                let caller = (ground.worker.own_ips().first().copied(), lasts);
                Affinity::new(&ground.worker.affinities, names, &backend.endpoints, members, caller)
            });
            let counted = (name.as_str(), &ground.worker.metrics);
            Some(Rc::new(Balanced::new(balancer, affinity, policy, counted)))
        };
        let balanced = destination.backends.iter().map(balanced_of).collect();
        let budgets =
            destination.routes.iter().map(|route| Self::budget_of(route, before_of(route))).collect();
        let routes = RouteIndex::new(&destination.routes);
        let plans = plans_of(&destination, false);
        let gate = destination.limits.as_deref().map(|limits| {
            let old = previous.and_then(|live| live.gate.as_ref());
            Self::gate_of(limits, old, &name, "", ground)
        });
        let route_gates = destination.routes.iter().map(|route| {
            let limits = route.limits.as_deref()?;
            let old = before_of(route).and_then(|(live, index)| live.route_gate(index));
            Some(Self::gate_of(limits, old, &name, &route.name, ground))
        });
        let route_gates = route_gates.collect();
        let latencies =
            destination.routes.iter().map(|route| Self::latencies_of(route, before_of(route))).collect();
        let sessions = destination
            .routes
            .iter()
            .map(|route| Sessions::new(route, &destination.backends, &destination.session_key))
            .collect();
        let faults = previous.map(|live| live.faults.clone()).unwrap_or_default();
        let used = Cell::new(Instant::now());
        let live = Self {
            destination,
            name,
            routes,
            plans,
            limited_plans: OnceCell::new(),
            backends,
            balanced,
            zone,
            node,
            budgets,
            outliers,
            gate,
            route_gates,
            latencies,
            sessions,
            faults,
            started: ground.started,
            used,
            _held: held,
        };
        live.look(Duration::ZERO);
        live
    }

    /// What is asked about requests of a route; `limited` where limits of this pod count what it sends here.
    pub fn plan(&self, route: usize, limited: bool) -> &Plan {
        let plans = match limited {
            true => self.limited_plans.get_or_init(|| plans_of(&self.destination, true)),
            false => &self.plans,
        };
        &plans[route]
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
    fn budget_of(route: &Route, before: Option<(&Self, usize)>) -> Option<Rc<RefCell<Budget>>> {
        let retries = route.retries.as_ref().map(|retries| retries.budget);
        let limits = retries.or_else(|| route.hedging.as_ref().map(|hedging| hedging.budget))?;
        let same = before
            .and_then(|(live, index)| live.budget(index).filter(|budget| budget.borrow().limits() == limits));
        Some(same.cloned().unwrap_or_else(|| Rc::new(RefCell::new(Budget::new(limits)))))
    }

    /// The gate so far, if its limits have not changed.
    fn gate_of(
        limits: &Limits,
        old: Option<&Rc<Gate>>,
        name: &str,
        route: &str,
        ground: &Ground,
    ) -> Rc<Gate> {
        let same = old.filter(|old| old.limits() == limits).cloned();
        same.unwrap_or_else(|| Gate::new(limits.clone(), name, route, &ground.worker.metrics, ground.started))
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
        ground: &Ground,
        previous: Option<&Self>,
    ) -> Option<Rc<Detector>> {
        let limits = destination.outliers.as_deref()?;
        let same = previous.and_then(|live| live.outliers.as_ref()).filter(|old| old.limits() == limits);
        Some(match same {
            Some(same) => same.clone(),
            None => {
                Detector::new(limits.clone(), &name_of(destination), &ground.worker.metrics, ground.started)
            }
        })
    }

    /// What the balancing of `backend` should keep to; nothing while no endpoint is ejected.
    pub fn advice(&self, backend: usize, failed: &[usize]) -> Option<Advice> {
        let outliers = self.outliers.as_deref().filter(|outliers| outliers.any_out())?;
        // What is out of reach is on trial for others.
        let watched = self.backends[backend]
            .iter()
            .map(|endpoint| endpoint.watched.as_ref().filter(|_| endpoint.within_reach));
        Some(outliers.advise(watched, failed))
    }

    /// What the route of this name has seen so far.
    fn latencies_of(route: &Route, before: Option<(&Self, usize)>) -> Option<Rc<RefCell<Latencies>>> {
        let HedgeAfter::Percentile(_) = route.hedging.as_ref()?.after else { return None };
        let same = before.and_then(|(live, index)| live.latencies(index));
        Some(same.cloned().unwrap_or_default())
    }

    /// The endpoints of a route by the tokens of its sessions, where they are kept.
    pub fn sessions(&self, route: usize) -> Option<&Sessions> {
        self.sessions.get(route)?.as_ref()
    }

    /// Whether an endpoint may get a request that asks for it: it is not ejected, nor where traffic must not go.
    pub fn is_in(&self, backend: usize, endpoint: usize) -> bool {
        let endpoint = &self.backends[backend][endpoint];
        endpoint.within_reach && endpoint.watched.as_ref().is_none_or(|watched| watched.is_in())
    }

    /// How long requests of a route take, where it wants to know.
    pub fn latencies(&self, route: usize) -> Option<&Rc<RefCell<Latencies>>> {
        self.latencies.get(route)?.as_ref()
    }

    /// What bounds the retries of a route.
    pub fn budget(&self, route: usize) -> Option<&Rc<RefCell<Budget>>> {
        self.budgets.get(route)?.as_ref()
    }

    /// Whether `backend` has endpoints and traffic may go to none of them, since they are of other zones or nodes.
    pub fn is_beyond_reach(&self, backend: usize) -> bool {
        self.balanced[backend].as_ref().is_some_and(|balanced| balanced.balancer.is_empty())
    }

    /// Why `backend` can take nothing, if so.
    pub fn refusal(&self, backend: usize) -> Option<Failure> {
        let described = &self.destination.backends[backend];
        if let Some(reason) = &described.invalid {
            return Some(Failure::InvalidBackend {
                destination: self.name.clone(),
                backend: described.name.to_string(),
                reason: reason.to_string(),
            });
        }
        let name = &described.name;
        if self.backends[backend].is_empty() {
            return Some(Failure::NoEndpoints { backend: name.to_string() });
        }
        let here =
            if described.node == NodePolicy::Only { "on the caller's node" } else { "in the caller's zone" };
        self.is_beyond_reach(backend).then(|| Failure::NoEndpoints { backend: format!("{name} {here}") })
    }

    /// Handles for requests of `route` that `endpoint` of `backend` answers.
    pub fn series(
        &self,
        metrics: &Metrics,
        route: usize,
        backend: usize,
        endpoint: &LiveEndpoint,
    ) -> Rc<Series> {
        endpoint
            .series(route, || Series::new(metrics, self.labels(Some(route), Some(backend), Some(endpoint))))
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

    /// Labels for an opaque connection to `endpoint` by `route`; one of the caller's own TLS proves nothing to this proxy.
    pub fn connection_labels(
        &self,
        route: usize,
        endpoint: &LiveEndpoint,
        own_tls: bool,
    ) -> ConnectionLabels {
        let (peer, tls) = endpoint.identity();
        let tls = if own_tls && tls == Tls::Backend { Tls::None } else { tls };
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
