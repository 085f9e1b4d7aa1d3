//! What a watcher asks for, as it arrives: one object of JSON.

use std::time::Duration;

use http::{HeaderName, Method};
use serde::Deserialize;

use super::filter::{Filter, Status};
use crate::explain::is_secret;
use crate::telemetry::Direction;

/// The longest that anybody watches.
const LONGEST: u64 = 600;
const MOST_LINES: u64 = 10_000;
const HIGHEST_RATE: u32 = 1000;
/// Texts and lists of a question.
const MOST_HEADERS: usize = 16;

/// See the module.
#[derive(Debug)]
pub struct Question {
    pub(super) filter: Filter,
    pub(super) shows: Vec<HeaderName>,
    pub(super) most: u64,
    pub(super) rate: u32,
    pub(super) lasts: Duration,
}

/// A question nobody can answer.
#[derive(Debug, thiserror::Error)]
pub enum BadTap {
    #[error("the question is not understood: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`{1}` is not a {0}")]
    Value(&'static str, String),
    #[error("{0} must be between 1 and {1}")]
    Bound(&'static str, u64),
    #[error("at most {MOST_HEADERS} headers can be named")]
    TooManyHeaders,
    #[error(
        "the values of {0} are not shown, so they cannot be looked for; to do so, show them: --show-header {0}"
    )]
    Secret(HeaderName),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Asked {
    side: Option<String>,
    to: Option<String>,
    from: Option<String>,
    method: Option<String>,
    path: Option<String>,
    status: Option<String>,
    min_latency_ms: Option<f64>,
    headers: Vec<(String, String)>,
    verdict: Option<String>,
    show_headers: Vec<String>,
    max: Option<u64>,
    rate: Option<u32>,
    seconds: Option<u64>,
}

// === impl Question ===

impl Question {
    /// Reads a question.
    pub fn parse(text: &[u8]) -> Result<Self, BadTap> {
        let asked: Asked = serde_json::from_slice(text)?;
        if asked.headers.len() + asked.show_headers.len() > MOST_HEADERS {
            return Err(BadTap::TooManyHeaders);
        }
        let shows = asked.show_headers.into_iter().map(header).collect::<Result<Vec<_>, _>>()?;
        let pair = |(name, value): (String, String)| Ok((header(name)?, value));
        let headers = asked.headers.into_iter().map(pair).collect::<Result<Vec<_>, BadTap>>()?;
        if let Some((hidden, _)) = headers.iter().find(|(name, _)| is_secret(name) && !shows.contains(name)) {
            return Err(BadTap::Secret(hidden.clone()));
        }
        let filter = Filter {
            side: asked.side.map(side).transpose()?,
            to: asked.to,
            from: asked.from,
            method: asked.method.map(method).transpose()?,
            path: asked.path,
            status: asked.status.map(status).transpose()?,
            min_latency: asked.min_latency_ms.map(latency).transpose()?,
            headers,
            verdict: asked.verdict,
        };
        Ok(Self {
            filter,
            shows,
            most: bounded("max", asked.max.unwrap_or(100), MOST_LINES)?,
            rate: bounded("rate", asked.rate.unwrap_or(20), HIGHEST_RATE)?,
            lasts: Duration::from_secs(bounded("seconds", asked.seconds.unwrap_or(LONGEST), LONGEST)?),
        })
    }
}

fn bounded<T: Copy + Into<u64>>(name: &'static str, value: T, most: T) -> Result<T, BadTap> {
    match (1..=most.into()).contains(&value.into()) {
        true => Ok(value),
        false => Err(BadTap::Bound(name, most.into())),
    }
}

fn header(name: String) -> Result<HeaderName, BadTap> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| BadTap::Value("name of a header", name))
}

fn side(text: String) -> Result<Direction, BadTap> {
    match text.as_str() {
        "caller" => Ok(Direction::Outbound),
        "receiver" => Ok(Direction::Inbound),
        _ => Err(BadTap::Value("side: caller or receiver", text)),
    }
}

fn method(text: String) -> Result<Method, BadTap> {
    Method::from_bytes(text.as_bytes()).map_err(|_| BadTap::Value("method", text))
}

fn status(text: String) -> Result<Status, BadTap> {
    Status::parse(&text).ok_or(BadTap::Value("status such as 404 or 5xx", text))
}

fn latency(ms: f64) -> Result<Duration, BadTap> {
    Duration::try_from_secs_f64(ms / 1e3).map_err(|_| BadTap::Value("latency", ms.to_string()))
}
