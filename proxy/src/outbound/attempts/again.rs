//! Another attempt: whether an outcome allows one, and where it goes.

use std::time::Duration;

use http::{Request, Response};
use tokio::time::{Instant, sleep};

use super::{Attempts, grpc_status};
use crate::http::deadline::Limit;
use crate::http::rescue::{CONNECTION_LOST, Failure};
use crate::http::{Incoming, Pushback, SendError, Upload, WireError, pushback, replay, retry_after};
use crate::names::REASON_HEADER;
use crate::outbound::balance::group::BalanceQuery;
use crate::outbound::ejection::Outcome;
use crate::outbound::retry::{self, Ended};
use crate::telemetry::Direction;

/// A server that wants to be left alone for longer is: its caller would wait too long, and hold what it holds meanwhile.
const LONGEST_ASKED_PAUSE: Duration = Duration::from_secs(5);

// === impl Attempts ===

impl Attempts<'_> {
    /// The request for another attempt, if `error` and the attempts so far allow one.
    pub async fn again(
        &mut self,
        error: SendError,
        spare: Option<Request<Upload>>,
        limit: &Option<Box<Limit>>,
    ) -> Result<Request<Upload>, Failure> {
        let destination = || self.chosen.live.name.clone();
        let addr = self.endpoint().upstream.key.addr;
        let mut harmless = !self.is_off();
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
            SendError::Stale(_, request) if self.stale < replay::STALE_LIMIT => {
                self.again_here();
                return Ok(*request);
            }
            SendError::Unsent(error, request) | SendError::Stale(error, request) => {
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
        if harmless && self.is_first() {
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

    /// The request for another attempt, after a proxy said that its application never saw it.
    pub async fn refused(
        &mut self,
        spare: Option<Request<Upload>>,
        limit: &Option<Box<Limit>>,
    ) -> Option<Request<Upload>> {
        self.judge(Outcome::Local);
        self.endpoint().upstream.load.observe_failure();
        let others = self.chosen.live.backends[self.chosen.backend].len() > 1;
        if self.is_first() && others && !self.is_off() {
            let spare = spare.filter(|spare| spare.body().is_whole())?;
            self.move_on("application-unreachable");
            return Some(spare);
        }
        self.once_more(Ended::Unsent, spare, limit).await
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
        if let Some(trace) = self.record.trace_mut() {
            trace.coded(status);
        }
        let ended = if self.endpoint().carries_mesh_http() && is_lost(response) {
            Ended::Reset
        } else {
            let (grpc_status, pushback) = (grpc_status(response), asked_of_retries(response));
            Ended::Answered { status: status.as_u16(), grpc_status, pushback }
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
        let metrics = &self.choosing.worker.metrics;
        // Elsewhere nobody has asked for a pause.
        let asked = match ended.pushback() {
            Some(Pushback::After(pause)) if !self.is_another_left() => pause,
            _ => Duration::ZERO,
        };
        let jitter = self.choosing.rng.borrow_mut().f64();
        let pause = retry::pause_before(self.judged(), policy.retries.backoff, jitter).max(asked);
        let deadline = limit.as_ref().and_then(|limit| limit.deadline());
        let late = deadline.is_some_and(|deadline| deadline.left(Instant::now()) <= pause);
        let withheld = if self.judged() > policy.retries.attempts {
            Some("attempts")
        } else if ended.pushback() == Some(Pushback::Never) {
            Some("pushback")
        } else if asked > LONGEST_ASKED_PAUSE {
            Some("retry-after")
        } else if late {
            Some("deadline")
        } else if !spare.as_ref().is_some_and(|spare| spare.body().is_whole()) {
            Some("body-too-long")
        } else if !policy.budget.borrow_mut().try_retry(self.choosing.clock()) {
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
        self.record.budget_left(|| policy.budget.borrow_mut().left(self.choosing.clock()));
        // Before the pause, which is no part of the attempt, and in which the caller may leave.
        self.record.gave_up(ended.reason(), || ended.said());
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

    /// The request goes once more to the same endpoint, over a fresh connection. That is no retry of the route's, and is
    /// counted, so that nobody who sees it twice has to wonder.
    fn again_here(&mut self) {
        self.count_again(replay::STALE);
        (self.tries, self.stale) = (self.tries + 1, self.stale + 1);
        self.sent = Instant::now();
        self.record.tried_again(replay::STALE);
        self.record.upstream(self.endpoint().upstream.key.addr);
    }

    fn count_again(&self, reason: &'static str) {
        self.choosing.worker.metrics.retry(Direction::Outbound, self.names(), reason);
    }

    fn move_on(&mut self, reason: &'static str) {
        self.count_again(reason);
        self.tries += 1;
        self.failed.retain(|failed| *failed != self.current);
        self.failed.push(self.current);
        let asked = BalanceQuery { failed: &self.failed, key: self.chosen.key };
        self.sent = Instant::now();
        self.current = self.choosing.pick(&self.chosen.live, self.chosen.backend, asked, self.sent);
        self.begin();
        self.record.moved_to(self.chosen.series(self.choosing, self.current));
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

/// Whether a receiving proxy says that its application broke off before it answered.
fn is_lost(response: &Response<Incoming>) -> bool {
    response.headers().get(REASON_HEADER).is_some_and(|reason| reason == CONNECTION_LOST)
}
