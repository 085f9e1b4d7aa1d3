//! Which route takes a request: the first one that matches.

mod index;

use std::borrow::Cow;

use http::header::COOKIE;
use http::{HeaderMap, HeaderName, Method, Request, Uri};

pub use index::RouteIndex;

use super::query;
use crate::state::{Caller, HeaderMatch, Match, PathMatch, QueryMatch, Route, ValueCondition, Workload};

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
    condition.server_names.is_empty()
        && condition.method.as_ref().is_none_or(|method| method == asked.method)
        && condition.path.as_ref().is_none_or(|path| path_holds(path, asked.uri.path()))
        && condition.headers.iter().all(|header| header_holds(header, asked.uri, asked.headers))
        && condition.query.iter().all(|parameter| query_holds(parameter, asked.uri))
        && condition.from.as_ref().is_none_or(|from| calls(from, asked.caller))
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

fn path_holds(condition: &PathMatch, path: &str) -> bool {
    match condition {
        PathMatch::Exact(exact) => path == &**exact,
        PathMatch::Prefix(prefix) => has_segments(path, prefix),
        PathMatch::Regex(regex) => regex.is_match(path),
    }
}

fn has_segments(path: &str, prefix: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn header_holds(condition: &HeaderMatch, uri: &Uri, headers: &HeaderMap) -> bool {
    let value = joined(headers, &condition.name).or_else(|| {
        // HTTP/2 and absolute-form requests name their host in the URI.
        let authority = uri.authority().filter(|_| condition.name == http::header::HOST)?;
        Some(Cow::Borrowed(authority.as_str().as_bytes()))
    });
    value_holds(&condition.condition, value.as_deref()) != condition.invert
}

fn query_holds(condition: &QueryMatch, uri: &Uri) -> bool {
    let value = query::parameter(uri.query().unwrap_or_default(), &condition.name);
    value_holds(&condition.condition, value.as_deref()) != condition.invert
}

fn value_holds(condition: &ValueCondition, value: Option<&[u8]>) -> bool {
    match (condition, value) {
        (ValueCondition::Present(present), value) => value.is_some() == *present,
        (_, None) => false,
        (ValueCondition::Exact(exact), Some(value)) => *value == *exact.as_bytes(),
        (ValueCondition::Prefix(prefix), Some(value)) => value.starts_with(prefix.as_bytes()),
        (ValueCondition::Regex(regex), Some(value)) => {
            std::str::from_utf8(value).is_ok_and(|value| regex.is_match(value))
        }
    }
}

/// The value of a header, repeated ones joined as RFC 9110 5.3 says; cookies, which HTTP/2 may send one by one, as RFC 9113 8.2.3 does.
fn joined<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.as_bytes();
    let between: &[u8] = if *name == COOKIE { b"; " } else { b"," };
    let mut all = Cow::Borrowed(first);
    for value in values {
        let all = all.to_mut();
        all.extend_from_slice(between);
        all.extend_from_slice(value.as_bytes());
    }
    Some(all)
}

// === impl RouteQuery ===

impl<'a> RouteQuery<'a> {
    pub fn new<B>(request: &'a Request<B>, caller: &'a Workload) -> Self {
        Self { method: request.method(), uri: request.uri(), headers: request.headers(), caller }
    }
}

#[cfg(test)]
mod tests;
