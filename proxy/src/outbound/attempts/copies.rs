//! Copies of a request that are under way beside it: when one may be sent, where to, and whose answer counts.

use std::time::Duration;

use http::Request;
use tokio::time::Instant;

use super::Attempts;
use crate::http::Upload;
use crate::outbound::balance::group::BalanceQuery;
use crate::outbound::ejection::{Outcome, Reason};
use crate::state::{HedgeAfter, Hedging};

// === impl Attempts ===

impl Attempts<'_> {
    /// How long to wait for an answer before a copy is sent; nothing while too little is known.
    pub fn hedge_delay(&self, hedging: &Hedging) -> Option<Duration> {
        match hedging.after {
            HedgeAfter::Delay(delay) => Some(delay),
            HedgeAfter::Percentile(percent) => self.chosen.latencies()?.borrow_mut().percentile(percent),
        }
    }

    /// The copy to send, if body and budget allow one.
    pub fn hedge(&mut self, spare: Option<Request<Upload>>) -> Option<Request<Upload>> {
        let whole = spare.filter(|spare| spare.body().is_complete());
        let budget = self.chosen.budget()?;
        let sent = match &whole {
            None => "body-under-way",
            Some(_) if !budget.borrow_mut().try_retry(self.choosing.clock()) => "budget",
            Some(_) => "sent",
        };
        self.count_hedge(sent);
        self.tries += u32::from(sent == "sent");
        whole.filter(|_| sent == "sent")
    }

    /// An endpoint for a copy, another than `used` and those that failed where there is one.
    pub fn pick_beside(&self, used: &[usize]) -> usize {
        let avoid: Vec<_> = self.failed.iter().chain(used).copied().collect();
        let asked = BalanceQuery { failed: &avoid, key: self.chosen.key };
        self.choosing.pick(&self.chosen.live, self.chosen.backend, asked, Instant::now())
    }

    /// A copy goes to the endpoint of `index`.
    pub fn copy_begins(&mut self, index: usize) {
        let addr = self.endpoint_at(index).upstream.key.addr;
        if let Some(trace) = self.record.trace_mut() {
            trace.attempt(addr);
        }
    }

    /// A copy at the endpoint of `index` failed while others are under way.
    pub fn copy_failed(&mut self, index: usize, outcome: Outcome) {
        let trial = if index == self.current { self.trial.take() } else { None };
        let addr = self.endpoint_at(index).upstream.key.addr;
        if let Some(trace) = self.record.trace_mut() {
            trace.copy_failed(addr);
        }
        if let Some(watched) = &self.endpoint_at(index).watched {
            self.record.ejected(watched.ended(outcome, trial).map(Reason::as_str));
        }
    }

    /// The answer of the endpoint of `index` counts, for an attempt that began at `began`; `won`: it is a copy's.
    pub fn decided(&mut self, index: usize, won: bool, began: Instant) {
        if let Some(latencies) = self.chosen.latencies() {
            latencies.borrow_mut().observe(self.choosing.clock(), began.elapsed());
        }
        if won {
            self.count_hedge("won");
        }
        let addr = self.endpoint_at(index).upstream.key.addr;
        if let Some(trace) = self.record.trace_mut() {
            trace.decided(addr);
        }
        if index != self.current {
            (self.current, self.trial) = (index, None);
            self.record.moved_to(self.chosen.series(self.choosing, index));
            self.record.overtaken_by(self.endpoint().upstream.key.addr, began);
        }
    }

    fn count_hedge(&self, result: &'static str) {
        let route = &self.chosen.route().name;
        self.choosing.worker.metrics.hedge(&self.chosen.live.name, route, result);
    }
}
