//! What is asked about a request before it goes on, and in which order: for both halves, in this file and nowhere else.
//!
//! A stage that nobody asked for is absent from the [`Plan`] of a route or port, and costs nothing. `GET /config` prints the
//! plans, and `docs/architecture.md` has the order with its reasons; a test compares them. What a stage may do is in
//! ADR 8. Tap is none of them: it reads the record, in which every stage leaves its verdict, as spans do.

use std::pin::Pin;

use http::Response;

use crate::http::Body;
use crate::http::rescue::Failure;
use crate::rate_limit::RateLimit;
use crate::state::{Destination, InboundPort, MessageChanges, Route, Workload};

/// One thing that is asked about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Refuses what could be read in two ways.
    Normalise,
    /// To which trace it belongs.
    Trace,
    /// The first route that matches.
    Route,
    /// Answers preflights, and notes who may read the answer.
    Cors,
    /// Answers in the place of a destination.
    OwnAnswer,
    /// One share of the route, by session or by weight.
    Split,
    /// Whether its token is to be believed.
    Jwt,
    /// Whether whoever called may ask for it.
    Access,
    /// Whether somebody else lets it in.
    ExternalCheck,
    /// How many requests of a kind may come, or go, in a time.
    RateLimit,
    /// The same, as somebody else counts them for all pods.
    SharedLimit,
    /// When the request must have ended.
    Deadline,
    /// Fails or delays it on purpose.
    Fault,
    /// How much may be under way.
    Limits,
    /// What the other side sees instead.
    Changes,
    /// Copies beside it.
    Mirror,
    /// To an endpoint, and once more where that is allowed.
    Attempts,
    /// To the application of this pod.
    Application,
}

/// From the application to others.
pub const CALLER: [Stage; 13] = [
    Stage::Normalise,
    Stage::Trace,
    Stage::Route,
    Stage::Cors,
    Stage::OwnAnswer,
    Stage::Split,
    Stage::Deadline,
    Stage::Fault,
    Stage::RateLimit,
    Stage::Limits,
    Stage::Changes,
    Stage::Mirror,
    Stage::Attempts,
];

/// From others to the application.
pub const RECEIVER: [Stage; 10] = [
    Stage::Normalise,
    Stage::Trace,
    Stage::Jwt,
    Stage::Access,
    Stage::ExternalCheck,
    Stage::RateLimit,
    Stage::SharedLimit,
    Stage::Deadline,
    Stage::Changes,
    Stage::Application,
];

/// The stages of one route, or of one port of this pod: compiled once with the snapshot it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    stages: Box<[Stage]>,
    /// So many of them come before there can be a plan: they find it.
    first: usize,
}

/// What a stage says.
pub enum Turn<'a> {
    /// Let it go on.
    Go,
    /// It is not known yet. Dropping the future gives the request up.
    Wait(Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>),
    /// This is the answer.
    Answer(Box<Response<Body>>),
    /// No, and the caller is told why in general terms.
    Refuse(Failure),
    /// It would refuse, for this reason, and was told only to say so.
    WouldRefuse(&'static str),
}

/// Why a request goes nowhere.
pub enum Judged {
    /// This stage had the answer.
    Answered(Stage, Box<Response<Body>>),
    /// This stage refused it.
    Refused(Stage, Failure),
}

// === impl Stage ===

impl Stage {
    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normalise => "normalise",
            Self::Trace => "trace",
            Self::Route => "route",
            Self::Cors => "cors",
            Self::OwnAnswer => "own-answer",
            Self::Split => "split",
            Self::Jwt => "jwt",
            Self::Access => "access",
            Self::ExternalCheck => "external-check",
            Self::RateLimit => "rate-limit",
            Self::SharedLimit => "shared-limit",
            Self::Deadline => "deadline",
            Self::Fault => "fault",
            Self::Limits => "limits",
            Self::Changes => "changes",
            Self::Mirror => "mirror",
            Self::Attempts => "attempts",
            Self::Application => "application",
        }
    }

    fn is_of_route(self, route: &Route, destination: &Destination, limited: bool) -> bool {
        let answers = route.actions.as_ref().is_some_and(|actions| actions.answer.is_some());
        match self {
            Self::Normalise | Self::Route => true,
            Self::Cors => route.cors().is_some(),
            Self::OwnAnswer => answers,
            // What answers by itself sends nothing anywhere.
            _ if answers => false,
            Self::Split | Self::Deadline | Self::Attempts => true,
            Self::Fault => route.fault.is_some(),
            Self::RateLimit => limited,
            Self::Limits => route.limits.is_some() || destination.limits.is_some(),
            Self::Changes => route.actions.as_ref().is_some_and(|actions| {
                actions.rewrite.is_some() || actions.headers != MessageChanges::default()
            }),
            Self::Mirror => route.actions.as_ref().is_some_and(|actions| !actions.mirrors.is_empty()),
            // The mesh says whether there is one, not the route.
            Self::Trace
            | Self::Jwt
            | Self::Access
            | Self::ExternalCheck
            | Self::SharedLimit
            | Self::Application => false,
        }
    }
}

