//! The stage `rate-limit` of both halves: how many requests of a kind a port takes, or this pod sends somewhere.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Asked;
use super::plan::Turn;
use crate::http::RateLimitFields;
use crate::http::rescue::Failure;
use crate::rate_limit::{Bill, Exceeded, RateLimit, Sender};

/// Whether a limit refuses, or would.
pub(crate) const RATE_LIMITED: &str = "rate-limited";

/// Where a request comes from and goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Between<'a> {
    pub address: Option<IpAddr>,
    pub destination: &'a str,
}

/// Counts a request by each of `limits`. What one of them refuses is counted by none; `undoable` where another stage may refuse
/// it for such a reason, too.
pub(crate) fn ask<'a, 'l>(
    limits: impl Iterator<Item = &'l RateLimit>,
    between: Between<'_>,
    undoable: bool,
    asked: &mut Asked,
) -> Turn<'a> {
    let (turn, limit) = match count(limits, between, undoable, asked) {
        Ok(None) => return Turn::Go,
        Ok(Some(limit)) => (Turn::WouldRefuse(RATE_LIMITED), limit),
        Err((limit, failure)) => (Turn::Refuse(failure), limit),
    };
    asked.record.decided_by(|| format!("{}/{}", limit.policy, limit.name).into());
    turn
}

/// The same; gives one that would refuse it, but for its mode, or the one that does.
pub(crate) fn count<'l>(
    limits: impl Iterator<Item = &'l RateLimit>,
    between: Between<'_>,
    undoable: bool,
    asked: &mut Asked,
) -> Result<Option<&'l RateLimit>, (&'l RateLimit, Failure)> {
    let bill = asked.bill.take().map_or_else(Bill::default, |bill| *bill);
    let sender = between.sender(asked);
    let mut counting = Counting { asked, sender, nearest: None, bill, undoable, would_refuse: None };
    let refused = counting.count(limits);
    let Counting { nearest, bill, would_refuse, .. } = counting;
    asked.bill = (!bill.is_empty()).then(|| Box::new(bill));
    match refused {
        Err((limit, Exceeded { wait })) => {
            let (destination, fields) = (between.destination.to_owned(), Box::new(fields(limit, 0, wait)));
            Err((limit, Failure::RateLimited { destination, fields }))
        }
        Ok(()) => {
            if let Some((limit, left, reset)) = nearest {
                tell(asked, || fields(limit, left, reset), left);
            }
            Ok(would_refuse)
        }
    }
}

/// What one limit would do with a request.
pub(crate) enum Prospect {
    /// Let it pass, and why.
    Go(String),
    /// It would refuse, but for its mode.
    WouldRefuse(String),
    Refuse(Failure),
}

/// What `limits` would do with a request, which none of them counts: each with its rule, until one refuses.
pub(crate) fn look<'l>(
    limits: impl Iterator<Item = &'l RateLimit>,
    between: Between<'_>,
    asked: &Asked,
) -> Vec<(String, Prospect)> {
    let mut seen = Vec::new();
    for limit in limits {
        let prospect = prospect(limit, between, asked);
        let refused = matches!(prospect, Prospect::Refuse(_));
        seen.push((rule_of(limit), prospect));
        if refused {
            break;
        }
    }
    seen
}

fn prospect(limit: &RateLimit, between: Between<'_>, asked: &Asked) -> Prospect {
    if !limit.counts(&asked.request) {
        return Prospect::Go("does not count such a request".to_owned());
    }
    match limit.look(&asked.request, between.sender(asked), asked.started) {
        Ok(left) => Prospect::Go(room(limit, left)),
        Err(Exceeded { wait }) if limit.dry_run => Prospect::WouldRefuse(format!(
            "nothing is left for {wait:?}; it is a dry run, so the request goes on"
        )),
        Err(Exceeded { wait }) => {
            let (destination, fields) = (between.destination.to_owned(), Box::new(fields(limit, 0, wait)));
            Prospect::Refuse(Failure::RateLimited { destination, fields })
        }
    }
}

/// As people read who set a limit.
pub(crate) fn rule_of(limit: &RateLimit) -> String {
    format!("{} {}", limit.policy, limit.name)
}

fn room(limit: &RateLimit, left: u32) -> String {
    let share = if limit.pods > 1 { format!(", shared by {} pods", limit.pods) } else { String::new() };
    let RateLimit { requests, per, burst, .. } = limit;
    format!("{left} would be left of {burst} at once; {requests} in {per:?}{share}")
}

/// Has the caller told of a limit of which so much is left, unless there is less of another.
pub(crate) fn tell(asked: &mut Asked, fields: impl FnOnce() -> RateLimitFields, left: u32) {
    if asked.rate_limit.as_ref().is_none_or(|known| left < known.left) {
        asked.rate_limit = Some(Box::new(fields()));
    }
}

/// One request on its way through the limits.
struct Counting<'a, 'l> {
    asked: &'a Asked,
    sender: Sender<'a>,
    /// Of which limit the least is left, how much, and until when it would be full again.
    nearest: Option<(&'l RateLimit, u32, Duration)>,
    /// What its response has to pay.
    bill: Bill,
    undoable: bool,
    would_refuse: Option<&'l RateLimit>,
}

// === impl Between ===

impl Between<'_> {
    /// Whom limits tell apart.
    pub fn sender(self, asked: &Asked) -> Sender<'_> {
        Sender { caller: &asked.caller, address: self.address, token: asked.token.as_deref() }
    }
}

// === impl Counting ===

impl<'l> Counting<'_, 'l> {
    fn count(
        &mut self,
        mut limits: impl Iterator<Item = &'l RateLimit>,
    ) -> Result<(), (&'l RateLimit, Exceeded)> {
        let Some(limit) = limits.next() else { return Ok(()) };
        if !limit.counts(&self.asked.request) {
            return self.count(limits);
        }
        match limit.take(&self.asked.request, self.sender, self.asked.started) {
            Ok(receipt) => {
                if !limit.dry_run && self.nearest.is_none_or(|(_, left, _)| receipt.left < left) {
                    self.nearest = Some((limit, receipt.left, receipt.full_in));
                }
                self.bill.add(&receipt);
                self.count(limits).inspect_err(|_| receipt.give_back())?;
                if self.undoable {
                    self.bill.keep(&receipt);
                }
                Ok(())
            }
            Err(_) if limit.dry_run => {
                limit.tally().would_refuse.fetch_add(1, Ordering::Relaxed);
                self.would_refuse.get_or_insert(limit);
                self.count(limits)
            }
            Err(exceeded) => {
                limit.tally().refused.fetch_add(1, Ordering::Relaxed);
                Err((limit, exceeded))
            }
        }
    }
}

fn fields(limit: &RateLimit, left: u32, reset: Duration) -> RateLimitFields {
    RateLimitFields { name: limit.name.clone(), requests: limit.requests, per: limit.per, left, reset }
}
