//! The stage `rate-limit`: how many requests of a kind this port takes.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::http::RateLimitFields;
use crate::http::rescue::Failure;
use crate::rate_limit::{Bill, Exceeded, RateLimit, Sender};
use crate::request::Asked;
use crate::request::plan::Turn;

/// Counts a request for `destination`, which comes from `address`, by each of `limits`. What one of them refuses is counted
/// by none.
pub(super) fn ask<'a>(
    limits: &[RateLimit],
    address: Option<IpAddr>,
    destination: &str,
    asked: &mut Asked,
) -> Turn<'a> {
    let sender = Sender { caller: &asked.caller, address, token: asked.token.as_deref() };
    let bill = Bill::default();
    let mut counting = Counting { asked, sender, nearest: None, bill, would_refuse: false };
    let refused = counting.count(limits);
    let Counting { nearest, bill, would_refuse, .. } = counting;
    match refused {
        Err((limit, Exceeded { wait })) => {
            let fields = Box::new(fields(limit, 0, wait));
            Turn::Refuse(Failure::RateLimited { destination: destination.to_owned(), fields })
        }
        Ok(()) => {
            asked.rate_limit = nearest.map(|(limit, left, reset)| Box::new(fields(limit, left, reset)));
            asked.bill = (!bill.is_empty()).then(|| Box::new(bill));
            if would_refuse { Turn::WouldRefuse("rate-limited") } else { Turn::Go }
        }
    }
}

/// One request on its way through the limits.
struct Counting<'a> {
    asked: &'a Asked,
    sender: Sender<'a>,
    /// Of which limit the least is left, how much, and until when it would be full again.
    nearest: Option<(&'a RateLimit, u32, Duration)>,
    /// What its response has to pay.
    bill: Bill,
    would_refuse: bool,
}

// === impl Counting ===

impl<'a> Counting<'a> {
    fn count(&mut self, limits: &'a [RateLimit]) -> Result<(), (&'a RateLimit, Exceeded)> {
        let Some((limit, others)) = limits.split_first() else { return Ok(()) };
        if !limit.counts(&self.asked.request) {
            return self.count(others);
        }
        match limit.take(&self.asked.request, self.sender, self.asked.started) {
            Ok(receipt) => {
                if !limit.dry_run && self.nearest.is_none_or(|(_, left, _)| receipt.left < left) {
                    self.nearest = Some((limit, receipt.left, receipt.full_in));
                }
                self.bill.add(&receipt);
                self.count(others).inspect_err(|_| receipt.give_back())
            }
            Err(_) if limit.dry_run => {
                limit.tally().would_refuse.fetch_add(1, Ordering::Relaxed);
                self.would_refuse = true;
                self.count(others)
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
