//! The metric families. Handles are looked up once and kept; a request only touches atomics.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::mirror::MirrorMetrics;
use super::{About, AccessLog};

/// Seconds, from a loopback answer to a slow report.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// Which half of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the application to others.
    Outbound,
    /// From others to the application.
    Inbound,
}

/// How the other side proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tls {
    /// Mutual TLS of the mesh.
    Mutual,
    /// None of the mesh's; the application may use its own.
    None,
}

/// One series of requests, but for the result.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    pub direction: Direction,
    /// `<namespace>/<name>:<port>`: outbound what was dialled, inbound the Service in front of the port.
    pub destination: String,
    /// The backend a route chose; empty inbound.
    pub backend: String,
    /// The route that matched; empty inbound.
    pub route: String,
    /// SPIFFE identity of the other side; empty without mutual TLS.
    pub peer: String,
    pub tls: Tls,
}

/// A series of requests with one result.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabels {
    /// HTTP status; 499 when the caller went away before there was one.
    pub code: u16,
    /// gRPC status number; empty when the answer is no gRPC.
    pub grpc_status: String,
    #[prometheus(flatten)]
    pub request: RequestLabels,
}

/// Where latency is told apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DurationLabels {
    pub direction: Direction,
    pub destination: String,
    pub backend: String,
}

/// A series of opaque connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConnectionLabels {
    pub direction: Direction,
    /// As in [`RequestLabels`].
    pub destination: String,
    /// The route that took it, such as by the server name that its TLS asked for; empty inbound and outside the mesh.
    pub route: String,
    /// SPIFFE identity of the other side; empty without mutual TLS.
    pub peer: String,
    pub tls: Tls,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    direction: Direction,
    reason: &'static str,
}

/// What balancers of one destination chose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChoiceLabels {
    destination: String,
    choice: &'static str,
}

/// What concerns a destination as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DestinationLabels {
    destination: String,
}

