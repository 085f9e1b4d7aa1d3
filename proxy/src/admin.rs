//! What operators, the kubelet and Prometheus ask of the proxy.
//!
//! - the socket `admin.sock` in the state directory: `POST /drain`, `GET /config`, `GET /balancers`, `POST /explain`, `POST /tap`, `GET|PUT /loglevel`.
//!   Only the proxy's container mounts that directory, and only its user may open the socket: a port on loopback would take orders from every
//!   container of the pod, and from whoever can make the application send a request there.
//! - port 15121 on all addresses: `GET /metrics`, `GET /ready`
//!
//! # How a pod ends
//!
//! On deletion the kubelet runs the preStop hooks of *all* containers at once, sidecars too, and so `weft-proxy drain`
//! runs at the same moment as the applications get their preStop hook or, without one, SIGTERM. A native sidecar gets its
//! own SIGTERM only when its hook has returned and every application container has ended, or when the grace period is
//! over; the time its hook took counts against that period. So `/drain` may wait for the last connection: that delays
//! nothing the pod still needs. It waits [`LINGER`] in any case: the application is gone within milliseconds, and until callers
//! have heard of it the proxy answers that the request may go elsewhere. For an ordinary sidecar (before Kubernetes 1.29) this waiting is what keeps it alive.

pub mod client;
pub mod server;

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use prometheus_client::registry::Registry;

use crate::drain::{Outcome, Trigger};
use crate::explain::Question;
use crate::log::Log;
use crate::readiness::Readiness;
use crate::telemetry::tap::{self, Taps};
use crate::worker::Views;
use server::{Answer, Content, text};

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
/// How long a question whether the proxy is ready may wait for a yes: less than the second that the kubelet gives its
/// probes. The next probe comes a whole second later, so a proxy that says no a moment too early costs the pod that second.
const READY_PATIENCE: Duration = Duration::from_millis(900);
/// How long the proxy of a pod that is deleted stays at the least. The news goes from the kubelet over the API server, the
/// endpoint controller and the control plane to the callers: some hundred milliseconds, more in a busy cluster.
pub const LINGER: Duration = Duration::from_secs(3);
/// A log filter is short.
const MAX_BODY: usize = 4 * 1024;
/// A request has a head of 64 KiB at most; as JSON it is longer.
const MAX_QUESTION: usize = 128 * 1024;

/// What the admin socket offers.
#[derive(Clone)]
pub struct Admin {
    /// Starts the drain.
    pub drain: Trigger,
    /// How long a drain may last, from its first start.
    pub drain_limit: Duration,
    /// How long it lasts at the least: [`LINGER`], but for tests.
    pub linger: Duration,
    /// What the proxy knows, as JSON, without any key.
    pub config_dump: Arc<dyn Fn() -> String + Send + Sync>,
    /// What the workers see.
    pub views: Views,
    /// Who watches requests.
    pub taps: Taps,
    /// Who this pod is.
    pub identity: Box<str>,
    /// What is logged.
    pub log: Log,
}

/// What the metrics port offers.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Every metric of the process.
    pub registry: Arc<Registry>,
    /// Whether the proxy may take traffic.
    pub readiness: Readiness,
}

// === impl Admin ===

impl Admin {
    /// Serves for ever.
    pub async fn serve(self, listener: UnixListener) -> io::Result<()> {
        server::serve(listener, move |request| self.clone().answer(request)).await
    }

    async fn answer(self, request: Request<Incoming>) -> Answer {
        match (request.method(), request.uri().path()) {
            (&Method::POST, "/drain") => self.drain().await,
            (&Method::GET, "/config") => json((self.config_dump)()),
            (&Method::GET, "/balancers") => {
                let workers = serde_json::Value::from(self.views.ask().await);
                json(format!("{workers:#}"))
            }
            (&Method::POST, "/explain") => self.explain(request.into_body()).await,
            (&Method::POST, "/tap") => self.tap(request.into_body()).await,
            (&Method::GET, "/loglevel") => text(StatusCode::OK, self.log.current()),
            (&Method::PUT, "/loglevel") => self.set_log_level(request.into_body()).await,
            (_, "/drain" | "/explain" | "/tap") => wrong_method("POST"),
            (_, "/config" | "/balancers") => wrong_method("GET"),
            (_, "/loglevel") => wrong_method("GET, PUT"),
            _ => text(
                StatusCode::NOT_FOUND,
                "here: POST /drain, GET /config, GET /balancers, POST /explain, POST /tap, GET or PUT /loglevel",
            ),
        }
    }

