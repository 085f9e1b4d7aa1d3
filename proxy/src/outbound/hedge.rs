//! A request that is slow is sent a second time, elsewhere; the first good answer counts, and the others are given up
//! upstream (Dean and Barroso, "The Tail at Scale", 2013; gRPC's hedging, A6).

use std::pin::Pin;
use std::task::Poll;

use http::{Request, Response};
use tokio::time::{Instant, Sleep, sleep};

use super::attempts::Attempts;
use super::dress::dress;
use super::ejection::Outcome;
use crate::http::deadline::Deadline;
use crate::http::headers::is_elsewhere;
use crate::http::{Incoming, Lease, Over, Patience, Pending, Seen, SendError, Upload, Wire, replay};
use crate::state::Hedging;
use crate::telemetry::Direction;

type Answered = Result<(Response<Incoming>, Lease), SendError>;

/// A request to be sent to the endpoint of the current attempt.
pub(super) struct First {
    pub request: Request<Upload>,
    /// Its headers.
    pub seen: Seen,
    pub wire: Wire,
    pub pending: Pending,
    pub sent: Instant,
}

/// One of the copies under way.
struct Running<'a> {
    endpoint: usize,
    copy: bool,
    answered: Pin<Box<dyn Future<Output = Answered> + 'a>>,
    pending: Pending,
    sent: Instant,
}

enum Step {
    Ended(usize, Box<Answered>),
    Late,
}

/// Sends `first`, and copies of it when it is slow. The attempt belongs to the endpoint whose answer counts from then on;
/// gives the answer, the place it holds there and when it was sent.
pub(super) async fn race<'a>(
    caller: Wire,
    attempts: &mut Attempts<'a>,
    hedging: &Hedging,
    first: First,
    deadline: Option<Deadline>,
) -> (Answered, Pending, Instant) {
    let began = first.sent;
    let mut left = if hedging.methods.contains(first.request.method()) { hedging.attempts } else { 0 };
    let mut spare = if left > 0 { replay::copy(&first.request) } else { None };
    let mut timer = spare.is_some().then(|| attempts.hedge_delay(hedging)).flatten().map(wait);
    let mut running = vec![start(attempts, attempts.current(), false, first)];
    loop {
        match next(&mut running, &mut timer).await {
            Step::Late => {
                timer = None;
                let Some(request) = attempts.hedge(spare.take()) else { continue };
                left -= 1;
                if left > 0 {
                    spare = replay::copy(&request);
                    timer = attempts.hedge_delay(hedging).map(wait);
                }
                let used: Vec<_> = running.iter().map(|running| running.endpoint).collect();
                let index = attempts.pick_beside(&used);
                attempts.copy_begins(index);
                let copy = dressed(caller, attempts, index, request, deadline);
                running.push(start(attempts, index, true, copy));
            }
            Step::Ended(place, answered) => {
                let ended = running.remove(place);
                let outcome = outcome(&answered);
                if outcome != Outcome::Success && !running.is_empty() {
                    attempts.copy_failed(ended.endpoint, outcome);
                    continue;
                }
                for loser in &running {
                    // As slow as this at the least.
                    attempts.endpoint_at(loser.endpoint).upstream.load.observe(loser.sent.elapsed());
                }
                // Also where the first one was given up: it would have taken longer, so percentiles stay true.
                attempts.decided(ended.endpoint, ended.copy && outcome == Outcome::Success, began);
                return (*answered, ended.pending, ended.sent);
            }
        }
    }
}

/// A copy for the endpoint at `index`.
fn dressed(
    caller: Wire,
    attempts: &Attempts<'_>,
    index: usize,
    mut request: Request<Upload>,
    deadline: Option<Deadline>,
) -> First {
    let (endpoint, sent) = (attempts.endpoint_at(index), Instant::now());
    let seen = Seen::of(request.headers());
    let wire = dress(&mut request, caller, seen, endpoint, attempts.tries);
    if let Some(deadline) = deadline {
        deadline.write(request.headers_mut(), sent);
    }
    attempts.name_span(request.headers_mut());
    First { request, seen, wire, pending: Pending::new(&endpoint.upstream), sent }
}

fn start<'a>(attempts: &Attempts<'a>, endpoint: usize, copy: bool, first: First) -> Running<'a> {
    let First { request, seen, wire, pending, sent } = first;
    // Who waits long for a connection is hedged as well.
    let patience = Patience { short: false, ..attempts.patience() };
    let (upstream, metrics) = (&attempts.endpoint_at(endpoint).upstream, attempts.metrics());
    let names = attempts.names();
    let answered = Box::pin(async move {
        let (mut request, mut stale) = (request, 0);
        loop {
            match upstream.send(request, seen, wire, patience, Over::Shared).await {
                Err(SendError::Stale(_, again)) if stale < replay::STALE_LIMIT => {
                    metrics.retry(Direction::Outbound, names, replay::STALE);
                    (request, stale) = (*again, stale + 1);
                }
                answered => return answered,
            }
        }
    });
    Running { endpoint, copy, answered, pending, sent }
}

fn wait(delay: std::time::Duration) -> Pin<Box<Sleep>> {
    Box::pin(sleep(delay))
}

/// What happens first.
async fn next(running: &mut [Running<'_>], timer: &mut Option<Pin<Box<Sleep>>>) -> Step {
    std::future::poll_fn(|cx| {
        for (place, running) in running.iter_mut().enumerate() {
            if let Poll::Ready(result) = running.answered.as_mut().poll(cx) {
                return Poll::Ready(Step::Ended(place, Box::new(result)));
            }
        }
        match timer {
            Some(timer) => timer.as_mut().poll(cx).map(|()| Step::Late),
            None => Poll::Pending,
        }
    })
    .await
}

/// How an endpoint did that gave this answer, or none.
fn outcome(answered: &Answered) -> Outcome {
    let Ok((response, _)) = answered else { return Outcome::Local };
    if is_elsewhere(response.headers()) {
        return Outcome::Local;
    }
    let grpc_status = response.headers().get("grpc-status");
    let grpc_status = grpc_status.and_then(|status| status.to_str().ok()?.parse().ok());
    Outcome::of(response.status().as_u16(), grpc_status)
}
