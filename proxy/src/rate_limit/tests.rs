use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderName, Method, Request};
use tokio::time::Instant;

use super::buckets::LONGEST_DEBT;
use super::{Cost, Counted, Exceeded, KEYS, KeyPart, RateLimit, Sender};
use crate::identity::SpiffeId;
use crate::request::Caller;
use crate::state::{HeaderMatch, PathMatch, ValueCondition};

const SECOND: Duration = Duration::from_secs(1);

fn limit(amounts: (u32, Duration, u32, u32), key: &[KeyPart]) -> RateLimit {
    RateLimit::new(("shop/limits".into(), "a".into()), amounts, key.into(), false)
}

fn request() -> Request<()> {
    Request::get("/f?q").body(()).unwrap()
}

fn with_header(value: &str) -> Request<()> {
    Request::get("/f").header("x-user", value).body(()).unwrap()
}

fn plain() -> Sender<'static> {
    Sender { caller: &Caller::Plain, address: None, token: None }
}

/// How many of the requests that come at an even pace are let in.
fn admitted(limit: &RateLimit, per_second: u32, from: Instant, seconds: u32) -> u32 {
    let every = SECOND / per_second;
    (0..per_second * seconds)
        .filter(|index| limit.take(&request(), plain(), from + every * *index).is_ok())
        .count() as u32
}

#[test]
fn over_a_minute_a_limit_lets_in_what_it_says_and_one_burst() {
    for (requests, per, burst) in
        [(100, SECOND, 1), (100, SECOND, 100), (7, SECOND, 7), (600, 60 * SECOND, 10), (50, SECOND / 2, 20)]
    {
        let limit = limit((requests, per, burst, 1), &[]);
        let admitted = admitted(&limit, 500, Instant::now(), 60);
        let expected = f64::from(requests) * 60.0 / per.as_secs_f64() + f64::from(burst);
        let off = (f64::from(admitted) - expected).abs() / expected;
        assert!(off < 0.02, "{requests} in {per:?}, burst {burst}: {admitted} of {expected}");
    }
}

#[test]
fn requests_that_cost_more_than_one_are_as_many_fewer() {
    for (requests, per, burst, pods, amount) in [
        (100, SECOND, 100, 1, 5),
        (100, SECOND, 5, 1, 5),
        (6000, 60 * SECOND, 50, 1, 7),
        (100, SECOND, 10, 4, 10),
        (100, SECOND, 20, 3, 5),
    ] {
        let limit = limit((requests, per, burst, pods), &[]).at(Cost { amount, header: None, field: None });
        let admitted = admitted(&limit, 500, Instant::now(), 60) * amount * pods;
        let expected = f64::from(requests) * 60.0 / per.as_secs_f64() + f64::from(burst.max(amount * pods));
        let off = (f64::from(admitted) - expected).abs() / expected;
        assert!(off < 0.02, "{requests} in {per:?} of {pods}, at {amount}: {admitted} of {expected}");
    }
}

/// What a response that says `cost` makes of `limit`.
fn settle(limit: &RateLimit, cost: u32, at: Instant) {
    limit.buckets.settle(0, limit.rate, (limit.cost.amount, cost), at);
}

#[test]
fn what_responses_cost_is_owed_and_nothing_is_let_in_until_that_is_made_up_for() {
    let (limit, now) = (limit((100, SECOND, 10, 1), &[]), Instant::now());
    assert!(limit.take(&request(), plain(), now).is_ok());
    settle(&limit, 510, now);
    let Err(Exceeded { wait }) = limit.take(&request(), plain(), now) else { panic!("it owes 500") };
    assert_eq!(wait, Duration::from_millis(5010));
    assert!(limit.take(&request(), plain(), now + wait - Duration::from_nanos(1)).is_err());
    assert!(limit.take(&request(), plain(), now + wait).is_ok());
}

#[test]
fn over_ten_minutes_responses_are_paid_for_to_the_unit() {
    let (limit, start) = (limit((1000, SECOND, 1000, 1), &[]), Instant::now());
    let (mut paid, costs) = (0, [700, 0, 3000, 1, 12]);
    for tick in 0..60_000_u32 {
        let now = start + SECOND / 100 * tick;
        if limit.take(&request(), plain(), now).is_ok() {
            let cost = costs[tick as usize % costs.len()];
            settle(&limit, cost, now);
            paid += cost;
        }
    }
    let off = (f64::from(paid) - 600_000.0).abs() / 600_000.0;
    assert!(off < 0.01, "{paid} of 600000");
}

#[test]
fn what_a_response_did_not_cost_is_given_back() {
    let cost = Cost { amount: 10, header: None, field: None };
    let (limit, now) = (limit((100, SECOND, 10, 1), &[]).at(cost), Instant::now());
    assert!(limit.take(&request(), plain(), now).is_ok());
    assert!(limit.take(&request(), plain(), now).is_err(), "what it may cost is taken first");
    settle(&limit, 0, now);
    assert!(limit.take(&request(), plain(), now).is_ok());
    settle(&limit, 0, now + 5 * SECOND);
    assert!(limit.take(&request(), plain(), now + 5 * SECOND).is_ok());
    assert!(limit.take(&request(), plain(), now + 5 * SECOND).is_err(), "nothing is given back twice");
}

