//! Wire to state: everything is checked here, once, so that the data path can trust what it reads.
//!
//! A resource that cannot be honoured as a whole is rejected as a whole, with a reason for the person who wrote the
//! policy: half of a policy is another policy.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::{HeaderName, Method};
use prost::Message;
use regex::{Regex, RegexBuilder};

use crate::{
    identity::SpiffeId,
    state::{
        Backend, BudgetLimits, Caller, Destination, Endpoint, HeaderMatch, InboundPort, Match, MtlsMode,
        NodePolicy, OutboundPolicy, PathMatch, Protocol, QueryMatch, Retries, RetryOn, Route, SessionKey,
        Target, TargetKind, Timeouts, ValueCondition, WeightedBackend, Workload,
    },
    tls::Origin,
    trace::Sampling,
    wire::weft::v1 as wire,
};

/// The critical features this proxy honours; the control plane's own list is `src/wire/features.json`.
pub const KNOWN_FEATURES: [&str; 42] = [
    "backend.node",
    "backend.tls",
    "destination.limits",
    "destination.outliers",
    "load-balancer.algorithm",
    "load-balancer.hash",
    "load-balancer.slow-start",
    "load-balancer.zone",
    "route.answer",
    "route.bytes",
    "route.cors",
    "route.fault",
    "route.headers",
    "route.hedging",
    "route.limits",
    "route.match.from",
    "route.match.headers",
    "route.match.method",
    "route.match.path",
    "route.match.query",
    "route.match.regex",
    "route.match.serverNames",
    "route.mirror",
    "route.retries",
    "route.rewrite",
    "route.session",
    "route.split.weights",
    "route.timeouts",
    "workload.access",
    "workload.access.jwt",
    "workload.external-check",
    "workload.external-check.body",
    "workload.external-check.http",
    "workload.external-services",
    "workload.external-services.tls",
    "workload.rate-limits",
    "workload.rate-limits.caller",
    "workload.rate-limits.claim",
    "workload.rate-limits.cost",
    "workload.rate-limits.cost.field",
    "workload.rate-limits.match",
    "workload.rate-limits.shared",
];

/// Why a resource was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Reject(String);

/// Memory a compiled expression may take: what users write takes a few kilobytes.
const REGEX_SIZE: usize = 256 * 1024;

macro_rules! reject {
    ($($text:tt)*) => { Reject(format!($($text)*)) };
}

mod access;
mod access_log;
mod action;
mod beside;
mod budget;
mod collector;
mod external_check;
mod external_service;
mod jwt;
mod load_balancer;
mod origin;
mod rate_limit;
mod resilience;
mod session;
mod shared_limit;
mod tracing;

/// Decodes a destination.
pub fn destination(body: &[u8]) -> Result<Destination, Reject> {
    let wire = wire::Destination::decode(body).map_err(|error| reject!("not a Destination: {error}"))?;
    known_features(&wire.critical_features)?;
    budget::check(&wire)?;
    let identities = identities(&wire.identities)?;
    let (networks, zones, nodes) = (texts(&wire.networks), texts(&wire.zones), texts(&wire.nodes));
    let names = Names { identities: &identities, networks: &networks, zones: &zones, nodes: &nodes };
    let endpoints: Vec<Arc<Endpoint>> =
        each("endpoints", &wire.endpoints, |wire| names.endpoint(wire).map(Arc::new))?;
    let tls: Vec<Arc<Origin>> = wire.tls.into_iter().map(|wire| Arc::new(origin::origin(wire))).collect();
    let backends = each("backends", &wire.backends, |wire| backend(wire, &endpoints, &tls).map(Arc::new))?;
    let routes = each("routes", &wire.routes, |wire| route(wire, backends.len()))?;
    if routes.is_empty() {
        return Err(reject!("there are no routes"));
    }
    Ok(Destination {
        key: wire.key.into(),
        target: target(wire.target.ok_or_else(|| reject!("target is not set"))?)?,
        protocol: protocol(wire.protocol)?,
        routes,
        backends,
        load_balancer: load_balancer::load_balancer(&wire.load_balancer.unwrap_or_default())?,
        outliers: wire.outliers.map(|wire| resilience::outliers(&wire).map(Box::new)).transpose()?,
        limits: wire.limits.map(|wire| resilience::limits(&wire).map(Box::new)).transpose()?,
        session_key: SessionKey(wire.session_key.into_boxed_slice()),
        sampling: wire.sampling.map(|share| Box::new(Sampling::millionths(share))),
        access_log: wire.access_log.as_ref().map(access_log::choice).transpose()?.map(Box::new),
    })
}

