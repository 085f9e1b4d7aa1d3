//! How many requests a port of this pod takes: what a policy says of it, and what has come so far.
//!
//! The algorithm is GCRA (ITU-T I.371, the "virtual scheduling" form): a bucket is one point in time, the theoretical arrival
//! time of the next request at an even pace. A request moves it on by one interval, and is too early where it would then lie
//! further ahead than a burst is long. So a bucket refills without a timer, one that lies in the past is full, and a new rate
//! (because a pod came or went) applies to what was counted under the old one.

mod bill;
mod buckets;
mod counted;
mod entry;
mod events;
mod field;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Request};
use tokio::time::Instant;

use crate::jwt::Token;
use crate::request::Caller;
use buckets::{Buckets, Key};

pub(crate) use bill::Creditor;
pub use bill::{Bill, LARGEST_COST};
pub use buckets::{Exceeded, KEYS, Tally};
pub use counted::Counted;
pub use entry::LONGEST_VALUE;
pub use field::FieldPath;

/// One limit of a port, with what has been counted by it.
#[derive(Debug, Clone)]
pub struct RateLimit {
    /// `<namespace>/<name>` of the policy that sets it.
    pub policy: Arc<str>,
    /// Its name there.
    pub name: Arc<str>,
    /// So many requests, of all pods that share it; 0 where only the service that counts knows...
    pub requests: u32,
    /// ...in this time.
    pub per: Duration,
    /// So many may come at once.
    pub burst: u32,
    /// How many pods share it.
    pub pods: u32,
    /// What tells requests apart that are counted by themselves; empty: all are counted together.
    pub key: Box<[KeyPart]>,
    /// Requests that it counts: any of these; empty: all.
    pub counted: Arc<[Counted]>,
    /// What a request takes of it.
    pub cost: Cost,
    /// Say only what would be refused.
    pub dry_run: bool,
    /// What this pod lets in of it.
    rate: Rate,
    buckets: Arc<Buckets>,
}

/// Something requests have in common. Where a request lacks it, it belongs with all others that lack it: leaving a header
/// out must not be a way around a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPart {
    /// The service account the caller has proved to have; callers without mutual TLS count as one.
    ServiceAccount,
    /// The namespace of that.
    Namespace,
    /// The address the connection comes from.
    Address,
    /// The /24 of an IPv4 address, the /64 of an IPv6 address.
    Network,
    Header(HeaderName),
    Method,
    /// Without the query.
    Path,
    /// Of a token that is believed.
    Claim(CountedBy),
    /// Tells no requests apart, but a service that counts which limit is meant.
    Constant {
        name: Box<str>,
        value: Box<str>,
    },
}

/// A claim of the tokens of an issuer. Two are the same wherever they stand.
#[derive(Debug, Clone)]
pub struct CountedBy {
    /// Among the claims that tokens keep the values of.
    pub place: usize,
    /// As tokens name it.
    pub issuer: Arc<str>,
    /// Names of members, from the outermost on.
    pub path: Arc<[Box<str>]>,
}

/// What a request takes of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// When it comes; and in the end, where its response does not say another. Never 0.
    pub amount: u32,
    /// The header, or trailer, of the response that says what it was in the end.
    pub header: Option<HeaderName>,
    /// The member of a JSON response that says it.
    pub field: Option<FieldPath>,
}

/// What a request is counted by.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    pub caller: &'a Caller,
    pub address: Option<IpAddr>,
    /// One that is believed.
    pub token: Option<&'a Token>,
}

/// An even pace, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// For one of what is limited.
    interval: u64,
    /// For a request.
    step: u64,
    /// How far ahead of now a bucket may lie.
    depth: u64,
}

/// The pace beyond which arithmetic would overflow: no limit that somebody writes comes near it.
const LONGEST: u128 = (u64::MAX / 4) as u128;

// === impl Rate ===

