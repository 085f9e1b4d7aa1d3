//! The access log: a line for each HTTP request that is chosen, on stdout, and a record for a collector.
//!
//! Whoever serves a request never waits for the log, see [`pages`]. A request that nobody wants logged costs a few
//! branches.

mod choice;
mod field;
mod json;
mod logfmt;
mod pages;
mod record;

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use prometheus_client::registry::Registry;
use tokio::time::Instant;

use self::field::Without;
use self::json::Json;
use self::logfmt::Logfmt;
use self::pages::Pages;
use super::about::About;
use super::labels::RequestLabels;
use crate::trace::Context;

pub(super) use choice::Chosen;
pub use choice::{Choice, Fields, Form, Mode, Policy, Select};

/// Where requests of one worker are written. Clones share it.
#[derive(Clone, Debug)]
pub struct AccessLog {
    pages: Pages,
    /// The pod itself says that all are, whatever policies say.
    always: bool,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Result {
    pub started: Instant,
    pub took: Duration,
    pub code: u16,
    pub grpc_status: Option<u16>,
}

// === impl AccessLog ===

impl AccessLog {
    /// Writes to stdout: `always` all requests, otherwise those that policies choose.
    pub fn to_stdout(always: bool, registry: &mut Registry) -> Self {
        Self { always, ..Self::start(io::stdout(), registry) }
    }

    /// Writes all requests to `out`, from a thread that begins with the first line and ends with the last clone.
    pub fn start(out: impl Write + Send + 'static, registry: &mut Registry) -> Self {
        let pages = Pages::new("access-log", Box::new(out));
        let help = "Lines of the access log that nobody took in time";
        registry.register("weft_access_log_dropped", help, pages.dropped().clone());
        Self { pages, always: true }
    }

    /// The same log, for another worker.
    pub fn for_worker(&self) -> Self {
        Self { pages: self.pages.another(), always: self.always }
    }

    /// The same log, of what policies choose.
    #[cfg(test)]
    pub fn by_policy(self) -> Self {
        Self { always: false, ..self }
    }

    /// Whether anybody says anything of a request: where nobody does it is not logged.
    pub(super) fn may_choose(&self, policy: Option<&Policy>, own: Option<&Choice>) -> bool {
        self.always || policy.is_some() || own.is_some()
    }

    /// What holds for a request; `None`: it is not logged.
    pub(super) fn choose(&self, policy: Option<&Policy>, own: Option<&Choice>) -> Option<Chosen> {
        Chosen::of(self.always, policy, own)
    }

    /// Writes what is known of a request, and has a collector told of it; `span` is that of this proxy, where it is told too. Never
    /// waits.
    pub(super) fn record(
        &self,
        labels: &RequestLabels,
        about: &About,
        result: Result,
        span: impl FnOnce() -> Option<Context>,
    ) {
        let Some(chosen) = about.log.filter(|chosen| chosen.takes(about, result)) else { return };
        let began = SystemTime::now().checked_sub(result.took).unwrap_or(SystemTime::UNIX_EPOCH);
        if let Some(records) = &about.records {
            records.push(|| record::record(chosen, (labels, about), result, began, span()));
        }
        if chosen.silent {
            return;
        }
        self.pages.put(|page| {
            let out = &mut page.bytes;
            match chosen.form {
                Form::Json => {
                    out.extend_from_slice(br#"{"time":""#);
                    page.clock.write(began, out);
                    out.push(b'"');
                    let json = Without(chosen.omit, Json(out));
                    field::tell(json, labels, about, chosen.remove_query, result);
                    page.bytes.push(b'}');
                }
                Form::Text => {
                    out.extend_from_slice(b"time=");
                    page.clock.write(began, out);
                    let text = Without(chosen.omit, Logfmt(out));
                    field::tell(text, labels, about, chosen.remove_query, result);
                }
            }
        });
    }

    /// Waits, at most for `limit`, until what was recorded before is written.
    pub async fn flush(&self, limit: Duration) {
        self.pages.flush(limit).await;
    }
}

#[cfg(test)]
mod tests;
