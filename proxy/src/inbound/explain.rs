//! What this half would do with a request that nobody has sent: the stages of its port, asked one after the other by the functions that
//! judge real requests. What would count or ask somebody is looked at instead.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::access::{DENIED, Gate, as_written};
use crate::access::normal;
use crate::explain::{Question, Verdict, request_json, stage};
use crate::external_check::ExternalCheck;
use crate::http::deadline::Deadline;
use crate::http::rescue::Failure;
use crate::http::{RateLimitFields, Wire};
use crate::identity::SpiffeId;
use crate::jwt::TokenCache;
use crate::rate_limit::{Exceeded, RateLimit, Sender};
use crate::request::plan::{Plan, Stage};
use crate::request::{Asked, Caller};
use crate::state::{MtlsMode, Protocol, Reading};
use crate::worker::ground::Worker;

/// Stands before the stages: whether who calls has proved who it is.
const MUTUAL_TLS: &str = "mutual-tls";

/// What became of the request so far.
struct Answering<'w> {
    worker: &'w Worker,
    gate: Gate,
    destination: String,
    stages: Vec<Map<String, Value>>,
    said: Map<String, Value>,
    /// How it ends, once that is known.
    outcome: Option<(&'static str, String)>,
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
        stages: Vec::new(),
        said: Map::new(),
        outcome: None,
    };
    answering.say("side", "receiver");
    answering.say(
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
    answering.say("caller", json!({ "identity": identity.map(|id| id.as_str()), "address": from }));
    match question.request() {
        Err(bad) => answering.refuse(Stage::Normalise.name(), &Failure::BadHead(bad), None),
        Ok(request) => {
            answering.say("request", request_json(&request));
            let caller = identity.map_or(Caller::Plain, |identity| Caller::Peer(identity.clone()));
            let asked = Asked::new(request, Wire::H2, caller, worker);
            answering.arrives(asked, question.to);
        }
    }
    answering.end()
}

// === impl Answering ===

impl Answering<'_> {
    fn say(&mut self, name: &str, value: impl Into<Value>) {
        self.said.insert(name.to_owned(), value.into());
    }

    fn note(&mut self, name: &str, verdict: Verdict, why: impl Into<String>, rule: Option<&str>) {
        let mut said = stage(name, verdict, why);
        said.extend(rule.map(|rule| ("rule".to_owned(), rule.into())));
        self.stages.push(said);
    }

    fn refuse(&mut self, name: &str, failure: &Failure, rule: Option<&str>) {
        self.note(name, Verdict::Refuse, failure.to_string(), rule);
        self.say("reason", failure.reason());
        self.outcome = Some(("refused", failure.to_string()));
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
                self.say("reason", "mtls-required");
                self.outcome = Some(("refused", why.to_owned()));
                return;
            }
        }
        let declared = own_pod.inbound_port(port).map_or(Protocol::Unknown, |inbound| inbound.protocol);
        let reads = matches!(reading, Reading::Requests(_));
        if !reads && (declared == Protocol::Opaque || self.gate.identity.is_none()) {
            return self.bytes(&asked);
        }
        if let Err(failure) = asked.normalise(to, &self.worker.metrics) {
            return self.refuse(Stage::Normalise.name(), &failure, None);
        }
        self.note(Stage::Normalise.name(), Verdict::Go, "it can be read in one way only", None);
        asked.leave_hop();
        for stage in Plan::of_port(&own_pod, port).judging().iter().copied() {
            self.judge(stage, &mut asked);
            if self.outcome.is_some() {
                return;
            }
        }
        self.note(Stage::Application.name(), Verdict::Go, format!("the application, port {port}"), None);
        self.outcome = Some(("sent", "to the application".to_owned()));
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
        let why = "as bytes: requests are not read on this port, or not those without a proxy".to_owned();
        self.outcome = Some(("sent", why));
    }

    fn judge(&mut self, stage: Stage, asked: &mut Asked) {
        match stage {
            Stage::Jwt => self.jwt(asked),
            Stage::Access => self.access(asked),
            Stage::ExternalCheck => self.external_check(asked),
            Stage::RateLimit => self.rate_limits(asked),
            Stage::Deadline => {
                let deadline = Deadline::read(asked.request.headers(), asked.started, None, asked.grpc);
                match deadline.map(|deadline| deadline.left(asked.started)) {
                    Some(left) if left.is_zero() => {
                        let destination = self.destination.clone();
                        self.refuse(stage.name(), &Failure::DeadlinePassed { destination }, None);
                    }
                    Some(left) => {
                        let why = format!("it must have ended after {left:?}, as its caller says");
                        self.note(stage.name(), Verdict::Go, why, None);
                    }
                    None => self.note(stage.name(), Verdict::Go, "none of its own", None),
                }
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
        match ruling.token_of(asked.request.headers(), self.gate.port, &TokenCache::default()) {
            Ok(None) => self.note(name, Verdict::Go, "it has no token", None),
            Ok(Some(token)) => {
                asked.token = Some(token);
                self.note(name, Verdict::Go, "its token is believed", None);
            }
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
        let sender = Sender { caller: &asked.caller, address: self.gate.ip, token: asked.token.as_deref() };
        for limit in asked.own_pod.rate_limits(self.gate.port) {
            let rule = format!("{} {}", limit.policy, limit.name);
            if !limit.counts(&asked.request) {
                self.note(name, Verdict::Go, "does not count such a request", Some(&rule));
                continue;
            }
            match limit.look(&asked.request, sender, asked.started) {
                Ok(left) => self.note(name, Verdict::Go, room(limit, left), Some(&rule)),
                Err(Exceeded { wait }) if limit.dry_run => {
                    let why = format!("none is left for {wait:?}; it only says so");
                    self.note(name, Verdict::WouldRefuse, why, Some(&rule));
                }
                Err(Exceeded { wait }) => {
                    let RateLimit { requests, per, .. } = *limit;
                    let fields = Box::new(RateLimitFields {
                        name: limit.name.clone(),
                        requests,
                        per,
                        left: 0,
                        reset: wait,
                    });
                    let destination = self.destination.clone();
                    return self.refuse(name, &Failure::RateLimited { destination, fields }, Some(&rule));
                }
            }
        }
    }

    fn end(mut self) -> Value {
        let (verdict, why) = self.outcome.take().unwrap_or(("sent", String::new()));
        self.say("verdict", verdict);
        self.say("why", why);
        let stages: Vec<Value> = self.stages.into_iter().map(Value::Object).collect();
        self.said.insert("stages".to_owned(), stages.into());
        Value::Object(self.said)
    }
}

fn would_ask(check: &ExternalCheck) -> String {
    let who = check.asks.as_ref().map_or("nobody can be asked".to_owned(), |asks| {
        format!("{} would be asked, for {:?} at most", asks.service, check.timeout)
    });
    let failure = if check.allows_on_failure { "lets it in" } else { "refuses it" };
    let mode = if check.dry_run { "; it is only rehearsed" } else { "" };
    format!("{who}; no answer {failure}{mode}")
}

fn room(limit: &RateLimit, left: u32) -> String {
    let share = if limit.pods > 1 { format!(", shared by {} pods", limit.pods) } else { String::new() };
    let RateLimit { requests, per, burst, .. } = limit;
    format!("{left} would be left of {burst} at once; {requests} in {per:?}{share}")
}
