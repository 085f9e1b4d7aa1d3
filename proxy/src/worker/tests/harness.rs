//! Proxies, and clients to talk through them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::access::{self, Access, Builder, Condition, Effect, Grant, Kind, Mode, Subject};
use crate::capacity::Share;
use crate::drain;
use crate::egress::Lookup;
use crate::explain::Question;
use crate::identity::{CertState, Certs, SpiffeId};
use crate::socket;
use crate::state::{
    Backend, Destination, Endpoint, HeaderMatch, InboundPort, LoadBalancer, Match, Mesh, MtlsMode,
    OutboundPolicy, Protocol, Route, SessionKey, SharedTable, Subscription, Target, TargetKind,
    ValueCondition, WeightedBackend, Workload,
};
use crate::telemetry::tap::{self, Taps, Watch};
use crate::telemetry::{AccessLog, Metrics, OwnPodSeries};
use crate::test_util::{TestCa, a_worker};
use crate::tls;
use crate::worker::ground::Worker;
use crate::worker::{Affinities, Listeners, OriginalDst, Views, WorkerContext, run};

/// What the application believes it dials.
pub const SERVICE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 96, 0, 5)), 8080);
/// Nothing in these tests takes longer.
pub const LIMIT: Duration = Duration::from_secs(10);

/// A running proxy.
pub struct Proxy {
    pub outbound: SocketAddr,
    pub inbound: SocketAddr,
    pub drain: drain::Trigger,
    registry: Registry,
    workload: watch::Sender<Arc<Workload>>,
    certs: watch::Sender<Arc<CertState>>,
    table: SharedTable,
    views: Views,
    /// Who watches its requests.
    pub taps: Taps,
    identity: Arc<SpiffeId>,
}

/// What a proxy is started with.
pub struct Start {
    pub account: &'static str,
    pub original: SocketAddr,
    pub destinations: HashMap<Subscription, Arc<Destination>>,
    pub inbound_mode: MtlsMode,
    pub inbound_protocol: Protocol,
    pub needs_requests: bool,
    pub policy: OutboundPolicy,
    pub ingress_mode: bool,
}

/// A mesh with one authority.
pub struct World {
    /// Proxies from now on use `Via` and `Forwarded`.
    pub tells: Cell<bool>,
    pub ca: TestCa,
    /// Where the proxies that start from now on write requests.
    pub access_log: RefCell<Option<AccessLog>>,
    /// What they may hold.
    pub share: RefCell<Share>,
    /// Where names lead, for all of them.
    pub lookup: Lookup,
}

// === impl World ===

impl World {
    pub fn new() -> Self {
        Self {
            tells: Cell::default(),
            ca: TestCa::new("cluster.local"),
            access_log: RefCell::default(),
            share: RefCell::default(),
            lookup: Lookup::Fixed(Arc::default()),
        }
    }

    pub fn id(&self, account: &str) -> Arc<SpiffeId> {
        Arc::new(self.ca.id("shop", account))
    }

    pub fn start(&self, start: Start) -> Proxy {
        let listen = || socket::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let (outbound, inbound) = (listen(), listen());
        let (drain, draining) = drain::channel();
        let mut registry = Registry::default();
        let (certs, watched) = watch::channel(self.ca.certs("shop", start.account).current());
        let watched = Certs::new(watched);
        let workload = Workload {
            key: format!("cluster/net/shop/{}-1", start.account).into(),
            identity: self.id(start.account),
            node: Some("node-a".into()),
            zone: Some("zone-a".into()),
            labels: HashMap::from([("version".to_owned(), "v1".to_owned())]),
            mtls_mode: start.inbound_mode,
            inbound_ports: vec![InboundPort {
                port: start.original.port(),
                protocol: start.inbound_protocol,
                mtls_mode: start.inbound_mode,
                services: vec![format!("shop/{}", start.account).into()],
                needs_requests: false,
                rate_limits: Vec::new(),
                shared_limits: Vec::new(),
                external_checks: Vec::new(),
                sampling: None,
                access_log: None,
            }],
            outbound_policy: start.policy,
            ingress_mode: start.ingress_mode,
            via: self.tells.get(),
            forwarded: self.tells.get(),
            external_services: Arc::default(),
            tracing: None,
            access_log: None,
            caller_limits: Vec::new(),
            access: start.needs_requests.then(|| Arc::new(about_requests())),
        };
        let workload = watch::Sender::new(Arc::new(workload));
        let table = SharedTable::complete(start.destinations);
        let mesh = Mesh::new(workload.subscribe(), table.clone());
        OwnPodSeries::register(&mut registry).follow(workload.subscribe());
        let views = Views::default();
        let metrics = Metrics::register(&mut registry)
            .with_access_log(self.access_log.borrow().as_ref().map(AccessLog::for_worker));
        let proxy = Proxy {
            taps: metrics.taps.clone(),
            identity: self.id(start.account),
            views: views.clone(),
            workload,
            certs,
            table,
            outbound: outbound.local_addr().unwrap(),
            inbound: inbound.local_addr().unwrap(),
            drain,
            registry: Registry::default(),
        };
        let context = WorkerContext {
            index: 0,
            outbound: Listeners::alone(vec![outbound]),
            inbound: Listeners::alone(vec![inbound]),
            original_dst: OriginalDst::Fixed(start.original),
            own_ips: Arc::new([]),
            mesh,
            tls_client: tls::Client::new(watched.clone()),
            tls_server: tls::Server::new(watched),
            drain: draining,
            share: self.share.borrow().clone(),
            metrics,
            affinities: Affinities::default(),
            questions: views.worker(),
            lookup: self.lookup.clone(),
        };
        std::thread::spawn(move || run(context).unwrap());
        Proxy { registry, ..proxy }
    }

