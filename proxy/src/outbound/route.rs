//! Which route takes a request: the first one that matches.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, Uri};

use crate::state::{HeaderCondition, HeaderMatch, Match, PathMatch, Route};

/// The index of the first of `routes` that matches.
pub fn first_match(routes: &[Route], uri: &Uri, headers: &HeaderMap) -> Option<usize> {
    routes.iter().position(|route| {
        route.matches.is_empty() || route.matches.iter().any(|condition| holds(condition, uri, headers))
    })
}

/// The index of the first of `routes` that takes bytes: one without conditions, since bytes have neither path nor headers.
pub fn first_unconditional(routes: &[Route]) -> Option<usize> {
    routes.iter().position(|route| {
        route.matches.is_empty()
            || route.matches.iter().any(|any| any.headers.is_empty() && any.path.is_none())
    })
}

fn holds(condition: &Match, uri: &Uri, headers: &HeaderMap) -> bool {
    condition.path.as_ref().is_none_or(|path| path_holds(path, uri.path()))
        && condition.headers.iter().all(|header| header_holds(header, uri, headers))
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
    let holds = match (&condition.condition, &value) {
        (HeaderCondition::Present(present), value) => value.is_some() == *present,
        (_, None) => false,
        (HeaderCondition::Exact(exact), Some(value)) => **value == *exact.as_bytes(),
        (HeaderCondition::Prefix(prefix), Some(value)) => value.starts_with(prefix.as_bytes()),
        (HeaderCondition::Regex(regex), Some(value)) => {
            std::str::from_utf8(value).is_ok_and(|value| regex.is_match(value))
        }
    };
    holds != condition.invert
}

/// The value of a header, repeated ones joined as RFC 9110 5.3 says.
fn joined<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.as_bytes();
    let mut all = Cow::Borrowed(first);
    for value in values {
        let all = all.to_mut();
        all.push(b',');
        all.extend_from_slice(value.as_bytes());
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use regex::Regex;

    fn route(matches: Vec<Match>) -> Route {
        Route { name: "r".into(), matches, split: Vec::new() }
    }

    fn header(name: &'static str, condition: HeaderCondition, invert: bool) -> HeaderMatch {
        HeaderMatch { name: HeaderName::from_static(name), condition, invert }
    }

    fn on_headers(headers: Vec<HeaderMatch>) -> Match {
        Match { headers, path: None }
    }

    fn on_path(path: PathMatch) -> Match {
        Match { headers: Vec::new(), path: Some(path) }
    }

    fn takes(condition: Match, path: &'static str, headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        first_match(&[route(vec![condition])], &Uri::from_static(path), &map).is_some()
    }

    #[test]
    fn the_first_route_that_matches_wins() {
        let beta = on_headers(vec![header("x-group", HeaderCondition::Exact("beta".into()), false)]);
        let api = on_path(PathMatch::Prefix("/api".into()));
        let routes = [route(vec![beta]), route(vec![api]), route(Vec::new())];
        let mut headers = HeaderMap::new();
        assert_eq!(first_match(&routes, &Uri::from_static("/x"), &headers), Some(2));
        assert_eq!(first_match(&routes, &Uri::from_static("/api/x"), &headers), Some(1));
        headers.insert("x-group", HeaderValue::from_static("beta"));
        assert_eq!(first_match(&routes, &Uri::from_static("/api/x"), &headers), Some(0));
        assert_eq!(first_match(&routes[..1], &Uri::from_static("/"), &HeaderMap::new()), None);
        assert_eq!(first_unconditional(&routes), Some(2));
        assert_eq!(first_unconditional(&routes[..2]), None);
    }

    #[test]
    fn a_prefix_takes_whole_segments() {
        let prefix = |text: &str| on_path(PathMatch::Prefix(text.into()));
        for (text, path, expected) in [
            ("/api", "/api", true),
            ("/api", "/api/x?y=z", true),
            ("/api", "/api?y=z", true),
            ("/api", "/apix", false),
            ("/api/", "/api", true),
            ("/api/", "/api/x", true),
            ("/", "/anything", true),
            ("/api", "/", false),
        ] {
            assert_eq!(takes(prefix(text), path, &[]), expected, "{text} on {path}");
        }
    }

    #[test]
    fn paths_match_exactly_and_by_regex_without_their_query() {
        assert!(takes(on_path(PathMatch::Exact("/a".into())), "/a?b", &[]));
        assert!(!takes(on_path(PathMatch::Exact("/a".into())), "/a/", &[]));
        let regex = || on_path(PathMatch::Regex(Regex::new("^(?:/v[0-9]+/.*)$").unwrap()));
        assert!(takes(regex(), "/v12/x", &[]));
        assert!(!takes(regex(), "/x/v12/x", &[]));
    }

    #[test]
    fn all_conditions_of_a_match_must_hold() {
        let both = || Match {
            headers: vec![
                header("x-a", HeaderCondition::Prefix("on".into()), false),
                header("x-b", HeaderCondition::Present(false), false),
            ],
            path: Some(PathMatch::Prefix("/p".into())),
        };
        assert!(takes(both(), "/p", &[("x-a", "one")]));
        assert!(!takes(both(), "/q", &[("x-a", "one")]));
        assert!(!takes(both(), "/p", &[("x-a", "two")]));
        assert!(!takes(both(), "/p", &[("x-a", "one"), ("x-b", "")]));
    }

    #[test]
    fn repeated_headers_are_joined_and_conditions_can_be_inverted() {
        let exact = |invert| on_headers(vec![header("x-a", HeaderCondition::Exact("1,2".into()), invert)]);
        assert!(takes(exact(false), "/", &[("x-a", "1"), ("x-a", "2")]));
        assert!(!takes(exact(true), "/", &[("x-a", "1"), ("x-a", "2")]));
        assert!(takes(exact(true), "/", &[]));
        let host = || on_headers(vec![header("host", HeaderCondition::Exact("reviews:80".into()), false)]);
        assert!(takes(host(), "http://reviews:80/", &[]));
        assert!(takes(host(), "/", &[("host", "reviews:80")]));
        let regex = Regex::new("^(?:b(eta)?)$").unwrap();
        let regex = on_headers(vec![header("x-g", HeaderCondition::Regex(regex), false)]);
        assert!(takes(regex, "/", &[("x-g", "beta")]));
    }
}
