//! Probes on behalf of the kubelet.
//!
//! Capture would make every `tcpSocket` probe succeed and strict mutual TLS would fail the others, so the webhook points
//! them at this port and hands the originals over. Each is carried out against the application as the kubelet would
//! have done it, and only its result is answered: this port is open to the whole cluster, and an application's health
//! page may say more than strangers should read.

mod destination;
mod grpc;
mod http_get;
mod insecure;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use serde::Deserialize;

use crate::admin::server::{self, Answer, text};
use destination::Destination;
pub use grpc::GrpcProbe;
pub use http_get::{Header, HttpGetProbe};

const PREFIX: &str = "/probe/";

/// The application's probes by `<container>/<liveness|readiness|startup>`, and its lifecycle hooks over HTTP by
/// `<container>/<postStart|preStop>/<something that nobody can guess>`, as `WEFT_PROBES` holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Probes(HashMap<String, Probe>);

/// One probe as the pod's author wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    #[serde(flatten)]
    check: Check,
    #[serde(default = "one_second")]
    timeout_seconds: u32,
}

/// What is checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// A GET that must answer 200 to 399.
    HttpGet(HttpGetProbe),
    /// A connection that must open.
    TcpSocket(TcpProbe),
    /// A call of `grpc.health.v1.Health/Check` that must answer SERVING.
    Grpc(GrpcProbe),
}

/// See [`Check::TcpSocket`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TcpProbe {
    port: u16,
    #[serde(default)]
    host: Option<String>,
}

/// `WEFT_PROBES` cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error(
    "WEFT_PROBES does not hold probes: {0}; the webhook writes it, so webhook and proxy may differ in version"
)]
pub struct InvalidProbes(#[from] serde_json::Error);

/// Why a probe failed; a person reads it in the events of the pod.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFailure {
    /// The application did not accept the connection.
    #[error("cannot connect to {destination}: {source}")]
    Connect { destination: String, source: io::Error },
    /// It did, and then broke it off or spoke something else.
    #[error("{destination} did not answer the probe: {problem}")]
    Broken { destination: String, problem: String },
    /// It answered with a status that means failure.
    #[error("HTTP probe failed with status code {0}")]
    Status(StatusCode),
    /// The probe cannot be carried out as written.
    #[error("the probe of this pod cannot be carried out: {0}")]
    Invalid(String),
    /// A gRPC server without the health service.
    #[error("the server does not implement grpc.health.v1.Health")]
    NoHealthService,
    /// A gRPC server that says it is unwell.
    #[error("gRPC probe failed: {0}")]
    Unhealthy(String),
    /// More redirects than the kubelet follows.
    #[error("stopped after {0} redirects")]
    TooManyRedirects(usize),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
}

/// Carries the probes out.
#[derive(Clone, Debug)]
pub struct Prober {
    probes: Arc<Probes>,
    /// Where the kubelet would have probed: the pod's first address.
    pod_ip: IpAddr,
}

/// What the kubelet sent along with its probe.
#[derive(Clone, Debug)]
struct Asker {
    user_agent: HeaderValue,
}

// === impl Probes ===

impl Probes {
    /// Reads `WEFT_PROBES`.
    pub fn parse(json: &str) -> Result<Self, InvalidProbes> {
        Ok(serde_json::from_str(json)?)
    }
}

/// Whether the name is that of a lifecycle hook: the kubelet asks once, and does not look at the status.
fn is_hook(name: &str) -> bool {
    matches!(name.split('/').nth(1), Some("postStart" | "preStop"))
}

fn one_second() -> u32 {
    1
}

// === impl ProbeFailure ===

impl ProbeFailure {
    /// Whether the application said nothing at all.
    fn is_unanswered(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Broken { .. } | Self::TimedOut(_))
    }
}

// === impl Prober ===

impl Prober {
    /// Probes are carried out against `pod_ip` unless they name a host.
    pub fn new(probes: Probes, pod_ip: IpAddr) -> Self {
        Self { probes: Arc::new(probes), pod_ip }
    }

    /// Serves until the listener fails.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        server::serve(listener, move |request| self.clone().answer(request)).await
    }

    async fn answer(self, request: Request<Incoming>) -> Answer {
        let Some(name) = request.uri().path().strip_prefix(PREFIX) else {
            return text(StatusCode::NOT_FOUND, "here: GET /probe/<container>/<liveness|readiness|startup>");
        };
        if request.method() != Method::GET {
            return text(StatusCode::METHOD_NOT_ALLOWED, "use GET");
        }
        let Some(probe) = self.probes.0.get(name) else {
            return text(StatusCode::NOT_FOUND, "this pod has no such probe");
        };
        let asker = Asker::of(&request);
        match probe.run(self.pod_ip, &asker).await {
            Ok(note) => text(StatusCode::OK, note),
            Err(failure) => {
                tracing::debug!(probe = name, %failure, "a probe failed");
                // The kubelet takes any answer to a hook for success; without the mesh this one would have had none.
                if is_hook(name) && failure.is_unanswered() {
                    return server::hang_up();
                }
                text(StatusCode::SERVICE_UNAVAILABLE, failure.to_string())
            }
        }
    }
}

// === impl Probe ===

impl Probe {
    async fn run(&self, pod_ip: IpAddr, asker: &Asker) -> Result<String, ProbeFailure> {
        let limit = Duration::from_secs(self.timeout_seconds.max(1).into());
        let check = async {
            match &self.check {
                Check::HttpGet(probe) => probe.run(pod_ip, asker).await,
                Check::TcpSocket(probe) => probe.run(pod_ip).await,
                Check::Grpc(probe) => probe.run(pod_ip, asker).await,
            }
        };
        tokio::time::timeout(limit, check).await.unwrap_or(Err(ProbeFailure::TimedOut(limit)))
    }
}

impl TcpProbe {
    async fn run(&self, pod_ip: IpAddr) -> Result<String, ProbeFailure> {
        Destination::new(self.host.as_deref(), pod_ip, self.port).connect().await?;
        Ok("the connection opened".to_owned())
    }
}

// === impl Asker ===

impl Asker {
    fn of(request: &Request<Incoming>) -> Self {
        let user_agent = request.headers().get(header::USER_AGENT).cloned();
        Self { user_agent: user_agent.unwrap_or(HeaderValue::from_static("kube-probe/weft")) }
    }
}

#[cfg(test)]
mod tests;
