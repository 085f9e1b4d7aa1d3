//! A destination as the data path uses it: decoded, checked and compiled once.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderName, Method};
use regex::Regex;

use super::{Actions, Cors, Fault, Hedging, Limits, MessageChanges, Outliers};
use crate::telemetry::access_log::Choice;
use crate::{identity::SpiffeId, tcp::Bounds, tls::Origin, trace::Sampling};

/// Where traffic to one dialled address may go. Immutable: an update is a new value.
#[derive(Debug)]
pub struct Destination {
    /// `<cluster>/<network>/<namespace>/<name>:<port>/<consumer namespace or ->`; names it in metrics.
    pub key: Arc<str>,
    /// The Service or pod the dialled address belongs to.
    pub target: Target,
    /// What the port speaks.
    pub protocol: Protocol,
    /// First match wins; never empty.
    pub routes: Vec<Route>,
    /// Sets of endpoints that routes choose from.
    pub backends: Vec<Arc<Backend>>,
    /// How an endpoint is chosen.
    pub load_balancer: LoadBalancer,
    /// When endpoints get a rest; `None`: never.
    pub outliers: Option<Box<Outliers>>,
    /// How much may be under way to it at once.
    pub limits: Option<Box<Limits>>,
    /// What tokens of sessions are made with.
    pub session_key: SessionKey,
    /// Which traces are told, of those that begin with a request to it; `None`: those that the pod's tracing says.
    pub sampling: Option<Box<Sampling>>,
    /// Which requests to it are logged; `None`: as the pod's access log says.
    pub access_log: Option<Box<Choice>>,
}

/// What tokens of sessions are made with, the same in all proxies. Whoever has it can tell the endpoint of a token.
#[derive(Clone, Default)]
pub struct SessionKey(pub Box<[u8]>);

impl fmt::Debug for SessionKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SessionKey({} bytes)", self.0.len())
    }
}

/// A Service or a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which of both.
    pub kind: TargetKind,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The port that was dialled.
    pub port: u16,
}

impl Destination {
    /// Whether connections have to be looked at for the server name that their TLS asks for.
    pub fn asks_for_server_names(&self) -> bool {
        self.routes
            .iter()
            .flat_map(|route| &route.matches)
            .any(|condition| !condition.server_names.is_empty())
    }

    /// Whether some of its servers expect TLS, which the caller may speak itself or leave to this proxy.
    pub fn originates_tls(&self) -> bool {
        self.backends.iter().any(|backend| backend.tls.is_some())
    }
}

/// What a dialled address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// A Service.
    Service,
    /// A pod, dialled directly.
    Pod,
    /// What an ExternalService declares, outside the mesh.
    External,
}

/// What a port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Undeclared: to be detected, bounded in time.
    Unknown,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge; gRPC too.
    Http2,
    /// Bytes that are never parsed.
    Opaque,
}

/// One address and port that can take traffic.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where to dial.
    pub addr: SocketAddr,
    /// Who must answer; `None`: not meshed, plain text unless its backend says otherwise.
    pub peer: Option<Arc<SpiffeId>>,
    /// A network other than this proxy's own.
    pub network: Option<Arc<str>>,
    /// Its zone, where known.
    pub zone: Option<Arc<str>>,
    /// Its node, where its backend looks at nodes.
    pub node: Option<Arc<str>>,
    /// The receiving port takes bytes only: `weft1-tcp` even for HTTP.
    pub opaque: bool,
    /// Beside others of its backend; at least 1, usually [`Endpoint::USUAL_WEIGHT`].
    pub weight: u32,
}

/// A set of endpoints.
#[derive(Debug, Default)]
pub struct Backend {
    /// `<namespace>/<service>:<port>`, with `{label=value,...}` for a subset.
    pub name: Arc<str>,
    /// Ready endpoints. Empty: its share is answered 503.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// The reference does not resolve: its share is answered 500 with this reason.
    pub invalid: Option<Arc<str>>,
    /// What the node of the caller has to do with it.
    pub node: NodePolicy,
    /// The caller keeps to one endpoint until it has sent nothing for so long; `None`: it does not.
    pub affinity: Option<Duration>,
    /// What endpoints that are not meshed must prove; `None`: nothing, plain text.
    pub tls: Option<Arc<Origin>>,
}

