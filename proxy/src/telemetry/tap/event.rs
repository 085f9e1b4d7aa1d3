//! What a watcher is told, as one line of JSON. `docs/tap.md` explains the fields.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Serialize, Serializer};
use tokio::time::Instant;

use super::Tap;
use super::trail::{Ended, Trail};
use crate::explain::{REDACTED, is_secret};
use crate::telemetry::about::{About, cut};
use crate::telemetry::labels::{ConnectionLabels, Direction, RequestLabels};
use crate::telemetry::timestamp::rfc3339;

/// Headers of one message that are told, how much of each name and value, and how much of all of them: lines stay bounded.
const MOST_HEADERS: usize = 64;
const LONGEST_NAME: usize = 128;
const LONGEST_VALUE: usize = 512;
const MOST_OF_HEADERS: usize = 8 * 1024;

/// A request, or a connection of bytes, that has ended.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event<'a> {
    time: String,
    #[serde(serialize_with = "as_side")]
    pub side: Direction,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authority: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc_status: Option<u16>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(serialize_with = "as_reasons", skip_serializing_if = "<[_]>::is_empty")]
    would_refuse: &'a [(&'static str, &'static str)],
    #[serde(rename = "durationMs", serialize_with = "as_ms")]
    pub took: Duration,
    /// Of the response's body; of a connection, from the destination.
    received_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_bytes: Option<u64>,
    pub destination: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    route: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    backend: &'a str,
    #[serde(skip)]
    peer: &'a str,
    tls: &'static str,
    stages: Vec<Stage<'a>>,
    attempts: Vec<Attempt<'a>>,
    #[serde(skip)]
    trail: Option<&'a Trail>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stage<'a> {
    stage: &'static str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(rename = "tookMs", serialize_with = "as_ms")]
    took: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attempt<'a> {
    endpoint: String,
    result: Cow<'a, str>,
    #[serde(rename = "tookMs", serialize_with = "as_ms")]
    took: Duration,
}

/// What one watcher is told of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(flatten)]
    event: &'a Event<'a>,
    caller: &'a str,
    receiver: &'a str,
    request_headers: Vec<(String, String)>,
    response_headers: Vec<(String, String)>,
    left_out: u64,
}

/// As the watcher of `tap` is told it.
pub(super) fn line(event: &Event<'_>, tap: &Tap) -> Vec<u8> {
    let line = Line {
        caller: event.caller(&tap.own),
        receiver: event.receiver(&tap.own),
        request_headers: shown_of(event.trail.map(|trail| &trail.request), &tap.shows),
        response_headers: shown_of(event.trail.and_then(|trail| trail.response.as_ref()), &tap.shows),
        left_out: tap.left_out(),
        event,
    };
    // A struct of texts and numbers can always be written.
    serde_json::to_vec(&line).unwrap_or_default()
}

/// The headers as they are told; what does not fit is left out, whatever comes after it.
pub(super) fn shown_of(headers: Option<&HeaderMap>, shows: &[HeaderName]) -> Vec<(String, String)> {
    let value = |name: &HeaderName, value: &HeaderValue| match is_secret(name) && !shows.contains(name) {
        true => REDACTED.to_owned(),
        false => cut(&String::from_utf8_lossy(value.as_bytes()), LONGEST_VALUE),
    };
    let mut left = MOST_OF_HEADERS;
    let all = headers.into_iter().flatten().take(MOST_HEADERS);
    let told = all.map(|(name, of)| (cut(name.as_str(), LONGEST_NAME), value(name, of)));
    told.filter(|(name, value)| {
        let fits = left.checked_sub(name.len() + value.len());
        left = fits.unwrap_or(left);
        fits.is_some()
    })
    .collect()
}

// === impl Event ===

impl<'a> Event<'a> {
    pub fn of_request(
        labels: &'a RequestLabels,
        about: &'a About,
        trail: &'a Trail,
        took: Duration,
        (code, grpc_status): (u16, Option<u16>),
    ) -> Self {
        let text = |text: &'a str| Some(text).filter(|text| !text.is_empty());
        Self {
            time: time_of(took),
            side: labels.direction,
            kind: "request",
            method: Some(about.method.as_str()),
            authority: text(&about.authority),
            path: text(&about.path),
            status: Some(code),
            grpc_status,
            verdict: verdict(about, trail),
            reason: about.reason,
            refused_by: about.refused_by,
            rule: about.rule.as_deref(),
            would_refuse: &about.would_refuse,
            took,
            received_bytes: about.bytes,
            sent_bytes: None,
            destination: &labels.destination,
            route: &labels.route,
            backend: &labels.backend,
            peer: &labels.peer,
            tls: labels.tls.name(),
            stages: stages(trail),
            attempts: attempts(about, trail, code),
            trail: Some(trail),
        }
    }

