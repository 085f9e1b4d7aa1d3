//! Tells the control plane what was counted, on a stream of its own over the connection that brings the configuration. Nothing waits
//! for it: while nobody listens, what is counted stays in the series and is told later.

mod ledger;

use std::{sync::Arc, time::Duration};

use http::Uri;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tonic::{Code, Status, codegen::tokio_stream::wrappers::ReceiverStream};

use crate::{
    backoff::Backoff,
    rpc::Connection,
    state::Workload,
    telemetry::{Account, Metrics},
    wire::weft::telemetry::v1::{ReportRequest, ReportResponse, telemetry_client::TelemetryClient},
};
use ledger::Ledger;

/// A proxy's reports; [`Reporter::run`] it for as long as the proxy lives.
#[derive(Debug)]
pub struct Reporter {
    pod_uid: String,
    /// The address that requests name.
    origin: Uri,
    metrics: Metrics,
    workload: watch::Receiver<Arc<Workload>>,
    ledger: Ledger,
    /// When the series were read last.
    looked: Instant,
}

/// Until the control plane says how often it wants reports.
const PACE: Duration = Duration::from_secs(10);
const SLOWEST: Duration = Duration::from_secs(300);
const QUICKEST: Duration = Duration::from_millis(500);
/// All proxies are asked at once when somebody begins to look; they answer spread over this.
const SPREAD: Duration = Duration::from_millis(500);
const STUCK: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

// === impl Reporter ===

impl Reporter {
    /// Reports what `metrics` count, and the rules of the pod.
    pub fn new(
        pod_uid: &str,
        origin: Uri,
        metrics: Metrics,
        workload: watch::Receiver<Arc<Workload>>,
    ) -> Self {
        let (pod_uid, ledger) = (pod_uid.to_owned(), Ledger::default());
        Self { pod_uid, origin, metrics, workload, ledger, looked: Instant::now() }
    }

    /// Keeps a stream on whatever connection there is.
    pub async fn run(mut self, mut connections: watch::Receiver<Option<Connection>>) {
        loop {
            let connection = connections.borrow_and_update().clone();
            tokio::select! {
                () = self.serve(connection) => {}
                changed = connections.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Never ends: what ends it is another connection.
    async fn serve(&mut self, connection: Option<Connection>) {
        let Some(connection) = connection else { return std::future::pending().await };
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let ended = self.stream(connection.clone(), &mut backoff).await;
            tracing::debug!(reason = ended.message(), "reports ended");
            if ended.code() == Code::Unimplemented {
                // An older control plane, which a newer connection may not lead to.
                return std::future::pending().await;
            }
            sleep(backoff.pause()).await;
        }
    }

    async fn stream(&mut self, connection: Connection, backoff: &mut Backoff) -> Status {
        let (requests, receiver) = mpsc::channel(1);
        let mut client = TelemetryClient::with_origin(connection, self.origin.clone());
        let first = ReportRequest { pod_uid: self.pod_uid.clone(), ..Default::default() };
        if requests.try_send(first).is_err() {
            return Status::internal("a new channel is full");
        }
        let mut answers = match client.report(ReceiverStream::new(receiver)).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return status,
        };
        self.ledger.begin_stream();
        let mut pace = PACE;
        let (mut due, mut asked) = (Instant::now() + spread(pace), false);
        loop {
            tokio::select! {
                answer = answers.message() => match answer {
                    Ok(Some(ReportResponse { pace_ms, now })) => {
                        backoff.reset();
                        pace = Duration::from_millis(pace_ms.into()).clamp(QUICKEST, SLOWEST);
                        asked |= now;
                        due = due.min(Instant::now() + if now { spread(SPREAD) } else { spread(pace) });
                    }
                    Ok(None) => return Status::unavailable("ended by the control plane"),
                    Err(status) => return status,
                },
                () = sleep_until(due) => {
                    let report = self.report();
                    if (asked || !report.counts.is_empty())
                        && timeout(STUCK, requests.send(report)).await.is_err()
                    {
                        return Status::deadline_exceeded("the control plane reads no more");
                    }
                    (due, asked) = (Instant::now() + pace.mul_f64(0.9 + fastrand::f64() / 5.0), false);
                }
            }
        }
    }

    fn report(&mut self) -> ReportRequest {
        let pod = self.workload.borrow().clone();
        let covers = std::mem::replace(&mut self.looked, Instant::now()).elapsed();
        let covers_ms = u32::try_from(covers.as_millis()).unwrap_or(u32::MAX);
        ReportRequest { covers_ms, ..self.ledger.report(Account::of(&self.metrics, &pod)) }
    }
}

fn spread(over: Duration) -> Duration {
    over.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests;
