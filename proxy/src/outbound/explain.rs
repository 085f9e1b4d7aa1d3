//! What this half would do with a request that nobody has sent: the stages of its route, asked one after the other by the functions
//! that judge real requests. What would count, wait, draw by lot or send something is looked at instead.

mod routes;
mod words;

use std::rc::Rc;

use http::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::admit::entry_of;
use super::choosing::Choosing;
use super::chosen::{Chosen, home};
use super::gate::Outlook;
use super::ingress::service_host;
use super::live::Live;
use super::outside::Ignorance;
use super::request::find_route;
use super::{change, cors, own_answer, view};
use crate::egress::{ExternalService, HostName, Speaks, holds_always, judge};
use crate::explain::{Answer, Question, Verdict, changed, request_json, stage};
use crate::http::deadline::Deadline;
use crate::http::rescue::Failure;
use crate::http::{Body, Seen, Upload, Wire};
use crate::request::plan::{Stage, Turn};
use crate::request::rate_limit::{self, Between, Prospect};
use crate::request::{Asked, Caller};
use crate::state::{OutboundPolicy, Protocol, Resolution, Subscription, Target, TargetKind};

/// Endpoints of a backend that are told.
const MOST_ENDPOINTS: usize = 100;

/// What became of the request so far.
#[derive(Default)]
struct Answering(Answer);

/// Answers for the pod that would call.
pub(super) async fn explain(choosing: &Rc<Choosing>, question: &Question) -> Value {
    let mut answering = Answering::default();
    answering.about_caller(choosing);
    match question.request() {
        Err(bad) => {
            answering.refuse(Stage::Normalise, &Failure::BadHead(bad));
        }
        Ok(request) => {
            answering.0.say("request", request_json(&request));
            match resolve(choosing, question, &request).await {
                Resolution::Known(mut view) => {
                    let live = choosing.live(view.current());
                    let asked = Asked::new(request, wire(&live), Caller::Local, &choosing.worker);
                    answering.known(choosing, &live, asked, question);
                }
                other => answering.not_known(choosing, question, &other),
            }
        }
    }
    answering.0.end()
}

/// What the mesh knows of where the request is dialled, asked as the first real one would.
async fn resolve(choosing: &Choosing, question: &Question, request: &http::Request<Upload>) -> Resolution {
    let mesh = &choosing.worker.mesh;
    if !choosing.worker.own_pod.current().ingress_mode {
        return mesh.destination(question.to).await;
    }
    if let Some(host) = service_host(request) {
        let of_host: Resolution = mesh.destination(Subscription::Endpoint(question.to, Some(host))).await;
        if let Resolution::Known(_) | Resolution::Rejected(_) = of_host {
            return of_host;
        }
    }
    mesh.destination(Subscription::Endpoint(question.to, None)).await
}

/// The HTTP that callers of the destination are taken to speak.
fn wire(live: &Live) -> Wire {
    if live.destination.protocol == Protocol::Http2 { Wire::H2 } else { Wire::H1 }
}

// === impl Answering ===

impl Answering {
    fn go(&mut self, name: Stage, why: impl Into<String>) {
        self.0.stages.push(stage(name.name(), Verdict::Go, why));
    }

    /// The stage refuses it: a real request would be answered so.
    fn refuse(&mut self, name: Stage, failure: &Failure) {
        let mut said = stage(name.name(), Verdict::Refuse, failure.to_string());
        said.insert("reason".to_owned(), failure.reason().into());
        self.0.stages.push(said);
        self.0.outcome = Some(("refused", failure.to_string()));
    }

    fn answer(&mut self, name: Stage, response: &Response<Body>) {
        let location = response.headers().get(http::header::LOCATION);
        let location = location.map(|to| format!(" to {}", String::from_utf8_lossy(to.as_bytes())));
        let why = format!("answers {}{}", response.status(), location.unwrap_or_default());
        let mut said = stage(name.name(), Verdict::Answer, why.as_str());
        said.insert("status".to_owned(), response.status().as_u16().into());
        self.0.stages.push(said);
        self.0.outcome = Some(("answered", why));
    }

    fn about_caller(&mut self, choosing: &Choosing) {
        let own_pod = choosing.worker.own_pod.current();
        self.0.say("side", "caller");
        self.0.say(
            "caller",
            json!({
                "pod": &*own_pod.key,
                "identity": own_pod.identity.as_str(),
                "zone": own_pod.zone.as_deref(),
                "node": own_pod.node.as_deref(),
                "ingressMode": own_pod.ingress_mode,
            }),
        );
    }