/// Decodes a workload.
pub fn workload(body: &[u8]) -> Result<Workload, Reject> {
    let wire = wire::Workload::decode(body).map_err(|error| reject!("not a Workload: {error}"))?;
    known_features(&wire.critical_features)?;
    let access = wire.access.as_ref().map(access::access).transpose();
    let access = access.map_err(|Reject(reason)| reject!("access: {reason}"))?;
    let mut inbound_ports =
        each("inbound_ports", &wire.inbound_ports, |port| inbound_port(port, wire.access.as_ref()))?;
    inbound_ports.sort_by_key(|inbound| inbound.port);
    Ok(Workload {
        key: wire.key.into(),
        identity: Arc::new(wire.identity.parse().map_err(|error| reject!("identity: {error}"))?),
        node: (!wire.node.is_empty()).then(|| wire.node.into()),
        zone: (!wire.zone.is_empty()).then(|| wire.zone.into()),
        labels: wire.labels,
        mtls_mode: mtls_mode(wire.mtls_mode)?,
        inbound_ports,
        outbound_policy: outbound_policy(wire.outbound_policy)?,
        ingress_mode: wire.ingress_mode,
        via: wire.via,
        forwarded: wire.forwarded,
        access: access.map(Arc::new),
        external_services: external_service::external_services(&wire.external_services, &wire.authorities)?,
        tracing: wire.tracing.as_ref().map(tracing::tracing).transpose()?.map(Arc::new),
        access_log: wire.access_log.as_ref().map(access_log::policy).transpose()?.map(Box::new),
        caller_limits: rate_limit::caller_limits(&wire.caller_limits)?,
    })
}

impl Reject {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

fn known_features(features: &[String]) -> Result<(), Reject> {
    match features.iter().find(|feature| !KNOWN_FEATURES.contains(&feature.as_str())) {
        None => Ok(()),
        Some(unknown) => Err(reject!(
            "critical feature `{unknown}` is unknown to weft-proxy {}; re-create the pod to get a newer proxy",
            env!("CARGO_PKG_VERSION")
        )),
    }
}

/// Translates a list; a reject says which item it was about.
fn each<W, T>(
    field: &str,
    items: &[W],
    translate: impl Fn(&W) -> Result<T, Reject>,
) -> Result<Vec<T>, Reject> {
    let named =
        |(index, item)| translate(item).map_err(|Reject(reason)| reject!("{field}[{index}]: {reason}"));
    items.iter().enumerate().map(named).collect()
}

fn texts(texts: &[String]) -> Vec<Arc<str>> {
    texts.iter().map(|text| text.as_str().into()).collect()
}

fn identities(uris: &[String]) -> Result<Vec<Arc<SpiffeId>>, Reject> {
    each("identities", uris, |uri| uri.parse().map(Arc::new).map_err(|error| reject!("{error}")))
}

// === Endpoints and backends ===

/// What endpoints refer to by number.
struct Names<'a> {
    identities: &'a [Arc<SpiffeId>],
    networks: &'a [Arc<str>],
    zones: &'a [Arc<str>],
    nodes: &'a [Arc<str>],
}

impl Names<'_> {
    fn endpoint(&self, wire: &wire::Endpoint) -> Result<Endpoint, Reject> {
        Ok(Endpoint {
            addr: SocketAddr::new(address(&wire.address)?, port(wire.port)?),
            peer: referred("identity", self.identities, wire.identity)?,
            network: referred("network", self.networks, wire.network)?,
            zone: referred("zone", self.zones, wire.zone)?,
            node: referred("node", self.nodes, wire.node)?,
            opaque: wire.opaque,
            weight: if wire.weight == 0 { Endpoint::USUAL_WEIGHT } else { wire.weight },
        })
    }
}

/// 0 refers to nothing, n to the n-th.
fn referred<T: ?Sized>(field: &str, names: &[Arc<T>], number: u32) -> Result<Option<Arc<T>>, Reject> {
    let Some(index) = number.checked_sub(1) else { return Ok(None) };
    let name =
        names.get(index as usize).ok_or_else(|| reject!("{field} {number} is not among {}", names.len()))?;
    Ok(Some(name.clone()))
}

