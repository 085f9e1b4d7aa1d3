//! A caller's and a receiver's proxy in one process, in front of a backend, to be measured from outside:
//!
//!     cargo run --release -p weft-proxy --features testing --example pair -- 127.0.0.1:8000 15101
//!
//! Each proxy is one thread, named for its half; CPU is in `/proc/<pid>/task/*/stat`.
#![allow(clippy::unwrap_used, reason = "a tool for measuring; a panic says enough")]

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use prometheus_client::registry::Registry;
use weft_proxy::egress::Lookup;
use weft_proxy::state::{
    Backend, Destination, Endpoint, LoadBalancer, Mesh, MtlsMode, OutboundPolicy, Protocol, Route,
    SessionKey, Target, TargetKind, WeightedBackend, Workload,
};
use weft_proxy::telemetry::Metrics;
use weft_proxy::test_util::TestCa;
use weft_proxy::worker::{Affinities, Listeners, OriginalDst, Views, WorkerContext, run};
use weft_proxy::{capacity, drain, socket, tls};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let mut args = std::env::args().skip(1);
    let backend: SocketAddr = args.next().expect("the backend's address").parse().unwrap();
    let port: u16 = args.next().expect("a port to listen on").parse().unwrap();
    let plain = args.next().is_some_and(|mode| mode == "plain");
    let ca = TestCa::new("cluster.local");
    let service: SocketAddr = "10.96.0.5:8080".parse().unwrap();

    let inbound = socket::listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let endpoint = Endpoint {
        addr: if plain { backend } else { inbound.local_addr().unwrap() },
        peer: (!plain).then(|| Arc::new(ca.id("shop", "reviews"))),
        network: None,
        zone: None,
        node: None,
        opaque: false,
        weight: Endpoint::USUAL_WEIGHT,
    };
    let receiver = context(&ca, "reviews", backend, HashMap::new());
    let receiver = WorkerContext { inbound: Listeners::alone(vec![inbound]), ..receiver };
    let caller = context(&ca, "web", service, HashMap::from([(service, Arc::new(destination(endpoint)))]));
    let listener = socket::listen((Ipv4Addr::LOCALHOST, port).into()).unwrap();
    let caller = WorkerContext { outbound: Listeners::alone(vec![listener]), ..caller };

    let receiver = std::thread::Builder::new().name("inbound".into()).spawn(move || run(receiver)).unwrap();
    let caller = std::thread::Builder::new().name("outbound".into()).spawn(move || run(caller)).unwrap();
    println!("pid {}", std::process::id());
    caller.join().unwrap().unwrap();
    receiver.join().unwrap().unwrap();
}

fn context(
    ca: &TestCa,
    account: &str,
    original: SocketAddr,
    destinations: HashMap<SocketAddr, Arc<Destination>>,
) -> WorkerContext {
    let certs = ca.certs("shop", account);
    let workload = Workload {
        key: format!("cluster/net/shop/{account}-1").into(),
        identity: Arc::new(ca.id("shop", account)),
        node: None,
        zone: None,
        labels: HashMap::new(),
        mtls_mode: MtlsMode::Permissive,
        inbound_ports: Vec::new(),
        outbound_policy: OutboundPolicy::AllowAny,
        ingress_mode: false,
        via: false,
        forwarded: false,
        access: None,
        external_services: Arc::default(),
        tracing: None,
        access_log: None,
        caller_limits: Vec::new(),
    };
    let (trigger, drain) = drain::channel();
    std::mem::forget(trigger);
    WorkerContext {
        index: 0,
        outbound: Listeners::alone(Vec::new()),
        inbound: Listeners::alone(Vec::new()),
        original_dst: OriginalDst::Fixed(original),
        own_ips: Arc::new([]),
        mesh: Mesh::fixed(workload, destinations),
        tls_client: tls::Client::new(certs.clone()),
        tls_server: tls::Server::new(certs),
        drain,
        share: capacity::Share::default(),
        metrics: Metrics::register(&mut Registry::default()),
        affinities: Affinities::default(),
        questions: Views::default().worker(),
        lookup: Lookup::default(),
    }
}

fn destination(endpoint: Endpoint) -> Destination {
    Destination {
        key: "cluster/net/shop/reviews:8080/-".into(),
        target: Target {
            kind: TargetKind::Service,
            namespace: "shop".into(),
            name: "reviews".into(),
            port: 8080,
        },
        protocol: Protocol::Unknown,
        routes: vec![Route {
            name: "all".into(),
            matches: Vec::new(),
            split: vec![WeightedBackend { backend: 0, weight: 1, ..Default::default() }],
            ..Route::default()
        }],
        backends: vec![Arc::new(Backend {
            name: "shop/reviews:8080".into(),
            endpoints: vec![Arc::new(endpoint)],
            ..Backend::default()
        })],
        load_balancer: LoadBalancer::default(),
        outliers: None,
        limits: None,
        session_key: SessionKey::default(),
        sampling: None,
        access_log: None,
    }
}
