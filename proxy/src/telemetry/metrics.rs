//! The metric families. Handles are looked up once and kept; a request only touches atomics.

use std::collections::HashSet;
use std::net::IpAddr;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::egress::EgressMetrics;
use super::family::Family;
use super::histogram::Histogram;
use super::labels::{
    AccessLabels, ChoiceLabels, ConnectionLabels, DestinationLabels, Direction, DurationLabels,
    EjectionLabels, FaultLabels, HedgeLabels, ReasonLabels, RequestLabels, ResultLabels, RetryLabels,
    RouteLabels, ShedLabels,
};
use super::mirror::MirrorMetrics;
use super::plain::PlainMetrics;
use super::subjects::{HeldSeries, Subject, Subjects};
use super::tap::{Taps, Trail};
use super::{About, AccessLog, ExportCounts, access_log};
use crate::http::Goaways;

type Reasons = Family<ReasonLabels, Counter>;

/// All families of the data path. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(super) requests: Family<ResultLabels, Counter>,
    pub(super) durations: Family<DurationLabels, Histogram>,
    pub(super) connections: Family<ConnectionLabels, Counter>,
    pub(super) open_connections: Family<ConnectionLabels, Gauge>,
    pub(super) sent_bytes: Family<ConnectionLabels, Counter>,
    pub(super) received_bytes: Family<ConnectionLabels, Counter>,
    balancer_choices: Family<ChoiceLabels, Counter>,
    pushed_back: Family<DestinationLabels, Counter>,
    connect_failures: Reasons,
    pub(super) retries: Family<RetryLabels, Counter>,
    withheld: Reasons,
    errors: Reasons,
    pub(super) access: Family<AccessLabels, Counter>,
    passthrough: Reasons,
    pub(super) plain: PlainMetrics,
    /// Of what the application asks for outside the mesh.
    pub egress: EgressMetrics,
    access_log: Option<AccessLog>,
    /// Who watches requests.
    pub taps: Taps,
    subjects: Subjects,
    ejections: Family<EjectionLabels, Counter>,
    ejections_withheld: Family<EjectionLabels, Counter>,
    ejected: Family<DestinationLabels, Gauge>,
    panics: Family<DestinationLabels, Counter>,
    pub(super) sheds: Family<ShedLabels, Counter>,
    hedges: Family<HedgeLabels, Counter>,
    faults: Family<FaultLabels, Counter>,
    concurrency_limits: Family<RouteLabels, Gauge>,
    /// Of copies of requests.
    pub mirrors: MirrorMetrics,
    /// Of HTTP/2 connections.
    pub goaways: Goaways,
    /// Of what is told of traces.
    pub spans: ExportCounts,
    /// Of records of the access log for a collector.
    pub records: ExportCounts,
}

// === impl Metrics ===

