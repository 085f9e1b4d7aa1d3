//! Routes that answer in the place of a destination.

use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::uri::Authority;
use http::{HeaderValue, Request, Response};

use super::chosen::Chosen;
use super::cors;
use crate::http::Body;
use crate::request::Asked;
use crate::request::plan::Turn;
use crate::state::{Answer, DirectResponse, Redirect, Scheme, Target};

/// The stage of that name.
pub(super) fn ask<'a>(chosen: &Chosen, asked: &Asked) -> Turn<'a> {
    let Some(actions) = &chosen.route().actions else { return Turn::Go };
    let Some(answer) = &actions.answer else { return Turn::Go };
    let mut response = respond(answer, &asked.request, chosen.prefix(), &chosen.live.destination.target);
    actions.headers.response.apply(response.headers_mut());
    if let Some(cors) = chosen.cors() {
        cors::tell(cors, chosen.origin.as_deref(), response.headers_mut());
    }
    Turn::Answer(Box::new(response))
}

/// The answer to `request`, of whose path the route matched `prefix`.
fn respond<B>(answer: &Answer, request: &Request<B>, prefix: &str, target: &Target) -> Response<Body> {
    match answer {
        Answer::Redirect(redirect) => redirected(redirect, request, prefix, target),
        Answer::Direct(direct) => direct_response(direct),
    }
}

fn direct_response(direct: &DirectResponse) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = direct.status;
    if let Some((body, content_type)) = &direct.body {
        *response.body_mut() = Body::text(body.clone());
        response.headers_mut().insert(CONTENT_TYPE, content_type.clone());
    }
    response
}

fn redirected<B>(redirect: &Redirect, request: &Request<B>, prefix: &str, target: &Target) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = redirect.status;
    // Parts that were checked make a good value; a path of the caller's was one already.
    if let Ok(location) = HeaderValue::try_from(location(redirect, request, prefix, target)) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn location<B>(redirect: &Redirect, request: &Request<B>, prefix: &str, target: &Target) -> String {
    let asked = authority(request);
    let scheme = redirect.scheme.unwrap_or(Scheme::Http);
    let own_port = asked.as_ref().and_then(Authority::port_u16).filter(|_| redirect.scheme.is_none());
    let port = redirect.port.or(own_port).filter(|port| *port != scheme.port());
    let host = match (&redirect.host, &asked) {
        (Some(host), _) => host.to_string(),
        (None, Some(asked)) => asked.host().to_owned(),
        (None, None) => format!("{}.{}", target.name, target.namespace),
    };
    let uri = request.uri();
    let mut location = format!("{}://{host}", scheme.as_str());
    if let Some(port) = port {
        location.push_str(&format!(":{port}"));
    }
    match &redirect.path {
        Some(path) => location.push_str(&path.apply(uri.path(), prefix)),
        None => location.push_str(uri.path()),
    }
    if let Some(query) = uri.query() {
        location.push('?');
        location.push_str(query);
    }
    location
}

/// The host that was asked for, with its port, if it was named and is well formed.
fn authority<B>(request: &Request<B>) -> Option<Authority> {
    let named = || request.headers().get(HOST)?.to_str().ok()?.parse().ok();
    request.uri().authority().cloned().or_else(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{PathChange, TargetKind};
    use http::StatusCode;

    fn lead(redirect: Redirect, uri: &str, host: Option<&str>) -> String {
        let target = Target {
            kind: TargetKind::Service,
            namespace: "shop".into(),
            name: "reviews".into(),
            port: 8080,
        };
        let mut request = Request::get(uri).body(()).unwrap();
        if let Some(host) = host {
            request.headers_mut().insert(HOST, HeaderValue::from_str(host).unwrap());
        }
        let response = respond(&Answer::Redirect(redirect), &request, "/old", &target);
        assert_eq!(response.status(), 307);
        response.headers()[LOCATION].to_str().unwrap().to_owned()
    }

    fn to() -> Redirect {
        Redirect { scheme: None, host: None, port: None, path: None, status: StatusCode::TEMPORARY_REDIRECT }
    }

    #[test]
    fn what_a_redirect_does_not_say_stays_as_asked() {
        let host = Some("reviews:8080");
        let https = || Some(Scheme::Https);
        let path = || Some(PathChange::Prefix("/new".into()));
        for (redirect, uri, host, expected) in [
            (Redirect { scheme: https(), ..to() }, "/a?b=c", host, "https://reviews/a?b=c"),
            (Redirect { scheme: https(), port: Some(8443), ..to() }, "/", host, "https://reviews:8443/"),
            (Redirect { scheme: https(), port: Some(443), ..to() }, "/", host, "https://reviews/"),
            (Redirect { port: Some(80), ..to() }, "/", host, "http://reviews/"),
            (Redirect { path: path(), ..to() }, "/old/a?b", host, "http://reviews:8080/new/a?b"),
            (Redirect { host: Some("else".into()), ..to() }, "/a", host, "http://else:8080/a"),
            (Redirect { path: path(), ..to() }, "/old", None, "http://reviews.shop/new"),
            (Redirect { path: path(), ..to() }, "/old", Some("a b"), "http://reviews.shop/new"),
            (Redirect { path: path(), ..to() }, "http://[::1]:81/old", host, "http://[::1]:81/new"),
        ] {
            assert_eq!(lead(redirect, uri, host), expected);
        }
    }
}
