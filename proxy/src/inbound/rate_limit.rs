//! The stage `rate-limit`: how many requests of a kind this port takes.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::http::RateLimitFields;
use crate::http::rescue::Failure;
use crate::rate_limit::{Bill, Exceeded, RateLimit, Sender};
use crate::request::Asked;
use crate::request::plan::Turn;

/// Whether a limit refuses, or would.
pub(super) const RATE_LIMITED: &str = "rate-limited";

/// Where a request comes from and goes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Between<'a> {
    pub address: Option<IpAddr>,
    pub destination: &'a str,
}

/// Counts a request by each of `limits`. What one of them refuses is counted by none; `undoable` where another stage may refuse
/// it for such a reason, too.
pub(super) fn ask<'a>(
    limits: &[RateLimit],
    between: Between<'_>,
    undoable: bool,
    asked: &mut Asked,
) -> Turn<'a> {
    let (turn, limit) = match count(limits.iter(), between, undoable, asked) {
        Ok(None) => return Turn::Go,
        Ok(Some(limit)) => (Turn::WouldRefuse(RATE_LIMITED), limit),
        Err((limit, failure)) => (Turn::Refuse(failure), limit),
    };
    asked.record.decided_by(|| format!("{}/{}", limit.policy, limit.name).into());
    turn
}

/// The same; gives one that would refuse it, but for its mode, or the one that does.
pub(super) fn count<'l>(
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

/// Has the caller told of a limit of which so much is left, unless there is less of another.
pub(super) fn tell(asked: &mut Asked, fields: impl FnOnce() -> RateLimitFields, left: u32) {
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

pub(super) fn fields(limit: &RateLimit, left: u32, reset: Duration) -> RateLimitFields {
    RateLimitFields { name: limit.name.clone(), requests: limit.requests, per: limit.per, left, reset }
}
