//! The stage `external-check`: asks somebody else whether a request may reach the application.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::access::as_written;
use crate::access::normal;
use crate::asking::NoAnswer;
use crate::external_check::{Allowed, Answer, ExternalCheck, Question, Unusable, read};
use crate::http::rescue::{CHECK_DENIED, CHECK_FAILED, Failure};
use crate::http::{Seen, Wire};
use crate::outbound::callout::Callout;
use crate::request::Asked;
use crate::request::plan::{Stage, Turn};

/// Asks each of the checks of the port, one after the other, until one refuses; `from` is who calls, `to` the application.
pub(super) fn ask<'a>(
    callout: &'a Callout,
    (from, to): (Option<SocketAddr>, SocketAddr),
    asked: &'a mut Asked,
) -> Turn<'a> {
    let own_pod = asked.own_pod.clone();
    let checks = own_pod.external_checks(to.port());
    let path = asked.request.uri().path();
    match normal(path).and_then(|()| as_written(&asked.request)) {
        Ok(()) if checks.iter().all(|check| check.exempts(asked.request.method(), path)) => return Turn::Go,
        // Whoever is asked goes by the path, and may read another one in it than the application does.
        Err(why) if checks.iter().all(|check| check.dry_run) => {
            tracing::debug!(%why, "a path that could be read in two ways would be refused");
            return Turn::WouldRefuse(Failure::AmbiguousPath(why).reason());
        }
        Err(why) => return Turn::Refuse(Failure::AmbiguousPath(why)),
        Ok(()) => {}
    }
    Turn::wait(async move {
        for check in own_pod.external_checks(to.port()) {
            if !check.exempts(asked.request.method(), asked.request.uri().path()) {
                let answer = put(callout, Question { check, asked, from, to }).await;
                settle(check, answer, asked)?;
            }
        }
        Ok(())
    })
}

async fn put(callout: &Callout, question: Question<'_>) -> Result<Answer, NoAnswer<Unusable>> {
    let asks = question.check.asks.as_ref().ok_or(NoAnswer::NoService)?;
    let call = question.call(asks);
    let response = callout.call(asks.addr.into(), call, Wire::H2, question.check.timeout).await?;
    read(&response).map_err(NoAnswer::Unusable)
}

/// What an answer, or none, means for the request.
fn settle(
    check: &ExternalCheck,
    answer: Result<Answer, NoAnswer<Unusable>>,
    asked: &mut Asked,
) -> Result<(), Failure> {
    let (tally, stage) = (&check.tally, Stage::ExternalCheck.name());
    match answer {
        Ok(Answer::Allowed(allowed)) => {
            count(&tally.allowed);
            if !check.dry_run {
                change(allowed, asked);
            }
            Ok(())
        }
        Ok(Answer::Denied(denial)) => {
            asked.record.decided_by(|| Box::from(&*check.policy));
            if check.dry_run {
                count(&tally.would_refuse);
                asked.record.would_refuse(stage, CHECK_DENIED);
                return Ok(());
            }
            count(&tally.denied);
            Err(Failure::CheckDenied(Box::new(denial)))
        }
        Err(why) => {
            tracing::debug!(policy = %check.policy, %why, "an external check gave no usable answer");
            count(&tally.causes[why.cause()]);
            asked.record.decided_by(|| format!("{}: {why}", check.policy).into());
            if check.allows_on_failure {
                count(&tally.unchecked);
                return Ok(());
            }
            if check.dry_run {
                count(&tally.would_refuse);
                asked.record.would_refuse(stage, CHECK_FAILED);
                return Ok(());
            }
            count(&tally.failed);
            Err(Failure::CheckFailed)
        }
    }
}

fn change(allowed: Allowed, asked: &mut Asked) {
    let Allowed { request, response } = allowed;
    if !request.is_empty() {
        request.apply(asked.request.headers_mut());
        asked.seen = Seen::of(asked.request.headers());
    }
    if !response.is_empty() {
        asked.answer_edits.push(response);
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