impl Rate {
    /// The share of one of `pods`, of which a request takes `amount`. What is too little for one request is enough for one.
    pub fn new((requests, per, burst, pods): (u32, Duration, u32, u32), amount: u32) -> Self {
        let (pods, amount) = (pods.max(1), amount.max(1));
        let interval = (per.as_nanos() * u128::from(pods) / u128::from(requests.max(1))).clamp(1, LONGEST);
        let times = |count: u32| (interval * u128::from(count)).min(LONGEST) as u64;
        let depth = times(burst.div_ceil(pods).max(amount));
        Self { interval: interval as u64, step: times(amount), depth }
    }

    /// How much is left of a burst where its bucket lies so far ahead of now.
    fn left(&self, ahead: u64) -> u32 {
        u32::try_from((self.depth - ahead.min(self.depth)) / self.interval).unwrap_or(u32::MAX)
    }

    /// Where a bucket that lies at `arrival` lies after one more request at `now`, unless that is one too many.
    fn next(&self, arrival: u64, now: u64) -> Result<u64, Exceeded> {
        let next = arrival.max(now).saturating_add(self.step);
        match (next - now).checked_sub(self.depth) {
            None | Some(0) => Ok(next),
            Some(over) => Err(Exceeded { wait: Duration::from_nanos(over) }),
        }
    }
}

// === impl RateLimit ===

impl RateLimit {
    /// A limit by which nothing has been counted yet. `requests`, `per` and `pods` are not 0.
    pub fn new(
        (policy, name): (Arc<str>, Arc<str>),
        amounts: (u32, Duration, u32, u32),
        key: Box<[KeyPart]>,
        dry_run: bool,
    ) -> Self {
        let (requests, per, burst, pods) = amounts;
        let cost = Cost::default();
        let rate = Rate::new(amounts, cost.amount);
        let (counted, buckets) = ([].into(), Arc::new(Buckets::new(!key.is_empty())));
        Self { policy, name, requests, per, burst, pods, key, counted, cost, dry_run, rate, buckets }
    }

    /// The same for requests that are any of `counted` only.
    pub fn only(self, counted: Arc<[Counted]>) -> Self {
        Self { counted, ..self }
    }

    /// The same where a request takes `cost`.
    pub fn at(self, cost: Cost) -> Self {
        let rate = Rate::new((self.requests, self.per, self.burst, self.pods), cost.amount);
        Self { cost, rate, ..self }
    }

    /// Goes on counting where `before`, an earlier version of the same limit, stopped.
    pub fn carry_on(&mut self, before: &Self) {
        if self.is_same(before) {
            self.buckets = before.buckets.clone();
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.policy, &self.name, &self.key) == (&other.policy, &other.name, &other.key)
    }

    /// Whether it tells requests apart by their tokens.
    pub fn asks_for_tokens(&self) -> bool {
        self.key.iter().any(|part| matches!(part, KeyPart::Claim(_)))
    }

    /// Whether it counts such a request.
    pub fn counts<B>(&self, request: &Request<B>) -> bool {
        self.counted.is_empty() || self.counted.iter().any(|counted| counted.takes(request))
    }

    /// Counts a request that came at `at`, or says that it is one too many, which is not counted.
    pub fn take<B>(
        &self,
        request: &Request<B>,
        sender: Sender<'_>,
        at: Instant,
    ) -> Result<Receipt<'_>, Exceeded> {
        let rate = self.rate;
        let key = self.buckets.key(|key| self.key.iter().for_each(|part| part.write(key, request, sender)));
        let slot = self.buckets.slot(key, at);
        let ahead = self.buckets.take(slot, rate, at)?;
        let left = rate.left(ahead);
        Ok(Receipt { limit: self, key, slot, left, full_in: Duration::from_nanos(ahead) })
    }

    /// How much would be left after such a request, which is not counted; or that it would be one too many.
    pub fn look<B>(&self, request: &Request<B>, sender: Sender<'_>, at: Instant) -> Result<u32, Exceeded> {
        let rate = self.rate;
        let key = self.buckets.key(|key| self.key.iter().for_each(|part| part.write(key, request, sender)));
        Ok(rate.left(self.buckets.look(key, rate, at)?))
    }

    /// What it refused and forgot so far.
    pub fn tally(&self) -> &Tally {
        self.buckets.tally()
    }
}

