//! What a destination may hold: whoever writes its routes must not exhaust the proxies of those who call it.

use prost::Message;

use super::Reject;
use crate::wire::weft::v1 as wire;
use wire::{CallerLimit, InboundPort, RateLimit};

/// Regular expressions in all matches.
pub(super) const EXPRESSIONS: usize = 64;
/// Matches of all routes; a route without any counts as one.
pub(super) const MATCHES: usize = 1_024;
/// Bytes of the routes as they arrive.
pub(super) const ROUTE_BYTES: usize = 256 * 1024;
/// Endpoints of all backends, each counted for every backend that lists it.
pub(super) const ENDPOINT_REFERENCES: usize = 65_536;
/// Bytes of what is said about the TLS of servers, most of which are certificates of authorities.
pub(super) const TLS_BYTES: usize = 512 * 1024;

/// Whether `wire` fits, before anything is made of it. The control plane sends nothing that does not.
pub(super) fn check(wire: &wire::Destination) -> Result<(), Reject> {
    let matches = || wire.routes.iter().flat_map(|route| &route.matches);
    let amounts: [(&str, usize, usize); 5] = [
        ("regular expressions", matches().map(expressions).sum(), EXPRESSIONS),
        ("matches", wire.routes.iter().map(|route| route.matches.len().max(1)).sum(), MATCHES),
        ("bytes of routes", wire.routes.iter().map(Message::encoded_len).sum(), ROUTE_BYTES),
        (
            "endpoints of backends",
            wire.backends.iter().map(|backend| backend.endpoints.len()).sum(),
            ENDPOINT_REFERENCES,
        ),
        ("bytes of certificates", wire.tls.iter().map(Message::encoded_len).sum(), TLS_BYTES),
    ];
    match amounts.iter().find(|(_, found, most)| found > most) {
        None => Ok(()),
        Some((what, found, most)) => Err(reject!("too large: {found} {what}, of {most} at most")),
    }
}

/// Whether the limits of a port fit, of each policy for itself: those of several Services may meet there.
pub(super) fn check_limits(port: &InboundPort) -> Result<(), Reject> {
    let shared = port.shared_limits.iter().flat_map(|shared| &shared.limits);
    of_each_policy(port.rate_limits.iter().chain(shared.filter_map(|shared| shared.limit.as_ref())))
}

/// The same of those on what the pod sends.
pub(super) fn check_caller_limits(limits: &[CallerLimit]) -> Result<(), Reject> {
    of_each_policy(limits.iter().filter_map(|one| one.limit.as_ref()))
}

fn of_each_policy<'w>(limits: impl Iterator<Item = &'w RateLimit> + Clone) -> Result<(), Reject> {
    for RateLimit { policy, .. } in limits.clone() {
        let matches =
            || limits.clone().filter(|limit| limit.policy == *policy).flat_map(|limit| &limit.matches);
        let amounts = [
            ("regular expressions", matches().map(expressions).sum(), EXPRESSIONS),
            ("matches", matches().count(), MATCHES),
        ];
        if let Some((what, found, most)) = amounts.iter().find(|(_, found, most)| found > most) {
            return Err(reject!("limits of {policy} are too large: {found} {what}, of {most} at most"));
        }
    }
    Ok(())
}

fn expressions(wire: &wire::Match) -> usize {
    use wire::{header_match, path_match, query_match};

    let path = wire.path.as_ref().and_then(|path| path.condition.as_ref());
    let in_path = usize::from(matches!(path, Some(path_match::Condition::Regex(_))));
    let in_headers = wire
        .headers
        .iter()
        .filter(|header| matches!(header.condition, Some(header_match::Condition::Regex(_))))
        .count();
    let in_query = wire
        .query
        .iter()
        .filter(|query| matches!(query.condition, Some(query_match::Condition::Regex(_))))
        .count();
    in_path + in_headers + in_query
}
