//! By what the series of the data path are told apart.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// Which half of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From the application to others.
    Outbound,
    /// From others to the application.
    Inbound,
}

/// How the other side proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tls {
    /// Mutual TLS of the mesh.
    Mutual,
    /// A server outside the mesh, by a certificate that a BackendTLSPolicy trusts.
    Backend,
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
    pub route: String,
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

/// What was sent once more.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RetryLabels {
    pub direction: Direction,
    /// As in [`RequestLabels`].
    pub destination: String,
    pub route: String,
    pub reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    pub direction: Direction,
    pub reason: &'static str,
}

/// What an access rule did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AccessLabels {
    /// As in [`RequestLabels`].
    pub destination: String,
    /// SPIFFE identity of the caller; empty for one that has proved nothing.
    pub peer: String,
    /// `denied`, `would-deny` or `would-allow`.
    pub verdict: &'static str,
    /// The binding whose rule it was, or `default`.
    pub binding: String,
}

/// What balancers of one destination chose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ChoiceLabels {
    pub destination: String,
    pub choice: &'static str,
}

/// What concerns a destination as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DestinationLabels {
    pub destination: String,
}

/// What concerns a route; an empty one stands for the destination as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RouteLabels {
    pub destination: String,
    pub route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ShedLabels {
    pub destination: String,
    pub route: String,
    pub reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct HedgeLabels {
    pub destination: String,
    pub route: String,
    pub result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FaultLabels {
    pub destination: String,
    pub route: String,
    pub kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct EjectionLabels {
    pub destination: String,
    pub reason: &'static str,
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

impl Tls {
    /// As labels and lines have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mutual => "mutual",
            Self::Backend => "backend",
            Self::None => "none",
        }
    }
}

impl EncodeLabelValue for Tls {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}