fn address(bytes: &[u8]) -> Result<IpAddr, Reject> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Ok(v4.into());
    }
    let v6 = <[u8; 16]>::try_from(bytes)
        .map_err(|_| reject!("an address has 4 or 16 bytes, not {}", bytes.len()))?;
    Ok(v6.into())
}

fn port(number: u32) -> Result<u16, Reject> {
    u16::try_from(number).ok().filter(|port| *port != 0).ok_or_else(|| reject!("{number} is no port"))
}

fn backend(
    wire: &wire::Backend,
    endpoints: &[Arc<Endpoint>],
    tls: &[Arc<Origin>],
) -> Result<Backend, Reject> {
    let endpoints = each("endpoints", &wire.endpoints, |index| {
        let known = || reject!("endpoint {index} is not among {}", endpoints.len());
        endpoints.get(*index as usize).cloned().ok_or_else(known)
    })?;
    let invalid = (!wire.invalid.is_empty()).then(|| wire.invalid.as_str().into());
    let affinity = (wire.affinity_s > 0).then(|| Duration::from_secs(wire.affinity_s.into()));
    Ok(Backend {
        name: wire.name.as_str().into(),
        endpoints,
        invalid,
        node: node_policy(wire.node)?,
        affinity,
        tls: referred("tls", tls, wire.tls)?,
    })
}

fn node_policy(number: i32) -> Result<NodePolicy, Reject> {
    use wire::backend::Node;

    match Node::try_from(number) {
        Ok(Node::Any) => Ok(NodePolicy::Any),
        Ok(Node::Prefer) => Ok(NodePolicy::Prefer),
        Ok(Node::Only) => Ok(NodePolicy::Only),
        Err(_) => Err(reject!("node policy {number} is unknown")),
    }
}

// === Routes ===

fn route(wire: &wire::Route, backends: usize) -> Result<Route, Reject> {
    let split = each("split", &wire.split, |share| weighted(share, backends))?;
    let actions = action::actions(wire, backends)?;
    let answers = actions.as_ref().is_some_and(|actions| actions.answer.is_some());
    if !answers && split.iter().all(|share| share.weight == 0) {
        return Err(reject!("no share of the split has a weight"));
    }
    Ok(Route {
        name: wire.name.as_str().into(),
        matches: each("matches", &wire.matches, match_)?,
        split,
        bytes_only: wire.bytes_only,
        timeouts: wire.timeouts.map(timeouts).unwrap_or_default(),
        actions,
        retries: wire.retries.as_ref().map(|wire| retries(wire).map(Box::new)).transpose()?,
        fault: wire.fault.map(|wire| resilience::fault(&wire).map(Box::new)).transpose()?,
        hedging: wire.hedging.as_ref().map(|wire| resilience::hedging(wire).map(Box::new)).transpose()?,
        limits: wire.limits.map(|wire| resilience::limits(&wire).map(Box::new)).transpose()?,
        session: wire.session.as_ref().map(|wire| session::session(wire).map(Box::new)).transpose()?,
    })
}

fn retries(wire: &wire::Retries) -> Result<Retries, Reject> {
    let method = |name: &String| {
        Method::from_bytes(name.as_bytes()).map_err(|_| reject!("`{}` is no method", name.escape_default()))
    };
    let status = |number: &u32| u16::try_from(*number).map_err(|_| reject!("{number} is no status"));
    Ok(Retries {
        attempts: wire.attempts,
        on: each("on", &wire.on, |name| retry_on(name))?,
        statuses: each("statuses", &wire.statuses, status)?,
        methods: each("methods", &wire.methods, method)?,
        budget: BudgetLimits {
            percent: wire.budget_percent,
            interval: Duration::from_millis(wire.budget_interval_ms.into()),
            min_per_second: wire.budget_min_per_second,
        },
        budget_refuses: wire.budget_refuses,
        backoff: some_time(wire.backoff_ms),
    })
}