/// Whether endpoints of the caller's node come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NodePolicy {
    /// Nodes do not matter.
    #[default]
    Any,
    /// First, while one of them can take a request.
    Prefer,
    /// No others.
    Only,
}

/// One way to route.
#[derive(Debug, Default)]
pub struct Route {
    /// As the user named it, or `route-<index>`.
    pub name: Arc<str>,
    /// Any of them; none matches everything.
    pub matches: Vec<Match>,
    /// Where its traffic goes; the weights are never all zero. Empty only where the route answers by itself.
    pub split: Vec<WeightedBackend>,
    /// It takes bytes that are no HTTP, and no request.
    pub bytes_only: bool,
    /// How long a request may take.
    pub timeouts: Timeouts,
    /// What else it does.
    pub actions: Option<Box<Actions>>,
    /// What is tried again.
    pub retries: Option<Box<Retries>>,
    /// Which requests fail on purpose.
    pub fault: Option<Box<Fault>>,
    /// When a copy is sent of what is slow.
    pub hedging: Option<Box<Hedging>>,
    /// How many of its requests may be under way at once.
    pub limits: Option<Box<Limits>>,
    /// How requests of one session keep to one endpoint.
    pub session: Option<Box<Session>>,
}

/// How requests of one session keep to one endpoint of a route (GEP-1619).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Where its token travels.
    pub carrier: SessionCarrier,
    /// After its first answer, in whole seconds; `None`: it never ends.
    pub lifetime: Option<Duration>,
    /// A browser keeps the cookie when it is closed, as long as the session lasts.
    pub permanent: bool,
    /// What browsers should send the cookie for.
    pub path: CookiePath,
}

/// What browsers should send the cookie of a session for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CookiePath {
    /// The browser chooses.
    Unsaid,
    /// The path by which the route was taken.
    OfMatch,
    /// This path.
    Fixed(Box<str>),
}

/// Where the token of a session travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionCarrier {
    /// In a cookie of this name.
    Cookie(Box<str>),
    /// In this header, both ways.
    Header(HeaderName),
}

/// What is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retries {
    /// Beside the first try.
    pub attempts: u32,
    /// Any of them.
    pub on: Vec<RetryOn>,
    /// HTTP statuses, beside the conditions.
    pub statuses: Vec<u16>,
    /// Methods that are tried again after they may have been acted on.
    pub methods: Vec<Method>,
    /// Bound of all retries of the route together.
    pub budget: BudgetLimits,
    /// Once it is used up a caller is answered 503 (GEP-3388); else with what the last try gave.
    pub budget_refuses: bool,
    /// The least pause before the first retry; `None`: a short one at random.
    pub backoff: Option<Duration>,
}

/// A reason to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryOn {
    /// No connection came about.
    ConnectFailure,
    /// The connection or stream ended before a response.
    Reset,
    /// The server said that it did not look at the request.
    RefusedStream,
    /// Status 500 to 599, also one that the proxy would answer.
    ServerError,
    /// Status 502 to 504, also one that the proxy would answer.
    GatewayError,
    /// This gRPC status.
    Grpc(u16),
}

/// How many retries there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BudgetLimits {
    /// Percent of the requests in the interval.
    pub percent: u32,
    /// What is looked at.
    pub interval: Duration,
    /// Allowed each second in any case.
    pub min_per_second: u32,
}

/// How long a request may take; `None`: as long as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// From its first byte to the last of its response, with all tries.
    pub request: Option<Duration>,
    /// Each try, until the head of its response.
    pub per_try: Option<Duration>,
    /// A connection, until it is open; `None`: the usual time.
    pub connect: Option<Duration>,
    /// Without a byte either way.
    pub idle: Option<Duration>,
    /// A connection that carries bytes or was upgraded, from its beginning.
    pub stream: Option<Duration>,
}

/// Conditions that must all hold.
#[derive(Debug, Default)]
pub struct Match {
    /// On headers.
    pub headers: Vec<HeaderMatch>,
    /// On the path, without its query.
    pub path: Option<PathMatch>,
    /// On parameters of the query.
    pub query: Vec<QueryMatch>,
    /// The method.
    pub method: Option<Method>,
    /// Who calls.
    pub from: Option<Caller>,
    /// Server names of TLS that is carried as bytes, any of them; a match with names takes no HTTP request.
    pub server_names: Vec<Box<str>>,
}

