//! The access log: one line of JSON for each HTTP request, on stdout, where a pod asks for it.
//!
//! Whoever serves a request never waits for the log, see [`pages`]. A proxy without the log has none of this: a request
//! costs it one branch.

mod field;
mod json;
mod pages;

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use prometheus_client::registry::Registry;
use tokio::time::Instant;

use self::json::Json;
use self::pages::Pages;
use super::about::About;
use super::labels::RequestLabels;

/// Where requests of one worker are written. Clones share it.
#[derive(Clone, Debug)]
pub struct AccessLog(Pages);

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
    /// Writes to stdout from now on.
    pub fn to_stdout(registry: &mut Registry) -> io::Result<Self> {
        Self::start(io::stdout(), registry)
    }

    /// Writes to `out` from a thread that ends with the last clone.
    pub fn start(out: impl Write + Send + 'static, registry: &mut Registry) -> io::Result<Self> {
        let pages = Pages::start("access-log", out)?;
        let help = "Lines of the access log that nobody took in time";
        registry.register("weft_access_log_dropped", help, pages.dropped().clone());
        Ok(Self(pages))
    }

    /// The same log, for another worker.
    pub fn for_worker(&self) -> Self {
        Self(self.0.another())
    }

    /// Writes what is known of a request. Never waits.
    pub(super) fn record(&self, labels: &RequestLabels, about: &About, result: Result) {
        let began = SystemTime::now().checked_sub(result.took).unwrap_or(SystemTime::UNIX_EPOCH);
        self.0.put(|page| {
            page.bytes.extend_from_slice(br#"{"time":""#);
            page.clock.write(began, &mut page.bytes);
            page.bytes.push(b'"');
            field::tell(&mut Json(&mut page.bytes), labels, about, result);
            page.bytes.push(b'}');
        });
    }

    /// Waits, at most for `limit`, until what was recorded before is written.
    pub async fn flush(&self, limit: Duration) {
        self.0.flush(limit).await;
    }
}

#[cfg(test)]
mod tests;
