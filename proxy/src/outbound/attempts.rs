//! The attempts at one request: which endpoint has it now, whether there is another attempt, and what is recorded.

use std::cell::RefCell;
use std::time::Duration;

use http::{Method, Request, Response};
use tokio::time::{Instant, sleep};

use super::Outbound;
use super::admit::Admitted;
use super::balance::group::Asked;
use super::budget::Budget;
use super::ejection::{Outcome, Reason};
use super::gate::Pass;
use super::live::LiveEndpoint;
use super::outliers::{Trial, Watched};
use super::request::{Chosen, Failed};
use super::rest::Rest;
use super::retry::{self, Ended};
use crate::http::deadline::{Limit, Passed};
use crate::http::framing::Unusable;
use crate::http::rescue::Failure;
use crate::http::{
    ConnectError, Ending, Incoming, Patience, Pushback, SendError, Upload, Verdict, WireError, pushback,
    replay, retry_after,
};
use crate::state::{HedgeAfter, Hedging, Retries};
use crate::telemetry::{Direction, Record};

/// The attempts at one request: one, one more where nothing of the request was sent, and what the route allows.
pub(super) struct Attempts<'a> {
    outbound: &'a Outbound,
    chosen: &'a Chosen,
    /// Counts the request for the endpoint of the last attempt.
    pub record: Record,
    current: usize,
    /// Those that failed before.
    failed: Vec<usize>,
    /// With the current one.
    pub tries: u32,
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
    sent: Instant,
}

/// What the route wants tried again, and what that depends on.
struct Policy<'a> {
    retries: &'a Retries,
    budget: &'a RefCell<Budget>,
    method: Method,
    grpc: bool,
}

/// A server that wants to be left alone for longer is: its caller would wait too long, and hold what it holds meanwhile.
const LONGEST_ASKED_PAUSE: Duration = Duration::from_secs(5);

// === impl Attempts ===

impl<'a> Attempts<'a> {
    pub fn new(outbound: &'a Outbound, chosen: &'a Chosen, admitted: Admitted, started: Instant) -> Self {
        let asked = Asked { failed: &[], key: chosen.key };
        let balanced = || outbound.pick(&chosen.live, chosen.backend, asked);
        let current = chosen.home.unwrap_or_else(balanced);
        let series = chosen.series(outbound, current);
        let record = match admitted.record {
            None => chosen.noted(series.begin(started)),
            Some(mut record) => {
                record.moved_to(&series);
                record
            }
        };
        let mut attempts = Self {
            outbound,
            chosen,
            record,
            current,
            failed: Vec::new(),
            tries: 1,
            policy: None,
            spent: false,
            started,
            trial: None,
            good: false,
            passes: admitted.passes,
            sent: started,
        };
        attempts.begin();
        attempts.record.upstream(attempts.endpoint().upstream.key.addr);
        attempts
    }

    /// Follows the route's policy: counts the request, and keeps its body, since it may be sent again.
    pub fn prepare(&mut self, request: &mut Request<Upload>, grpc: bool) {
        let Some(budget) = self.chosen.budget() else { return };
        budget.borrow_mut().request(self.outbound.clock());
        self.record.budget_left(|| budget.borrow_mut().left(self.outbound.clock()));
        let body = std::mem::take(request.body_mut());
        *request.body_mut() = body.keep();
        let Some(retries) = &self.chosen.route().retries else { return };
        self.policy = Some(Policy { retries, budget, method: request.method().clone(), grpc });
    }