// === impl Plan ===

impl Plan {
    /// That of requests which `route` of `destination` takes; `limited` where limits of this pod count what it sends there.
    pub fn of_route(route: &Route, destination: &Destination, limited: bool) -> Self {
        let stages = CALLER.into_iter().filter(|stage| stage.is_of_route(route, destination, limited));
        Self { stages: stages.collect(), first: 2 }
    }

    /// That of requests which come to a port of this pod.
    pub fn of_port(workload: &Workload, port: u16) -> Self {
        let limits = || workload.inbound_port(port).into_iter().flat_map(InboundPort::all_limits);
        let asked = |stage: &Stage| match stage {
            Stage::Trace => workload.tracing.is_some(),
            Stage::Jwt => {
                workload.access.as_ref().is_some_and(|access| access.asks_for_tokens(port))
                    || limits().any(RateLimit::asks_for_tokens)
            }
            Stage::Access => workload.access.is_some(),
            Stage::ExternalCheck => !workload.external_checks(port).is_empty(),
            Stage::RateLimit => !workload.rate_limits(port).is_empty(),
            Stage::SharedLimit => !workload.shared_limits(port).is_empty(),
            Stage::Changes => workload.forwarded,
            _ => true,
        };
        Self { stages: RECEIVER.into_iter().filter(asked).collect(), first: 1 }
    }

    /// All of them, in their order.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Those that judge a request once the plan is known, before it is sent on.
    pub fn judging(&self) -> &[Stage] {
        let sending = matches!(self.stages.last(), Some(Stage::Attempts | Stage::Application));
        &self.stages[self.first..self.stages.len() - usize::from(sending)]
    }
}

// === impl Turn ===

impl<'a> Turn<'a> {
    pub fn wait(work: impl Future<Output = Result<(), Failure>> + 'a) -> Self {
        Self::Wait(Box::pin(work))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::access::{Builder, Condition, Default, Effect, Grant, Kind, Mode, Subject};
    use crate::external_check::ExternalCheck;
    use crate::identity::SpiffeId;
    use crate::otlp::{self, Collector};
    use crate::shared_limit::{OnFailure, SharedLimit, SharedLimits};
    use crate::state::{
        Actions, Answer, DirectResponse, Fault, InboundPort, Limits, MtlsMode, Protocol, Rewrite,
    };
    use crate::test_util::a_destination;
    use crate::trace::{Sampling, Tracing};

    /// The plan of a route that `change` makes, where nothing counts what the pod sends.
    fn plan(change: impl FnOnce(&mut Route)) -> Plan {
        plan_where(false, change)
    }

    fn plan_where(limited: bool, change: impl FnOnce(&mut Route)) -> Plan {
        let mut destination = std::sync::Arc::into_inner(a_destination("reviews")).unwrap();
        change(&mut destination.routes[0]);
        Plan::of_route(&destination.routes[0], &destination, limited)
    }

    fn names(plan: &Plan) -> Vec<&'static str> {
        plan.stages().iter().map(|stage| stage.name()).collect()
    }

    #[test]
    fn a_route_that_asks_for_nothing_has_only_what_every_request_meets() {
        let plan = plan(|_| {});
        assert_eq!(names(&plan), ["normalise", "route", "split", "deadline", "attempts"]);
        assert_eq!(plan.judging(), [Stage::Split, Stage::Deadline]);
    }

    #[test]
    fn what_a_route_asks_for_stands_in_the_order_of_the_array() {
        let plan = plan(|route| {
            route.limits = Some(Box::new(Limits::default()));
            route.fault = Some(Box::new(Fault { delay: None, abort: None, slow_body: None, max_active: 1 }));
            let rewrite = Some(Rewrite { host: None, path: None });
            route.actions = Some(Box::new(Actions { rewrite, ..Actions::default() }));
        });
        let order = ["normalise", "route", "split", "deadline", "fault", "limits", "changes", "attempts"];
        assert_eq!(names(&plan), order);
    }

