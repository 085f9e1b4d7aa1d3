//! Which route takes a request: the first one that matches.

mod index;

use http::{HeaderMap, Method, Request, Uri};

pub use index::RouteIndex;

use super::query;
use crate::state::{Caller, HeaderMatch, Match, PathMatch, QueryMatch, Route, Workload};

/// What a request is judged by.
#[derive(Clone, Copy, Debug)]
pub struct RouteQuery<'a> {
    pub method: &'a Method,
    pub uri: &'a Uri,
    pub headers: &'a HeaderMap,
    /// The pod that calls: this proxy's own. Looked at only where a route asks for it.
    pub caller: &'a Workload,
}

/// The route that takes a request, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    pub route: usize,
    /// Which of its matches holds; 0 where it has none.
    pub matched: usize,
}

/// A part of a match that does not hold for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Differs<'a> {
    /// It takes no HTTP request at all.
    ServerNames,
    Method(&'a Method),
    Path(&'a PathMatch),
    Header(&'a HeaderMatch),
    Query(&'a QueryMatch),
    From(&'a Caller),
}

/// The index of the first of `routes` that takes bytes: one that asks at most for the caller and for the server name that
/// TLS in them asks for, since bytes have neither path nor headers.
pub fn first_for_bytes(routes: &[Route], caller: &Workload, server_name: Option<&str>) -> Option<usize> {
    let holds = |any: &Match| {
        let Match { headers, path, query, method, from, server_names } = any;
        headers.is_empty()
            && path.is_none()
            && query.is_empty()
            && method.is_none()
            && from.as_ref().is_none_or(|from| calls(from, caller))
            && (server_names.is_empty() || server_name.is_some_and(|name| is_among(name, server_names)))
    };
    routes
        .iter()
        .position(|route| route.bytes_only || route.matches.is_empty() || route.matches.iter().any(holds))
}

fn is_among(name: &str, names: &[Box<str>]) -> bool {
    names.iter().any(|any| match any.strip_prefix('*') {
        // Every name below, not the name itself.
        Some(suffix) => name.len() > suffix.len() && name.ends_with(suffix),
        None => name == &**any,
    })
}

fn holds(condition: &Match, asked: RouteQuery<'_>) -> bool {
    differs(condition, asked).is_none()
}

/// The first part of `condition` that does not hold.
pub(super) fn differs<'a>(condition: &'a Match, asked: RouteQuery<'_>) -> Option<Differs<'a>> {
    if !condition.server_names.is_empty() {
        return Some(Differs::ServerNames);
    }
    if let Some(method) = condition.method.as_ref().filter(|method| *method != asked.method) {
        return Some(Differs::Method(method));
    }
    if let Some(path) = condition.path.as_ref().filter(|path| !path.holds(asked.uri.path())) {
        return Some(Differs::Path(path));
    }
    if let Some(header) = condition.headers.iter().find(|header| !header.holds(asked.uri, asked.headers)) {
        return Some(Differs::Header(header));
    }
    if let Some(parameter) = condition.query.iter().find(|parameter| !query_holds(parameter, asked.uri)) {
        return Some(Differs::Query(parameter));
    }
    condition.from.as_ref().filter(|from| !calls(from, asked.caller)).map(Differs::From)
}

fn calls(from: &Caller, workload: &Workload) -> bool {
    let (namespace, account) = (workload.identity.namespace(), workload.identity.service_account());
    let labelled = |(name, value): &(Box<str>, Box<str>)| {
        workload.labels.get(&**name).is_some_and(|own| **own == **value)
    };
    (from.namespaces.is_empty() || from.namespaces.iter().any(|any| **any == *namespace))
        && (from.service_accounts.is_empty()
            || from.service_accounts.iter().any(|any| *any.0 == *namespace && *any.1 == *account))
        && from.labels.iter().all(labelled)
}

fn query_holds(condition: &QueryMatch, uri: &Uri) -> bool {
    let value = query::parameter(uri.query().unwrap_or_default(), &condition.name);
    condition.condition.holds(value.as_deref()) != condition.invert
}

// === impl RouteQuery ===

impl<'a> RouteQuery<'a> {
    pub fn new<B>(request: &'a Request<B>, caller: &'a Workload) -> Self {
        Self { method: request.method(), uri: request.uri(), headers: request.headers(), caller }
    }
}

#[cfg(test)]
mod tests;
