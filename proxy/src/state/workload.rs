//! What the proxy knows about its own pod.

use std::collections::HashMap;
use std::sync::Arc;

use super::Protocol;
use crate::identity::SpiffeId;

/// The pod this proxy stands in. Immutable: an update is a new value.
#[derive(Debug)]
pub struct Workload {
    /// `<cluster>/<network>/<namespace>/<pod>`
    pub key: Arc<str>,
    /// Who the pod is.
    pub identity: Arc<SpiffeId>,
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
}

/// How a port treats callers without mutual TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MtlsMode {
    /// Passed through as the application's own bytes.
    Permissive,
    /// Refused.
    Strict,
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
}

/// What becomes of destinations that the mesh does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboundPolicy {
    /// Passed through.
    AllowAny,
    /// Refused.
    RegistryOnly,
}

// === impl Workload ===

impl Workload {
    /// What holds before the control plane said anything: the design's defaults.
    pub fn unconfigured(key: &str, identity: SpiffeId) -> Self {
        Self {
            key: key.into(),
            identity: Arc::new(identity),
            zone: None,
            labels: HashMap::new(),
            mtls_mode: MtlsMode::Permissive,
            inbound_ports: Vec::new(),
            outbound_policy: OutboundPolicy::AllowAny,
            ingress_mode: false,
            via: false,
            forwarded: false,
        }
    }

    /// What is said about `port`, if anything.
    pub fn inbound_port(&self, port: u16) -> Option<&InboundPort> {
        let index = self.inbound_ports.binary_search_by_key(&port, |inbound| inbound.port).ok()?;
        self.inbound_ports.get(index)
    }

    /// How `port` treats callers without mutual TLS.
    pub fn mtls_mode(&self, port: u16) -> MtlsMode {
        self.inbound_port(port).map_or(self.mtls_mode, |inbound| inbound.mtls_mode)
    }
}