/// What concerns a route; an empty one stands for the destination as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    destination: String,
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShedLabels {
    destination: String,
    route: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HedgeLabels {
    destination: String,
    route: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabels {
    destination: String,
    route: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EjectionLabels {
    destination: String,
    reason: &'static str,
}

type Durations = Family<DurationLabels, Histogram, fn() -> Histogram>;
type Reasons = Family<ReasonLabels, Counter>;

/// All families of the data path. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(super) requests: Family<ResultLabels, Counter>,
    pub(super) durations: Durations,
    pub(super) connections: Family<ConnectionLabels, Counter>,
    pub(super) open_connections: Family<ConnectionLabels, Gauge>,
    pub(super) sent_bytes: Family<ConnectionLabels, Counter>,
    pub(super) received_bytes: Family<ConnectionLabels, Counter>,
    balancer_choices: Family<ChoiceLabels, Counter>,
    pushed_back: Family<DestinationLabels, Counter>,
    connect_failures: Reasons,
    retries: Reasons,
    withheld: Reasons,
    errors: Reasons,
    passthrough: Reasons,
    access_log: Option<AccessLog>,
    ejections: Family<EjectionLabels, Counter>,
    ejections_withheld: Family<EjectionLabels, Counter>,
    ejected: Family<DestinationLabels, Gauge>,
    panics: Family<DestinationLabels, Counter>,
    sheds: Family<ShedLabels, Counter>,
    hedges: Family<HedgeLabels, Counter>,
    faults: Family<FaultLabels, Counter>,
    concurrency_limits: Family<RouteLabels, Gauge>,
    /// Of copies of requests.
    pub mirrors: MirrorMetrics,
}

// === impl Metrics ===

impl Metrics {
    /// Makes the families and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
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
            passthrough: Family::default(),
            access_log: None,
            ejections: Family::default(),
            ejections_withheld: Family::default(),
            ejected: Family::default(),
            panics: Family::default(),
            sheds: Family::default(),
            hedges: Family::default(),
            faults: Family::default(),
            concurrency_limits: Family::default(),
            mirrors: MirrorMetrics::register(registry),
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

    /// Where each request is written, if anywhere.
    pub fn access_log(&self) -> Option<&AccessLog> {
        self.access_log.as_ref()
    }

    /// What the access log says of a request; nothing without one.
    pub fn about<B>(&self, request: &http::Request<B>) -> Option<Box<About>> {
        self.access_log.as_ref().map(|_| Box::new(About::new(request)))
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
        self.hedges.get_or_create_owned(&HedgeLabels { destination, route, result }).inc();
    }

    /// Counts a request that failed on purpose, or was spared.
    pub fn fault(&self, destination: &str, route: &str, kind: &'static str) {
        let (destination, route) = (destination.to_owned(), route.to_owned());
        self.faults.get_or_create_owned(&FaultLabels { destination, route, kind }).inc();
    }

    /// Counts a request or connection that was refused at once.
    pub fn shed(&self, destination: &str, route: &str, reason: &'static str) {
        let (destination, route) = (destination.to_owned(), route.to_owned());
        self.sheds.get_or_create_owned(&ShedLabels { destination, route, reason }).inc();
    }

    /// The gauge of an adaptive limit; no route stands for the destination.
    pub fn concurrency_limit(&self, destination: &str, route: &str) -> Gauge {
        let (destination, route) = (destination.to_owned(), route.to_owned());
        self.concurrency_limits.get_or_create_owned(&RouteLabels { destination, route })
    }

    /// Counts an endpoint that was ejected.
    pub fn ejection(&self, destination: &str, reason: &'static str) {
        let destination = destination.to_owned();
        self.ejections.get_or_create_owned(&EjectionLabels { destination, reason }).inc();
    }

    /// Counts an endpoint that failed and stayed.
    pub fn ejection_withheld(&self, destination: &str, reason: &'static str) {
        let destination = destination.to_owned();
        self.ejections_withheld.get_or_create_owned(&EjectionLabels { destination, reason }).inc();
    }

    /// The gauge of endpoints of `destination` that are not balanced to.
    pub fn ejected_endpoints(&self, destination: &str) -> Gauge {
        self.ejected.get_or_create_owned(&DestinationLabels { destination: destination.to_owned() })
    }

    /// Counts a request for which ejections were ignored.
    pub fn ejections_ignored(&self, destination: &str) {
        self.panics.get_or_create_owned(&DestinationLabels { destination: destination.to_owned() }).inc();
    }

    /// Counts a request or connection that the proxy ended.
    pub fn error(&self, direction: Direction, reason: &'static str) {
        self.errors.get_or_create_owned(&ReasonLabels { direction, reason }).inc();
    }

    /// The counter of requests that the proxy ended for `reason`, for who counts later.
    pub fn error_counter(&self, direction: Direction, reason: &'static str) -> Counter {
        self.errors.get_or_create_owned(&ReasonLabels { direction, reason })
    }

    /// Counts a connection that could not be opened.
    pub fn connect_failure(&self, direction: Direction, reason: &'static str) {
        self.connect_failures.get_or_create_owned(&ReasonLabels { direction, reason }).inc();
    }

    /// Counts a request sent again.
    pub fn retry(&self, direction: Direction, reason: &'static str) {
        self.retries.get_or_create_owned(&ReasonLabels { direction, reason }).inc();
    }

    /// Counts a request that a route wanted sent again and that was not.
    pub fn retry_withheld(&self, direction: Direction, reason: &'static str) {
        self.withheld.get_or_create_owned(&ReasonLabels { direction, reason }).inc();
    }

    /// The counter of requests to `destination` that were balanced so.
    pub fn balancer_choices(&self, destination: &str, choice: &'static str) -> Counter {
        let destination = destination.to_owned();
        self.balancer_choices.get_or_create_owned(&ChoiceLabels { destination, choice })
    }

    /// Counts an answer that asked for less load.
    pub fn pushed_back(&self, destination: &str) {
        let destination = destination.to_owned();
        self.pushed_back.get_or_create_owned(&DestinationLabels { destination }).inc();
    }

    /// Counts a connection carried without the mesh.
    pub fn passthrough(&self, direction: Direction, reason: &'static str) {
        self.passthrough.get_or_create_owned(&ReasonLabels { direction, reason }).inc();
    }
}

// === impl Direction, Tls ===

impl Direction {
    /// As labels and lines have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
        }
    }
}

impl EncodeLabelValue for Direction {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

impl EncodeLabelValue for Tls {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let name = match self {
            Self::Mutual => "mutual",
            Self::None => "none",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}