    /// There is no destination to judge by: what is declared of the outside decides, as far as the outbound policy asks for it.
    fn not_known(&mut self, choosing: &Choosing, question: &Question, found: &Resolution) {
        let addr = question.to;
        let (state, ignorance) = match found {
            Resolution::Rejected(reason) => {
                self.0.say("destination", json!({ "state": "rejected", "address": addr.to_string() }));
                return self.not_let_out(&Failure::Rejected { addr, reason: reason.clone() });
            }
            Resolution::Unreachable => ("unreachable", Ignorance::Unreachable),
            _ => ("unknown", Ignorance::Unknown),
        };
        self.0.say("destination", json!({ "state": state, "address": addr.to_string() }));
        let unknown = match ignorance {
            Ignorance::Unreachable => "the control plane could not be asked about it",
            Ignorance::Unknown => "the mesh knows no service there",
        };
        let pod = choosing.worker.own_pod.current();
        let services = &pod.external_services;
        let host = question.request().ok().as_ref().and_then(HostName::of_request);
        let declared = judge(services, Speaks::Bytes, None, addr)
            .or_else(|_| judge(services, Speaks::Http, host.as_ref(), addr));
        let failed = |refusal| ignorance.failure(refusal, host.as_ref(), addr);
        let policy = match holds_always(services, declared, host.as_ref(), addr) {
            true => OutboundPolicy::RegistryOnly,
            false => pod.outbound_policy,
        };
        match (policy, declared) {
            (OutboundPolicy::AllowAny, _) => {
                let why = format!("{unknown}, and the outbound policy AllowAny lets it through as it is");
                self.0.outcome = Some(("passed-through", why));
            }
            (OutboundPolicy::DryRun, Err(refusal)) => {
                let why = format!(
                    "{unknown}, and RegistryOnly, which is rehearsed, would refuse it: {}",
                    failed(refusal)
                );
                self.0.outcome = Some(("passed-through", why));
            }
            (OutboundPolicy::RegistryOnly, Err(refusal)) => self.not_let_out(&failed(refusal)),
            (_, Ok(service)) => {
                self.0.say("externalService", &*service.name);
                self.limits_outside(choosing, question, service);
                if self.0.outcome.is_some() {
                    return;
                }
                let tls = service.originates(addr.port()).map(|tls| {
                    let refused = tls.demand.refusal();
                    let verified = refused.map_or_else(
                        || "and verifies the server before anything is sent".to_owned(),
                        |reason| {
                            format!(
                                "and no server can be verified, so that it is answered with 503: {reason}"
                            )
                        },
                    );
                    format!("; the proxy opens TLS at port {}, {verified}", tls.to)
                });
                let why = format!(
                    "ExternalService {} declares it; where its name leads is judged when it is dialled{}",
                    service.name,
                    tls.unwrap_or_default()
                );
                self.0.outcome = Some(("let-out", why));
            }
        }
    }

    /// What limits on requests to an external service would do, where it is one for requests.
    fn limits_outside(&mut self, choosing: &Choosing, question: &Question, service: &ExternalService) {
        let port = question.to.port();
        let (Ok(request), true) = (question.request(), service.ports.contains(&(port, Speaks::Http))) else {
            return;
        };
        let asked = Asked::new(request, Wire::H1, Caller::Local, &choosing.worker);
        let (namespace, name) = service.name.split_once('/').unwrap_or(("", &service.name));
        let target =
            Target { kind: TargetKind::External, namespace: namespace.into(), name: name.into(), port };
        self.rate_limits(&target, &service.at(port), &asked);
    }

    fn not_let_out(&mut self, failure: &Failure) {
        self.0.say("reason", failure.reason());
        self.0.outcome = Some(("refused", failure.to_string()));
    }

