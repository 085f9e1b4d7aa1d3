use http::{HeaderName, HeaderValue, Method, Request};

use super::*;
use crate::outbound::route::tests::caller;
use crate::state::{Caller, HeaderMatch, Match, QueryMatch, ValueCondition};

const TABLES: usize = 2_000;
const REQUESTS: usize = 50;
const SEGMENTS: [&str; 4] = ["a", "b", "ab", ""];
const VALUES: [&str; 3] = ["1", "2", "12"];
/// What an expression means in plain words.
type Meaning = fn(&str) -> bool;
const EXPRESSIONS: [(&str, Meaning); 3] = [
    (r"\A(?:1.*)\z", |value| value.starts_with('1')),
    (r"\A(?:[0-9])\z", |value| value.len() == 1),
    (r"\A(?:2|12)\z", |value| value == "2" || value == "12"),
];

fn a_path(rng: &mut fastrand::Rng) -> String {
    let segments: Vec<_> = (0..rng.usize(1..4)).map(|_| SEGMENTS[rng.usize(..SEGMENTS.len())]).collect();
    format!("/{}", segments.join("/"))
}

fn a_match(rng: &mut fastrand::Rng) -> Match {
    let path = a_path(rng);
    let value = VALUES[rng.usize(..VALUES.len())];
    let condition = match rng.u8(..4) {
        0 => ValueCondition::Exact(value.into()),
        1 => ValueCondition::Prefix(value.into()),
        2 => ValueCondition::Regex(regex::Regex::new(EXPRESSIONS[rng.usize(..EXPRESSIONS.len())].0).unwrap()),
        _ => ValueCondition::Present(rng.bool()),
    };
    let mut condition = Some(condition).filter(|_| rng.u8(..3) == 0);
    let invert = rng.bool();
    let header = condition.take_if(|_| rng.bool());
    let name = if rng.bool() { "x" } else { "y" };
    Match {
        path: match rng.u8(..8) {
            0 => None,
            1 => Some(PathMatch::Regex(regex::Regex::new(&format!(r"\A(?:{path}.*)\z")).unwrap())),
            2..5 => Some(PathMatch::Exact(path.into())),
            _ => Some(PathMatch::Prefix(path.into())),
        },
        method: (rng.u8(..4) == 0).then_some(Method::PUT),
        headers: header
            .map(|condition| HeaderMatch { name: HeaderName::from_static(name), condition, invert })
            .into_iter()
            .collect(),
        query: condition
            .map(|condition| QueryMatch { name: "x".into(), condition, invert })
            .into_iter()
            .collect(),
        from: (rng.u8(..6) == 0).then(|| a_caller(rng)),
        server_names: Vec::new(),
    }
}

/// Holds for shop/web with label `version=v1`, who calls in these tests, or not.
fn a_caller(rng: &mut fastrand::Rng) -> Caller {
    let mut some = |good: &str, bad: &str| match rng.u8(..4) {
        0 => vec![bad.into()],
        1 => vec![good.into()],
        _ => Vec::<Box<str>>::new(),
    };
    let pair = |name: &'static str| move |value: Box<str>| (name.into(), value);
    Caller {
        namespaces: some("shop", "qa"),
        service_accounts: some("web", "other").into_iter().map(pair("shop")).collect(),
        labels: some("v1", "v2").into_iter().map(pair("version")).collect(),
    }
}

/// What a request has: path, values of header `x`, value of header `y` and of parameter `x`, and whether it is a PUT.
#[derive(Debug)]
struct Plain {
    path: String,
    x: Vec<&'static str>,
    y: Option<&'static str>,
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
        ValueCondition::Regex(regex) => {
            let (_, means) = EXPRESSIONS.iter().find(|(text, _)| *text == regex.as_str()).unwrap();
            value.is_some_and(means)
        }
    };
    let joined = Some(plain.x.join(",")).filter(|_| !plain.x.is_empty());
    let header = |name: &HeaderName| if *name == "x" { joined.as_deref() } else { plain.y };
    let calls = |from: &Caller| {
        let all = |list: &[Box<str>], own: &str| list.is_empty() || list.iter().any(|one| **one == *own);
        all(&from.namespaces, "shop")
            && from.service_accounts.iter().all(|(_, name)| &**name == "web")
            && from.labels.iter().all(|(_, value)| &**value == "v1")
    };
    let path = match &condition.path {
        None => true,
        Some(PathMatch::Regex(regex)) => {
            let begins = regex.as_str().trim_start_matches(r"\A(?:").trim_end_matches(r".*)\z");
            plain.path.starts_with(begins)
        }
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
        && condition.from.as_ref().is_none_or(calls)
        && condition.headers.iter().all(|any| value(&any.condition, header(&any.name)) != any.invert)
        && condition.query.iter().all(|any| value(&any.condition, plain.query) != any.invert)
}

