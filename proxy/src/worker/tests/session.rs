use std::collections::HashMap;
use std::time::Duration;

use http::HeaderName;
use tokio::io::AsyncWriteExt;

use super::app::App;
use super::harness::{Proxy, World, backend, connect, destination, plain, read_response};
use super::script::{BROKEN, Script};
use crate::http::Wire;
use crate::state::{
    CookiePath, Destination, Endpoint, Outliers, Protocol, Session, SessionCarrier, WeightedBackend,
};

fn by_cookie() -> Session {
    let carrier = SessionCarrier::Cookie("sid".into());
    Session { carrier, lifetime: None, permanent: false, path: CookiePath::OfMatch }
}

fn kept(endpoints: Vec<Endpoint>, session: Session) -> Destination {
    let mut destination = destination(Protocol::Http1, endpoints);
    destination.routes[0].session = Some(Box::new(session));
    destination
}

/// Asks for the name of the application that answers; with the head of its response.
async fn ask(proxy: &Proxy, headers: &str) -> (String, String) {
    let mut client = connect(proxy.outbound).await;
    client.write_all(format!("GET /name HTTP/1.1\r\nhost: a\r\n{headers}\r\n").as_bytes()).await.unwrap();
    let (head, body) = read_response(&mut client).await;
    (head, String::from_utf8(body).unwrap())
}

/// What `name` is set to by a response.
fn cookie(head: &str) -> Option<String> {
    let line = head.lines().find_map(|line| line.strip_prefix("set-cookie: "))?;
    Some(line.split(';').next().unwrap().to_owned())
}

#[tokio::test]
async fn requests_that_bring_the_cookie_back_go_to_one_endpoint_through_any_proxy() {
    let world = World::new();
    let (one, two, three) = (
        App::named(Wire::H1, "one").await,
        App::named(Wire::H1, "two").await,
        App::named(Wire::H1, "three").await,
    );
    let meshed = world.receiver(three.addr);
    let endpoints = || vec![plain(one.addr), plain(two.addr), world.meshed(&meshed)];
    let first = world.caller(kept(endpoints(), by_cookie()));
    let mut homes = HashMap::new();
    for _ in 0..60 {
        let (head, name) = ask(&first, "").await;
        assert!(head.contains("; path=/; httponly; samesite=strict"), "{head}");
        homes.insert(cookie(&head).unwrap(), name);
    }
    assert_eq!(homes.len(), 3, "new sessions are balanced: {homes:?}");
    let second = world.caller(kept(endpoints().into_iter().rev().collect(), by_cookie()));
    for caller in [&first, &second] {
        for (token, home) in &homes {
            for _ in 0..10 {
                let (head, name) = ask(caller, &format!("cookie: a=b; {token}\r\n")).await;
                assert_eq!(&name, home);
                assert_eq!(cookie(&head), None, "the caller knows: {head}");
            }
        }
    }
}

#[tokio::test]
async fn a_session_stays_with_its_share_when_the_share_has_no_weight_left() {
    let (world, old, new) =
        (World::new(), App::named(Wire::H1, "old").await, App::named(Wire::H1, "new").await);
    let with_weights = |weights: [u32; 2]| {
        let mut destination = kept(vec![plain(old.addr)], by_cookie());
        destination.backends.push(backend("shop/new:80", vec![plain(new.addr)]).into());
        let share = |(backend, weight)| WeightedBackend { backend, weight, headers: None };
        destination.routes[0].split = weights.into_iter().enumerate().map(share).collect();
        world.caller(destination)
    };
    let (head, home) = ask(&with_weights([1, 0]), "").await;
    let token = cookie(&head).unwrap();
    let moved = with_weights([0, 1]);
    for _ in 0..20 {
        assert_eq!(ask(&moved, &format!("cookie: {token}\r\n")).await.1, home);
        assert_ne!(ask(&moved, "").await.1, home);
    }
}

#[tokio::test]
async fn a_header_carries_it_too_and_what_names_nothing_is_balanced_and_told_anew() {
    let (world, one, two) =
        (World::new(), App::named(Wire::H1, "one").await, App::named(Wire::H1, "two").await);
    let carrier = SessionCarrier::Header(HeaderName::from_static("x-sid"));
    let lifetime = Some(Duration::from_secs(3600));
    let session = Session { carrier, lifetime, permanent: false, path: CookiePath::OfMatch };
    let caller = world.caller(kept(vec![plain(one.addr), plain(two.addr)], session));
    let token = |head: &str| head.lines().find_map(|line| line.strip_prefix("x-sid: ")).map(str::to_owned);
    let (head, home) = ask(&caller, "").await;
    let given = token(&head).unwrap();
    for _ in 0..20 {
        let (head, name) = ask(&caller, &format!("x-sid: {given}\r\n")).await;
        assert_eq!((name, token(&head)), (home.clone(), None));
    }
    for unknown in
        ["", "nonsense", &format!("{}.1", given.split('.').next().unwrap()), "0123456789abcdef.fffffffff"]
    {
        let (head, _) = ask(&caller, &format!("x-sid: {unknown}\r\n")).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(token(&head).is_some(), "{unknown}: {head}");
    }
}

#[tokio::test]
async fn a_session_whose_endpoint_is_ejected_moves_and_is_told_so() {
    let (world, bad, good) =
        (World::new(), Script::start(|_| BROKEN).await, App::named(Wire::H1, "good").await);
    let mut destination = kept(vec![plain(bad.addr), plain(good.addr)], by_cookie());
    destination.outliers = Some(Box::new(Outliers {
        consecutive_failures: Some(3),
        base: Duration::from_secs(60),
        max: Duration::from_secs(60),
        max_percent: 50,
        ..Outliers::default()
    }));
    let caller = world.caller(destination);
    let mut lost = None;
    while lost.is_none() {
        let (head, _) = ask(&caller, "").await;
        lost = head.starts_with("http/1.1 503").then(|| cookie(&head).unwrap());
    }
    let asking = format!("cookie: {}\r\n", lost.clone().unwrap());
    for _ in 0..2 {
        assert!(ask(&caller, &asking).await.0.starts_with("http/1.1 503"), "it keeps to its endpoint");
    }
    let (head, _) = ask(&caller, &asking).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_ne!(cookie(&head), lost);
}