    pub fn of_bytes(labels: &'a ConnectionLabels, took: Duration, (there, back): (u64, u64)) -> Self {
        Self {
            time: time_of(took),
            side: labels.direction,
            kind: "bytes",
            method: None,
            authority: None,
            path: None,
            status: None,
            grpc_status: None,
            verdict: "carried",
            reason: None,
            refused_by: None,
            rule: None,
            would_refuse: &[],
            took,
            received_bytes: back,
            sent_bytes: Some(there),
            destination: &labels.destination,
            route: &labels.route,
            backend: "",
            peer: &labels.peer,
            tls: labels.tls.name(),
            stages: Vec::new(),
            attempts: Vec::new(),
            trail: None,
        }
    }

    /// It was refused by this rule.
    pub fn denied_by(self, rule: &'a str) -> Self {
        Self { verdict: "denied", refused_by: Some("access"), rule: Some(rule), ..self }
    }

    /// Who calls, where that is proved; this pod is `own`.
    pub fn caller<'b>(&self, own: &'b str) -> &'b str
    where
        'a: 'b,
    {
        if self.side == Direction::Outbound { own } else { self.peer }
    }

    fn receiver<'b>(&self, own: &'b str) -> &'b str
    where
        'a: 'b,
    {
        if self.side == Direction::Inbound { own } else { self.peer }
    }

    /// Whether the request has a header of that name and value.
    pub fn request_has(&self, name: &HeaderName, value: &str) -> bool {
        let mut values = self.trail.into_iter().flat_map(|trail| trail.request.get_all(name));
        values.any(|found| found.as_bytes() == value.as_bytes())
    }

    pub fn has_verdict(&self, verdict: &str) -> bool {
        self.verdict == verdict || (verdict == "would-refuse" && !self.would_refuse.is_empty())
    }
}

/// What became of a request, in one word.
fn verdict(about: &About, trail: &Trail) -> &'static str {
    if let Some(stage) = about.refused_by {
        return match stage {
            "jwt" | "access" | "external-check" => "denied",
            "rate-limit" | "shared-limit" | "limits" => "limited",
            "fault" => "fault",
            _ => "failed",
        };
    }
    match (about.reason, trail.response.is_some(), trail.ended) {
        (Some(_), ..) => "failed",
        (None, false, _) => "cancelled",
        (None, true, Some(Ended::Whole)) => "carried",
        (None, true, Some(Ended::Own)) => "answered",
        (None, true, Some(Ended::Broken | Ended::Cut)) => "broken-off",
        // Nobody waited for the end of its body.
        (None, true, None) => "cancelled",
    }
}

fn stages(trail: &Trail) -> Vec<Stage<'_>> {
    let stage = |one: &'_ super::trail::Passed| (one.stage, one.verdict, one.took);
    let told = trail.stages.iter().map(|one| (stage(one), one.rule.as_deref()));
    told.map(|((stage, verdict, took), rule)| Stage { stage, verdict, rule, took }).collect()
}

/// Where it was sent. Of a request that was refused, or answered by the proxy, an endpoint may be known and has not seen it.
fn attempts<'a>(about: &'a About, trail: &'a Trail, code: u16) -> Vec<Attempt<'a>> {
    if about.refused_by.is_some() || trail.ended == Some(Ended::Own) {
        return Vec::new();
    }
    let now = Instant::now();
    let last = || match (about.reason, trail.response.is_some()) {
        (Some(reason), _) => Cow::Borrowed(reason),
        (None, true) => Cow::Owned(code.to_string()),
        (None, false) => Cow::Borrowed("cancelled"),
    };
    let told = |one: &'a super::trail::Attempt| {
        let (until, result) = match &one.gave_up {
            Some((until, why)) => (*until, Cow::Borrowed(why.as_str())),
            None => (now, last()),
        };
        Attempt {
            endpoint: one.endpoint.to_string(),
            result,
            took: until.saturating_duration_since(one.began),
        }
    };
    trail.attempts.iter().map(told).collect()
}

fn time_of(took: Duration) -> String {
    rfc3339(SystemTime::now().checked_sub(took).unwrap_or(SystemTime::UNIX_EPOCH))
}

fn as_side<S: Serializer>(side: &Direction, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(match side {
        Direction::Outbound => "caller",
        Direction::Inbound => "receiver",
    })
}

fn as_ms<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((time.as_secs_f64() * 1e6).round() / 1e3)
}

fn as_reasons<S: Serializer>(reasons: &[(&'static str, &'static str)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(reasons.iter().map(|(stage, reason)| Refusal { stage, reason }))
}

/// What a stage would have done.
#[derive(Serialize)]
struct Refusal {
    stage: &'static str,
    reason: &'static str,
}
