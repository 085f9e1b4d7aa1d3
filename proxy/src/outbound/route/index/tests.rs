use http::{HeaderName, HeaderValue, Method, Request};

use super::*;
use crate::outbound::route::tests::caller;
use crate::state::{HeaderMatch, Match, QueryMatch, ValueCondition};

const TABLES: usize = 2_000;
const REQUESTS: usize = 50;
const SEGMENTS: [&str; 4] = ["a", "b", "ab", ""];
const VALUES: [&str; 3] = ["1", "2", "12"];

fn a_path(rng: &mut fastrand::Rng) -> String {
    let segments: Vec<_> = (0..rng.usize(1..4)).map(|_| SEGMENTS[rng.usize(..SEGMENTS.len())]).collect();
    format!("/{}", segments.join("/"))
}

fn a_match(rng: &mut fastrand::Rng) -> Match {
    let path = a_path(rng);
    let value = VALUES[rng.usize(..VALUES.len())];
    let condition = match rng.u8(..3) {
        0 => ValueCondition::Exact(value.into()),
        1 => ValueCondition::Prefix(value.into()),
        _ => ValueCondition::Present(rng.bool()),
    };
    let mut condition = Some(condition).filter(|_| rng.u8(..3) == 0);
    let invert = rng.bool();
    let header = condition.take_if(|_| rng.bool());
    Match {
        path: match rng.u8(..8) {
            0 => None,
            1 => Some(PathMatch::Regex(regex::Regex::new(&format!(r"\A(?:{path}.*)\z")).unwrap())),
            2..5 => Some(PathMatch::Exact(path.into())),
            _ => Some(PathMatch::Prefix(path.into())),
        },
        method: (rng.u8(..4) == 0).then_some(Method::PUT),
        headers: header
            .map(|condition| HeaderMatch { name: HeaderName::from_static("x"), condition, invert })
            .into_iter()
            .collect(),
        query: condition
            .map(|condition| QueryMatch { name: "x".into(), condition, invert })
            .into_iter()
            .collect(),
        from: None,
    }
}

/// What a request has: path, value of header `x`, value of parameter `x`, and whether it is a PUT.
#[derive(Debug)]
struct Plain {
    path: String,
    header: Option<&'static str>,
    query: Option<&'static str>,
    put: bool,
}

/// Says what must hold as the contract words it, looking at every route.
fn oracle(routes: &[Route], plain: &Plain) -> Option<usize> {
    routes.iter().position(|route| {
        route.matches.is_empty() || route.matches.iter().any(|any| oracle_holds(any, plain))
    })
}

fn oracle_holds(condition: &Match, plain: &Plain) -> bool {
    let value = |condition: &ValueCondition, value: Option<&str>| match condition {
        ValueCondition::Present(present) => value.is_some() == *present,
        ValueCondition::Exact(exact) => value == Some(exact),
        ValueCondition::Prefix(prefix) => value.is_some_and(|value| value.starts_with(&**prefix)),
        ValueCondition::Regex(_) => unreachable!("not drawn"),
    };
    let path = match &condition.path {
        None => true,
        Some(PathMatch::Regex(regex)) => regex.is_match(&plain.path),
        Some(PathMatch::Exact(exact)) => plain.path == **exact,
        Some(PathMatch::Prefix(prefix)) => {
            let mut wanted: Vec<_> = prefix.split('/').collect();
            if wanted.last() == Some(&"") {
                wanted.pop();
            }
            plain.path.split('/').take(wanted.len()).collect::<Vec<_>>() == wanted
        }
    };
    path && (condition.method.is_none() || plain.put)
        && condition.headers.iter().all(|any| value(&any.condition, plain.header) != any.invert)
        && condition.query.iter().all(|any| value(&any.condition, plain.query) != any.invert)
}

fn request(plain: &Plain) -> Request<()> {
    let query = plain.query.map(|value| format!("?x={value}")).unwrap_or_default();
    let mut request = Request::get(format!("{}{query}", plain.path)).body(()).unwrap();
    if plain.put {
        *request.method_mut() = Method::PUT;
    }
    if let Some(value) = plain.header {
        request.headers_mut().insert("x", HeaderValue::from_static(value));
    }
    request
}

#[test]
fn a_hundred_thousand_requests_take_the_route_that_a_plain_oracle_says() {
    let (mut rng, caller) = (fastrand::Rng::with_seed(20_261_123), caller());
    let mut taken = [0_usize; 2];
    for table in 0..TABLES {
        let routes: Vec<Route> = (0..rng.usize(1..12))
            .map(|_| {
                let count = if rng.u8(..40) == 0 { 0 } else { rng.usize(1..4) };
                Route { matches: (0..count).map(|_| a_match(&mut rng)).collect(), ..Route::default() }
            })
            .collect();
        let index = RouteIndex::new(&routes);
        for _ in 0..REQUESTS {
            let mut value = || (rng.bool()).then(|| VALUES[rng.usize(..VALUES.len())]);
            let (header, query) = (value(), value());
            let plain = Plain { path: a_path(&mut rng), header, query, put: rng.bool() };
            let request = request(&plain);
            let got = index.first_match(&routes, Asked::new(&request, &caller));
            let expected = oracle(&routes, &plain);
            assert_eq!(got.map(|taken| taken.route), expected, "table {table}, {plain:?}: {routes:#?}");
            taken[usize::from(expected.is_some())] += 1;
            // The match that is named is the first of its route that holds.
            if let Some(Taken { route, matched }) = got {
                let first = routes[route].matches.iter().position(|any| oracle_holds(any, &plain));
                assert_eq!(matched, first.unwrap_or_default());
            }
        }
    }
    assert!(taken.iter().all(|count| *count > TABLES * REQUESTS / 10), "one-sided: {taken:?}");
}

#[test]
fn as_few_matches_are_looked_at_among_a_thousand_routes_as_among_ten() {
    let looked_at = |count: usize| {
        let route = |path| Route {
            matches: vec![Match { path: Some(path), ..Match::default() }],
            ..Route::default()
        };
        let mut routes: Vec<_> = (0..count)
            .flat_map(|number| {
                let path = format!("/shop/item-{number}");
                [route(PathMatch::Exact(format!("{path}/all").into())), route(PathMatch::Prefix(path.into()))]
            })
            .collect();
        routes.push(Route::default());
        let index = RouteIndex::new(&routes);
        let path = format!("/shop/item-{}/all", count - 1);
        index.candidates(&path).map(<[u32]>::len).sum::<usize>()
    };
    assert_eq!([10, 100, 1_000].map(looked_at), [3, 3, 3]);
}

#[test]
fn a_path_of_slashes_is_cut_at_the_longest_prefix() {
    let prefix = Match { path: Some(PathMatch::Prefix("/a/b".into())), ..Match::default() };
    let index = RouteIndex::new(&[Route { matches: vec![prefix], ..Route::default() }]);
    assert_eq!(index.ends_of_segments(&"/".repeat(60_000)).count(), 5);
}