/// A condition on one parameter of the query, the first of its name, decoded.
#[derive(Debug, PartialEq, Eq)]
pub struct QueryMatch {
    /// The parameter.
    pub name: Box<str>,
    /// What must hold.
    pub condition: ValueCondition,
    /// What must not hold instead.
    pub invert: bool,
}

/// One of each list that is not empty, and all labels.
#[derive(Debug, PartialEq, Eq)]
pub struct Caller {
    /// It runs in one of these.
    pub namespaces: Vec<Box<str>>,
    /// It runs as one of these: namespace and name.
    pub service_accounts: Vec<(Box<str>, Box<str>)>,
    /// Its pod has all these.
    pub labels: Vec<(Box<str>, Box<str>)>,
}

/// A condition on one header, whose repeated values are joined with `,` first.
#[derive(Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    /// The header.
    pub name: HeaderName,
    /// What must hold.
    pub condition: ValueCondition,
    /// What must not hold instead.
    pub invert: bool,
}

/// What a header or a parameter of the query must be.
#[derive(Debug)]
pub enum ValueCondition {
    /// Equal, byte by byte.
    Exact(Box<str>),
    /// Begins so.
    Prefix(Box<str>),
    /// The whole value matches; compiled anchored and bounded in size.
    Regex(Regex),
    /// There (true), or not there (false).
    Present(bool),
}

/// What a path must be.
#[derive(Debug)]
pub enum PathMatch {
    /// Equal.
    Exact(Box<str>),
    /// By segment: `/api` takes `/api` and `/api/x`, never `/apix`.
    Prefix(Box<str>),
    /// The whole path matches; compiled anchored and bounded in size.
    Regex(Regex),
}

/// A share of a route's traffic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WeightedBackend {
    /// Index into [`Destination::backends`]; checked when decoded.
    pub backend: usize,
    /// Relative weight.
    pub weight: u32,
    /// Changes of headers for this share, after the route's.
    pub headers: Option<Box<MessageChanges>>,
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadBalancer {
    /// By what.
    pub algorithm: Algorithm,
    /// What requests that belong together have in common; the first that a request has counts.
    pub hash: Vec<HashInput>,
    /// The most that an endpoint may carry before keys pass it over, in percent of the mean. At least 100.
    pub max_load_percent: Option<u32>,
    /// Whether endpoints of the caller's zone come first.
    pub zone: ZonePolicy,
    /// The time in which a new endpoint grows into its share.
    pub slow_start: Option<Duration>,
}

/// By what an endpoint is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// The better of two by peak EWMA latency and requests under way.
    #[default]
    PeakEwma,
    /// The better of two by requests under way.
    LeastRequest,
    /// In turns.
    RoundRobin,
    /// At random.
    Random,
    /// By key, on a ring.
    RingHash,
    /// By key, in a table.
    Maglev,
}

/// What requests that belong together have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashInput {
    /// A header; its repeated values are joined with `,` first.
    Header(HeaderName),
    /// A cookie of this name.
    Cookie(Box<str>),
    /// The first parameter of this name in the query, decoded.
    Query(Box<str>),
    /// The path without its query.
    Path,
    /// The pod that calls.
    SourceAddress,
}

/// Whether endpoints of the caller's zone come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZonePolicy {
    /// Zones do not matter.
    #[default]
    Any,
    /// First, as long as the zone can take it.
    Prefer,
    /// No others.
    Strict,
}

// === impl Endpoint ===

impl Endpoint {
    /// The weight of one that says nothing.
    pub const USUAL_WEIGHT: u32 = 100;
}

// === impl Timeouts ===

impl Timeouts {
    /// Those of a connection that carries bytes.
    pub fn of_bytes(&self) -> Bounds {
        Bounds { idle: self.idle, total: self.stream }
    }
}

// === impl Route ===
impl Route {
    /// What browsers are told.
    pub fn cors(&self) -> Option<&Cors> {
        self.actions.as_ref()?.cors.as_deref()
    }
}
