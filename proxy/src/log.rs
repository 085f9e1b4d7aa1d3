//! What the proxy writes to stderr, and how much of it. The level can be changed while it runs.
//!
//! A worker that logs never waits for whoever reads stderr, see [`crate::lines`]: a stalled collector would stop the data path.

use std::io::{self, Write};
use std::time::Duration;

use prometheus_client::registry::Registry as Metrics;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{
    Registry,
    filter::{ParseError, Targets},
    fmt, reload,
};

use crate::lines::Lines;

/// The log of this process: reads and changes what is logged. Clones share it.
#[derive(Clone, Debug)]
pub struct Log {
    filter: reload::Handle<Targets, Registry>,
    /// Its way to stderr; none for a proxy that runs inside a test.
    lines: Option<Lines>,
}

/// Makes lines of what is logged.
#[derive(Clone, Debug)]
struct Writer(Lines);

/// One line that is being made.
#[derive(Debug)]
struct Line<'a>(&'a Lines);

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Filter(#[from] InvalidFilter),
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(#[from] io::Error),
}

/// A filter nobody can follow.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{filter}` is no log filter ({problem}); expected a level such as `info`, or `info,weft_proxy::outbound=debug`"
)]
pub struct InvalidFilter {
    filter: String,
    problem: String,
}

/// Starts logging for the whole process; call it once. `filter` is a level, or levels of modules after commas: `tracing`'s
/// syntax without spans and fields, whose parser would be a second regular expression engine in the proxy.
pub fn start(filter: &str) -> Result<Log, LogError> {
    let (layer, filter) = reload::Layer::new(parse(filter)?);
    let lines = Lines::start("log", io::stderr())?;
    tracing_subscriber::registry()
        .with(layer)
        .with(fmt::layer().compact().with_ansi(false).with_writer(Writer(lines.clone())))
        .init();
    Ok(Log { filter, lines: Some(lines) })
}

// === impl Log ===

impl Log {
    /// A log that nobody writes to, for a proxy that runs inside a test.
    pub fn detached() -> Self {
        // The handle refers weakly to its layer, which ends here.
        Self { filter: reload::Layer::new(Targets::new()).1, lines: None }
    }

    /// Has the lines counted that nobody took in time.
    pub fn register(&self, registry: &mut Metrics) {
        let dropped = self.lines.as_ref().map(|lines| lines.dropped().clone()).unwrap_or_default();
        let help = "Lines of the proxy's own log that nobody took in time";
        registry.register("weft_log_dropped", help, dropped);
    }

    /// Waits, at most for `limit`, until what was logged before is written.
    pub async fn flush(&self, limit: Duration) {
        if let Some(lines) = &self.lines {
            lines.flush(limit).await;
        }
    }

    /// The filter in force.
    pub fn current(&self) -> String {
        self.filter.with_current(ToString::to_string).unwrap_or_else(|_| "off".to_owned())
    }

    /// Replaces the filter, at once and everywhere.
    pub fn set(&self, filter: &str) -> Result<(), InvalidFilter> {
        self.filter
            .reload(parse(filter)?)
            .map_err(|error| InvalidFilter { filter: filter.to_owned(), problem: error.to_string() })
    }
}

// === impl Writer ===

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

impl Write for Line<'_> {
    /// Takes a whole line: the subscriber writes each in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(line.strip_suffix(b"\n").unwrap_or(line).to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn parse(filter: &str) -> Result<Targets, InvalidFilter> {
    filter
        .parse()
        .map_err(|error: ParseError| InvalidFilter { filter: filter.to_owned(), problem: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_can_be_changed_while_running_and_a_bad_one_changes_nothing() {
        let (layer, filter) = reload::Layer::new(parse("info").unwrap());
        let level = Log { filter, lines: None };
        let _subscriber = tracing_subscriber::registry().with(layer);
        level.set("warn,weft_proxy=debug").unwrap();
        assert!(level.current().contains("weft_proxy=debug"));
        let error = level.set("info,=nonsense=").unwrap_err();
        assert!(error.to_string().contains("is no log filter"), "{error}");
        assert!(level.current().contains("weft_proxy=debug"));
    }
    #[tokio::test]
    async fn what_is_logged_is_lines_and_nobody_waits_for_who_reads_them() {
        let (reader, writer) = io::pipe().unwrap();
        let lines = Lines::start("test", writer).unwrap();
        let layer = fmt::layer().compact().with_ansi(false).with_writer(Writer(lines.clone()));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            // More than the pipe and the queue take together, and nobody reads.
            for number in 0..20_000 {
                tracing::warn!(number, "{}", "x".repeat(200));
            }
        });
        let mut metrics = Metrics::default();
        let log = Log { lines: Some(lines), ..Log::detached() };
        log.register(&mut metrics);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics).unwrap();
        assert!(
            text.contains("weft_log_dropped_total ") && !text.contains("weft_log_dropped_total 0"),
            "{text}"
        );
        let read = std::thread::spawn(move || io::read_to_string(reader).unwrap());
        log.flush(Duration::from_secs(10)).await;
        drop(log);
        let read = read.join().unwrap();
        assert!(read.lines().all(|line| line.contains("number=")), "{read}");
    }
}
