//! When an endpoint gets a rest because of how its requests end: outlier detection, after Envoy's.
//!
//! An endpoint that fails too often in a row, or too many of its last requests, is ejected: balancing passes it over for
//! a time that grows with each ejection and is capped. After that time it proves itself with one request at a time: the
//! first that does not fail brings it back, one that fails ejects it again. Time it serves well makes its past forgotten,
//! one ejection for each `base`.
//!
//! Pure: time is what the caller says, counted from any fixed moment.

use std::time::Duration;

use crate::state::{Outliers, SuccessRate};

/// The window of the success rate is looked at in so many parts; the oldest is forgotten at a time.
const PARTS: u32 = 10;

/// How a request to an endpoint ended, as far as the endpoint is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, and not that it failed.
    Success,
    /// It answered that it failed: status 500 to 599, or gRPC's UNKNOWN, INTERNAL and DATA_LOSS.
    Failure,
    /// It answered as a gateway does that did not reach somebody: 502 to 504, gRPC's UNAVAILABLE and DEADLINE_EXCEEDED.
    Gateway,
    /// It did not answer, as this proxy saw: no connection, a connection that ended, or no response in time.
    Local,
}

/// Why an endpoint is ejected; for the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    ConsecutiveFailures,
    ConsecutiveGatewayErrors,
    ConsecutiveLocalErrors,
    SuccessRate,
    /// The request that should prove it failed.
    Probe,
}

/// What balancing may do with an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It takes requests.
    In,
    /// It is passed over.
    Out,
    /// It takes the one request that will prove it.
    OnTrial,
}

/// What is known of one endpoint.
#[derive(Debug, Default)]
pub struct Health {
    state: State,
    /// In a row: all failures, those of gateways, those that this proxy saw.
    failures: u32,
    gateway: u32,
    local: u32,
    window: Option<Box<Window>>,
    /// Ejections that are not forgotten.
    times: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    In {
        since: Duration,
    },
    Out {
        until: Duration,
        reason: Reason,
    },
    /// A request that should prove it is under way.
    Probed,
}

/// Requests of the last while.
#[derive(Debug, Default)]
struct Window {
    parts: [Part; PARTS as usize],
    /// Number of the current part, since the beginning of time.
    current: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    requests: u32,
    failures: u32,
}

// === impl Outcome ===

impl Outcome {
    /// Of an answer with `status` and, where it is gRPC's, that status.
    pub fn of(status: u16, grpc_status: Option<u16>) -> Self {
        match (status, grpc_status) {
            (_, Some(2 | 13 | 15)) => Self::Failure,
            (502..=504, _) | (_, Some(4 | 14)) => Self::Gateway,
            (500..=599, _) => Self::Failure,
            _ => Self::Success,
        }
    }
}

// === impl Reason ===

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures => "consecutive-failures",
            Self::ConsecutiveGatewayErrors => "consecutive-gateway-errors",
            Self::ConsecutiveLocalErrors => "consecutive-local-errors",
            Self::SuccessRate => "success-rate",
            Self::Probe => "probe",
        }
    }
}

// === impl Health ===

impl Health {
    pub fn standing(&self, now: Duration) -> Standing {
        match self.state {
            State::In { .. } => Standing::In,
            State::Out { until, .. } if now >= until => Standing::OnTrial,
            State::Out { .. } | State::Probed => Standing::Out,
        }
    }

    /// When an ejection ends and why it began, if it is ejected.
    pub fn out_until(&self) -> Option<(Duration, Reason)> {
        match self.state {
            State::Out { until, reason } => Some((until, reason)),
            State::In { .. } | State::Probed => None,
        }
    }

    /// A request goes to an endpoint that stands [`Standing::OnTrial`]. It ends in [`Self::proved`] or
    /// [`Self::unproved`].
    pub fn probe(&mut self) {
        self.state = State::Probed;
    }