    /// Where the request goes now.
    pub fn endpoint(&self) -> &'a LiveEndpoint {
        &self.chosen.live.backends[self.chosen.backend][self.current]
    }

    /// Its index.
    pub fn current(&self) -> usize {
        self.current
    }

    /// An endpoint of the same backend.
    pub fn endpoint_at(&self, index: usize) -> &'a LiveEndpoint {
        &self.chosen.live.backends[self.chosen.backend][index]
    }

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
            Some(_) if !budget.borrow_mut().try_retry(self.outbound.clock()) => "budget",
            Some(_) => "sent",
        };
        self.count_hedge(sent);
        self.tries += u32::from(sent == "sent");
        whole.filter(|_| sent == "sent")
    }

    /// An endpoint for a copy, another than `used` and those that failed where there is one.
    pub fn pick_beside(&self, used: &[usize]) -> usize {
        let avoid: Vec<_> = self.failed.iter().chain(used).copied().collect();
        let asked = Asked { failed: &avoid, key: self.chosen.key };
        self.outbound.pick(&self.chosen.live, self.chosen.backend, asked)
    }

    /// A copy at the endpoint of `index` failed while others are under way.
    pub fn copy_failed(&mut self, index: usize, outcome: Outcome) {
        let trial = if index == self.current { self.trial.take() } else { None };
        if let Some(watched) = &self.endpoint_at(index).watched {
            self.record.ejected(watched.ended(outcome, trial).map(Reason::as_str));
        }
    }

    /// The answer of the endpoint of `index` counts, for an attempt that began at `began`; `won`: it is a copy's.
    pub fn decided(&mut self, index: usize, won: bool, began: Instant) {
        if let Some(latencies) = self.chosen.latencies() {
            latencies.borrow_mut().observe(self.outbound.clock(), began.elapsed());
        }
        if won {
            self.count_hedge("won");
        }
        if index != self.current {
            (self.current, self.trial) = (index, None);
            self.record.moved_to(&self.chosen.series(self.outbound, index));
        }
    }

    fn count_hedge(&self, result: &'static str) {
        let route = &self.chosen.route().name;
        self.outbound.worker.metrics.hedge(&self.chosen.live.name, route, result);
    }

    /// The current attempt begins.
    fn begin(&mut self) {
        self.good = false;
        if !self.passes.is_empty() {
            self.sent = Instant::now();
        }
        self.trial = self.endpoint().watched.as_ref().and_then(Watched::begin);
    }

    /// The current attempt ended in `outcome`, by which its endpoint is judged.
    pub fn judge(&mut self, outcome: Outcome) {
        if let Some(watched) = &self.endpoint().watched {
            self.record.ejected(watched.ended(outcome, self.trial.take()).map(Reason::as_str));
        }
    }

    /// The current attempt was answered. What is good so far may still end badly: see [`Self::ending`].
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

    /// What is told how the response ends, where that matters.
    pub fn ending(&mut self) -> Option<Box<dyn Ending>> {
        let watched = self.endpoint().watched.as_ref().filter(|_| self.good).cloned();
        let mut passes = std::mem::take(&mut self.passes);
        if watched.is_none() && passes.is_empty() {
            return None;
        }
        // What fails may fail fast, which is no sign of little load.
        let latency = self.good.then(|| self.sent.elapsed());
        passes.iter_mut().for_each(|pass| pass.answered(latency));
        Some(Box::new(Rest { watched, _passes: passes }))
    }

    /// The request for another attempt, if `error` and the attempts so far allow one.
    pub async fn again(
        &mut self,
        error: SendError,
        spare: Option<Request<Upload>>,
        limit: &Option<Box<Limit>>,
    ) -> Result<Request<Upload>, Failure> {
        let destination = || self.chosen.live.name.clone();
        let addr = self.endpoint().upstream.key.addr;
        let mut harmless = true;
        let (ended, request, reason, failure) = match error {
            SendError::Connect(error, request) => {
                self.could_not_connect(&error);
                let reason = error.reason();
                (
                    Ended::Unsent,
                    Some(*request),
                    reason,
                    Failure::Connect { destination: destination(), error },
                )
            }
            SendError::Unsent(error, request) => {
                let failure = Failure::Lost { destination: destination(), addr, error };
                (Ended::Unsent, Some(*request), "connection-lost", failure)
            }
            SendError::Lost(error) if error.caller_failed() => return Err(Failure::BadBody),
            SendError::Lost(error) => {
                let ended = if error.stream_refused() { Ended::Refused } else { Ended::Reset };
                if ended == Ended::Reset {
                    self.endpoint().upstream.load.observe_error(Duration::ZERO);
                    self.judge(Outcome::Local);
                }
                harmless = self.is_harmless(ended, &error, spare.as_ref());
                (ended, spare, ended.reason(), Failure::Lost { destination: destination(), addr, error })
            }
        };
        if harmless && self.tries == 1 {
            self.move_on(reason);
            return request.ok_or(failure);
        }
        let again = self.once_more(ended, request, limit).await;
        again.ok_or_else(|| if self.spent { self.budget_spent() } else { failure })
    }

    /// Whether a request that was lost goes elsewhere though nobody asked: its server did not look at it, or it changes
    /// nothing. A route that has retries says itself what it wants, within its budget (ADR 5).
    fn is_harmless(&self, ended: Ended, error: &WireError, spare: Option<&Request<Upload>>) -> bool {
        let Some(spare) = spare.filter(|spare| spare.body().is_whole()) else { return false };
        let unacted = ended == Ended::Refused || (error.connection_ended() && replay::is_safe(spare));
        self.policy.is_none() && unacted
    }

    /// A copy of the request, where it may have to be sent again.
    pub fn spare(&self, request: &Request<Upload>) -> Option<Request<Upload>> {
        let others = self.chosen.live.backends[self.chosen.backend].len() > 1;
        let unsent = self.tries == 1 && others && self.endpoint().carries_mesh_http();
        let wanted = self.policy.as_ref().is_some_and(|policy| self.tries <= policy.retries.attempts);
        if unsent || wanted { replay::copy(request) } else { None }
    }

    /// How long to wait for a connection: what nothing was sent of may go elsewhere once.
    pub fn patience(&self) -> Patience {
        let others = self.chosen.live.backends[self.chosen.backend].len() > 1;
        Patience { connect: self.chosen.route().timeouts.connect, short: self.tries == 1 && others }
    }

    /// The request for another attempt, after a proxy said that its application never saw it.
    pub async fn refused(
        &mut self,
        spare: Option<Request<Upload>>,
        limit: &Option<Box<Limit>>,
    ) -> Option<Request<Upload>> {
        self.judge(Outcome::Local);
        self.endpoint().upstream.load.observe_failure();
        let others = self.chosen.live.backends[self.chosen.backend].len() > 1;
        if self.tries == 1 && others {
            let spare = spare.filter(|spare| spare.body().is_whole())?;
            self.move_on("application-unreachable");
            return Some(spare);
        }
        self.once_more(Ended::Unsent, spare, limit).await
    }

    /// What `response`, which came after `latency`, says about its endpoint.
    pub fn observe(&self, response: &Response<Incoming>, latency: Duration, grpc: bool) {
        let endpoint = self.endpoint();
        let verdict = Verdict::of_head(response.status(), response.headers(), grpc);
        endpoint.upstream.load.observe_verdict(verdict, latency);
        if let Some(balanced) = &self.chosen.live.balanced[self.chosen.backend] {
            balanced.answered(endpoint, latency);
        }
        if let Verdict::PushedBack(_) = verdict {
            self.outbound.worker.metrics.pushed_back(&self.chosen.live.name);
        }
    }

    /// The request for another attempt, if the route does not want this response.
    pub async fn answered(
        &mut self,
        response: &Response<Incoming>,
        spare: Option<Request<Upload>>,
        limit: &Option<Box<Limit>>,
    ) -> Option<Request<Upload>> {
        self.judge_answer(response);
        self.policy.as_ref()?;
        let status = response.status();
        let ended = Ended::Answered {
            status: status.as_u16(),
            grpc_status: grpc_status(response),
            pushback: asked_of_retries(response),
        };
        self.once_more(ended, spare, limit).await
    }

    /// The request for another attempt by the route's policy, after the pause before it.
    pub async fn once_more(
        &mut self,
        ended: Ended,
        spare: Option<Request<Upload>>,
        limit: &Option<Box<Limit>>,
    ) -> Option<Request<Upload>> {
        let policy = self.policy.as_ref()?;
        if !retry::wanted(policy.retries, &policy.method, policy.grpc, ended) {
            return None;
        }
        let metrics = &self.outbound.worker.metrics;
        // Elsewhere nobody has asked for a pause.
        let asked = match ended.pushback() {
            Some(Pushback::After(pause)) if !self.is_another_left() => pause,
            _ => Duration::ZERO,
        };
        let jitter = self.outbound.rng.borrow_mut().f64();
        let pause = retry::pause_before(self.tries, policy.retries.backoff, jitter).max(asked);
        let deadline = limit.as_ref().and_then(|limit| limit.deadline());
        let late = deadline.is_some_and(|deadline| deadline.left(Instant::now()) <= pause);
        let withheld = if self.tries > policy.retries.attempts {
            Some("attempts")
        } else if ended.pushback() == Some(Pushback::Never) {
            Some("pushback")
        } else if asked > LONGEST_ASKED_PAUSE {
            Some("retry-after")
        } else if late {
            Some("deadline")
        } else if !spare.as_ref().is_some_and(|spare| spare.body().is_whole()) {
            Some("body-too-long")
        } else if !policy.budget.borrow_mut().try_retry(self.outbound.clock()) {
            Some("budget")
        } else {
            None
        };
        if let Some(reason) = withheld {
            metrics.retry_withheld(Direction::Outbound, reason);
            self.spent = reason == "budget" && policy.retries.budget_refuses;
            self.record.withheld(reason);
            return None;
        }
        self.record.budget_left(|| policy.budget.borrow_mut().left(self.outbound.clock()));
        // Boxed: rare, and would make the future of every request larger.
        Box::pin(sleep(pause)).await;
        self.move_on(ended.reason());
        spare
    }

    /// Whether the backend has an endpoint that has not been tried.
    fn is_another_left(&self) -> bool {
        let endpoints = &self.chosen.live.backends[self.chosen.backend];
        (0..endpoints.len()).any(|index| index != self.current && !self.failed.contains(&index))
    }

    fn could_not_connect(&mut self, error: &ConnectError) {
        self.judge(Outcome::Local);
        self.endpoint().upstream.load.observe_failure();
        self.chosen.live.lost_one(self.chosen.backend);
        self.outbound.worker.metrics.connect_failure(Direction::Outbound, error.reason());
    }

    /// Whether another endpoint may be dialled after `error`; for a connection of its own.
    pub fn connect_again(&mut self, error: ConnectError) -> Result<(), Failure> {
        self.could_not_connect(&error);
        if self.tries == 1 {
            self.move_on(error.reason());
            return Ok(());
        }
        Err(Failure::Connect { destination: self.chosen.live.name.clone(), error })
    }

    /// The request ends here: its time has passed.
    pub fn overdue(self, passed: Passed) -> Failed {
        (self.chosen.overdue(passed), self.record)
    }

    /// Whether the request is to be refused since its route may send nothing again any more.
    pub fn is_spent(&self) -> bool {
        self.spent
    }

    /// The request ends here: nothing may be sent again.
    pub fn refused_by_budget(self) -> Failed {
        (self.budget_spent(), self.record)
    }

    fn budget_spent(&self) -> Failure {
        let route = self.chosen.route().name.to_string();
        Failure::BudgetSpent { destination: self.chosen.live.name.clone(), route }
    }

    /// The request ends here: what came back cannot be passed on.
    pub fn unusable(mut self, reason: Unusable) -> Failed {
        self.judge(Outcome::Local);
        let addr = self.endpoint().upstream.key.addr;
        (Failure::Unusable { destination: self.chosen.live.name.clone(), addr, reason }, self.record)
    }

    /// The request ends here: this try took longer than `limit`.
    pub fn try_overdue(self, limit: Duration) -> Failed {
        let addr = self.endpoint().upstream.key.addr;
        (Failure::TryTimeout { destination: self.chosen.live.name.clone(), addr, limit }, self.record)
    }

    fn move_on(&mut self, reason: &'static str) {
        self.outbound.worker.metrics.retry(Direction::Outbound, reason);
        self.tries += 1;
        self.failed.retain(|failed| *failed != self.current);
        self.failed.push(self.current);
        let asked = Asked { failed: &self.failed, key: self.chosen.key };
        self.current = self.outbound.pick(&self.chosen.live, self.chosen.backend, asked);
        self.begin();
        self.record.moved_to(&self.chosen.series(self.outbound, self.current));
        self.record.tried_again(reason);
        self.record.upstream(self.endpoint().upstream.key.addr);
    }
}

/// What a response that says no asks of the next try, in the terms of gRPC or of HTTP.
fn asked_of_retries(response: &Response<Incoming>) -> Option<Pushback> {
    let headers = response.headers();
    let http = || retry_after(headers).filter(|_| !response.status().is_success()).map(Pushback::After);
    pushback(headers).or_else(http)
}

/// What a response says in gRPC's terms, where its head does.
fn grpc_status(response: &Response<Incoming>) -> Option<u16> {
    response.headers().get("grpc-status")?.to_str().ok()?.parse().ok()
}
