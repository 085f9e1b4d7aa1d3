//! What is asked about a request: `envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit` over gRPC.

use bytes::Bytes;
use http::Request;

use super::{SharedLimit, SharedLimits, Unit};
use crate::asking::Asks;
use crate::rate_limit::{RateLimit, Sender};
use crate::wire::envoy::service::ratelimit::v3 as rls;

const METHOD: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
/// The first entry of a limit that the policy knows in full: its name, so that no other limit is counted with it.
const LIMIT: &str = "limit";

/// One request, by the limits that count it.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// In the order of the descriptors.
    pub about: Vec<&'a SharedLimit>,
    message: rls::RateLimitRequest,
}

// === impl Question ===

impl<'a> Question<'a> {
    /// `None`: no limit counts it.
    pub fn new<B>(limits: &'a SharedLimits, request: &Request<B>, sender: Sender<'_>) -> Option<Self> {
        let about: Vec<_> = limits.limits.iter().filter(|shared| shared.limit.counts(request)).collect();
        let first = about.first()?.limit.cost.amount;
        let same = about.iter().all(|shared| shared.limit.cost.amount == first);
        let descriptors = about.iter().map(|shared| {
            let hits = (!same).then(|| u64::from(shared.limit.cost.amount));
            rls::RateLimitDescriptor { hits_addend: hits, ..descriptor(&shared.limit, request, sender) }
        });
        let message = rls::RateLimitRequest {
            domain: limits.domain.to_string(),
            descriptors: descriptors.collect(),
            hits_addend: if same { first } else { 0 },
        };
        Some(Self { about, message })
    }

    /// The call that asks it of `asks`.
    pub fn call(&self, asks: &Asks) -> Request<Bytes> {
        asks.call(METHOD, &self.message)
    }

    /// Another call, which tells that the request took more by the limit at a place than this one said: all but how much.
    pub fn charge(&self, place: usize) -> Charge {
        let descriptor = self.message.descriptors.get(place).cloned().unwrap_or_default();
        let descriptor = rls::RateLimitDescriptor { hits_addend: None, ..descriptor };
        Charge { domain: self.message.domain.clone(), descriptor }
    }
}

/// What a request is known by where it is to be charged more.
#[derive(Debug)]
pub(crate) struct Charge {
    domain: String,
    descriptor: rls::RateLimitDescriptor,
}

// === impl Charge ===

impl Charge {
    /// The call that takes `more` of the limit.
    pub fn call(&self, asks: &Asks, more: u32) -> Request<Bytes> {
        let (domain, descriptors) = (self.domain.clone(), vec![self.descriptor.clone()]);
        asks.call(METHOD, &rls::RateLimitRequest { domain, descriptors, hits_addend: more })
    }
}

fn descriptor<B>(limit: &RateLimit, request: &Request<B>, sender: Sender<'_>) -> rls::RateLimitDescriptor {
    use rls::rate_limit_descriptor::{Entry, RateLimitOverride};

    let unit = Unit::of(limit.per).filter(|_| limit.requests > 0);
    let own = unit.map(|_| (LIMIT.to_owned(), format!("{}/{}", limit.policy, limit.name)));
    let parts = limit.key.iter().map(|part| part.entry(request, sender));
    rls::RateLimitDescriptor {
        entries: own.into_iter().chain(parts).map(|(key, value)| Entry { key, value }).collect(),
        limit: unit
            .map(|Unit(unit)| RateLimitOverride { requests_per_unit: limit.requests, unit: unit.into() }),
        hits_addend: None,
    }
}