    /// What one half stands on, without a thread of its own. It is `web`, and all it accepts was going to `original`.
    pub fn worker(&self, mesh: Mesh, original: SocketAddr) -> Worker {
        a_worker(&self.ca, mesh, OriginalDst::Fixed(original), self.share.borrow().clone())
    }

    /// A receiver's proxy in front of `app`, and a caller's proxy that knows it.
    pub fn pair(&self, app: SocketAddr, protocol: Protocol) -> (Proxy, Proxy) {
        let receiver = self.receiver(app);
        let endpoint = self.meshed(&receiver);
        let caller = self.caller(destination(protocol, vec![endpoint]));
        (caller, receiver)
    }

    pub fn receiver(&self, app: SocketAddr) -> Proxy {
        self.start(Start {
            account: "reviews",
            original: app,
            destinations: HashMap::new(),
            inbound_mode: MtlsMode::Permissive,
            inbound_protocol: Protocol::Unknown,
            needs_requests: false,
            policy: OutboundPolicy::AllowAny,
            ingress_mode: false,
        })
    }

    pub fn caller(&self, destination: Destination) -> Proxy {
        self.start(Start {
            account: "web",
            original: SERVICE,
            destinations: HashMap::from([(SERVICE.into(), Arc::new(destination))]),
            inbound_mode: MtlsMode::Permissive,
            inbound_protocol: Protocol::Unknown,
            needs_requests: false,
            policy: OutboundPolicy::AllowAny,
            ingress_mode: false,
        })
    }

    /// An endpoint behind `receiver`.
    pub fn meshed(&self, receiver: &Proxy) -> Endpoint {
        Endpoint { peer: Some(self.id("reviews")), ..plain(receiver.inbound) }
    }
}

// === impl Proxy ===