fn retry_on(name: &str) -> Result<RetryOn, Reject> {
    Ok(match name {
        "connect-failure" => RetryOn::ConnectFailure,
        "reset" => RetryOn::Reset,
        "refused-stream" => RetryOn::RefusedStream,
        "5xx" => RetryOn::ServerError,
        "gateway-error" => RetryOn::GatewayError,
        "cancelled" => RetryOn::Grpc(1),
        "deadline-exceeded" => RetryOn::Grpc(4),
        "resource-exhausted" => RetryOn::Grpc(8),
        "internal" => RetryOn::Grpc(13),
        "unavailable" => RetryOn::Grpc(14),
        _ => return Err(reject!("`{}` is no reason to retry that this proxy knows", name.escape_default())),
    })
}

fn timeouts(wire: wire::Timeouts) -> Timeouts {
    Timeouts {
        request: some_time(wire.request_ms),
        per_try: some_time(wire.per_try_ms),
        connect: some_time(wire.connect_ms),
        idle: some_time(wire.idle_ms),
        stream: some_time(wire.stream_ms),
    }
}

/// 0 is no limit.
fn some_time(ms: u32) -> Option<Duration> {
    (ms > 0).then(|| Duration::from_millis(ms.into()))
}

fn weighted(wire: &wire::WeightedBackend, backends: usize) -> Result<WeightedBackend, Reject> {
    let backend = wire.backend as usize;
    if backend >= backends {
        return Err(reject!("backend {backend} is not among {backends}"));
    }
    let headers = action::message(wire.request_headers.as_ref(), wire.response_headers.as_ref())?;
    Ok(WeightedBackend { backend, weight: wire.weight, headers: headers.map(Box::new) })
}

fn match_(wire: &wire::Match) -> Result<Match, Reject> {
    let path = wire.path.as_ref().map(path_match).transpose();
    Ok(Match {
        headers: each("headers", &wire.headers, header_match)?,
        path: path.map_err(|Reject(reason)| reject!("path: {reason}"))?,
        query: each("query", &wire.query, query_match)?,
        method: method(&wire.method)?,
        from: wire.from.as_ref().map(caller),
        server_names: wire.server_names.iter().map(|name| Box::from(name.as_str())).collect(),
    })
}

fn method(text: &str) -> Result<Option<Method>, Reject> {
    let parse = || {
        Method::from_bytes(text.as_bytes()).map_err(|_| reject!("method `{}` is none", text.escape_default()))
    };
    (!text.is_empty()).then(parse).transpose()
}

fn caller(wire: &wire::Caller) -> Caller {
    let text = |text: &String| Box::from(text.as_str());
    let account = |account: &wire::ServiceAccount| (text(&account.namespace), text(&account.name));
    Caller {
        namespaces: wire.namespaces.iter().map(text).collect(),
        service_accounts: wire.service_accounts.iter().map(account).collect(),
        labels: wire.labels.iter().map(|(name, value)| (text(name), text(value))).collect(),
    }
}

fn query_match(wire: &wire::QueryMatch) -> Result<QueryMatch, Reject> {
    use wire::query_match::Condition;

    let condition = match wire.condition.as_ref().ok_or_else(|| reject!("no condition this proxy knows"))? {
        Condition::Exact(text) => ValueCondition::Exact(text.as_str().into()),
        Condition::Prefix(text) => ValueCondition::Prefix(text.as_str().into()),
        Condition::Regex(pattern) => ValueCondition::Regex(regex(pattern)?),
        Condition::Present(present) => ValueCondition::Present(*present),
    };
    Ok(QueryMatch { name: wire.name.as_str().into(), condition, invert: wire.invert })
}

fn header_match(wire: &wire::HeaderMatch) -> Result<HeaderMatch, Reject> {
    use wire::header_match::Condition;

    let name = HeaderName::from_bytes(wire.name.as_bytes())
        .map_err(|_| reject!("`{}` is no header name", wire.name.escape_default()))?;
    let condition = match wire.condition.as_ref().ok_or_else(|| reject!("no condition this proxy knows"))? {
        Condition::Exact(text) => ValueCondition::Exact(text.as_str().into()),
        Condition::Prefix(text) => ValueCondition::Prefix(text.as_str().into()),
        Condition::Regex(pattern) => ValueCondition::Regex(regex(pattern)?),
        Condition::Present(present) => ValueCondition::Present(*present),
    };
    Ok(HeaderMatch { name, condition, invert: wire.invert })
}

