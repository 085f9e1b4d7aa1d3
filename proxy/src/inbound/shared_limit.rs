//! The stage `shared-limit`: asks services that count for all pods whether this port takes one request more.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::asking::{Asks, NoAnswer};
use crate::http::rescue::{Failure, LIMIT_FAILED};
use crate::http::{Seen, Wire};
use crate::outbound::callout::Callout;
use crate::rate_limit::Creditor;
use crate::request::Asked;
use crate::request::plan::{Stage, Turn};
use crate::request::rate_limit::{self, Between, RATE_LIMITED};
use crate::shared_limit::{
    Answer, Charge, OnFailure, Question, SharedLimit, SharedLimits, Tally, Unusable, read,
};

/// Who asks about requests to a port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    pub callout: &'a Rc<Callout>,
    pub port: u16,
    pub between: Between<'a>,
}

// === impl Asking ===

impl<'a> Asking<'a> {
    /// Asks each of the services that count for the port, one after the other, until one refuses. What has been counted by the pod itself
    /// is taken back then.
    pub fn ask(self, asked: &'a mut Asked) -> Turn<'a> {
        let own_pod = asked.own_pod.clone();
        let limits = own_pod.shared_limits(self.port);
        if !limits.iter().any(|limits| limits.count(&asked.request)) {
            settle_bill(asked);
            return Turn::Go;
        }
        Turn::wait(async move {
            for limits in own_pod.shared_limits(self.port) {
                if let Err(failure) = self.one(limits, asked).await {
                    if let Some(bill) = asked.bill.take() {
                        bill.give_back();
                    }
                    return Err(failure);
                }
            }
            settle_bill(asked);
            Ok(())
        })
    }

    async fn one(self, limits: &SharedLimits, asked: &mut Asked) -> Result<(), Failure> {
        let sender = self.between.sender(asked);
        let Some(question) = Question::new(limits, &asked.request, sender) else { return Ok(()) };
        match self.put(limits, &question).await {
            Ok(answer) if answer.over => self.over(limits, &question, answer, asked),
            Ok(answer) => {
                count(&limits.tally.under);
                if !limits.dry_run() {
                    change(answer, &question, asked);
                }
                self.owe(limits, &question, asked);
                Ok(())
            }
            Err(why) => self.unanswered(limits, &question, &why, asked),
        }
    }

    async fn put(self, limits: &SharedLimits, question: &Question<'_>) -> Result<Answer, NoAnswer<Unusable>> {
        let asks = limits.asks.as_ref().ok_or(NoAnswer::NoService)?;
        let call = question.call(asks);
        let response = self.callout.call(asks.addr.into(), call, Wire::H2, limits.timeout).await?;
        read(&response, question.about.len()).map_err(NoAnswer::Unusable)
    }

    fn over(
        self,
        limits: &SharedLimits,
        question: &Question<'_>,
        answer: Answer,
        asked: &mut Asked,
    ) -> Result<(), Failure> {
        count(&limits.tally.over);
        let (place, standing) = answer.refusing();
        let Some(SharedLimit { limit, .. }) = question.about.get(place) else { return Ok(()) };
        asked.record.decided_by(|| format!("{}/{}", limit.policy, limit.name).into());
        if limit.dry_run {
            count(&limit.tally().would_refuse);
            asked.record.would_refuse(Stage::SharedLimit.name(), RATE_LIMITED);
            self.owe(limits, question, asked);
            return Ok(());
        }
        count(&limit.tally().refused);
        let destination = self.between.destination.to_owned();
        Err(Failure::OverSharedLimit { destination, over: Box::new(answer.refusal(limit, standing)) })
    }

    /// Has the response pay what it says that the request took.
    fn owe(self, limits: &SharedLimits, question: &Question<'_>, asked: &mut Asked) {
        let Some(asks) = &limits.asks else { return };
        for (place, shared) in question.about.iter().enumerate() {
            let account = || {
                let (callout, asks, tally) = (self.callout.clone(), asks.clone(), limits.tally.clone());
                let charge = question.charge(place);
                let account: Box<dyn Creditor> =
                    Box::new(Account { callout, asks, timeout: limits.timeout, tally, charge });
                account
            };
            asked.bill.get_or_insert_default().owe(&shared.limit.cost, account);
        }
    }

    /// Each limit says what happens without an answer.
    fn unanswered(
        self,
        limits: &SharedLimits,
        question: &Question<'_>,
        why: &NoAnswer<Unusable>,
        asked: &mut Asked,
    ) -> Result<(), Failure> {
        tracing::debug!(service = %limits.service, %why, "a service that counts gave no usable answer");
        count(&limits.tally.causes[why.cause()]);
        asked.record.decided_by(|| format!("{}: {why}", limits.service).into());
        question.about.iter().for_each(|shared| shared.left_to_itself());
        let by = |wanted: OnFailure| {
            question
                .about
                .iter()
                .filter(move |shared| shared.on_failure == wanted)
                .map(|shared| &shared.limit)
        };
        if let Some(limit) = by(OnFailure::Deny).next() {
            if !limit.dry_run {
                return Err(Failure::LimitFailed);
            }
            by(OnFailure::Deny).for_each(|limit| count(&limit.tally().would_refuse));
            asked.record.would_refuse(Stage::SharedLimit.name(), LIMIT_FAILED);
        }
        let counted = rate_limit::count(by(OnFailure::PodShare), self.between, true, asked);
        if counted.map_err(|(_, failure)| failure)?.is_some() {
            asked.record.would_refuse(Stage::SharedLimit.name(), RATE_LIMITED);
        }
        Ok(())
    }
}

/// What a service that lets a request in wants changed, and how its limits stand.
fn change(answer: Answer, question: &Question<'_>, asked: &mut Asked) {
    for (shared, standing) in question.about.iter().zip(&answer.standings) {
        if let Some(fields) = standing.fields(&shared.limit) {
            rate_limit::tell(asked, || fields, standing.left);
        }
    }
    if !answer.request.is_empty() {
        answer.request.apply(asked.request.headers_mut());
        asked.seen = Seen::of(asked.request.headers());
    }
    if !answer.response.is_empty() {
        asked.answer_edits.push(answer.response);
    }
}

/// The request goes on.
fn settle_bill(asked: &mut Asked) {
    asked.bill.take_if(|bill| !bill.settle());
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Where a service is told what a request cost in the end.
#[derive(Debug)]
struct Account {
    callout: Rc<Callout>,
    asks: Asks,
    timeout: Duration,
    tally: Arc<Tally>,
    charge: Charge,
}

// === impl Account ===

impl Creditor for Account {
    /// Nobody waits for it, and it is not repeated: what may have been counted must not be counted twice.
    fn charge(&self, more: u32) {
        let (callout, tally, timeout) = (self.callout.clone(), self.tally.clone(), self.timeout);
        let (call, addr) = (self.charge.call(&self.asks, more), self.asks.addr);
        tokio::task::spawn_local(async move {
            let told = match callout.call(addr.into(), call, Wire::H2, timeout).await {
                Ok(response) => read(&response, 1).is_ok(),
                Err(_) => false,
            };
            count(if told { &tally.charged } else { &tally.not_charged });
        });
    }
}
