//! What each stage of the calling side asks about a request. Their order is in [`crate::request::plan`].

use std::rc::Rc;

use super::balance::key;
use super::choosing::Choosing;
use super::chosen::{Chosen, home};
use super::{admit, change, cors, fault, mirror, own_answer, split};
use crate::http::OwnConnections;
use crate::http::rescue::Failure;
use crate::request::plan::{Stage, Turn};
use crate::request::rate_limit::{self, Between};
use crate::request::{Asked, Judge};
use crate::telemetry::Direction;

/// What they judge a request with.
pub(super) struct Judging<'r> {
    pub choosing: &'r Rc<Choosing>,
    /// Connections of the caller's own, where it has some.
    pub own: Option<&'r Rc<OwnConnections>>,
    pub chosen: &'r mut Chosen,
}

// === impl Judging ===

impl Judge for Judging<'_> {
    fn ask<'a>(&'a mut self, stage: Stage, asked: &'a mut Asked) -> Turn<'a> {
        let Self { choosing, own, chosen } = self;
        match stage {
            Stage::Cors => cors::ask(chosen, asked),
            Stage::OwnAnswer => own_answer::ask(chosen, asked),
            Stage::Split => choose_share(choosing, *own, chosen, asked),
            Stage::Deadline => {
                let timeouts = chosen.route().timeouts;
                let metrics = &choosing.worker.metrics;
                asked.bound(timeouts.request, timeouts.idle, metrics, Direction::Outbound);
                Turn::Go
            }
            Stage::Fault => fault::ask(choosing, chosen, asked),
            Stage::RateLimit => {
                let (own_pod, live) = (asked.own_pod.clone(), &chosen.live);
                let limits = own_pod.caller_limits(&live.destination.target);
                rate_limit::ask(limits, Between { address: None, destination: &live.name }, false, asked)
            }
            Stage::Limits => admit::ask(choosing, chosen, asked),
            Stage::Changes => {
                change::by_route(&mut asked.request, chosen);
                Turn::Go
            }
            Stage::Mirror => mirror::ask(choosing, chosen, asked),
            // They find the plan, carry it out, or are the receiving side's.
            Stage::Normalise
            | Stage::Trace
            | Stage::Route
            | Stage::Jwt
            | Stage::Access
            | Stage::ExternalCheck
            | Stage::SharedLimit
            | Stage::Attempts
            | Stage::Application => Turn::Go,
        }
    }
}

/// The stage `split`: the share of the route that takes the request, by its session or by weight, and what balancing has
/// to know of it.
fn choose_share<'a>(
    choosing: &Choosing,
    own: Option<&Rc<OwnConnections>>,
    chosen: &mut Chosen,
    asked: &Asked,
) -> Turn<'a> {
    let (live, request) = (&*chosen.live, &asked.request);
    let split = &chosen.route().split;
    let home = home(live, chosen.taken, request.headers());
    let random = |below| choosing.rng.borrow_mut().u64(..below);
    let share = home.map(|home| home.share).or_else(|| split::choose(split, random));
    let Some(share) = share else {
        return Turn::Refuse(Failure::NoRoute { destination: live.name.clone() });
    };
    let backend = split[share].backend;
    let inputs = &live.destination.load_balancer.hash;
    let key = || key::of_request(inputs, request.uri(), request.headers(), choosing.caller());
    let key = if inputs.is_empty() { None } else { key() };
    let refusal = live.refusal(backend);
    // The endpoint to which the caller has a connection of its own.
    let authenticated =
        own.and_then(|own| live.backends[backend].iter().position(|endpoint| own.has(&endpoint.upstream)));
    chosen.share = Some(share);
    chosen.backend = backend;
    chosen.home = home.map(|home| home.endpoint);
    chosen.authenticated = authenticated;
    chosen.key = key;
    refusal.map_or(Turn::Go, Turn::Refuse)
}