fn path_match(wire: &wire::PathMatch) -> Result<PathMatch, Reject> {
    use wire::path_match::Condition;

    Ok(match wire.condition.as_ref().ok_or_else(|| reject!("no condition this proxy knows"))? {
        Condition::Exact(text) => PathMatch::Exact(text.as_str().into()),
        Condition::Prefix(text) => PathMatch::Prefix(text.as_str().into()),
        Condition::Regex(pattern) => PathMatch::Regex(regex(pattern)?),
    })
}

/// Compiles an expression that must match the whole of a text.
fn regex(pattern: &str) -> Result<Regex, Reject> {
    let compile =
        |pattern: &str| RegexBuilder::new(pattern).size_limit(REGEX_SIZE).dfa_size_limit(REGEX_SIZE).build();
    let bad = |error: regex::Error| {
        let reason = error.to_string();
        reject!("regex `{pattern}`: {}", reason.lines().last().unwrap_or_default())
    };
    // By itself first: `a)|(b` must not become good by what is put around it.
    compile(pattern).map_err(bad)?;
    compile(&format!(r"\A(?:{pattern})\z")).map_err(bad)
}

// === Enumerations ===

fn target(wire: wire::Target) -> Result<Target, Reject> {
    let kind = match wire.kind() {
        wire::target::Kind::Service => TargetKind::Service,
        wire::target::Kind::Pod => TargetKind::Pod,
        wire::target::Kind::Unspecified => return Err(reject!("target is of no kind this proxy knows")),
    };
    Ok(Target { kind, port: port(wire.port)?, namespace: wire.namespace.into(), name: wire.name.into() })
}

fn protocol(number: i32) -> Result<Protocol, Reject> {
    match wire::Protocol::try_from(number) {
        Ok(wire::Protocol::Unknown) => Ok(Protocol::Unknown),
        Ok(wire::Protocol::Http1) => Ok(Protocol::Http1),
        Ok(wire::Protocol::Http2) => Ok(Protocol::Http2),
        Ok(wire::Protocol::Opaque) => Ok(Protocol::Opaque),
        Err(_) => Err(reject!("protocol {number} is unknown")),
    }
}

fn inbound_port(wire: &wire::InboundPort, access: Option<&wire::Access>) -> Result<InboundPort, Reject> {
    budget::check_limits(wire)?;
    let needs_requests =
        !wire.rate_limits.is_empty() || !wire.shared_limits.is_empty() || !wire.external_checks.is_empty();
    let shared = |limits: &wire::SharedLimits| shared_limit::shared_limits(limits, access);
    Ok(InboundPort {
        port: port(wire.port)?,
        protocol: protocol(wire.protocol)?,
        mtls_mode: mtls_mode(wire.mtls_mode)?,
        services: texts(&wire.services),
        needs_requests,
        rate_limits: each("rate_limits", &wire.rate_limits, |limit| rate_limit::rate_limit(limit, access))?,
        shared_limits: each("shared_limits", &wire.shared_limits, shared)?,
        external_checks: each("external_checks", &wire.external_checks, external_check::external_check)?,
        sampling: wire.sampling.map(|share| Box::new(Sampling::millionths(share))),
        access_log: wire.access_log.as_ref().map(access_log::choice).transpose()?.map(Box::new),
    })
}

/// What secures a pod has no default: a field that got lost on the way must not open it.
fn mtls_mode(number: i32) -> Result<MtlsMode, Reject> {
    match wire::MtlsMode::try_from(number) {
        Ok(wire::MtlsMode::Permissive) => Ok(MtlsMode::Permissive),
        Ok(wire::MtlsMode::Strict) => Ok(MtlsMode::Strict),
        Ok(wire::MtlsMode::Unspecified) => Err(reject!("mtls_mode is not set")),
        Err(_) => Err(reject!("mTLS mode {number} is unknown")),
    }
}

fn outbound_policy(number: i32) -> Result<OutboundPolicy, Reject> {
    match wire::OutboundPolicy::try_from(number) {
        Ok(wire::OutboundPolicy::AllowAny) => Ok(OutboundPolicy::AllowAny),
        Ok(wire::OutboundPolicy::RegistryOnly) => Ok(OutboundPolicy::RegistryOnly),
        Ok(wire::OutboundPolicy::RegistryOnlyDryRun) => Ok(OutboundPolicy::DryRun),
        Ok(wire::OutboundPolicy::Unspecified) => Err(reject!("outbound_policy is not set")),
        Err(_) => Err(reject!("outbound policy {number} is unknown")),
    }
}

#[cfg(test)]
mod tests;
