//! What the proxy knows about its own pod.

use std::collections::HashMap;
use std::sync::Arc;

use super::{CallerLimit, Protocol, Target};
use crate::access::Access;
use crate::egress::ExternalService;
use crate::external_check::ExternalCheck;
use crate::identity::SpiffeId;
use crate::rate_limit::RateLimit;
use crate::shared_limit::SharedLimits;
use crate::telemetry::access_log::{Choice, Policy};
use crate::trace::{Sampling, Tracing};

/// The pod this proxy stands in. Immutable: an update is a new value.
#[derive(Debug, Clone)]
pub struct Workload {
    /// `<cluster>/<network>/<namespace>/<pod>`
    pub key: Arc<str>,
    /// Who the pod is.
    pub identity: Arc<SpiffeId>,
    /// The node that it runs on; `None` where the control plane is too old to say.
    pub node: Option<Arc<str>>,
    /// Its zone, where the node says one.
    pub zone: Option<Arc<str>>,
    /// Labels of the pod.
    pub labels: HashMap<String, String>,
    /// For ports that `inbound_ports` does not list.
    pub mtls_mode: MtlsMode,
    /// Ports something is said about, in ascending order.
    pub inbound_ports: Vec<InboundPort>,
    /// What becomes of destinations that the mesh does not know.
    pub outbound_policy: OutboundPolicy,
    /// Route by host rather than by dialled address.
    pub ingress_mode: bool,
    /// Name this proxy in `Via` of what it forwards.
    pub via: bool,
    /// Tell the application in `Forwarded` who called.
    pub forwarded: bool,
    /// Who may ask what of it; absent: everybody everything.
    pub access: Option<Arc<Access>>,
    /// What its namespace declares of the outside.
    pub external_services: Arc<[Arc<ExternalService>]>,
    /// What is told of its requests as traces; absent: nothing.
    pub tracing: Option<Arc<Tracing>>,
    /// What is logged of its requests; absent: nothing.
    pub access_log: Option<Box<Policy>>,
    /// How many requests it sends, and to whom.
    pub caller_limits: Vec<CallerLimit>,
}

/// How a port treats callers without mutual TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MtlsMode {
    /// Passed through as the application's own bytes.
    Permissive,
    /// Refused.
    Strict,
}

/// How what comes to a port is read where its caller left that open: by a tunnel of bytes, or without the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As bytes.
    Bytes,
    /// A tunnel of the mesh request by request, as the port is declared; the application's own bytes as they are.
    Declared(Protocol),
    /// Everything request by request.
    Requests(Protocol),
}

/// One port of the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundPort {
    /// Its number.
    pub port: u16,
    /// What it speaks.
    pub protocol: Protocol,
    /// How it treats callers without mutual TLS.
    pub mtls_mode: MtlsMode,
    /// Services in front of it, `<namespace>/<name>`.
    pub services: Vec<Arc<str>>,
    /// A rate limit or an external check holds here: whoever calls is read request by request, and what is not HTTP is refused.
    pub needs_requests: bool,
    /// How many requests it takes.
    pub rate_limits: Vec<RateLimit>,
    /// What a service counts for all pods, a question each, in this order.
    pub shared_limits: Vec<SharedLimits>,
    /// Who else is asked about them, in this order.
    pub external_checks: Vec<ExternalCheck>,
    /// Which traces are told, of those that begin here; `None`: those that the pod's tracing says.
    pub sampling: Option<Box<Sampling>>,
    /// Which requests are logged; `None`: as the pod's access log says.
    pub access_log: Option<Box<Choice>>,
}

/// What becomes of destinations that the mesh does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboundPolicy {
    /// Passed through.
    AllowAny,
    /// Refused, but for what is declared.
    RegistryOnly,
    /// Passed through, and what would be refused is said.
    DryRun,
}

// === impl InboundPort ===

impl InboundPort {
    /// Its limits, whoever counts for them: the pod counts its share of those that a service counts.
    pub fn all_limits(&self) -> impl Iterator<Item = &RateLimit> {
        let shared = self.shared_limits.iter().flat_map(|shared| &shared.limits);
        self.rate_limits.iter().chain(shared.map(|shared| &shared.limit))
    }
}

// === impl Workload ===