    /// The request that should prove it ended in `outcome`. Gives whether the endpoint is back.
    pub fn proved(&mut self, limits: &Outliers, now: Duration, outcome: Outcome) -> bool {
        if self.state != State::Probed {
            return false;
        }
        let good = outcome == Outcome::Success;
        if good {
            self.state = State::In { since: now };
            (self.failures, self.gateway, self.local, self.window) = (0, 0, 0, None);
        } else {
            self.eject(limits, now, Reason::Probe);
        }
        good
    }

    /// The request that should prove it was given up by its caller: the next one will.
    pub fn unproved(&mut self, now: Duration) {
        if self.state == State::Probed {
            self.state = State::Out { until: now, reason: Reason::Probe };
        }
    }

    /// A request ended in `outcome`. Gives why the endpoint should be ejected, if it should.
    pub fn observe(&mut self, limits: &Outliers, now: Duration, outcome: Outcome) -> Option<Reason> {
        // What began before an ejection says nothing new.
        let State::In { .. } = self.state else { return None };
        let below = limits.success_rate.as_ref().is_some_and(|rate| {
            self.window.get_or_insert_default().observe(rate, now, outcome != Outcome::Success)
        });
        if outcome == Outcome::Success {
            (self.failures, self.gateway, self.local) = (0, 0, 0);
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        self.gateway = if outcome == Outcome::Gateway { self.gateway.saturating_add(1) } else { 0 };
        self.local = if outcome == Outcome::Local { self.local.saturating_add(1) } else { 0 };
        let reached = |count: u32, limit: Option<u32>| limit.is_some_and(|limit| count >= limit);
        if reached(self.local, limits.consecutive_local_errors) {
            Some(Reason::ConsecutiveLocalErrors)
        } else if reached(self.gateway, limits.consecutive_gateway_errors) {
            Some(Reason::ConsecutiveGatewayErrors)
        } else if reached(self.failures, limits.consecutive_failures) {
            Some(Reason::ConsecutiveFailures)
        } else {
            below.then_some(Reason::SuccessRate)
        }
    }

    /// Ejects it, longer than the last time unless that is long ago.
    pub fn eject(&mut self, limits: &Outliers, now: Duration, reason: Reason) {
        if let State::In { since } = self.state {
            let well = now.saturating_sub(since).as_nanos() / limits.base.as_nanos().max(1);
            self.times = self.times.saturating_sub(u32::try_from(well).unwrap_or(u32::MAX));
        }
        self.times = self.times.saturating_add(1);
        let length = limits.base.saturating_mul(self.times).min(limits.max.max(limits.base));
        self.state = State::Out { until: now.saturating_add(length), reason };
        (self.failures, self.gateway, self.local, self.window) = (0, 0, 0, None);
    }
}

impl Default for State {
    fn default() -> Self {
        Self::In { since: Duration::ZERO }
    }
}

// === impl Window ===

impl Window {
    /// Counts a request; gives whether the share of good ones is too low.
    fn observe(&mut self, rate: &SuccessRate, now: Duration, failed: bool) -> bool {
        let length = (rate.window / PARTS).as_nanos().max(1);
        let number = u64::try_from(now.as_nanos() / length).unwrap_or(u64::MAX);
        let passed = number.saturating_sub(self.current).min(u64::from(PARTS));
        self.current = self.current.max(number);
        for back in 0..passed {
            self.parts[part(self.current.saturating_sub(back))] = Part::default();
        }
        let current = &mut self.parts[part(self.current)];
        current.requests = current.requests.saturating_add(1);
        current.failures = current.failures.saturating_add(failed.into());
        let sum = |count: fn(&Part) -> u32| self.parts.iter().map(|part| u64::from(count(part))).sum::<u64>();
        let (requests, failures) = (sum(|part| part.requests), sum(|part| part.failures));
        requests >= u64::from(rate.min_requests)
            && requests.saturating_sub(failures) * 100 < requests * u64::from(rate.below)
    }
}

fn part(number: u64) -> usize {
    (number % u64::from(PARTS)) as usize
}

#[cfg(test)]
mod tests;
