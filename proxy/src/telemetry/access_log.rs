//! The access log: one line of JSON for each HTTP request, on stdout, where a pod asks for it.
//!
//! Whoever serves a request never waits for the log. Lines go into a bounded queue that a thread of its own empties; what
//! does not fit is dropped and counted. A proxy without the log has none of this: a request costs it one branch.

use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::about::About;
use super::metrics::{RequestLabels, Tls};
use super::timestamp::rfc3339;

/// Lines that may wait for stdout: at some 500 bytes each, half a megabyte at the most.
const QUEUE: usize = 1024;

/// How long to wait for room in a full queue, for who must.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// Where requests are written. Clones share it.
#[derive(Clone, Debug)]
pub struct AccessLog {
    lines: SyncSender<Message>,
    dropped: Counter,
}

#[derive(Debug)]
enum Message {
    Line(String),
    /// Everything before this is to be out when this is answered.
    Flush(oneshot::Sender<()>),
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Result {
    pub started: Instant,
    pub code: u16,
    pub grpc_status: Option<u16>,
}

/// The fields, in the order in which they are written. `docs/access-log.md` explains them.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    direction: &'static str,
    method: &'a str,
    authority: &'a str,
    path: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    bytes: u64,
    duration_ms: f64,
    destination: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    route: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    backend: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    peer: &'a str,
    tls: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    retried: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    ejected: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_left: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    under_way: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_left_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

// === impl AccessLog ===

impl AccessLog {
    /// Writes to stdout from now on.
    pub fn to_stdout(registry: &mut Registry) -> io::Result<Self> {
        Self::start(io::stdout(), registry)
    }

    /// Writes to `out` from a thread that ends with the last clone.
    pub fn start(out: impl Write + Send + 'static, registry: &mut Registry) -> io::Result<Self> {
        let dropped = Counter::default();
        let help = "Lines of the access log that nobody took in time";
        registry.register("weft_access_log_dropped", help, dropped.clone());
        let (lines, waiting) = sync_channel(QUEUE);
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_all(&waiting, &mut BufWriter::new(out)))?;
        Ok(Self { lines, dropped })
    }

    /// Writes what is known of a request. Never waits.
    pub(super) fn record(&self, labels: &RequestLabels, about: &About, result: Result) {
        let Result { started, code, grpc_status } = result;
        let took = started.elapsed();
        let line = Line {
            time: rfc3339(SystemTime::now().checked_sub(took).unwrap_or(SystemTime::UNIX_EPOCH)),
            direction: labels.direction.name(),
            method: about.method.as_str(),
            authority: &about.authority,
            path: &about.path,
            status: code,
            grpc_status,
            reason: about.reason,
            bytes: about.bytes,
            duration_ms: (took.as_secs_f64() * 1e6).round() / 1e3,
            destination: &labels.destination,
            route: &labels.route,
            backend: &labels.backend,
            upstream: about.upstream.map(|upstream| upstream.to_string()),
            peer: &labels.peer,
            tls: match labels.tls {
                Tls::Mutual => "mutual",
                Tls::None => "none",
            },
            attempts: about.attempts,
            retried: &about.retried,
            withheld: about.withheld,
            ejected: &about.ejected,
            budget_left: about.budget_left,
            under_way: about.under_way,
            deadline_left_ms: about.deadline.map(|at| {
                let left = at.saturating_duration_since(Instant::now());
                u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
            }),
            trace_id: about.trace_id.as_deref(),
        };
        // A struct of texts and numbers can always be written.
        if let Ok(line) = serde_json::to_string(&line) {
            self.send(line);
        }
    }

    fn send(&self, line: String) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.lines.try_send(Message::Line(line))
        {
            self.dropped.inc();
        }
    }

    /// Waits, at most for `limit`, until what was recorded before is written.
    pub async fn flush(&self, limit: Duration) {
        let (answer, answered) = oneshot::channel();
        let mut message = Message::Flush(answer);
        // Late or not, the process goes on.
        let _ = timeout(limit, async {
            while let Err(TrySendError::Full(back)) = self.lines.try_send(message) {
                message = back;
                sleep(FULL_PAUSE).await;
            }
            answered.await
        })
        .await;
    }
}

/// Writes what comes, and flushes whenever nothing waits. A pipe that is closed takes nothing more; the queue is emptied
/// all the same.
fn write_all(waiting: &Receiver<Message>, out: &mut impl Write) {
    while let Ok(message) = waiting.recv() {
        let mut next = Some(message);
        while let Some(message) = next {
            match message {
                Message::Line(line) => {
                    let _ = out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n"));
                }
                Message::Flush(answer) => {
                    let _ = out.flush();
                    let _ = answer.send(());
                }
            }
            next = waiting.try_recv().ok();
        }
        let _ = out.flush();
    }
}

#[cfg(test)]
mod tests;