impl Workload {
    /// What holds before the control plane said anything: the design's defaults.
    pub fn unconfigured(key: &str, identity: SpiffeId) -> Self {
        Self {
            key: key.into(),
            identity: Arc::new(identity),
            node: None,
            zone: None,
            labels: HashMap::new(),
            mtls_mode: MtlsMode::Permissive,
            inbound_ports: Vec::new(),
            outbound_policy: OutboundPolicy::AllowAny,
            ingress_mode: false,
            via: false,
            forwarded: false,
            access: None,
            external_services: Arc::default(),
            tracing: None,
            access_log: None,
            caller_limits: Vec::new(),
        }
    }

    /// What is said about `port`, if anything.
    pub fn inbound_port(&self, port: u16) -> Option<&InboundPort> {
        let index = self.inbound_ports.binary_search_by_key(&port, |inbound| inbound.port).ok()?;
        self.inbound_ports.get(index)
    }

    /// As metrics name a port: `<namespace>/<service>:<port>` of the first Service in front of it, or the pod's own name.
    pub fn name_of_port(&self, port: u16) -> String {
        match self.inbound_port(port).and_then(|inbound| inbound.services.first()) {
            Some(service) => format!("{service}:{port}"),
            None => {
                let mut parts = self.key.rsplitn(3, '/');
                let (pod, namespace) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                format!("{namespace}/{pod}:{port}")
            }
        }
    }

    /// Goes on counting by limits and checks that `before`, an earlier version of the pod, had as well.
    pub fn carry_on(&mut self, before: &Self) {
        for port in &mut self.inbound_ports {
            let Some(before) = before.inbound_port(port.port) else { continue };
            for limit in &mut port.rate_limits {
                before.rate_limits.iter().for_each(|earlier| limit.carry_on(earlier));
            }
            for limits in &mut port.shared_limits {
                before.shared_limits.iter().for_each(|earlier| limits.carry_on(earlier));
            }
            for check in &mut port.external_checks {
                before.external_checks.iter().for_each(|earlier| check.carry_on(earlier));
            }
        }
        for CallerLimit { limit, .. } in &mut self.caller_limits {
            before.caller_limits.iter().for_each(|earlier| limit.carry_on(&earlier.limit));
        }
    }

    /// Whether it sends no more than so many requests to `target`.
    pub fn limits_calls_to(&self, target: &Target) -> bool {
        self.caller_limits.iter().any(|one| one.is_about(target))
    }

    /// How many requests it sends to `target`.
    pub fn caller_limits<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = &'a RateLimit> {
        self.caller_limits.iter().filter(|one| one.is_about(target)).map(|one| &one.limit)
    }

    /// How many requests `port` takes.
    pub fn rate_limits(&self, port: u16) -> &[RateLimit] {
        self.inbound_port(port).map_or(&[], |inbound| &inbound.rate_limits)
    }

    /// How many requests `port` takes together with those of other pods.
    pub fn shared_limits(&self, port: u16) -> &[SharedLimits] {
        self.inbound_port(port).map_or(&[], |inbound| &inbound.shared_limits)
    }

    /// Who else is asked about requests to `port`.
    pub fn external_checks(&self, port: u16) -> &[ExternalCheck] {
        self.inbound_port(port).map_or(&[], |inbound| &inbound.external_checks)
    }

    /// How `port` is read; its callers have no say. Where a rule asks about requests, whoever calls is read request by request and
    /// what is not HTTP is refused, unless the port is declared as bytes: rules about requests do not concern it then.
    pub fn reading(&self, port: u16) -> Reading {
        let inbound = self.inbound_port(port);
        let protocol = inbound.map_or(Protocol::Unknown, |inbound| inbound.protocol);
        if inbound.is_some_and(|inbound| inbound.needs_requests) {
            return Reading::Requests(protocol);
        }
        let asked = self.access.as_ref().is_some_and(|access| access.asks_about_requests(port));
        match protocol {
            Protocol::Opaque => Reading::Bytes,
            protocol if asked => Reading::Requests(protocol),
            Protocol::Unknown => Reading::Bytes,
            declared @ (Protocol::Http1 | Protocol::Http2) => Reading::Declared(declared),
        }
    }

    /// How `port` treats callers without mutual TLS.
    pub fn mtls_mode(&self, port: u16) -> MtlsMode {
        self.inbound_port(port).map_or(self.mtls_mode, |inbound| inbound.mtls_mode)
    }
}
