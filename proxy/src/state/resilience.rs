//! What a destination and its routes do about failures and overload, compiled from the wire.

use std::num::NonZeroU32;
use std::time::Duration;

use http::{Method, StatusCode};

use super::BudgetLimits;

/// When endpoints of a destination get a rest: outlier detection. At least one condition is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outliers {
    /// Failures of any kind in a row.
    pub consecutive_failures: Option<u32>,
    /// Answers of a gateway that did not reach somebody, in a row.
    pub consecutive_gateway_errors: Option<u32>,
    /// Requests in a row that got no answer.
    pub consecutive_local_errors: Option<u32>,
    /// Share of requests that must not fail.
    pub success_rate: Option<SuccessRate>,
    /// Length of the first ejection; the n-th is n times as long...
    pub base: Duration,
    /// ...up to this.
    pub max: Duration,
    /// Percent of the endpoints that may be ejected at a time; one may always be, unless it is 0.
    pub max_percent: u32,
    /// Where fewer than this percent of the endpoints are left, ejections are ignored.
    pub panic_percent: u32,
}

/// Share of the requests in a window that must not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuccessRate {
    /// Percent; fewer eject.
    pub below: u32,
    /// What is looked at.
    pub window: Duration,
    /// Fewer requests in it say nothing.
    pub min_requests: u32,
}

/// How much may be under way at once, in one worker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Connections of opaque ports, and of HTTP/1.1 to endpoints without a proxy.
    pub max_connections: Option<u32>,
    /// Requests, from their first byte to the end of their response.
    pub max_requests: Option<u32>,
    /// Those beyond a limit that wait; more are refused.
    pub max_pending: u32,
    /// A limit that follows the latency.
    pub adaptive: Option<Adaptive>,
}

/// Bounds of an adaptive limit of requests whose answer has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adaptive {
    /// It never is lower...
    pub min: u32,
    /// ...nor higher.
    pub max: u32,
}

/// When a request is sent a second time because it is slow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hedging {
    /// How slow it must be.
    pub after: HedgeAfter,
    /// Copies beside the first.
    pub attempts: u32,
    /// Methods that may be repeated.
    pub methods: Vec<Method>,
    /// Bound of all copies together, where the route has no retries, whose budget it shares.
    pub budget: BudgetLimits,
}

/// How slow a request must be that is sent a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeAfter {
    /// This long without the head of an answer.
    Delay(Duration),
    /// As long as this percent of the route's recent requests took at most.
    Percentile(u32),
}

/// Failures on purpose. At least one of the three is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Requests that are answered and not sent on.
    pub abort: Option<Abort>,
    /// Requests that wait first.
    pub delay: Option<Delay>,
    /// Answers whose body comes slowly.
    pub slow_body: Option<SlowBody>,
    /// So many at once to the destination, in one worker; further ones are spared.
    pub max_active: u32,
}

/// Requests that are answered and not sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abort {
    /// How many.
    pub share: Share,
    /// What callers get.
    pub status: StatusCode,
    /// What gRPC callers get, 1 to 16.
    pub grpc_status: u16,
}

/// Requests that wait first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// How many.
    pub share: Share,
    /// How long.
    pub time: Duration,
}

/// Answers whose body comes slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowBody {
    /// How many.
    pub share: Share,
    /// How slowly.
    pub bytes_per_second: NonZeroU32,
}

/// So many of so many requests, at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// So many...
    pub hit: u32,
    /// ...of so many.
    pub of: NonZeroU32,
}
