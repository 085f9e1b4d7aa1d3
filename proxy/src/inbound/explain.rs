//! What this half would do with a request that nobody has sent: the stages of its port, asked one after the other by the functions that
//! judge real requests. What would count or ask somebody is looked at instead.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::access::{DENIED, Gate, as_written};
use crate::access::normal;
use crate::asking::Asks;
use crate::explain::{Answer, Question, Verdict, request_json, stage};
use crate::external_check::ExternalCheck;
use crate::http::Wire;
use crate::http::deadline::Deadline;
use crate::http::rescue::Failure;
use crate::identity::SpiffeId;
use crate::jwt::TokenCache;
use crate::request::plan::{Plan, Stage};
use crate::request::rate_limit::{self, Between, Prospect, rule_of};
use crate::request::{Asked, Caller};
use crate::shared_limit::{OnFailure, SharedLimit, SharedLimits};
use crate::state::{MtlsMode, Protocol, Reading};
use crate::worker::ground::Worker;

/// Stands before the stages: whether who calls has proved who it is.
const MUTUAL_TLS: &str = "mutual-tls";

/// What became of the request so far.
struct Answering<'w> {
    worker: &'w Worker,
    gate: Gate,
    destination: String,
    answer: Answer,
}

/// Answers for the pod that would be called, by `identity`.
pub(super) fn explain(
    worker: &Worker,
    question: &Question,
    identity: Option<&Arc<SpiffeId>>,
    from: Option<IpAddr>,
) -> Value {
    let port = question.to.port();
    let own_pod = worker.own_pod.current();
    let mut answering = Answering {
        worker,
        gate: Gate { identity: identity.cloned(), ip: from, port },
        destination: own_pod.name_of_port(port),
        answer: Answer::default(),
    };
    answering.answer.say("side", "receiver");
    answering.answer.say(
        "receiver",
        json!({
            "pod": &*own_pod.key,
            "identity": own_pod.identity.as_str(),
            "name": answering.destination,
            "port": port,
            "mtlsMode": match own_pod.mtls_mode(port) {
                MtlsMode::Strict => "Strict",
                MtlsMode::Permissive => "Permissive",
            },
        }),
    );
    answering.answer.say("caller", json!({ "identity": identity.map(|id| id.as_str()), "address": from }));
    match question.request() {
        Err(bad) => answering.refuse(Stage::Normalise.name(), &Failure::BadHead(bad), None),
        Ok(request) => {
            answering.answer.say("request", request_json(&request));
            let caller = identity.map_or(Caller::Plain, |identity| Caller::Peer(identity.clone()));
            let asked = Asked::new(request, Wire::H2, caller, worker);
            answering.arrives(asked, question.to);
        }
    }
    answering.answer.end()
}

// === impl Answering ===

