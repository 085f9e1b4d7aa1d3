//! The attempts at one request: which endpoint has it now, whether there is another attempt, and what is recorded.

mod again;
mod copies;

use std::cell::RefCell;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response};
use tokio::time::Instant;

use super::balance::group::BalanceQuery;
use super::budget::Budget;
use super::choosing::Choosing;
use super::chosen::Chosen;
use super::ejection::{Outcome, Reason};
use super::endpoint::LiveEndpoint;
use super::gate::Pass;
use super::outliers::{Trial, Watched};
use super::until_end::UntilEnd;
use crate::http::deadline::Passed;
use crate::http::framing::Unusable;
use crate::http::rescue::Failure;
use crate::http::{ConnectError, Incoming, Patience, Upload, Verdict, replay};
use crate::request::Watcher;
use crate::state::Retries;
use crate::telemetry::{Direction, Metrics, Record};

/// The attempts at one request: one, one more where nothing of the request was sent, and what the route allows.
pub(super) struct Attempts<'a> {
    choosing: &'a Choosing,
    chosen: &'a Chosen,
    /// Counts the request for the endpoint of the last attempt.
    record: &'a mut Record,
    current: usize,
    /// Those that failed before.
    failed: Vec<usize>,
    /// With the current one.
    pub tries: u32,
    /// Those of them that met a connection which had been closed while it was kept: they say nothing of their endpoint.
    stale: u32,
    policy: Option<Policy<'a>>,
    /// Another try was wanted and the budget is used up, for which the caller is to be refused.
    spent: bool,
    started: Instant,
    /// The current attempt decides whether its endpoint comes back.
    trial: Option<Trial>,
    /// The current attempt was answered, and not that it failed.
    good: bool,
    /// Of the limits of route and destination.
    passes: Vec<Pass>,
    /// When the current attempt began.
    pub sent: Instant,
}

/// What the route wants tried again, and what that depends on.
struct Policy<'a> {
    retries: &'a Retries,
    budget: &'a RefCell<Budget>,
    method: Method,
    grpc: bool,
}

// === impl Attempts ===

impl<'a> Attempts<'a> {
    /// Chooses the endpoint of the first; `record` is the request's, and `passes` are what the limits hold for it.
    pub fn new(
        choosing: &'a Choosing,
        chosen: &'a Chosen,
        passes: Vec<Pass>,
        record: &'a mut Record,
        started: Instant,
    ) -> Self {
        let now = Instant::now();
        let asked = BalanceQuery { failed: &[], key: chosen.key };
        let balanced = || choosing.pick(&chosen.live, chosen.backend, asked, now);
        let current = chosen.home.or(chosen.authenticated).unwrap_or_else(balanced);
        record.moved_to(chosen.series(choosing, current));
        let mut attempts = Self {
            choosing,
            chosen,
            record,
            current,
            failed: Vec::new(),
            tries: 1,
            stale: 0,
            policy: None,
            spent: false,
            started,
            trial: None,
            good: false,
            passes,
            sent: now,
        };
        attempts.begin();
        attempts.record.upstream(attempts.endpoint().upstream.key.addr);
        attempts
    }

    /// Follows the route's policy: counts the request, and keeps its body where it may be sent again.
    pub fn prepare(&mut self, request: &mut Request<Upload>, grpc: bool) {
        let budget = self.chosen.budget();
        if !request.body().is_none() && (budget.is_some() || self.may_be_refused()) {
            let body = std::mem::take(request.body_mut());
            *request.body_mut() = body.keep();
        }
        let Some(budget) = budget else { return };
        budget.borrow_mut().request(self.choosing.clock());
        self.record.budget_left(|| budget.borrow_mut().left(self.choosing.clock()));
        let Some(retries) = &self.chosen.route().retries else { return };
        self.policy = Some(Policy { retries, budget, method: request.method().clone(), grpc });
    }