#[test]
fn a_debt_ends_however_large_the_cost() {
    let (limit, now) = (limit((1, SECOND, 1, 1), &[]), Instant::now());
    assert!(limit.take(&request(), plain(), now).is_ok());
    (0..3).for_each(|_| settle(&limit, u32::MAX, now));
    let Err(Exceeded { wait }) = limit.take(&request(), plain(), now) else { panic!("it is in debt") };
    assert_eq!(wait, LONGEST_DEBT + SECOND);
}

#[test]
fn only_requests_that_match_are_counted_and_a_path_that_is_read_in_two_ways_is_each_of_them() {
    let on_path = |path| Counted { path: Some(path), ..Counted::default() };
    let name = HeaderName::from_static("x-a");
    let header = HeaderMatch { name, condition: ValueCondition::Exact("b".into()), invert: false };
    let login = || on_path(PathMatch::Exact("/login".into()));
    let api = on_path(PathMatch::Prefix("/api".into()));
    let post = Counted { method: Some(Method::POST), ..Counted::default() };
    let both = Counted { method: Some(Method::PUT), headers: vec![header], ..login() };
    let limit = limit((1, SECOND, 1, 1), &[]);
    assert!(limit.counts(&request()), "everything, where nothing is said");
    let limit = limit.only([login(), api, post, both].into());
    let ask = |method: &str, path: &str, value: &str| {
        limit.counts(&Request::builder().method(method).uri(path).header("x-a", value).body(()).unwrap())
    };
    for path in [
        "/login",
        "/login?a",
        "/api",
        "/api/x",
        "//login",
        "/x/../login",
        "/%6cogin",
        "/login;a",
        "/lo%2fgin",
    ] {
        assert!(ask("GET", path, ""), "{path}");
    }
    for path in ["/", "/logins", "/apix", "/x/login", "/Login"] {
        assert!(!ask("GET", path, ""), "{path}");
        assert!(ask("POST", path, ""), "{path}");
    }
    let limit = limit.clone().only([Counted { method: Some(Method::PUT), ..login() }].into());
    assert!(!limit.counts(&Request::get("//login").body(()).unwrap()), "the other conditions hold as well");
}

#[test]
fn what_comes_at_an_allowed_pace_is_never_refused() {
    let limit = limit((100, SECOND, 1, 1), &[]);
    assert_eq!(admitted(&limit, 100, Instant::now(), 60), 6000);
}

#[test]
fn a_refusal_says_how_long_to_wait_and_who_waits_so_long_is_let_in() {
    let (limit, now) = (limit((10, SECOND, 2, 1), &[]), Instant::now());
    assert_eq!(limit.take(&request(), plain(), now).unwrap().left, 1);
    assert_eq!(limit.take(&request(), plain(), now).unwrap().left, 0);
    let Err(Exceeded { wait }) = limit.take(&request(), plain(), now) else { panic!("it is one too many") };
    assert_eq!(wait, Duration::from_millis(100));
    assert!(limit.take(&request(), plain(), now + wait - Duration::from_nanos(1)).is_err());
    assert!(limit.take(&request(), plain(), now + wait).is_ok());
}

#[test]
fn pods_share_a_limit_and_a_pod_that_comes_or_goes_changes_the_pace_of_what_was_counted() {
    let now = Instant::now();
    let alone = limit((100, SECOND, 10, 1), &[]);
    let mut shared = limit((100, SECOND, 10, 5), &[]);
    assert_eq!(admitted(&shared, 200, now, 10), 10 * 20 + 1);
    shared.carry_on(&alone);
    assert_eq!(shared.take(&request(), plain(), now).unwrap().left, 1, "a fifth of the burst");
    let mut lonelier = limit((100, SECOND, 10, 1), &[]);
    lonelier.carry_on(&shared);
    let left = lonelier.take(&request(), plain(), now).unwrap().left;
    assert_eq!(left, 10 - 5 - 1, "one at the pace of five pods weighs as much as five alone");
}

#[test]
fn a_limit_that_is_counted_by_other_keys_begins_anew() {
    let now = Instant::now();
    let before = limit((1, SECOND, 1, 1), &[]);
    assert!(before.take(&request(), plain(), now).is_ok());
    let mut after = limit((1, SECOND, 1, 1), &[KeyPart::Method]);
    after.carry_on(&before);
    assert!(after.take(&request(), plain(), now).is_ok());
}

