//! The stage `external-check`: asks somebody else whether a request may reach the application.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::CONTENT_LENGTH;
use tokio::time::timeout;

use super::access::as_written;
use crate::access::{NotNormal, normal};
use crate::asking::NoAnswer;
use crate::external_check::{
    Allowed, Answer, BadBody, ExternalCheck, Question, ToldBody, Unusable, read, read_http,
};
use crate::header_edits::changeable;
use crate::held;
use crate::http::framing::BadHead;
use crate::http::headers::strip_look_alikes;
use crate::http::rescue::{CHECK_DENIED, CHECK_FAILED, Failure};
use crate::http::{Arrived, NotGathered, RawTarget, Seen, Upload, Wire};
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
    match normal(path).and_then(|()| as_written(&asked.request)).and_then(|()| as_told(&asked.request)) {
        Ok(()) if checks.iter().all(|check| check.exempts(asked.request.method(), path)) => {
            checks.iter().for_each(|check| take_theirs(check, asked));
            return Turn::Go;
        }
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
            if check.exempts(asked.request.method(), asked.request.uri().path()) {
                take_theirs(check, asked);
                continue;
            }
            let judged = match told(check, asked).await {
                Ok(body) => put(callout, Question { check, asked, body, from, to }).await,
                Err(failure) => Err(failure),
            };
            match judged {
                Ok(answer) => settle(check, answer, asked)?,
                Err(failure) => refuse(check, failure, asked)?,
            }
        }
        Ok(())
    })
}

/// Whoever is asked is told path and query. What stands behind them goes on to the application, which may take it for more of the query.
fn as_told<B>(request: &http::Request<B>) -> Result<(), NotNormal> {
    match RawTarget::of(request) {
        Some(raw) if raw.contains(&b'#') => Err(NotNormal::RawByte),
        _ => Ok(()),
    }
}

/// What is told of the body, where the check wants some of it told, or why the request goes nowhere.
async fn told(check: &ExternalCheck, asked: &mut Asked) -> Result<Option<ToldBody>, Failure> {
    let Some(rule) = &check.body else { return Ok(None) };
    if !rule.partial && told_length(&asked.request).is_some_and(|length| length > rule.most as u64) {
        return Err(Failure::CheckBody(BadBody::TooLong));
    }
    let body = asked.request.body_mut();
    let arrived = timeout(rule.patience, body.gather(rule.most));
    let partial = match arrived.await {
        Ok(Ok(Arrived::Whole)) => false,
        Ok(Ok(Arrived::Longer)) | Err(_) if rule.partial => true,
        Ok(Ok(Arrived::Longer)) => return Err(Failure::CheckBody(BadBody::TooLong)),
        Err(_) => return Err(Failure::CheckBody(BadBody::TooSlow)),
        Ok(Err(NotGathered::NoRoom)) => return Err(Failure::CheckBody(BadBody::NoRoom)),
        Ok(Err(NotGathered::Broken(_))) => return Err(Failure::BadBody),
    };
    let bytes = body.beginning(rule.most).ok_or(Failure::CheckBody(BadBody::NoRoom))?;
    Ok(Some(ToldBody { bytes, partial }))
}

/// As its caller tells it: nothing need be read of one that is too long.
fn told_length(request: &http::Request<Upload>) -> Option<u64> {
    if request.body().is_none() {
        return None;
    }
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What nobody can be asked about is refused, whatever the policy says of failures: its caller chooses how long it is.
fn refuse(check: &ExternalCheck, failure: Failure, asked: &mut Asked) -> Result<(), Failure> {
    if matches!(failure, Failure::BadBody) {
        // That it broke off was said once. Whoever took the rest of it could take it for whole, so a rehearsal does not let it on either.
        return Err(failure);
    }
    asked.record.decided_by(|| format!("{}: {failure}", check.policy).into());
    if check.dry_run {
        count(&check.tally.would_refuse);
        asked.record.would_refuse(Stage::ExternalCheck.name(), failure.reason());
        return Ok(());
    }
    count(&check.tally.denied);
    Err(failure)
}

/// The failure: what no answer would change. What is told of the body is there once more while somebody is asked, and
/// counts until it has left, also where the answer does not wait for that.
async fn put(
    callout: &Callout,
    question: Question<'_>,
) -> Result<Result<Answer, NoAnswer<Unusable>>, Failure> {
    let check = question.check;
    let Some(asks) = &check.asks else { return Ok(Err(NoAnswer::NoService)) };
    let to = asks.addr.into();
    let Some(http) = &check.over_http else {
        let call = question.call(asks).map(held::counted);
        drop(question);
        let answered = callout.call(to, call, Wire::H2, check.timeout).await;
        return Ok(answered
            .map_err(NoAnswer::Call)
            .and_then(|response| read(&response).map_err(NoAnswer::Unusable)));
    };
    // Its caller chooses how long it is, so this is not for the policy to say.
    let call = question.over_http(http).ok_or(Failure::BadHead(BadHead::TargetTooLong))?.map(held::counted);
    drop(question);
    let answered = callout.call_for_head(to, call, Wire::H1, check.timeout).await;
    Ok(answered
        .map_err(NoAnswer::Call)
        .and_then(|response| read_http(http, response).map_err(NoAnswer::Unusable)))
}

/// Removes what only who is asked may say to the application.
fn take_theirs(check: &ExternalCheck, asked: &mut Asked) {
    if check.dry_run {
        return;
    }
    let names = check.over_http.iter().flat_map(|http| &http.to_application);
    for name in names.filter(|name| matches!(changeable(name.as_str()), Ok(Some(_)))) {
        let headers = asked.request.headers_mut();
        strip_look_alikes(headers, name);
        headers.remove(name);
    }
}

/// What an answer, or none, means for the request.
fn settle(
    check: &ExternalCheck,
    answer: Result<Answer, NoAnswer<Unusable>>,
    asked: &mut Asked,
) -> Result<(), Failure> {
    let (tally, stage) = (&check.tally, Stage::ExternalCheck.name());
    take_theirs(check, asked);
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