    fn known(&mut self, choosing: &Rc<Choosing>, live: &Rc<Live>, mut asked: Asked, question: &Question) {
        let destination = &live.destination;
        let target = &destination.target;
        self.0.say(
            "destination",
            json!({
                "state": "known",
                "address": question.to.to_string(),
                "name": live.name,
                "kind": format!("{:?}", target.kind),
                "key": &*destination.key,
                "protocol": words::protocol(destination.protocol),
                "algorithm": words::algorithm(destination.load_balancer.algorithm),
            }),
        );
        if destination.protocol == Protocol::Opaque {
            return self.bytes(live, &asked);
        }
        if let Err(failure) = asked.normalise(question.to, &choosing.worker, None) {
            return self.refuse(Stage::Normalise, &failure);
        }
        self.go(Stage::Normalise, "it can be read in one way only");
        let mut chosen = match find_route(live, &mut asked) {
            Ok(chosen) => chosen,
            Err((stage, failure)) => {
                self.0.say("routes", routes::all(live, None, &asked));
                return self.refuse(stage, &failure);
            }
        };
        self.0.say("routes", routes::all(live, Some(chosen.taken), &asked));
        let mut said = stage(Stage::Route.name(), Verdict::Go, routes::why(&chosen));
        said.insert("rule".to_owned(), (&*chosen.route().name).into());
        self.0.stages.push(said);
        self.0.say("route", &*chosen.route().name);
        self.0.say("policies", words::policies(&chosen));
        let before = asked.request.headers().clone();
        let path = asked.request.uri().clone();
        let limited = asked.own_pod.limits_calls_to(target);
        for stage in live.plan(chosen.route_index(), limited).judging().iter().copied() {
            self.judge(stage, &mut chosen, &mut asked);
            if self.0.outcome.is_some() {
                return;
            }
        }
        change::by_share(&mut asked.request, &chosen);
        let changes = changed(&before, asked.request.headers());
        if !changes.is_empty() || path != *asked.request.uri() {
            let path = asked.request.uri().path_and_query().map(|path| path.as_str().to_owned());
            self.0.say("changes", json!({ "headers": changes, "path": path }));
        }
        self.go(Stage::Attempts, words::attempts(&chosen));
        self.0.outcome = Some(("sent", live.destination.backends[chosen.backend].name.to_string()));
    }

    /// Bytes are carried by the first route that takes them; nothing is judged by request.
    fn bytes(&mut self, live: &Rc<Live>, asked: &Asked) {
        let taken = super::route::first_for_bytes(&live.destination.routes, &asked.own_pod, None);
        let Some(route) = taken.or((!live.destination.routes.is_empty()).then_some(0)) else {
            self.0.outcome = Some(("refused", "no route takes bytes".to_owned()));
            return;
        };
        let described = &live.destination.routes[route];
        self.0.say("route", &*described.name);
        self.0.say("split", shares(live, described, Instant::now()));
        let why = "its port is declared as bytes (tcp): no stage looks at requests in them".to_owned();
        self.0.outcome = Some(("sent", why));
    }

    fn judge(&mut self, stage: Stage, chosen: &mut Chosen, asked: &mut Asked) {
        match stage {
            Stage::Cors => match cors::ask(chosen, asked) {
                Turn::Answer(response) => self.answer(stage, &response),
                _ if chosen.origin.is_some() => self.go(stage, "the answer will say who may read it"),
                _ => self.go(stage, "no page of another origin asks"),
            },
            Stage::OwnAnswer => match own_answer::ask(chosen, asked) {
                Turn::Answer(response) => self.answer(stage, &response),
                _ => self.go(stage, "has no answer of its own"),
            },
            Stage::Split => self.split(chosen, asked),
            Stage::Deadline => {
                let own = chosen.route().timeouts.request;
                let deadline = Deadline::read(asked.request.headers(), asked.started, own, asked.grpc);
                self.go(stage, words::deadline(deadline.map(|deadline| deadline.left(asked.started)), own));
            }
            Stage::Fault => self.fault(chosen),
            Stage::RateLimit => {
                self.rate_limits(&chosen.live.destination.target, &chosen.live.name, asked);
            }
            Stage::Limits => self.limits(chosen, asked),
            Stage::Changes => {
                change::by_route(&mut asked.request, chosen);
                asked.seen = Seen::of(asked.request.headers());
                self.go(stage, "as its route says: see changes");
            }
            Stage::Mirror => self.go(stage, words::mirrors(chosen)),
            _ => {}
        }
    }

