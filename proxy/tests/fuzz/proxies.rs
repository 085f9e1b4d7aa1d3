//! Proxies in this process: a caller's, in front of an application without one, or a receiver's, which peers call.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::registry::Registry;
use prost::Message;
use weft_proxy::capacity::Share;
use weft_proxy::egress::Lookup;
use weft_proxy::identity::SpiffeId;
use weft_proxy::state::Mesh;
use weft_proxy::telemetry::{Direction, Metrics};
use weft_proxy::test_util::TestCa;
use weft_proxy::wire::weft::v1::{
    Backend, Destination, Endpoint, MtlsMode, OutboundPolicy, Protocol, Route, Target, WeightedBackend,
    Workload, target,
};
use weft_proxy::worker::{Affinities, Listeners, OriginalDst, Views, WorkerContext, run};
use weft_proxy::{drain, socket, tls, xds};

/// Panics of any proxy in this process; the runtime would hide those of a connection's task.
static PANICS: AtomicUsize = AtomicUsize::new(0);

const NAME: &str = "proxy";

/// A receiver's proxy, and what a peer needs to call it.
pub struct Receiver {
    pub address: SocketAddr,
    pub peer: tls::Client,
    pub identity: SpiffeId,
}

/// Starts a caller's proxy; gives the address where its pod's application is captured.
pub fn start(application: SocketAddr, protocol: Protocol) -> SocketAddr {
    let service: SocketAddr = "10.96.0.5:8080".parse().unwrap();
    let known = xds::decode::destination(&destination(application, protocol).encode_to_vec()).unwrap();
    let known = HashMap::from([(service, Arc::new(known))]);
    run_one(&TestCa::new("cluster.local"), "web", service, known, Direction::Outbound)
}

/// Starts a receiver's proxy in front of `application`.
pub fn receiver(application: SocketAddr) -> Receiver {
    let ca = TestCa::new("cluster.local");
    let address = run_one(&ca, "reviews", application, HashMap::new(), Direction::Inbound);
    let peer = tls::Client::new(ca.certs("shop", "web"));
    Receiver { address, peer, identity: ca.id("shop", "reviews") }
}

/// A proxy of which one half is called.
fn run_one(
    ca: &TestCa,
    account: &str,
    original: SocketAddr,
    known: HashMap<SocketAddr, Arc<weft_proxy::state::Destination>>,
    half: Direction,
) -> SocketAddr {
    watch_for_panics();
    let certs = ca.certs("shop", account);
    let workload = Workload {
        key: format!("cluster/net/shop/{account}-1"),
        identity: ca.id("shop", account).to_string(),
        mtls_mode: MtlsMode::Permissive.into(),
        outbound_policy: OutboundPolicy::AllowAny.into(),
        ..Workload::default()
    };
    let workload = xds::decode::workload(&workload.encode_to_vec()).unwrap();
    let listener = socket::listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let (outbound, inbound) = match half {
        Direction::Outbound => (vec![listener], Vec::new()),
        Direction::Inbound => (Vec::new(), vec![listener]),
    };
    let (trigger, drain) = drain::channel();
    std::mem::forget(trigger);
    let context = WorkerContext {
        index: 0,
        outbound: Listeners::alone(outbound),
        inbound: Listeners::alone(inbound),
        original_dst: OriginalDst::Fixed(original),
        own_ips: Arc::new([]),
        mesh: Mesh::fixed(workload, known),
        tls_client: tls::Client::new(certs.clone()),
        tls_server: tls::Server::new(certs),
        drain,
        share: Share::default(),
        metrics: Metrics::register(&mut Registry::default()),
        affinities: Affinities::default(),
        questions: Views::default().worker(),
        lookup: Lookup::default(),
    };
    std::thread::Builder::new().name(NAME.to_owned()).spawn(move || run(context).unwrap()).unwrap();
    address
}

/// How often a proxy has panicked so far.
pub fn panics() -> usize {
    PANICS.load(Ordering::SeqCst)
}

fn watch_for_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() == Some(NAME) {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            usual(panic);
        }));
    });
}

fn destination(application: SocketAddr, protocol: Protocol) -> Destination {
    let SocketAddr::V4(v4) = application else { panic!("the application listens on IPv4") };
    Destination {
        key: "cluster/net/shop/reviews:8080/-".to_owned(),
        target: Some(Target {
            kind: target::Kind::Service.into(),
            namespace: "shop".to_owned(),
            name: "reviews".to_owned(),
            port: 8080,
        }),
        protocol: protocol.into(),
        endpoints: vec![Endpoint {
            address: v4.ip().octets().to_vec(),
            port: v4.port().into(),
            ..Endpoint::default()
        }],
        backends: vec![Backend {
            name: "shop/reviews:8080".to_owned(),
            endpoints: vec![0],
            ..Backend::default()
        }],
        routes: vec![Route {
            name: "route-0".to_owned(),
            split: vec![WeightedBackend { backend: 0, weight: 1, ..Default::default() }],
            ..Route::default()
        }],
        ..Destination::default()
    }
}