impl Answering<'_> {
    fn note(&mut self, name: &str, verdict: Verdict, why: impl Into<String>, rule: Option<&str>) {
        let mut said = stage(name, verdict, why);
        said.extend(rule.map(|rule| ("rule".to_owned(), rule.into())));
        self.answer.stages.push(said);
    }

    fn refuse(&mut self, name: &str, failure: &Failure, rule: Option<&str>) {
        self.note(name, Verdict::Refuse, failure.to_string(), rule);
        self.answer.say("reason", failure.reason());
        self.answer.outcome = Some(("refused", failure.to_string()));
    }

    fn arrives(&mut self, mut asked: Asked, to: SocketAddr) {
        let (own_pod, port) = (asked.own_pod.clone(), self.gate.port);
        let reading = own_pod.reading(port);
        match (&self.gate.identity, own_pod.mtls_mode(port)) {
            (Some(identity), _) => {
                let why = format!("the caller proves that it is {identity}");
                self.note(MUTUAL_TLS, Verdict::Go, why, None);
            }
            (None, MtlsMode::Permissive) => {
                let why = "the caller proves nothing, and the port is permissive";
                self.note(MUTUAL_TLS, Verdict::Go, why, None);
            }
            (None, MtlsMode::Strict) => {
                let why = "the caller proves nothing, and the port is strict";
                self.note(MUTUAL_TLS, Verdict::Refuse, why, None);
                self.answer.say("reason", "mtls-required");
                self.answer.outcome = Some(("refused", why.to_owned()));
                return;
            }
        }
        let declared = own_pod.inbound_port(port).map_or(Protocol::Unknown, |inbound| inbound.protocol);
        let reads = matches!(reading, Reading::Requests(_));
        if !reads && (declared == Protocol::Opaque || self.gate.identity.is_none()) {
            return self.bytes(&asked);
        }
        if let Err(failure) = asked.normalise(to, self.worker, None) {
            return self.refuse(Stage::Normalise.name(), &failure, None);
        }
        self.note(Stage::Normalise.name(), Verdict::Go, "it can be read in one way only", None);
        asked.leave_hop();
        for stage in Plan::of_port(&own_pod, port).judging().iter().copied() {
            self.judge(stage, &mut asked);
            if self.answer.outcome.is_some() {
                return;
            }
        }
        self.note(Stage::Application.name(), Verdict::Go, format!("the application, port {port}"), None);
        self.answer.outcome = Some(("sent", "to the application".to_owned()));
    }

    /// Rules about connections judge what nobody reads as requests.
    fn bytes(&mut self, asked: &Asked) {
        if let Some(ruling) = self.gate.ruling(&asked.own_pod) {
            let verdict = ruling.judge_bytes();
            let (rule, name) = (ruling.rule(verdict.by).to_owned(), Stage::Access.name());
            if !verdict.allowed {
                return self.refuse(name, &Failure::Denied, Some(&rule));
            }
            self.note(name, Verdict::Go, "connections of this caller are allowed", Some(&rule));
        }
        let why =
            "as bytes: this port does not read requests, or not those of callers without a proxy".to_owned();
        self.answer.outcome = Some(("sent", why));
    }

    fn judge(&mut self, stage: Stage, asked: &mut Asked) {
        match stage {
            Stage::Jwt => self.jwt(asked),
            Stage::Access => self.access(asked),
            Stage::ExternalCheck => self.external_check(asked),
            Stage::RateLimit => self.rate_limits(asked),
            Stage::SharedLimit => self.shared_limits(asked),
            Stage::Deadline => {
                let deadline = Deadline::read(asked.request.headers(), asked.started, None, asked.grpc);
                match deadline.map(|deadline| deadline.left(asked.started)) {
                    Some(left) if left.is_zero() => {
                        let destination = self.destination.clone();
                        self.refuse(stage.name(), &Failure::DeadlinePassed { destination }, None);
                    }
                    Some(left) => {
                        let why = format!("it must end within {left:?}, as its caller says");
                        self.note(stage.name(), Verdict::Go, why, None);
                    }
                    None => self.note(stage.name(), Verdict::Go, "none of its own", None),
                }
            }
            Stage::Trace => {
                self.note(stage.name(), Verdict::Go, "it is traced, as its trace says or by the share", None)
            }
            Stage::Changes => {
                self.note(stage.name(), Verdict::Go, "the application is told who called (Forwarded)", None);
            }
            other => {
                let why = "what it says is not known before a request is there";
                self.note(other.name(), Verdict::Depends, why, None);
            }
        }
    }

    fn jwt(&mut self, asked: &mut Asked) {
        let name = Stage::Jwt.name();
        let Some(ruling) = self.gate.ruling(&asked.own_pod) else {
            return self.refuse(name, &Failure::Denied, None);
        };
        // Tokens are looked at in no cache: nobody is to find this one there.
        match ruling.believe(asked, self.gate.port, &TokenCache::default()) {
            Ok(()) if asked.token.is_none() => self.note(name, Verdict::Go, "it has no token", None),
            Ok(()) => self.note(name, Verdict::Go, "its token is believed", None),
            Err(invalid) if ruling.goes_by_tokens(self.gate.port) => {
                self.refuse(name, &Failure::InvalidToken, Some(invalid.name()));
            }
            Err(invalid) => {
                let why = "its token is not believed; the rules that ask for tokens are only rehearsed";
                self.note(name, Verdict::WouldRefuse, why, Some(invalid.name()));
            }
        }
    }

    fn access(&mut self, asked: &Asked) {
        let name = Stage::Access.name();
        let Some(ruling) = self.gate.ruling(&asked.own_pod) else {
            return self.refuse(name, &Failure::Denied, None);
        };
        let verdict = match ruling.judge(&asked.request, asked.token.as_deref(), self.gate.port) {
            Ok(verdict) => verdict,
            Err(why) => return self.refuse(name, &Failure::AmbiguousPath(why), None),
        };
        let by = ruling.rule(verdict.by).to_owned();
        match (verdict.allowed, verdict.rehearsed) {
            (true, None) => self.note(name, Verdict::Go, "allowed", Some(&by)),
            (true, Some(would)) => {
                let why = format!("allowed now; it would be refused ({DENIED}) if what is rehearsed held");
                self.note(name, Verdict::WouldRefuse, why, Some(ruling.rule(would.by)));
            }
            (false, _) => self.refuse(name, &ruling.refusal(verdict, asked.token.is_some()), Some(&by)),
        }
    }

    fn external_check(&mut self, asked: &Asked) {
        let name = Stage::ExternalCheck.name();
        let path = asked.request.uri().path();
        let ambiguous = normal(path).and_then(|()| as_written(&asked.request)).err();
        for check in asked.own_pod.external_checks(self.gate.port) {
            let rule = Some(&*check.policy);
            match ambiguous {
                None if check.exempts(asked.request.method(), path) => {
                    self.note(name, Verdict::Go, "nobody is asked about this path", rule);
                }
                Some(why) if !check.dry_run => {
                    return self.refuse(name, &Failure::AmbiguousPath(why), rule);
                }
                Some(why) => {
                    let why = Failure::AmbiguousPath(why).to_string();
                    self.note(name, Verdict::WouldRefuse, why, rule);
                }
                None => self.note(name, Verdict::WouldAsk, would_ask(check), rule),
            }
        }
    }

    fn rate_limits(&mut self, asked: &Asked) {
        let name = Stage::RateLimit.name();
        let destination = self.destination.clone();
        let between = Between { address: self.gate.ip, destination: &destination };
        let limits = asked.own_pod.rate_limits(self.gate.port);
        for (rule, prospect) in rate_limit::look(limits.iter(), between, asked) {
            match prospect {
                Prospect::Go(why) => self.note(name, Verdict::Go, why, Some(&rule)),
                Prospect::WouldRefuse(why) => self.note(name, Verdict::WouldRefuse, why, Some(&rule)),
                Prospect::Refuse(failure) => self.refuse(name, &failure, Some(&rule)),
            }
        }
    }

    fn shared_limits(&mut self, asked: &Asked) {
        let name = Stage::SharedLimit.name();
        for limits in asked.own_pod.shared_limits(self.gate.port) {
            for shared in &limits.limits {
                let rule = rule_of(&shared.limit);
                if shared.limit.counts(&asked.request) {
                    self.note(name, Verdict::WouldAsk, would_count(limits, shared), Some(&rule));
                } else {
                    self.note(name, Verdict::Go, "does not count such a request", Some(&rule));
                }
            }
        }
    }
}

fn would_ask(check: &ExternalCheck) -> String {
    let failure = if check.allows_on_failure { "let in" } else { "refused" };
    asked_of(check.asks.as_ref(), check.timeout, failure, check.dry_run)
}

fn would_count(limits: &SharedLimits, shared: &SharedLimit) -> String {
    let failure = match shared.on_failure {
        OnFailure::Allow => "let in",
        OnFailure::Deny => "refused",
        OnFailure::PodShare => "counted by the pod's share",
    };
    asked_of(limits.asks.as_ref(), limits.timeout, failure, shared.limit.dry_run)
}

fn asked_of(asks: Option<&Asks>, timeout: Duration, failure: &str, dry_run: bool) -> String {
    let who = asks.map_or("nobody can be asked".to_owned(), |asks| {
        format!("{} would be asked, for {timeout:?} at most", asks.service)
    });
    let mode = if dry_run { "; it is only rehearsed" } else { "" };
    format!("{who}; without an answer the request is {failure}{mode}")
}