    /// Each share with its endpoints; the one by which the rest is explained is that of the session, or the heaviest that can take it.
    fn split(&mut self, chosen: &mut Chosen, asked: &Asked) {
        let live = chosen.live.clone();
        let route = &live.destination.routes[chosen.route_index()];
        self.0.say("split", shares(&live, route, Instant::now()));
        let home = home(&live, chosen.taken, asked.request.headers());
        let refusal = |share: usize| live.refusal(route.split[share].backend);
        let weighed = (0..route.split.len()).filter(|share| route.split[*share].weight > 0);
        let weighed: Vec<usize> = if route.split.len() == 1 { vec![0] } else { weighed.collect() };
        let open: Vec<usize> = weighed.iter().copied().filter(|share| refusal(*share).is_none()).collect();
        let heaviest = |among: &[usize]| among.iter().copied().max_by_key(|share| route.split[*share].weight);
        let share = home.map(|home| home.share).or_else(|| heaviest(&open)).or_else(|| heaviest(&weighed));
        let Some(share) = share else {
            let nothing = Failure::NoRoute { destination: live.name.clone() };
            return self.refuse(Stage::Split, &nothing);
        };
        chosen.share = Some(share);
        chosen.backend = route.split[share].backend;
        chosen.home = home.map(|home| home.endpoint);
        if let Some(failure) = refusal(share) {
            return self.refuse(Stage::Split, &failure);
        }
        if let Some(home) = home {
            let addr = live.destination.backends[chosen.backend].endpoints[home.endpoint].addr;
            return self.go(Stage::Split, format!("its session keeps to {addr}"));
        }
        match open.len() {
            1 if weighed.len() == 1 => self.go(Stage::Split, "all of it goes to one backend"),
            open if open == weighed.len() => {
                self.go(Stage::Split, format!("one of {open} backends, by weight"));
            }
            open => {
                let why = format!("one of {} backends by weight, of which {open} can take it", weighed.len());
                self.0.stages.push(stage(Stage::Split.name(), Verdict::Depends, why));
            }
        }
    }

    fn fault(&mut self, chosen: &Chosen) {
        let Some(fault) = &chosen.route().fault else { return };
        let certain = fault.abort.filter(|abort| abort.share.hit >= abort.share.of.get());
        match certain {
            Some(abort) => {
                let (status, grpc_status) = (abort.status, abort.grpc_status);
                let destination = chosen.live.name.clone();
                self.refuse(Stage::Fault, &Failure::Fault { destination, status, grpc_status });
            }
            None => self.0.stages.push(stage(Stage::Fault.name(), Verdict::Depends, words::fault(fault))),
        }
    }

    fn rate_limits(&mut self, target: &Target, destination: &str, asked: &Asked) {
        let between = Between { address: None, destination };
        for (rule, prospect) in rate_limit::look(asked.own_pod.caller_limits(target), between, asked) {
            let name = Stage::RateLimit;
            match prospect {
                Prospect::Go(why) => self.go(name, why),
                Prospect::WouldRefuse(why) => {
                    self.0.stages.push(stage(name.name(), Verdict::WouldRefuse, why))
                }
                Prospect::Refuse(failure) => self.refuse(name, &failure),
            }
            if let Some(said) = self.0.stages.last_mut() {
                said.insert("rule".to_owned(), rule.into());
            }
        }
    }

    fn limits(&mut self, chosen: &Chosen, asked: &Asked) {
        let (live, route) = (&chosen.live, chosen.route_index());
        let entry = entry_of(chosen, asked);
        let mut verdict = (Verdict::Go, "there is room".to_owned());
        for gate in live.gates(route) {
            match gate.outlook(entry) {
                Outlook::Open => {}
                Outlook::Waits(full) => {
                    verdict = (Verdict::Waits, format!("it waits first ({})", full.reason()))
                }
                Outlook::Shut(full) => {
                    let destination = live.name.clone();
                    let (route, reason) = (chosen.route().name.to_string(), full.reason());
                    self.refuse(Stage::Limits, &Failure::Overloaded { destination, route, reason });
                    return;
                }
            }
        }
        let mut said = stage(Stage::Limits.name(), verdict.0, verdict.1);
        said.insert("state".to_owned(), live.gates(route).map(|gate| gate.view()).collect());
        self.0.stages.push(said);
    }
}

/// The shares of a route, each with the endpoints that would take its requests.
fn shares(live: &Live, route: &crate::state::Route, now: Instant) -> Value {
    let total: u64 = route.split.iter().map(|share| u64::from(share.weight)).sum();
    let share = |share: &crate::state::WeightedBackend| {
        let count = live.backends[share.backend].len();
        let percent = match (route.split.len(), total) {
            (1, _) => 100.0,
            (_, 0) => 0.0,
            _ => f64::from(share.weight) * 100.0 / total as f64,
        };
        json!({
            "backend": &*live.destination.backends[share.backend].name,
            "weight": share.weight,
            "percent": percent,
            "refusal": live.refusal(share.backend).map(|failure| failure.to_string()),
            "endpoints": view::endpoints(live, share.backend, now).take(MOST_ENDPOINTS).collect::<Vec<_>>(),
            "endpointCount": count,
        })
    };
    route.split.iter().map(share).collect()
}
