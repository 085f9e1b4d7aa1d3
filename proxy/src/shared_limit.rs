//! Limits that a service counts for all pods: what policies say of them, the question and the answer, in the words of
//! `envoy.service.ratelimit.v3`. Who asks is `inbound/shared_limit.rs`.

mod answer;
mod question;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Request;

use crate::asking::{Asks, CAUSES};
use crate::rate_limit::RateLimit;
use crate::wire::envoy::service::ratelimit::v3 as rls;

pub use answer::{Answer, OverLimit, Standing, Unusable, read};
pub(crate) use question::{Charge, Question};

/// What one service counts of one domain. One call asks about all of it.
#[derive(Debug, Clone)]
pub struct SharedLimits {
    /// `<namespace>/<name>:<port>` of the Service.
    pub service: Arc<str>,
    /// The same as it is asked; `None`: nobody can be.
    pub asks: Option<Asks>,
    /// Which configuration of it holds.
    pub domain: Arc<str>,
    /// For a whole call.
    pub timeout: Duration,
    /// All of them dry runs, or none.
    pub limits: Box<[SharedLimit]>,
    pub tally: Arc<Tally>,
}

/// One limit.
#[derive(Debug, Clone)]
pub struct SharedLimit {
    /// What the service is told of it, and by what the pod counts its share of it.
    pub limit: RateLimit,
    pub on_failure: OnFailure,
    /// What became of requests without an answer, in the order of [`OnFailure::ALL`].
    pub unanswered: Arc<[AtomicU64; OnFailure::ALL.len()]>,
}

/// What becomes of a request about which there is no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    Allow,
    Deny,
    /// The pod counts it as its share.
    PodShare,
}

/// How questions ended.
#[derive(Debug, Default)]
pub struct Tally {
    pub under: AtomicU64,
    pub over: AtomicU64,
    /// There was no usable answer, in the order of [`CAUSES`].
    pub causes: [AtomicU64; CAUSES.len()],
    /// What requests cost in the end was told, or could not be.
    pub charged: AtomicU64,
    pub not_charged: AtomicU64,
}

/// What a service counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit(rls::RateLimitUnit);

// === impl SharedLimits ===

impl SharedLimits {
    /// Whether any of them counts such a request.
    pub fn count<B>(&self, request: &Request<B>) -> bool {
        self.limits.iter().any(|shared| shared.limit.counts(request))
    }

    /// Whether it only rehearses.
    pub fn dry_run(&self) -> bool {
        self.limits.iter().any(|shared| shared.limit.dry_run)
    }

    /// Goes on counting where `before`, an earlier version of the same, stopped.
    pub fn carry_on(&mut self, before: &Self) {
        let same = |one: &Self| (one.service.clone(), one.domain.clone(), one.dry_run());
        if same(self) != same(before) {
            return;
        }
        self.tally = before.tally.clone();
        for shared in &mut self.limits {
            for earlier in &before.limits {
                shared.carry_on(earlier);
            }
        }
    }
}

impl PartialEq for SharedLimits {
    /// Whether both say the same; what they have counted is beside the point.
    fn eq(&self, other: &Self) -> bool {
        (&self.service, &self.asks, &self.domain, self.timeout, &self.limits)
            == (&other.service, &other.asks, &other.domain, other.timeout, &other.limits)
    }
}

impl Eq for SharedLimits {}

// === impl SharedLimit ===

impl SharedLimit {
    /// One about which nobody has been asked yet.
    pub fn new(limit: RateLimit, on_failure: OnFailure) -> Self {
        Self { limit, on_failure, unanswered: Arc::default() }
    }

    /// Counts a request without an answer.
    pub fn left_to_itself(&self) {
        self.unanswered[self.on_failure as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn carry_on(&mut self, before: &Self) {
        if (&self.limit.policy, &self.limit.name) == (&before.limit.policy, &before.limit.name) {
            self.limit.carry_on(&before.limit);
            self.unanswered = before.unanswered.clone();
        }
    }
}

impl PartialEq for SharedLimit {
    /// As for all of them.
    fn eq(&self, other: &Self) -> bool {
        (&self.limit, self.on_failure) == (&other.limit, other.on_failure)
    }
}

impl Eq for SharedLimit {}

// === impl OnFailure ===

impl OnFailure {
    pub const ALL: [Self; 3] = [Self::Allow, Self::Deny, Self::PodShare];

    /// What it makes of a request, as metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allowed",
            Self::Deny => "refused",
            Self::PodShare => "pod-share",
        }
    }
}

// === impl Unit ===

impl Unit {
    /// That of so long, if it is one.
    pub fn of(per: Duration) -> Option<Self> {
        Some(Self(match (per.as_secs(), per.subsec_nanos()) {
            (1, 0) => rls::RateLimitUnit::Second,
            (60, 0) => rls::RateLimitUnit::Minute,
            (3_600, 0) => rls::RateLimitUnit::Hour,
            (86_400, 0) => rls::RateLimitUnit::Day,
            _ => return None,
        }))
    }
}
