//! What browsers are told about pages of other origins (Fetch standard, section 3.2 "CORS protocol"; the meaning of each
//! field is that of Gateway API's HTTPCORSFilter, GEP-1767). Browsers enforce it, not we: a request is carried whatever its origin.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue,
    ORIGIN, VARY,
};
use http::{Method, Request, Response, StatusCode};

use super::chosen::Chosen;
use crate::http::Body;
use crate::request::Asked;
use crate::request::plan::Turn;
use crate::state::{Cors, Listed};

/// The stage of that name: answers a preflight, and notes the origin of the page that asks.
pub(super) fn ask<'a>(chosen: &mut Chosen, asked: &Asked) -> Turn<'a> {
    let headers = asked.request.headers();
    match chosen.cors() {
        Some(cors) if chosen.preflight => Turn::Answer(Box::new(preflight(cors, headers))),
        _ => {
            chosen.origin = headers.get(ORIGIN).cloned().map(Box::new);
            Turn::Go
        }
    }
}

/// The method that a preflight asks about; `None` where the request is none.
pub(super) fn asked_about<B>(request: &Request<B>) -> Option<Method> {
    if request.method() != Method::OPTIONS || !request.headers().contains_key(ORIGIN) {
        return None;
    }
    Method::from_bytes(request.headers().get(ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes()).ok()
}

/// The answer to a preflight. One of an origin that is not allowed gets no permission, which says enough.
fn preflight(cors: &Cors, asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        VARY,
        HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers"),
    );
    let Some(origin) = asked.get(ORIGIN).filter(|origin| cors.allows(origin)) else { return response };
    permit(cors, origin, headers);
    let listed = |name, allowed: &Listed, asked: Option<&HeaderValue>| {
        let value = match allowed {
            Listed::Nothing => None,
            Listed::These(these) => Some(these.clone()),
            // With credentials a browser takes `*` for a name.
            Listed::Every if cors.credentials => asked.cloned(),
            Listed::Every => Some(HeaderValue::from_static("*")),
        };
        value.map(|value| (name, value))
    };
    let (method, names) =
        (asked.get(ACCESS_CONTROL_REQUEST_METHOD), asked.get(ACCESS_CONTROL_REQUEST_HEADERS));
    headers.extend(listed(ACCESS_CONTROL_ALLOW_METHODS, &cors.methods, method));
    headers.extend(listed(ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers, names));
    headers.insert(ACCESS_CONTROL_MAX_AGE, cors.max_age.clone());
    response
}

/// Says in an answer who may read it. What the application says itself goes: the policy decides.
pub(super) fn tell(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    const DECIDED: [HeaderName; 3] =
        [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS];
    for name in DECIDED {
        headers.remove(name);
    }
    // The names are those of the application's answer, before any of ours.
    let exposed = exposed(cors, headers);
    if !cors.same_for_all() {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    let Some(origin) = origin.filter(|origin| cors.allows(origin)) else { return };
    permit(cors, origin, headers);
    if let Some(exposed) = exposed {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

fn permit(cors: &Cors, origin: &HeaderValue, headers: &mut HeaderMap) {
    let allowed = if cors.same_for_all() { HeaderValue::from_static("*") } else { origin.clone() };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if cors.credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

fn exposed(cors: &Cors, headers: &HeaderMap) -> Option<HeaderValue> {
    match &cors.expose {
        Listed::Nothing => None,
        Listed::These(these) => Some(these.clone()),
        Listed::Every if cors.credentials => {
            let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
            HeaderValue::try_from(names.join(", ")).ok().filter(|names| !names.is_empty())
        }
        Listed::Every => Some(HeaderValue::from_static("*")),
    }
}

#[cfg(test)]
mod tests;