impl PartialEq for RateLimit {
    /// Whether both say the same; what they have counted is beside the point.
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other)
            && (self.requests, self.per, self.burst, self.pods, self.dry_run)
                == (other.requests, other.per, other.burst, other.pods, other.dry_run)
            && (&self.counted, &self.cost) == (&other.counted, &other.cost)
    }
}

impl Eq for RateLimit {}

/// That a request was counted.
#[derive(Debug, Clone, Copy)]
pub struct Receipt<'a> {
    limit: &'a RateLimit,
    key: u64,
    slot: buckets::Slot<'a>,
    /// So much is left of the burst.
    pub left: u32,
    /// Until it is as if nothing had come.
    pub full_in: Duration,
}

// === impl Receipt ===

impl Receipt<'_> {
    /// So that it can be taken back later.
    fn kept(&self) -> Kept {
        Kept { buckets: self.limit.buckets.clone(), key: self.key, rate: self.limit.rate }
    }

    /// Takes it back: another limit refuses the request, which goes nowhere.
    pub fn give_back(self) {
        self.limit.buckets.give_back(self.slot, self.limit.rate);
    }
}

/// That a request was counted, for a while.
#[derive(Debug)]
struct Kept {
    buckets: Arc<Buckets>,
    key: u64,
    rate: Rate,
}

// === impl Kept ===

impl Kept {
    fn give_back(&self) {
        self.buckets.give_back(self.buckets.slot(self.key, Instant::now()), self.rate);
    }
}

// === impl Cost ===

impl Default for Cost {
    /// That of a limit on requests.
    fn default() -> Self {
        Self { amount: 1, header: None, field: None }
    }
}

// === impl CountedBy ===

impl PartialEq for CountedBy {
    fn eq(&self, other: &Self) -> bool {
        (&self.issuer, &self.path) == (&other.issuer, &other.path)
    }
}

impl Eq for CountedBy {}

// === impl Sender ===

impl Sender<'_> {
    /// So many of the first bytes of its address, by family.
    fn write_address(&self, key: &mut Key<'_>, of_v4: usize, of_v6: usize) {
        match self.address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => key.part(address.octets().get(..of_v4)),
            Some(IpAddr::V6(address)) => key.part(address.octets().get(..of_v6)),
            None => key.part(None),
        }
    }
}

// === impl KeyPart ===

impl KeyPart {
    fn write<B>(&self, key: &mut Key<'_>, request: &Request<B>, sender: Sender<'_>) {
        let identity = match sender.caller {
            Caller::Peer(identity) => Some(identity),
            Caller::Local | Caller::Plain => None,
        };
        match self {
            Self::ServiceAccount => {
                key.part(identity.map(|identity| identity.trust_domain().as_bytes()));
                key.part(identity.map(|identity| identity.namespace().as_bytes()));
                key.part(identity.map(|identity| identity.service_account().as_bytes()));
            }
            Self::Namespace => {
                key.part(identity.map(|identity| identity.trust_domain().as_bytes()));
                key.part(identity.map(|identity| identity.namespace().as_bytes()));
            }
            Self::Address => sender.write_address(key, 4, 16),
            Self::Network => sender.write_address(key, 3, 8),
            Self::Header(name) => {
                // A request may repeat a header: all values count, or a second one would be a way around the limit.
                let values = request.headers().get_all(name);
                for value in values {
                    key.part(Some(value.as_bytes()));
                }
                key.part(None);
            }
            Self::Method => key.part(Some(request.method().as_str().as_bytes())),
            Self::Path => key.part(Some(request.uri().path().as_bytes())),
            Self::Claim(claim) => {
                let value = sender.token.and_then(|token| token.counted(claim.place));
                key.part(value.map(|value| &value[..]));
            }
            Self::Constant { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