#[test]
fn requests_are_told_apart_by_each_kind_of_key() {
    let web = Caller::Peer(SpiffeId::new("cluster.local", "shop", "web").into());
    let admin = Caller::Peer(SpiffeId::new("cluster.local", "shop", "admin").into());
    let far = Caller::Peer(SpiffeId::new("cluster.local", "lab", "web").into());
    let (one, two, three) =
        (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 1, 1));
    let from = |caller, address: Ipv4Addr| Sender { caller, address: Some(IpAddr::V4(address)), token: None };
    let post = Request::post("/f").body(()).unwrap();
    let elsewhere = Request::get("/g").body(()).unwrap();
    let queried = Request::get("/f?other").body(()).unwrap();
    let user = KeyPart::Header(HeaderName::from_static("x-user"));
    let twice = Request::get("/f").header("x-user", "a").header("x-user", "b").body(()).unwrap();
    let cases = [
        (KeyPart::ServiceAccount, vec![(request(), from(&web, one)), (request(), from(&web, two))], true),
        (KeyPart::ServiceAccount, vec![(request(), from(&web, one)), (request(), from(&admin, one))], false),
        (KeyPart::ServiceAccount, vec![(request(), from(&web, one)), (request(), from(&far, one))], false),
        (KeyPart::ServiceAccount, vec![(request(), from(&Caller::Plain, one)), (request(), plain())], true),
        (KeyPart::Namespace, vec![(request(), from(&web, one)), (request(), from(&admin, one))], true),
        (KeyPart::Namespace, vec![(request(), from(&web, one)), (request(), from(&far, one))], false),
        (KeyPart::Address, vec![(request(), from(&web, one)), (request(), from(&web, two))], false),
        (KeyPart::Network, vec![(request(), from(&web, one)), (request(), from(&web, two))], true),
        (KeyPart::Network, vec![(request(), from(&web, one)), (request(), from(&web, three))], false),
        (KeyPart::Method, vec![(request(), plain()), (post, plain())], false),
        (KeyPart::Path, vec![(request(), plain()), (elsewhere, plain())], false),
        (KeyPart::Path, vec![(request(), plain()), (queried, plain())], true),
        (user.clone(), vec![(with_header("a"), plain()), (with_header("b"), plain())], false),
        (user.clone(), vec![(request(), plain()), (with_header(""), plain())], false),
        (user.clone(), vec![(request(), plain()), (request(), plain())], true),
        (user, vec![(with_header("a"), plain()), (twice, plain())], false),
    ];
    for (index, (part, requests, together)) in cases.into_iter().enumerate() {
        let (limit, now) = (limit((1, SECOND, 1, 1), std::slice::from_ref(&part)), Instant::now());
        let admitted =
            requests.iter().filter(|(request, sender)| limit.take(request, *sender, now).is_ok()).count();
        assert_eq!(admitted, if together { 1 } else { 2 }, "case {index}, {part:?}");
    }
}

#[test]
fn what_is_given_back_can_be_taken_again() {
    let (limit, now) = (limit((1, SECOND, 1, 1), &[KeyPart::Method]), Instant::now());
    limit.take(&request(), plain(), now).unwrap().give_back();
    assert!(limit.take(&request(), plain(), now).is_ok());
    assert!(limit.take(&request(), plain(), now).is_err());
}

#[test]
fn keys_beyond_the_table_push_out_those_that_are_nearly_whole_and_hold_no_more_memory() {
    let user = KeyPart::Header(HeaderName::from_static("x-user"));
    let (limit, now) = (limit((1, SECOND, 1000, 1), &[user]), Instant::now());
    let heavy = with_header("heavy");
    (0..1000).for_each(|_| assert!(limit.take(&heavy, plain(), now).is_ok()));
    for user in 0..4 * KEYS {
        assert!(limit.take(&with_header(&user.to_string()), plain(), now).is_ok(), "{user}");
    }
    assert!(limit.take(&heavy, plain(), now).is_err(), "who is limited is not forgotten for others");
    let evicted = limit.tally().evicted.load(Ordering::Relaxed) as usize;
    assert!((3 * KEYS - KEYS / 10..=4 * KEYS).contains(&evicted), "{evicted}");
    let later = now + 1001 * SECOND;
    for user in 0..KEYS {
        assert!(limit.take(&with_header(&format!("later-{user}")), plain(), later).is_ok());
    }
    let since = limit.tally().evicted.load(Ordering::Relaxed) as usize - evicted;
    assert!(since < KEYS / 4, "buckets that are full again are forgotten without loss, {since}");
}

#[test]
fn workers_that_count_at_once_let_in_no_more_than_one_would() {
    let limit = limit((1, 1000 * SECOND, 500, 1), &[KeyPart::Path]);
    let now = Instant::now();
    let admitted: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| (0..1000).filter(|_| limit.take(&request(), plain(), now).is_ok()).count())
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    // Four may meet where the key is new and begin it again.
    assert!((500..=503).contains(&admitted), "{admitted}");
}

#[test]
fn nobody_is_limited_for_another() {
    let user = KeyPart::Header(HeaderName::from_static("x-user"));
    let (limit, now) = (limit((1, SECOND, 1, 1), &[user]), Instant::now());
    let mut refused = HashMap::<bool, usize>::new();
    for user in 0..KEYS / 2 {
        let request = with_header(&user.to_string());
        assert!(limit.take(&request, plain(), now).is_ok(), "nobody is limited for another");
        *refused.entry(limit.take(&request, plain(), now).is_err()).or_default() += 1;
    }
    assert_eq!(refused.get(&false), None, "each is limited for itself");
}
