//! What is logged of requests.

use std::time::Duration;

use http::HeaderName;

use super::collector::collector;
use super::{Reject, each, wire};
use crate::telemetry::access_log::{Choice, Fields, Form, Mode, Policy, Select};

/// What a pod logs.
pub fn policy(wire: &wire::AccessLog) -> Result<Policy, Reject> {
    use wire::access_log::Format;
    let form = match Format::try_from(wire.format) {
        Ok(Format::Json) => Form::Json,
        Ok(Format::Text) => Form::Text,
        Ok(Format::Unspecified) => return Err(reject!("access_log: format is not set")),
        Err(_) => return Err(reject!("access_log: format {} is unknown", wire.format)),
    };
    let header = |name: &String| {
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| reject!("`{name}` is no name of a header"))
    };
    Ok(Policy {
        choice: choice(wire.choice.as_ref().ok_or_else(|| reject!("access_log: choice is not set"))?)?,
        form,
        omit: Fields::named(wire.omit.iter().map(String::as_str)),
        headers: each("access_log.request_headers", &wire.request_headers, header)?,
        collector: wire.collector.as_ref().map(|wire| collector("access_log", wire)).transpose()?,
        silent: wire.silent,
    })
}

/// Which requests are logged.
pub fn choice(wire: &wire::LogChoice) -> Result<Choice, Reject> {
    use wire::log_choice::Mode as Wire;
    let mode = match Wire::try_from(wire.mode) {
        Ok(Wire::Off) => Mode::Off,
        Ok(Wire::All) => Mode::All,
        Ok(Wire::Selected) => Mode::Selected(Select {
            errors: wire.errors,
            denied: wire.denied,
            slower_than: wire.slower_than_ms.map(|ms| Duration::from_millis(ms.into())),
            sampling: wire.sampling,
        }),
        Ok(Wire::Unspecified) => return Err(reject!("access_log: mode is not set")),
        Err(_) => return Err(reject!("access_log: mode {} is unknown", wire.mode)),
    };
    Ok(Choice { mode, remove_query: wire.remove_query })
}