fn request(plain: &Plain) -> Request<()> {
    let query = plain.query.map(|value| format!("?x={value}")).unwrap_or_default();
    let mut request = Request::get(format!("{}{query}", plain.path)).body(()).unwrap();
    if plain.put {
        *request.method_mut() = Method::PUT;
    }
    for value in &plain.x {
        request.headers_mut().append("x", HeaderValue::from_static(value));
    }
    if let Some(value) = plain.y {
        request.headers_mut().insert("y", HeaderValue::from_static(value));
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
            let (x, y, query) = ([value(), value()].into_iter().flatten().collect(), value(), value());
            let plain = Plain { path: a_path(&mut rng), x, y, query, put: rng.bool() };
            let request = request(&plain);
            let got = index.first_match(&routes, RouteQuery::new(&request, &caller));
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

/// Chooses among `routes` this often; `valgrind --tool=callgrind --toggle-collect='*choose_often*'` counts instructions.
#[inline(never)]
fn choose_often(index: &RouteIndex, routes: &[Route], asked: RouteQuery<'_>, times: usize) -> usize {
    (0..times).filter(|_| std::hint::black_box(index.first_match(routes, asked)).is_some()).count()
}

/// Says what a choice costs among so many routes, told apart by path or by header, when the last one matches.
fn measure(count: usize, by_path: bool) {
    const TIMES: usize = 20_000;
    let one = |number: usize| {
        let path = by_path.then(|| match number % 2 {
            0 => PathMatch::Exact(format!("/shop/item-{number}/all").into()),
            _ => PathMatch::Prefix(format!("/shop/item-{number}").into()),
        });
        let header = HeaderMatch {
            name: HeaderName::from_static("x-item"),
            condition: ValueCondition::Exact(number.to_string().into()),
            invert: false,
        };
        let headers = if by_path { Vec::new() } else { vec![header] };
        Route { matches: vec![Match { path, headers, ..Match::default() }], ..Route::default() }
    };
    let routes: Vec<_> = (0..count).map(one).collect();
    let (index, caller) = (RouteIndex::new(&routes), caller());
    let last = count - 1;
    let request = Request::get(format!("/shop/item-{last}/all?q=1"))
        .header("host", "shop")
        .header("accept", "*/*")
        .header("x-item", last.to_string())
        .body(())
        .unwrap();
    let started = std::time::Instant::now();
    let found = choose_often(&index, &routes, RouteQuery::new(&request, &caller), TIMES);
    assert_eq!(found, TIMES);
    println!("{count} routes, by path: {by_path}: {:?} a choice", started.elapsed() / TIMES as u32);
}

#[test]
#[ignore = "a measurement, for docs/performance.md"]
fn cost_by_path_10() {
    measure(10, true);
}

#[test]
#[ignore = "a measurement, for docs/performance.md"]
fn cost_by_path_100() {
    measure(100, true);
}

#[test]
#[ignore = "a measurement, for docs/performance.md"]
fn cost_by_path_1000() {
    measure(1_000, true);
}

#[test]
#[ignore = "a measurement, for docs/performance.md"]
fn cost_by_header_10() {
    measure(10, false);
}

#[test]
#[ignore = "a measurement, for docs/performance.md"]
fn cost_by_header_100() {
    measure(100, false);
}

#[test]
#[ignore = "a measurement, for docs/performance.md"]
fn cost_by_header_1000() {
    measure(1_000, false);
}