    #[test]
    fn what_the_pod_sends_is_counted_after_failures_on_purpose_and_before_it_waits_for_room() {
        let plan = plan_where(true, |route| route.limits = Some(Box::new(Limits::default())));
        assert_eq!(plan.judging(), [Stage::Split, Stage::Deadline, Stage::RateLimit, Stage::Limits]);
    }

    #[test]
    fn a_route_that_answers_by_itself_sends_nothing_and_asks_nothing_about_that() {
        let plan = plan_where(true, |route| {
            let answer = Some(Answer::Direct(DirectResponse { status: http::StatusCode::GONE, body: None }));
            route.actions = Some(Box::new(Actions { answer, ..Actions::default() }));
            route.limits = Some(Box::new(Limits::default()));
        });
        assert_eq!(names(&plan), ["normalise", "route", "own-answer"]);
        assert_eq!(plan.judging(), [Stage::OwnAnswer]);
    }

    #[test]
    fn the_documentation_has_the_same_stages_in_the_same_order() {
        let page = include_str!("../../../docs/architecture.md");
        for (heading, stages) in [("| Calling side |", &CALLER[..]), ("| Receiving side |", &RECEIVER[..])] {
            let table =
                page.split_once(heading).map(|(_, table)| table).expect("the page has a table for each side");
            let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
            let documented: Vec<_> = rows.filter_map(|row| row.split('`').nth(1)).collect();
            let names: Vec<_> = stages.iter().map(|stage| stage.name()).collect();
            assert_eq!(documented, names, "{heading}");
        }
    }

    #[test]
    fn a_port_has_a_plan_too_and_an_order_that_ends_with_the_application() {
        let mut workload = Workload::unconfigured("web-1", SpiffeId::new("cluster.local", "shop", "web"));
        assert_eq!(names(&Plan::of_port(&workload, 8080)), ["normalise", "deadline", "application"]);
        workload.forwarded = true;
        let collector = Collector { asks: None, protocol: otlp::Protocol::Grpc };
        let tracing = Tracing { collector, sampling: Sampling::millionths(1) };
        workload.tracing = Some(tracing.into());
        workload.access = Some(Builder::new(Default::Deny, []).build([0; 32]).into());
        let plan = Plan::of_port(&workload, 8080);
        assert_eq!(plan.judging(), [Stage::Trace, Stage::Access, Stage::Deadline, Stage::Changes]);
        let limit = RateLimit::new(
            ("web/limits".into(), "all".into()),
            (1, Duration::from_secs(1), 1, 1),
            [].into(),
            false,
        );
        workload.inbound_ports.push(InboundPort {
            port: 8080,
            protocol: Protocol::Http1,
            mtls_mode: MtlsMode::Permissive,
            services: Vec::new(),
            needs_requests: true,
            rate_limits: vec![limit.clone()],
            shared_limits: vec![SharedLimits {
                service: "limits/ratelimit:8081".into(),
                asks: None,
                domain: "weft".into(),
                timeout: Duration::from_secs(1),
                limits: [SharedLimit::new(limit, OnFailure::Allow)].into(),
                tally: std::sync::Arc::default(),
            }],
            external_checks: vec![ExternalCheck::new("shop/web", None, Duration::from_secs(1))],
            sampling: None,
            access_log: None,
        });
        assert!(!Plan::of_port(&workload, 8080).stages().contains(&Stage::Jwt));
        let mut by_token = Builder::new(Default::Deny, ["shop/staff"]);
        by_token.permission(vec![8080], Vec::new(), Vec::new(), Vec::new());
        let is_token = Condition { kind: Kind::Token(0), inverted: false };
        let grant = Grant { permission: 0, binding: 0, effect: Effect::Allow, mode: Mode::Enforce };
        by_token.subject(Subject(vec![is_token]), [grant]);
        workload.access = Some(by_token.build([0; 32]).into());
        assert_eq!(Plan::of_port(&workload, 8080).stages(), RECEIVER);
        assert!(!Plan::of_port(&workload, 9090).stages().contains(&Stage::Jwt));
        assert!(!Plan::of_port(&workload, 9090).stages().contains(&Stage::RateLimit));
        assert!(!Plan::of_port(&workload, 9090).stages().contains(&Stage::ExternalCheck));
    }
}
