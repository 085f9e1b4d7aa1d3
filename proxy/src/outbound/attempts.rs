//! The attempts at one request: which endpoint has it now, whether there is another attempt, and what is recorded.

use std::cell::RefCell;
use std::time::Duration;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep};

use super::Outbound;
use super::budget::Budget;
use super::live::LiveEndpoint;
use super::request::{Chosen, Failed};
use super::retry::{self, Ended};
use crate::http::deadline::Limit;
use crate::http::framing::Unusable;
use crate::http::rescue::Failure;
use crate::http::{ConnectError, SendError, Upload, replay};
use crate::state::Retries;
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
    pub fn new(outbound: &'a Outbound, chosen: &'a Chosen, started: Instant) -> Self {
        let current = outbound.pick(&chosen.live.backends[chosen.backend], &[]);
        let record = chosen.series(outbound, current).begin(started);
        Self { outbound, chosen, record, current, failed: Vec::new(), tries: 1, policy: None }
    }

    /// Follows the route's policy: counts the request, and keeps its body, since it may be sent again.
    pub fn prepare(&mut self, request: &mut Request<Upload>, grpc: bool) {
        let Some(retries) = &self.chosen.route().retries else { return };
        let Some(budget) = self.chosen.budget() else { return };
        budget.borrow_mut().request(self.outbound.clock());
        let body = std::mem::take(request.body_mut());
        *request.body_mut() = body.keep();
        self.policy = Some(Policy { retries, budget, method: request.method().clone(), grpc });
    }

    /// Where the request goes now.
    pub fn endpoint(&self) -> &'a LiveEndpoint {
        &self.chosen.live.backends[self.chosen.backend][self.current]
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
            SendError::Lost(error) if replay::caller_failed(&error) => return Err(Failure::BadBody),
            SendError::Lost(error) => {
                let ended = if replay::stream_refused(&error) { Ended::Refused } else { Ended::Reset };
                (ended, spare, ended.reason(), Failure::Lost { destination: destination(), addr, error })
            }
        };
        if ended == Ended::Unsent && self.tries == 1 {
            self.move_on(reason);
            return request.ok_or(failure);
        }
        self.once_more(ended, request, limit).await.ok_or(failure)
    }

    /// A copy of the request, where it may have to be sent again.
    pub fn spare(&self, request: &Request<Upload>) -> Option<Request<Upload>> {
        let others = self.chosen.live.backends[self.chosen.backend].len() > 1;
        let unsent = self.tries == 1 && others && self.endpoint().carries_mesh_http();
        let wanted = self.policy.as_ref().is_some_and(|policy| self.tries <= policy.retries.attempts);
        if unsent || wanted { replay::copy(request) } else { None }
    }

    /// The request for another attempt, after a proxy said that its application never saw it.
    pub async fn refused(
        &mut self,
        spare: Option<Request<Upload>>,
        limit: &Option<Box<Limit>>,
    ) -> Option<Request<Upload>> {
        self.endpoint().upstream.load.observe_failure();
        let others = self.chosen.live.backends[self.chosen.backend].len() > 1;
        if self.tries == 1 && others {
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
        self.policy.as_ref()?;
        let grpc_status = response.headers().get("grpc-status");
        let grpc_status = grpc_status.and_then(|status| status.to_str().ok()?.parse().ok());
        let ended = Ended::Answered { status: response.status().as_u16(), grpc_status };
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
        let pause = pause_before(self.tries, &mut self.outbound.rng.borrow_mut());
        let late = limit.as_ref().is_some_and(|limit| limit.deadline.left(Instant::now()) <= pause);
        let withheld = if self.tries > policy.retries.attempts {
            Some("attempts")
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
            return None;
        }
        // Boxed: rare, and would make the future of every request larger.
        Box::pin(sleep(pause)).await;
        self.move_on(ended.reason());
        spare
    }

    fn could_not_connect(&self, error: &ConnectError) {
        self.endpoint().upstream.load.observe_failure();
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

    /// The request ends here: its deadline has passed.
    pub fn overdue(self) -> Failed {
        (Failure::DeadlinePassed { destination: self.chosen.live.name.clone() }, self.record)
    }

    /// The request ends here: what came back cannot be passed on.
    pub fn unusable(self, reason: Unusable) -> Failed {
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
        let endpoints = &self.chosen.live.backends[self.chosen.backend];
        self.tries += 1;
        self.failed.retain(|failed| *failed != self.current);
        self.failed.push(self.current);
        self.current = self.outbound.pick(endpoints, &self.failed);
        self.record.moved_to(&self.chosen.series(self.outbound, self.current));
    }
}

/// Between nothing and 25 ms before the second try, twice as much before the next, up to 250 ms (Envoy's values): full
/// jitter spreads the callers of a server that failed them all at once.
fn pause_before(tries: u32, rng: &mut fastrand::Rng) -> Duration {
    let most = Duration::from_millis(25).saturating_mul(1 << tries.saturating_sub(1).min(4));
    most.min(Duration::from_millis(250)).mul_f64(rng.f64())
}