impl Proxy {
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text
    }

    /// What the control plane says of the pod becomes this.
    pub fn change_workload(&self, change: impl FnOnce(&mut Workload)) {
        self.workload.send_modify(|workload| change(Arc::make_mut(workload)));
    }

    /// The control plane says that the destination is this from now on.
    pub fn change_destination(&self, version: &str, destination: Destination) {
        self.table.apply(&SERVICE.into(), version, Arc::new(destination));
    }

    /// What its worker weighs and holds, by the keys of destinations: `GET /balancers`.
    pub async fn view(&self) -> serde_json::Value {
        self.views.ask().await.remove(0)
    }

    /// What its worker would do with a request: `POST /explain`.
    pub async fn explain(&self, question: serde_json::Value) -> serde_json::Value {
        let question = Question::parse(question.to_string().as_bytes()).unwrap();
        self.views.explain(question).await.remove(0)
    }

    /// Watches its requests: `POST /tap`.
    pub fn tap(&self, question: serde_json::Value) -> Watch {
        let question = tap::Question::parse(question.to_string().as_bytes()).unwrap();
        self.taps.open(question, self.identity.as_str()).unwrap()
    }

    /// The control plane says that there is no such destination any more.
    pub fn remove_destination(&self) {
        self.table.remove(&SERVICE.into());
    }

    /// Its trust bundle becomes that of another mesh, alone.
    pub fn distrust(&self, other: &World) {
        let trust = other.ca.trust();
        self.certs.send_modify(|state| *state = Arc::new(state.with_trust(trust)));
    }

    /// The sum of the series of `name` that hold all of `labels`.
    pub fn count(&self, name: &str, labels: &[&str]) -> f64 {
        self.metrics()
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Waits until [`Proxy::count`] says `expected`.
    pub async fn counted(&self, name: &str, labels: &[&str], expected: f64) {
        let deadline = tokio::time::Instant::now() + LIMIT;
        while (self.count(name, labels) - expected).abs() > 0.1 {
            assert!(
                tokio::time::Instant::now() < deadline,
                "{name} {labels:?}: not {expected} in\n{}",
                self.metrics()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub fn plain(addr: SocketAddr) -> Endpoint {
    Endpoint {
        addr,
        peer: None,
        network: None,
        zone: None,
        node: None,
        opaque: false,
        weight: Endpoint::USUAL_WEIGHT,
    }
}

/// One route to one backend of `endpoints`.
pub fn destination(protocol: Protocol, endpoints: Vec<Endpoint>) -> Destination {
    let split = vec![WeightedBackend { backend: 0, weight: 1, ..Default::default() }];
    Destination {
        key: "cluster/net/shop/reviews:8080/-".into(),
        target: Target {
            kind: TargetKind::Service,
            namespace: "shop".into(),
            name: "reviews".into(),
            port: 8080,
        },
        protocol,
        routes: vec![Route { name: "all".into(), split, ..Route::default() }],
        backends: vec![Arc::new(backend("shop/reviews:8080", endpoints))],
        load_balancer: LoadBalancer::default(),
        outliers: None,
        limits: None,
        session_key: SessionKey::default(),
        sampling: None,
        access_log: None,
    }
}

pub fn backend(name: &str, endpoints: Vec<Endpoint>) -> Backend {
    Backend {
        name: name.into(),
        endpoints: endpoints.into_iter().map(Arc::new).collect(),
        ..Backend::default()
    }
}

pub fn on_header(name: &'static str, value: &str) -> Match {
    let name = HeaderName::from_static(name);
    Match {
        headers: vec![HeaderMatch { name, condition: ValueCondition::Exact(value.into()), invert: false }],
        ..Match::default()
    }
}

/// Rules that need requests and refuse none.
fn about_requests() -> Access {
    let mut builder = Builder::new(access::Default::Allow, ["shop/never"]);
    builder.permission(Vec::new(), vec![http::Method::TRACE], Vec::new(), Vec::new());
    let (effect, mode) = (Effect::Deny, Mode::DryRun);
    let anyone = Condition { kind: Kind::Anyone, inverted: false };
    builder.subject(Subject(vec![anyone]), [Grant { permission: 0, binding: 0, effect, mode }]);
    builder.build([0; 32])
}

/// An address where nobody listens.
pub fn nobody() -> SocketAddr {
    let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    held.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let addr = held.local_addr().unwrap().as_socket().unwrap();
    // Bound and not listening for as long as the tests run: a port that was let go may be another test's by now.
    std::mem::forget(held);
    addr
}

pub async fn connect(addr: SocketAddr) -> TcpStream {
    TcpStream::connect(addr).await.unwrap()
}

/// Whether a connection is ended there without a word. A proxy may reset it before `connect` has returned.
pub async fn is_refused(addr: SocketAddr) -> bool {
    let Ok(mut tcp) = TcpStream::connect(addr).await else { return true };
    let _ = tcp.write_all(b"b").await;
    let read = tokio::time::timeout(LIMIT, tcp.read_u8()).await;
    read.expect("an end in time").is_err()
}

/// Reads one HTTP/1.1 response as it is on the wire: the head, and a body of known length or of chunks.
pub async fn read_response(io: &mut (impl AsyncRead + Unpin)) -> (String, Vec<u8>) {
    tokio::time::timeout(LIMIT, async {
        let mut seen = Vec::new();
        let head_end = loop {
            if let Some(end) = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            assert_ne!(
                io.read_buf(&mut seen).await.unwrap(),
                0,
                "ended in {:?}",
                String::from_utf8_lossy(&seen)
            );
        };
        let head = String::from_utf8(seen[..head_end].to_vec()).unwrap().to_ascii_lowercase();
        let done = |body: &[u8]| match head.split("content-length: ").nth(1) {
            Some(length) => body.len() >= length.lines().next().unwrap().parse().unwrap(),
            None if head.contains("transfer-encoding: chunked") => {
                body == b"0\r\n\r\n" || body.windows(3).any(|b| b == b"0\r\n") && body.ends_with(b"\r\n\r\n")
            }
            None => true,
        };
        while !done(&seen[head_end..]) {
            assert_ne!(
                io.read_buf(&mut seen).await.unwrap(),
                0,
                "ended in {:?}",
                String::from_utf8_lossy(&seen)
            );
        }
        (head, seen[head_end..].to_vec())
    })
    .await
    .expect("a response in time")
}

/// The content of a chunked body, however it was cut.
pub fn dechunk(mut body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let line = body.windows(2).position(|bytes| bytes == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return content;
        }
        content.extend_from_slice(&body[line + 2..line + 2 + size]);
        body = &body[line + 2 + size + 2..];
    }
}
