//! The routes of a destination beside one request: which takes it, and why the others do not.

use serde_json::{Value, json};

use crate::explain::shown;
use crate::outbound::chosen::Chosen;
use crate::outbound::live::Live;
use crate::outbound::query;
use crate::outbound::route::{Differs, RouteQuery, Taken, differs};
use crate::request::Asked;
use crate::state::{Caller, HeaderMatch, Match, PathMatch, QueryMatch, Route, ValueCondition};

/// All routes, in their order.
pub(super) fn all(live: &Live, taken: Option<Taken>, asked: &Asked) -> Value {
    let query = RouteQuery::new(&asked.request, &asked.own_pod);
    let one = |(index, route): (usize, &Route)| {
        let name = &*route.name;
        match taken {
            Some(taken) if index == taken.route => {
                let matched = route.matches.get(taken.matched).map(condition);
                json!({ "name": name, "verdict": "taken", "matched": matched })
            }
            Some(taken) if index > taken.route => json!({ "name": name, "verdict": "not-reached" }),
            _ if route.bytes_only => json!({ "name": name, "verdict": "bytes-only" }),
            _ => {
                let why: Vec<_> =
                    route.matches.iter().map(|condition| difference(condition, query)).collect();
                json!({ "name": name, "verdict": "not-matched", "differs": why })
            }
        }
    };
    live.destination.routes.iter().enumerate().map(one).collect()
}

/// Why the route that was chosen takes the request.
pub(super) fn why(chosen: &Chosen) -> String {
    let name = &chosen.route().name;
    match chosen.route().matches.get(chosen.taken.matched).map(condition) {
        None => format!("{name}: it takes every request"),
        Some(condition) if chosen.preflight => format!("{name}: the preflight asks about {condition}"),
        Some(condition) => format!("{name}: {condition}"),
    }
}

/// The first part of a match that does not hold: what it wants, and what the request has.
fn difference(condition: &Match, asked: RouteQuery<'_>) -> Value {
    let said = |part: &str, name: Option<&str>, wanted: String, found: Option<String>| json!({ "part": part, "name": name, "wanted": wanted, "found": found });
    match differs(condition, asked) {
        None => Value::Null,
        Some(Differs::ServerNames) => said("server-name", None, condition.server_names.join(" or "), None),
        Some(Differs::Method(method)) => {
            said("method", None, method.to_string(), Some(asked.method.to_string()))
        }
        Some(Differs::Path(path)) => said("path", None, of_path(path), Some(asked.uri.path().to_owned())),
        Some(Differs::Header(header)) => {
            let values = asked.headers.get_all(&header.name).iter();
            let found: Vec<_> = values.map(|value| shown(&header.name, value.as_bytes())).collect();
            let found = (!found.is_empty()).then(|| found.join(","));
            said("header", Some(header.name.as_str()), of_header(header), found)
        }
        Some(Differs::Query(parameter)) => {
            let found = query::parameter(asked.uri.query().unwrap_or_default(), &parameter.name);
            let found = found.map(|value| String::from_utf8_lossy(&value).into_owned());
            said("query", Some(&parameter.name), of_query(parameter), found)
        }
        Some(Differs::From(from)) => {
            let found =
                format!("{}/{}", asked.caller.identity.namespace(), asked.caller.identity.service_account());
            said("from", None, of_caller(from), Some(found))
        }
    }
}

/// All parts of a match, for people.
fn condition(condition: &Match) -> String {
    let Match { headers, path, query, method, from, server_names } = condition;
    let mut parts = Vec::new();
    parts.extend(method.as_ref().map(|method| format!("method {method}")));
    parts.extend(path.as_ref().map(|path| format!("path {}", of_path(path))));
    parts.extend(headers.iter().map(|header| format!("header {} {}", header.name, of_header(header))));
    parts.extend(query.iter().map(|query| format!("query {} {}", query.name, of_query(query))));
    parts.extend(from.as_ref().map(|from| format!("from {}", of_caller(from))));
    if !server_names.is_empty() {
        parts.push(format!("server name {}", server_names.join(" or ")));
    }
    if parts.is_empty() { "every request".to_owned() } else { parts.join(", ") }
}

fn of_path(path: &PathMatch) -> String {
    match path {
        PathMatch::Exact(exact) => format!("exactly {exact}"),
        PathMatch::Prefix(prefix) => format!("below {prefix}"),
        PathMatch::Regex(regex) => format!("like {}", regex.as_str()),
    }
}

fn of_header(header: &HeaderMatch) -> String {
    // Who may ask may read the policy; a token that somebody wrote into one stays there all the same.
    let secret = crate::explain::is_secret(&header.name);
    of_value(&header.condition, header.invert, secret)
}

fn of_query(query: &QueryMatch) -> String {
    of_value(&query.condition, query.invert, false)
}

fn of_value(condition: &ValueCondition, invert: bool, secret: bool) -> String {
    let text = |text: &str| if secret { crate::explain::REDACTED.to_owned() } else { text.to_owned() };
    let wanted = match condition {
        ValueCondition::Present(present) => {
            return if *present != invert { "present" } else { "absent" }.into();
        }
        ValueCondition::Exact(exact) => format!("exactly {}", text(exact)),
        ValueCondition::Prefix(prefix) => format!("beginning with {}", text(prefix)),
        ValueCondition::Regex(regex) => format!("like {}", text(regex.as_str())),
    };
    if invert { format!("not {wanted}") } else { wanted }
}

fn of_caller(from: &Caller) -> String {
    let Caller { namespaces, service_accounts, labels } = from;
    let mut parts = Vec::new();
    if !namespaces.is_empty() {
        parts.push(format!("namespace {}", namespaces.join(" or ")));
    }
    if !service_accounts.is_empty() {
        let names: Vec<_> =
            service_accounts.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
        parts.push(format!("service account {}", names.join(" or ")));
    }
    parts.extend(labels.iter().map(|(name, value)| format!("label {name}={value}")));
    parts.join(", ")
}
