//! Which replica requests arrive at.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use super::harness::{Proxy, World, connect, destination, plain};
use crate::state::{Algorithm, Backend, Endpoint, HashInput, LoadBalancer, NodePolicy, Protocol, ZonePolicy};

const MS: Duration = Duration::from_millis(1);

/// A replica that answers everything alike, and counts.
struct Replica {
    addr: SocketAddr,
    served: Arc<AtomicUsize>,
}

impl Replica {
    async fn start(
        after: Duration,
        head: impl Fn() -> http::response::Builder + Copy + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let replica = Self { addr: listener.local_addr().unwrap(), served: Arc::default() };
        let served = replica.served.clone();
        tokio::spawn(async move {
            loop {
                let io = TokioIo::new(listener.accept().await.unwrap().0);
                let served = served.clone();
                let service = service_fn(move |_| {
                    served.fetch_add(1, Ordering::SeqCst);
                    async move {
                        tokio::time::sleep(after).await;
                        Ok::<_, Infallible>(head().body(Full::<Bytes>::default()).unwrap())
                    }
                });
                tokio::spawn(async move {
                    let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    http2.serve_connection(io, service).await
                });
            }
        });
        replica
    }

    async fn quick() -> Self {
        Self::start(Duration::ZERO, Response::builder).await
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    fn endpoint(&self) -> Endpoint {
        plain(self.addr)
    }
}

async fn replicas<const COUNT: usize>() -> [Replica; COUNT] {
    let mut all = Vec::new();
    for _ in 0..COUNT {
        all.push(Replica::quick().await);
    }
    all.try_into().unwrap_or_else(|_| unreachable!())
}

fn caller(world: &World, endpoints: Vec<Endpoint>, load_balancer: LoadBalancer) -> Proxy {
    world.caller(crate::state::Destination { load_balancer, ..destination(Protocol::Http2, endpoints) })
}

fn by(algorithm: Algorithm) -> LoadBalancer {
    LoadBalancer { algorithm, ..LoadBalancer::default() }
}

/// One connection, for all requests.
async fn client(proxy: &Proxy) -> SendRequest<Full<Bytes>> {
    let (sender, connection) =
        handshake(TokioExecutor::new(), TokioIo::new(connect(proxy.outbound).await)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn get(client: &mut SendRequest<Full<Bytes>>, user: &str) -> u16 {
    let request = Request::get("http://reviews:8080/a").header("x-user", user).body(Full::default());
    client.send_request(request.unwrap()).await.unwrap().status().as_u16()
}

async fn send(proxy: &Proxy, requests: usize) {
    let mut client = client(proxy).await;
    for _ in 0..requests {
        get(&mut client, "alice").await;
    }
}

#[tokio::test]
async fn requests_of_one_connection_are_balanced_one_by_one_under_every_algorithm() {
    for algorithm in [Algorithm::PeakEwma, Algorithm::LeastRequest, Algorithm::RoundRobin, Algorithm::Random]
    {
        let world = World::new();
        let (a, b) = (
            Replica::start(5 * MS, Response::builder).await,
            Replica::start(5 * MS, Response::builder).await,
        );
        let client = client(&caller(&world, vec![a.endpoint(), b.endpoint()], by(algorithm))).await;
        let requests: Vec<_> = (0..60)
            .map(|_| {
                let mut client = client.clone();
                tokio::spawn(async move { get(&mut client, "").await })
            })
            .collect();
        for request in requests {
            assert_eq!(request.await.unwrap(), 200);
        }
        assert_eq!(a.served() + b.served(), 60);
        assert!(a.served() >= 5 && b.served() >= 5, "{algorithm:?}: {} and {}", a.served(), b.served());
    }
}

#[tokio::test]
async fn requests_with_the_same_header_stay_together_and_those_without_do_not() {
    for algorithm in [Algorithm::RingHash, Algorithm::Maglev] {
        let (world, [a, b, c]) = (World::new(), replicas().await);
        let header = HashInput::Header(http::HeaderName::from_static("x-user"));
        let policy = LoadBalancer { hash: vec![header], ..by(algorithm) };
        let proxy = caller(&world, vec![a.endpoint(), b.endpoint(), c.endpoint()], policy);
        let counts = || [a.served(), b.served(), c.served()];
        let mut owners = [0; 3];
        for user in 0..30 {
            let before = counts();
            // Each from a connection of its own: it is the header that counts.
            for _ in 0..3 {
                get(&mut client(&proxy).await, &format!("user-{user}")).await;
            }
            let owner = (0..3).find(|place| counts()[*place] == before[*place] + 3);
            owners[owner.unwrap_or_else(|| panic!("{before:?} to {:?}", counts()))] += 1;
        }
        assert!(owners.iter().all(|users| *users > 0), "{owners:?}");
        let before = counts();
        let mut client = client(&proxy).await;
        for _ in 0..30 {
            get(&mut client, "").await;
        }
        let moved = counts().iter().zip(before).filter(|(now, before)| *now > before).count();
        assert!(moved > 1, "{before:?} to {:?}", counts());
        proxy.counted("weft_balancer_choices_total", &["choice=\"key\""], 90.0).await;
        proxy.counted("weft_balancer_choices_total", &["choice=\"no-key\""], 30.0).await;
    }
}

#[tokio::test]
async fn a_weight_is_a_share() {
    let (world, [a, b]) = (World::new(), replicas().await);
    let heavy = Endpoint { weight: 300, ..a.endpoint() };
    send(&caller(&world, vec![heavy, b.endpoint()], by(Algorithm::RoundRobin)), 40).await;
    assert_eq!((a.served(), b.served()), (30, 10));
}

#[tokio::test]
async fn traffic_stays_in_its_zone_while_there_is_somebody() {
    let (world, [a, b]) = (World::new(), replicas().await);
    let zoned = |replica: &Replica, zone: &str| Endpoint { zone: Some(zone.into()), ..replica.endpoint() };
    let policy = LoadBalancer { zone: ZonePolicy::Prefer, ..LoadBalancer::default() };
    let proxy = caller(&world, vec![zoned(&a, "zone-a"), zoned(&b, "zone-b")], policy.clone());
    send(&proxy, 30).await;
    assert_eq!((a.served(), b.served()), (30, 0));
    assert_eq!(proxy.count("weft_balancer_choices_total", &["choice=\"same-zone\""]), 30.0);

    send(&caller(&world, vec![zoned(&b, "zone-b")], policy.clone()), 5).await;
    assert_eq!(b.served(), 5, "nobody is there");

    let strict = LoadBalancer { zone: ZonePolicy::Strict, ..policy };
    let proxy = caller(&world, vec![zoned(&b, "zone-b")], strict);
    assert_eq!(get(&mut client(&proxy).await, "").await, 503);
    assert_eq!(b.served(), 5);
}

fn caller_of(world: &World, change: impl FnOnce(&mut Backend), replicas: &[(&Replica, &str)]) -> Proxy {
    let endpoint =
        |(replica, node): &(&Replica, &str)| Endpoint { node: Some((*node).into()), ..replica.endpoint() };
    let mut destination = destination(Protocol::Http2, replicas.iter().map(endpoint).collect());
    change(Arc::get_mut(&mut destination.backends[0]).unwrap());
    world.caller(destination)
}

#[tokio::test]
async fn traffic_stays_on_its_node_first_or_always_as_the_service_says() {
    let (world, [a, b]) = (World::new(), replicas().await);
    let first = |backend: &mut Backend| backend.node = NodePolicy::Prefer;
    send(&caller_of(&world, first, &[(&a, "node-a"), (&b, "node-b")]), 30).await;
    assert_eq!((a.served(), b.served()), (30, 0));
    send(&caller_of(&world, first, &[(&b, "node-b")]), 5).await;
    assert_eq!(b.served(), 5, "nobody is there");

    let only = |backend: &mut Backend| backend.node = NodePolicy::Only;
    send(&caller_of(&world, only, &[(&a, "node-a"), (&b, "node-b")]), 10).await;
    assert_eq!((a.served(), b.served()), (40, 5));
    let mut client = client(&caller_of(&world, only, &[(&b, "node-b")])).await;
    let refused = client.send_request(Request::get("http://reviews:8080/").body(Full::default()).unwrap());
    let refused = refused.await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["x-weft-reason"]),
        (503, &"no-endpoints".parse().unwrap())
    );
    assert_eq!(b.served(), 5);
}

#[tokio::test]
async fn a_pod_keeps_to_one_endpoint_where_the_service_says_so() {
    let (world, all) = (World::new(), replicas::<3>().await);
    let keeps = |backend: &mut Backend| backend.affinity = Some(3600 * 1000 * MS);
    let replicas: Vec<_> = all.iter().map(|replica| (replica, "node-a")).collect();
    let proxy = caller_of(&world, keeps, &replicas);
    send(&proxy, 15).await;
    send(&proxy, 15).await;
    let mut served: Vec<_> = all.iter().map(Replica::served).collect();
    served.sort_unstable();
    assert_eq!(served, [0, 0, 30]);
}

#[tokio::test]
async fn one_that_pushes_back_is_left_alone_as_long_as_it_asks_for() {
    let full = || Response::builder().status(429).header("retry-after", "30");
    let exhausted =
        || Response::builder().header("grpc-status", "8").header("content-type", "application/grpc");
    let world = World::new();
    let (good, full) = (Replica::quick().await, Replica::start(Duration::ZERO, full).await);
    let proxy = caller(&world, vec![good.endpoint(), full.endpoint()], LoadBalancer::default());
    send(&proxy, 50).await;
    assert_eq!((good.served(), full.served()), (49, 1));
    proxy.counted("weft_balancer_pushed_back_total", &[], 1.0).await;

    let (good, full) = (Replica::quick().await, Replica::start(Duration::ZERO, exhausted).await);
    let proxy = caller(&world, vec![good.endpoint(), full.endpoint()], LoadBalancer::default());
    let mut client = client(&proxy).await;
    for _ in 0..50 {
        let request = Request::post("http://reviews:8080/a").header("content-type", "application/grpc");
        client.send_request(request.body(Full::default()).unwrap()).await.unwrap();
    }
    assert_eq!((good.served(), full.served()), (49, 1));
}

#[tokio::test]
async fn a_replica_that_fails_at_once_attracts_no_traffic() {
    let world = World::new();
    let broken = || Response::builder().status(500);
    let (good, broken) =
        (Replica::start(10 * MS, Response::builder).await, Replica::start(Duration::ZERO, broken).await);
    send(&caller(&world, vec![good.endpoint(), broken.endpoint()], LoadBalancer::default()), 60).await;
    assert!(broken.served() < 15, "{} of 60 failed", broken.served());
}

/// How many of some requests, four at a time, go to the one replica of five that is twenty times slower.
async fn served_by_a_slow_one(algorithm: Algorithm, requests: usize) -> usize {
    const USUAL: Duration = Duration::from_millis(25);

    let world = World::new();
    let slow = Replica::start(20 * USUAL, Response::builder).await;
    let mut endpoints = vec![slow.endpoint()];
    for _ in 0..4 {
        endpoints.push(Replica::start(USUAL, Response::builder).await.endpoint());
    }
    let proxy = caller(&world, endpoints, by(algorithm));
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let mut client = client(&proxy).await;
        tasks.push(tokio::spawn(async move {
            for _ in 0..requests / 4 {
                get(&mut client, "").await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    slow.served()
}

/// Counted, not timed, and with room: where the machine is busy the others are slow too.
#[tokio::test]
async fn a_slow_replica_gets_a_fraction_of_its_turns() {
    assert_eq!(served_by_a_slow_one(Algorithm::RoundRobin, 40).await, 8);
    let slow = served_by_a_slow_one(Algorithm::PeakEwma, 300).await;
    assert!(slow <= 12, "{slow} of 300, where its turns would be 60");
}
