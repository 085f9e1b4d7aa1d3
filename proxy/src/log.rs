//! What the proxy writes to stderr, and how much of it. The level can be changed while it runs.

use std::io;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{
    Registry,
    filter::{ParseError, Targets},
    fmt, reload,
};

/// Reads and changes what is logged.
#[derive(Clone, Debug)]
pub struct LogLevel(reload::Handle<Targets, Registry>);

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
pub fn start(filter: &str) -> Result<LogLevel, InvalidFilter> {
    let (layer, handle) = reload::Layer::new(parse(filter)?);
    tracing_subscriber::registry()
        .with(layer)
        .with(fmt::layer().compact().with_ansi(false).with_writer(io::stderr))
        .init();
    Ok(LogLevel(handle))
}

// === impl LogLevel ===

impl LogLevel {
    /// A level that changes nothing, for a proxy that runs inside a test.
    pub fn detached() -> Self {
        // The handle refers weakly to its layer, which ends here.
        Self(reload::Layer::new(Targets::new()).1)
    }

    /// The filter in force.
    pub fn current(&self) -> String {
        self.0.with_current(ToString::to_string).unwrap_or_else(|_| "off".to_owned())
    }

    /// Replaces the filter, at once and everywhere.
    pub fn set(&self, filter: &str) -> Result<(), InvalidFilter> {
        self.0
            .reload(parse(filter)?)
            .map_err(|error| InvalidFilter { filter: filter.to_owned(), problem: error.to_string() })
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
        let (layer, handle) = reload::Layer::new(parse("info").unwrap());
        let level = LogLevel(handle);
        let _subscriber = tracing_subscriber::registry().with(layer);
        level.set("warn,weft_proxy=debug").unwrap();
        assert!(level.current().contains("weft_proxy=debug"));
        let error = level.set("info,=nonsense=").unwrap_err();
        assert!(error.to_string().contains("is no log filter"), "{error}");
        assert!(level.current().contains("weft_proxy=debug"));
    }
}