impl Metrics {
    /// Makes the families and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Family::default(),
            connections: Family::default(),
            open_connections: Family::default(),
            sent_bytes: Family::default(),
            received_bytes: Family::default(),
            balancer_choices: Family::default(),
            pushed_back: Family::default(),
            connect_failures: Family::default(),
            retries: Family::default(),
            withheld: Family::default(),
            errors: Family::default(),
            access: Family::default(),
            passthrough: Family::default(),
            plain: PlainMetrics::register(registry),
            egress: EgressMetrics::register(registry),
            access_log: None,
            taps: Taps::default(),
            subjects: Subjects::default(),
            ejections: Family::default(),
            ejections_withheld: Family::default(),
            ejected: Family::default(),
            panics: Family::default(),
            sheds: Family::default(),
            hedges: Family::default(),
            faults: Family::default(),
            concurrency_limits: Family::default(),
            mirrors: MirrorMetrics::register(registry),
            goaways: Goaways::register(registry),
            spans: ExportCounts::register("weft_tracing_spans", "Spans of traces", registry),
            records: ExportCounts::register(
                "weft_access_log_records",
                "Records of the access log for a collector",
                registry,
            ),
        };
        metrics.register_http(registry);
        metrics.register_connections(registry);
        metrics.register_ejections(registry);
        metrics.register_limits(registry);
        metrics.register_balancers(registry);
        metrics
    }

    /// The same, and each request is written to `log` too.
    pub fn with_access_log(self, access_log: Option<AccessLog>) -> Self {
        Self { access_log, ..self }
    }

    /// The same, for one worker, which has what it writes to itself.
    pub fn for_worker(&self) -> Self {
        self.clone().with_access_log(self.access_log.as_ref().map(AccessLog::for_worker))
    }

    /// Where each request is written, if anywhere.
    pub fn access_log(&self) -> Option<&AccessLog> {
        self.access_log.as_ref()
    }

    /// What the access log and who watches are told of a request; nothing without either, which costs a request a few branches: on a
    /// number that changes with taps only, and on what is known of log and destination anyway.
    ///
    /// `policy` is what the mesh says of the log, and `own` what is said of the Service.
    #[inline]
    pub fn about<B>(
        &self,
        request: &http::Request<B>,
        direction: Direction,
        policy: Option<&access_log::Policy>,
        own: Option<&access_log::Choice>,
    ) -> Option<Box<About>> {
        let log = self.access_log.as_ref().filter(|log| log.may_choose(policy, own));
        if log.is_none() && !self.taps.is_on() {
            return None;
        }
        self.about_it(request, direction, policy, log.and_then(|log| log.choose(policy, own)))
    }

    /// The same, where anybody may want to know.
    #[inline(never)]
    fn about_it<B>(
        &self,
        request: &http::Request<B>,
        direction: Direction,
        policy: Option<&access_log::Policy>,
        log: Option<access_log::Chosen>,
    ) -> Option<Box<About>> {
        let trail = Trail::begin(&self.taps, direction, request);
        if log.is_none() && trail.is_none() {
            return None;
        }
        let mut about = Box::new(About::new(request, trail));
        if let Some(chosen) = log {
            about.logged(chosen, policy, request);
        }
        Some(about)
    }

    /// Keeps series of `subject` until the result is dropped. To be asked for before handles of metrics are, and kept with them.
    pub fn hold(&self, subject: Subject) -> HeldSeries {
        self.subjects.hold(subject)
    }

    /// Forgets the series of destinations and callers that are gone, for ever.
    pub async fn forget_what_is_gone(self) {
        self.subjects.clone().watch(|gone| self.forget(gone)).await;
    }

    pub(super) fn forget(&self, gone: &HashSet<Subject>) {
        let stays = |direction, destination: &str, peer: &str| {
            !gone.contains(&Subject::of(direction, destination, peer))
        };
        let of_request = |of: &RequestLabels| stays(of.direction, &of.destination, &of.peer);
        let of_connection = |of: &ConnectionLabels| stays(of.direction, &of.destination, &of.peer);
        let is_dialled = |destination: &str| stays(Direction::Outbound, destination, "");
        self.requests.retain(|of| of_request(&of.request));
        // Inbound they are about this pod itself.
        self.durations.retain(|of| of.direction == Direction::Inbound || is_dialled(&of.destination));
        self.retries.retain(|of| of.direction == Direction::Inbound || is_dialled(&of.destination));
        self.connections.retain(of_connection);
        self.open_connections.retain(of_connection);
        self.sent_bytes.retain(of_connection);
        self.received_bytes.retain(of_connection);
        self.balancer_choices.retain(|of| is_dialled(&of.destination));
        self.pushed_back.retain(|of| is_dialled(&of.destination));
        self.ejections.retain(|of| is_dialled(&of.destination));
        self.ejections_withheld.retain(|of| is_dialled(&of.destination));
        self.ejected.retain(|of| is_dialled(&of.destination));
        self.panics.retain(|of| is_dialled(&of.destination));
        self.sheds.retain(|of| is_dialled(&of.destination));
        self.hedges.retain(|of| is_dialled(&of.destination));
        self.faults.retain(|of| is_dialled(&of.destination));
        self.concurrency_limits.retain(|of| is_dialled(&of.destination));
        self.access.retain(|of| stays(Direction::Inbound, &of.destination, &of.peer));
        self.mirrors.retain(is_dialled);
        self.plain.retain(|address| !gone.contains(&Subject::Address(address.to_owned())));
    }

    fn register_http(&self, registry: &mut Registry) {
        registry.register("weft_requests", "HTTP requests, by result", self.requests.clone());
        registry.register_with_unit(
            "weft_request_duration",
            "From the head of a request to the end of its response",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "weft_retries",
            "Requests sent again, to another endpoint where there is one",
            self.retries.clone(),
        );
        registry.register(
            "weft_retries_withheld",
            "Requests a route wanted sent again and that were not, by reason",
            self.withheld.clone(),
        );
    }

    fn register_balancers(&self, registry: &mut Registry) {
        registry.register(
            "weft_balancer_choices",
            "Requests and connections by zone, or by whether they had a key, where a policy looks at these",
            self.balancer_choices.clone(),
        );
        registry.register(
            "weft_balancer_pushed_back",
            "Answers that asked for less load: 429, 503 with Retry-After, RESOURCE_EXHAUSTED without messages",
            self.pushed_back.clone(),
        );
    }

    fn register_connections(&self, registry: &mut Registry) {
        let connections = self.connections.clone();
        registry.register("weft_tcp_connections", "Opaque connections opened", connections);
        let open = self.open_connections.clone();
        registry.register("weft_tcp_connections_open", "Opaque connections open now", open);
        let sent = self.sent_bytes.clone();
        registry.register("weft_tcp_sent_bytes", "Opaque bytes towards the destination", sent);
        let received = self.received_bytes.clone();
        registry.register("weft_tcp_received_bytes", "Opaque bytes from the destination", received);
        registry.register(
            "weft_connect_failures",
            "Connections that could not be opened, retried ones too",
            self.connect_failures.clone(),
        );
        registry.register(
            "weft_errors",
            "Requests and connections that the proxy itself ended, by reason",
            self.errors.clone(),
        );
        registry.register(
            "weft_access_verdicts",
            "Requests and connections that access rules denied, or would deny or allow if they were enforced",
            self.access.clone(),
        );
        registry.register(
            "weft_passthrough",
            "Connections carried without the mesh, by reason",
            self.passthrough.clone(),
        );
    }

    fn register_ejections(&self, registry: &mut Registry) {
        let ejections = self.ejections.clone();
        registry.register("weft_ejections", "Endpoints ejected for their failures, by reason", ejections);
        registry.register(
            "weft_ejections_withheld",
            "Endpoints that failed and stayed, since as many as may be were ejected, by reason",
            self.ejections_withheld.clone(),
        );
        registry.register(
            "weft_ejected_endpoints",
            "Endpoints that are ejected or on trial, summed over the workers",
            self.ejected.clone(),
        );
        registry.register(
            "weft_ejections_ignored",
            "Requests balanced over all endpoints, since too few were left",
            self.panics.clone(),
        );
    }

    fn register_limits(&self, registry: &mut Registry) {
        registry.register(
            "weft_shed",
            "Requests and connections refused because too much was under way, by reason",
            self.sheds.clone(),
        );
        registry.register(
            "weft_concurrency_limit",
            "Adaptive limit of requests under way, summed over the workers",
            self.concurrency_limits.clone(),
        );
        registry.register(
            "weft_hedges",
            "Copies of slow requests: sent, those that won, and why others were not sent",
            self.hedges.clone(),
        );
        registry.register(
            "weft_faults",
            "Requests failed on purpose, by what was done, and those spared because enough were",
            self.faults.clone(),
        );
    }

    /// Counts a copy of a slow request: sent, won, or why it was not sent.
    pub fn hedge(&self, destination: &str, route: &str, result: &'static str) {
        let (destination, route) = (destination.to_owned(), route.to_owned());
        self.hedges.get(&HedgeLabels { destination, route, result }).inc();
    }

    /// Counts a request that failed on purpose, or was spared.
    pub fn fault(&self, destination: &str, route: &str, kind: &'static str) {
        let (destination, route) = (destination.to_owned(), route.to_owned());
        self.faults.get(&FaultLabels { destination, route, kind }).inc();
    }

    /// Counts a request or connection that was refused at once.
    pub fn shed(&self, destination: &str, route: &str, reason: &'static str) {
        let (destination, route) = (destination.to_owned(), route.to_owned());
        self.sheds.get(&ShedLabels { destination, route, reason }).inc();
    }

    /// The gauge of an adaptive limit; no route stands for the destination.
    pub fn concurrency_limit(&self, destination: &str, route: &str) -> Gauge {
        let (destination, route) = (destination.to_owned(), route.to_owned());
        self.concurrency_limits.get(&RouteLabels { destination, route })
    }

    /// Counts an endpoint that was ejected.
    pub fn ejection(&self, destination: &str, reason: &'static str) {
        let destination = destination.to_owned();
        self.ejections.get(&EjectionLabels { destination, reason }).inc();
    }

    /// Counts an endpoint that failed and stayed.
    pub fn ejection_withheld(&self, destination: &str, reason: &'static str) {
        let destination = destination.to_owned();
        self.ejections_withheld.get(&EjectionLabels { destination, reason }).inc();
    }

    /// The gauge of endpoints of `destination` that are not balanced to.
    pub fn ejected_endpoints(&self, destination: &str) -> Gauge {
        self.ejected.get(&DestinationLabels { destination: destination.to_owned() })
    }

    /// Counts a request for which ejections were ignored.
    pub fn ejections_ignored(&self, destination: &str) {
        self.panics.get(&DestinationLabels { destination: destination.to_owned() }).inc();
    }

    /// Counts a request or connection that the proxy ended.
    pub fn error(&self, direction: Direction, reason: &'static str) {
        self.errors.get(&ReasonLabels { direction, reason }).inc();
    }

    /// Counts as many.
    pub fn errors(&self, direction: Direction, reason: &'static str, count: usize) {
        if count > 0 {
            self.errors.get(&ReasonLabels { direction, reason }).inc_by(count as u64);
        }
    }

    /// The counter of requests that the proxy ended for `reason`, for who counts later.
    pub fn error_counter(&self, direction: Direction, reason: &'static str) -> Counter {
        self.errors.get(&ReasonLabels { direction, reason })
    }

    /// The counter of what an access rule did, or would do.
    pub fn access(&self, labels: AccessLabels) -> Counter {
        self.access.get(&labels)
    }

    /// Counts a connection that could not be opened.
    pub fn connect_failure(&self, direction: Direction, reason: &'static str) {
        self.connect_failures.get(&ReasonLabels { direction, reason }).inc();
    }

    /// Counts a request sent again to `destination`, by `route` where one took it.
    pub fn retry(&self, direction: Direction, (destination, route): (&str, &str), reason: &'static str) {
        let (destination, route) = (destination.to_owned(), route.to_owned());
        self.retries.get(&RetryLabels { direction, destination, route, reason }).inc();
    }

    /// Counts a request that a route wanted sent again and that was not.
    pub fn retry_withheld(&self, direction: Direction, reason: &'static str) {
        self.withheld.get(&ReasonLabels { direction, reason }).inc();
    }

    /// The counter of requests to `destination` that were balanced so.
    pub fn balancer_choices(&self, destination: &str, choice: &'static str) -> Counter {
        let destination = destination.to_owned();
        self.balancer_choices.get(&ChoiceLabels { destination, choice })
    }

    /// Counts an answer that asked for less load.
    pub fn pushed_back(&self, destination: &str) {
        let destination = destination.to_owned();
        self.pushed_back.get(&DestinationLabels { destination }).inc();
    }

    /// Counts a connection to `destination` without mutual TLS, which strict mode refuses, or would. What comes back is kept with it.
    pub fn plain_connection(
        &self,
        destination: String,
        from: Option<IpAddr>,
        verdict: &'static str,
    ) -> HeldSeries {
        self.plain.count(&self.subjects, destination, from, verdict)
    }

    /// Counts a connection carried without the mesh.
    pub fn passthrough(&self, direction: Direction, reason: &'static str) {
        self.passthrough.get(&ReasonLabels { direction, reason }).inc();
    }
}