    /// Fails only at the deadline: the kubelet reports a failed hook, and lost connections are worth an event.
    async fn drain(&self) -> Answer {
        tracing::info!(limit = ?self.drain_limit, "draining");
        match self.drain.drain_after(self.linger, self.drain_limit).await {
            Outcome::Drained => text(StatusCode::OK, "drained: no connection is open"),
            Outcome::DeadlinePassed { open } => text(
                StatusCode::GATEWAY_TIMEOUT,
                format!(
                    "{open} connections were still open after {} s; raise terminationGracePeriodSeconds if they \
                     need longer",
                    self.drain_limit.as_secs()
                ),
            ),
        }
    }

    /// What each worker would do with a request that nobody has sent.
    async fn explain(&self, body: Incoming) -> Answer {
        let Ok(body) = Limited::new(body, MAX_QUESTION).collect().await else { return cut_off() };
        match Question::parse(&body.to_bytes()) {
            Ok(question) => json(serde_json::Value::from(self.views.explain(question).await).to_string()),
            Err(error) => text(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }

    /// The requests that pass from now on, until whoever watches them leaves.
    async fn tap(&self, body: Incoming) -> Answer {
        let Ok(body) = Limited::new(body, MAX_QUESTION).collect().await else { return cut_off() };
        let question = match tap::Question::parse(&body.to_bytes()) {
            Ok(question) => question,
            Err(error) => return text(StatusCode::BAD_REQUEST, error.to_string()),
        };
        match self.taps.open(question, &self.identity) {
            Ok(watch) => Answer::new(Content::Watch(Box::new(watch))),
            Err(error) => text(StatusCode::TOO_MANY_REQUESTS, error.to_string()),
        }
    }

    async fn set_log_level(&self, body: Incoming) -> Answer {
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
            return text(StatusCode::BAD_REQUEST, "the body did not arrive whole, or is longer than 4 KiB");
        };
        let filter = String::from_utf8_lossy(&body.to_bytes()).trim().to_owned();
        match self.log.set(&filter) {
            Ok(()) => text(StatusCode::OK, self.log.current()),
            Err(error) => text(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("drain_limit", &self.drain_limit).finish_non_exhaustive()
    }
}

// === impl Metrics ===

impl Metrics {
    /// Serves until the listener fails.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        server::serve(listener, move |request| self.clone().answer(request)).await
    }

    async fn answer(self, request: Request<Incoming>) -> Answer {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/metrics") => self.metrics(),
            (&Method::GET, "/ready") => self.ready().await,
            (_, "/metrics" | "/ready") => wrong_method("GET"),
            _ => text(StatusCode::NOT_FOUND, "here: GET /metrics, GET /ready"),
        }
    }

    fn metrics(&self) -> Answer {
        let mut body = String::new();
        if prometheus_client::encoding::text::encode(&mut body, &self.registry).is_err() {
            return text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written as text");
        }
        let mut answer = Answer::new(body.into());
        answer.headers_mut().insert(header::CONTENT_TYPE, OPEN_METRICS);
        answer
    }

    async fn ready(&self) -> Answer {
        // Late or not, the list says how it ended.
        let _ = tokio::time::timeout(READY_PATIENCE, self.readiness.ready()).await;
        let missing = self.readiness.missing();
        if missing.is_empty() {
            return text(StatusCode::OK, "ready");
        }
        text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: waiting for {}", missing.join(", ")))
    }
}

fn json(body: String) -> Answer {
    let mut answer = text(StatusCode::OK, body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn cut_off() -> Answer {
    text(StatusCode::BAD_REQUEST, "the question did not arrive whole, or is longer than 128 KiB")
}

fn wrong_method(allowed: &'static str) -> Answer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, format!("use {allowed}"));
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    answer
}

#[cfg(test)]
mod tests;
