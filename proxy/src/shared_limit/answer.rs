//! What may be answered. Nothing in an answer is believed that could not be carried out as it says.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use thiserror::Error;

use crate::asking::{NotAnswer, message};
use crate::external_check::Denial;
use crate::header_edits::{BadEdits, Edit, HeaderEdits, How, OF_GRPC};
use crate::http::RateLimitFields;
use crate::rate_limit::RateLimit;
use crate::wire::envoy::service::ratelimit::v3 as rls;
use rls::rate_limit_response::rate_limit::Unit;
use rls::rate_limit_response::{Code, DescriptorStatus};

/// What callers are told to wait at most.
const LONGEST_WAIT: Duration = Duration::from_secs(366 * 24 * 3600);

/// A usable answer.
#[derive(Debug)]
pub struct Answer {
    /// No, by one limit at least.
    pub over: bool,
    /// How each limit stands, in the order of the question; empty where the service does not say.
    pub standings: Vec<Standing>,
    /// Of the request that the application sees.
    pub request: HeaderEdits,
    /// Of the response that the caller sees.
    pub response: HeaderEdits,
    /// What a caller who is refused reads.
    pub body: Bytes,
}

/// How one limit stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub over: bool,
    /// So many in this time, as the service knows it.
    amount: Option<(u32, Duration)>,
    pub left: u32,
    /// Until it is whole again.
    reset: Option<Duration>,
}

/// How a caller is told that it is one too many.
#[derive(Debug)]
pub struct OverLimit {
    pub fields: Option<RateLimitFields>,
    /// Until it may come again, if anybody knows.
    pub wait: Option<Duration>,
    pub denial: Denial,
}

/// Why an answer is as good as none.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unusable {
    #[error("{0}")]
    NotAnswer(#[from] NotAnswer),
    #[error("its code is {0}, which says neither yes nor no")]
    Code(i32),
    #[error("{0}")]
    Edits(#[from] BadEdits),
}

/// Reads what came back for a question about so many limits.
pub fn read(response: &Response<Bytes>, limits: usize) -> Result<Answer, Unusable> {
    understand(message(response)?, limits)
}

fn understand(answer: rls::RateLimitResponse, limits: usize) -> Result<Answer, Unusable> {
    let over = match Code::try_from(answer.overall_code) {
        Ok(Code::Ok) => false,
        Ok(Code::OverLimit) => true,
        Ok(Code::Unknown) | Err(_) => return Err(Unusable::Code(answer.overall_code)),
    };
    // Which limit one of another number of standings is about, nobody knows.
    let standings = Some(&answer.statuses).filter(|statuses| statuses.len() == limits);
    let edits = |result: Result<HeaderEdits, BadEdits>| match result {
        // No is no, whatever cannot be passed on of it.
        Err(_) if over => Ok(HeaderEdits::default()),
        result => result,
    };
    Ok(Answer {
        over,
        standings: standings.into_iter().flatten().map(standing).collect(),
        request: edits(added(&answer.request_headers_to_add))?,
        response: edits(added(&answer.response_headers_to_add))?,
        body: answer.raw_body.into(),
    })
}

/// What the service says is to be true: a caller's own value must not stay beside it.
fn added(headers: &[rls::HeaderValue]) -> Result<HeaderEdits, BadEdits> {
    HeaderEdits::read(headers.iter().map(|header| {
        let value = if header.raw_value.is_empty() { header.value.as_bytes() } else { &header.raw_value };
        Edit { name: &header.key, value, how: Some(How::Overwrite) }
    }))
}

fn standing(status: &DescriptorStatus) -> Standing {
    let per = |limit: &rls::rate_limit_response::RateLimit| {
        let seconds: u64 = match limit.unit() {
            Unit::Unknown => return None,
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3_600,
            Unit::Day => 86_400,
            Unit::Week => 7 * 86_400,
            Unit::Month => 30 * 86_400,
            Unit::Year => 365 * 86_400,
        };
        let times = limit.unit_multiplier.unwrap_or(1).max(1);
        Some((limit.requests_per_unit, Duration::from_secs(seconds * u64::from(times))))
    };
    let reset = status.duration_until_reset.and_then(|reset| Duration::try_from(reset).ok());
    Standing {
        over: status.code() == Code::OverLimit,
        amount: status.current_limit.as_ref().and_then(per),
        left: status.limit_remaining,
        reset: reset.map(|reset| reset.min(LONGEST_WAIT)),
    }
}

// === impl Answer ===

impl Answer {
    /// The place of a limit that refuses, and how it stands. A service that does not say which it was means the first.
    pub fn refusing(&self) -> (usize, Standing) {
        let over = self.standings.iter().position(|standing| standing.over);
        let place = over.unwrap_or_default();
        (place, over.and_then(|place| self.standings.get(place)).copied().unwrap_or_default())
    }

    /// What a caller is told whom `limit` refuses, which stands so.
    pub fn refusal(self, limit: &RateLimit, standing: Standing) -> OverLimit {
        let mut headers = HeaderMap::new();
        self.response.apply(&mut headers);
        for name in OF_GRPC {
            headers.remove(name);
        }
        let denial = Denial { status: StatusCode::TOO_MANY_REQUESTS, headers, body: self.body };
        OverLimit { fields: Standing { left: 0, ..standing }.fields(limit), wait: standing.reset, denial }
    }
}

// === impl Standing ===

impl Standing {
    /// The same for a caller; `None`: not enough is known.
    pub fn fields(self, limit: &RateLimit) -> Option<RateLimitFields> {
        let own = (limit.requests > 0).then_some((limit.requests, limit.per));
        let (requests, per) = self.amount.or(own)?;
        Some(RateLimitFields { name: limit.name.clone(), requests, per, left: self.left, reset: self.reset? })
    }
}

#[cfg(test)]
mod tests;