    /// Where the request goes now.
    pub fn endpoint(&self) -> &'a LiveEndpoint {
        &self.chosen.live.backends[self.chosen.backend][self.current]
    }

    /// Makes `headers` name the span of the attempt that they are sent with, the latest.
    pub fn name_span(&self, headers: &mut HeaderMap) {
        if let Some(trace) = self.record.trace() {
            trace.write(headers);
        }
    }

    /// Its index.
    pub fn current(&self) -> usize {
        self.current
    }

    pub fn metrics(&self) -> &'a Metrics {
        &self.choosing.worker.metrics
    }

    /// Of the destination and of the route, as series have them.
    pub fn names(&self) -> (&'a str, &'a str) {
        self.chosen.names()
    }

    /// An endpoint of the same backend.
    pub fn endpoint_at(&self, index: usize) -> &'a LiveEndpoint {
        &self.chosen.live.backends[self.chosen.backend][index]
    }

    /// The current attempt begins.
    fn begin(&mut self) {
        self.good = false;
        self.trial = self.endpoint().watched.as_ref().and_then(Watched::begin);
    }

    /// The current attempt ended in `outcome`, by which its endpoint is judged.
    pub fn judge(&mut self, outcome: Outcome) {
        if let Some(watched) = &self.endpoint().watched {
            self.record.ejected(watched.ended(outcome, self.trial.take()).map(Reason::as_str));
        }
    }

    /// The current attempt was answered. What is good so far may still end badly: see [`Self::until_end`].
    pub fn judge_answer(&mut self, response: &Response<Incoming>) {
        if self.endpoint().watched.is_none() && self.passes.is_empty() {
            return;
        }
        let outcome = Outcome::of(response.status().as_u16(), grpc_status(response));
        self.good = outcome == Outcome::Success;
        if !self.good || self.trial.is_some() {
            self.judge(outcome);
        }
    }

    /// The current attempt took too long. A deadline is its endpoint's fault only where it is the route's own.
    pub fn too_slow(&mut self, passed: Passed) {
        let own = self.chosen.route().timeouts.request.is_some_and(|own| self.started.elapsed() >= own);
        if passed == Passed::Try || own {
            self.judge(Outcome::Local);
            self.passes.iter().for_each(|pass| pass.too_slow(self.sent.elapsed()));
        }
    }

    /// What sees how the response ends, where that matters.
    pub fn until_end(&mut self) -> Option<Box<dyn Watcher>> {
        let watched = self.endpoint().watched.as_ref().filter(|_| self.good).cloned();
        let mut passes = std::mem::take(&mut self.passes);
        if watched.is_none() && passes.is_empty() {
            return None;
        }
        // What fails may fail fast, which is no sign of little load.
        let latency = self.good.then(|| self.sent.elapsed());
        passes.iter_mut().for_each(|pass| pass.answered(latency));
        Some(Box::new(UntilEnd { watched, _passes: passes }))
    }

    /// Whether the route wants nothing sent twice.
    fn is_off(&self) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.retries.attempts == 0)
    }

    /// Whether the proxy of the endpoint may send the request elsewhere, its application having seen nothing of it.
    fn may_be_refused(&self) -> bool {
        let others = self.chosen.live.backends[self.chosen.backend].len() > 1;
        others && self.endpoint().carries_mesh_http()
    }

    /// A copy of the request, where it may have to be sent again.
    pub fn spare(&self, request: &Request<Upload>) -> Option<Request<Upload>> {
        let unsent = self.is_first() && self.may_be_refused();
        let wanted = self.policy.as_ref().is_some_and(|policy| self.judged() <= policy.retries.attempts);
        if unsent || wanted { replay::copy(request) } else { None }
    }

    /// How long to wait for a connection: what nothing was sent of may go elsewhere once.
    pub fn patience(&self) -> Patience {
        let others = self.chosen.live.backends[self.chosen.backend].len() > 1;
        Patience {
            connect: self.chosen.route().timeouts.connect,
            short: self.is_first() && others && !self.is_off(),
        }
    }

    /// What `response`, to what was sent at `sent`, says about its endpoint.
    pub fn observe(&self, response: &Response<Incoming>, sent: Instant, grpc: bool) {
        let endpoint = self.endpoint();
        let now = Instant::now();
        let latency = now - sent;
        let verdict = Verdict::of_head(response.status(), response.headers(), grpc);
        endpoint.upstream.load.observe_verdict(verdict, now, latency);
        if let Some(balanced) = &self.chosen.live.balanced[self.chosen.backend] {
            balanced.answered(endpoint, latency);
        }
        if let Verdict::PushedBack(_) = verdict {
            self.choosing.worker.metrics.pushed_back(&self.chosen.live.name);
        }
    }

    fn could_not_connect(&mut self, error: &ConnectError) {
        self.judge(Outcome::Local);
        self.endpoint().upstream.load.observe_failure();
        self.chosen.live.lost_one(self.chosen.backend);
        self.choosing.worker.metrics.connect_failure(Direction::Outbound, error.reason());
    }

    /// The request ends here: its time has passed.
    pub fn overdue(&self, passed: Passed) -> Failure {
        self.chosen.overdue(passed)
    }

    /// Whether the request is to be refused since its route may send nothing again any more.
    pub fn is_spent(&self) -> bool {
        self.spent
    }

    /// The request ends here: nothing may be sent again.
    pub fn budget_spent(&self) -> Failure {
        let route = self.chosen.route().name.to_string();
        Failure::BudgetSpent { destination: self.chosen.live.name.clone(), route }
    }

    /// The request ends here: what came back cannot be passed on.
    pub fn unusable(&mut self, reason: Unusable) -> Failure {
        self.judge(Outcome::Local);
        let addr = self.endpoint().upstream.key.addr;
        Failure::Unusable { destination: self.chosen.live.name.clone(), addr, reason }
    }

    /// The request ends here: this try took longer than `limit`.
    pub fn try_overdue(&self, limit: Duration) -> Failure {
        let addr = self.endpoint().upstream.key.addr;
        Failure::TryTimeout { destination: self.chosen.live.name.clone(), addr, limit }
    }

    /// Tries that say something of their endpoints, with the current one.
    fn judged(&self) -> u32 {
        self.tries - self.stale
    }

    fn is_first(&self) -> bool {
        self.judged() == 1
    }
}

/// What a response says in gRPC's terms, where its head does.
fn grpc_status(response: &Response<Incoming>) -> Option<u16> {
    response.headers().get("grpc-status")?.to_str().ok()?.parse().ok()
}
