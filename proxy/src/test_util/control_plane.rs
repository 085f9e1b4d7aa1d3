//! A control plane over real sockets: an identity authority and a delta config server, small and obedient.

mod reports;

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use prost::Message as _;
use rustls::ServerConfig;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;
use tonic::{
    Request, Response, Status, Streaming,
    codegen::tokio_stream::{Stream, wrappers::ReceiverStream},
};

use self::reports::Services;
use super::{TestCa, hour_around_now};
use crate::{
    config::{Config, Files, Pod, Ports},
    identity::SpiffeId,
    names, tls,
    wire::{
        envoy::service::discovery::v3::{
            DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource,
            aggregated_discovery_service_server::{
                AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
            },
        },
        weft::{
            identity::v1::{
                CertifyRequest, CertifyResponse,
                identity_authority_server::{IdentityAuthority, IdentityAuthorityServer},
            },
            telemetry::v1::{ReportRequest, ReportResponse},
        },
    },
};

/// A control plane that can be stopped and started again on the same ports.
pub struct ControlPlane {
    pub ca: Arc<TestCa>,
    pub csr_port: u16,
    pub config_port: u16,
    shared: Arc<Shared>,
    servers: Vec<JoinHandle<()>>,
    /// The identity its certificates name.
    identity: SpiffeId,
}

struct Shared {
    ca: Arc<TestCa>,
    /// Whom certificates are for.
    subject: SpiffeId,
    authority: Mutex<AuthorityState>,
    resources: watch::Sender<BTreeMap<String, Entry>>,
    requests: Mutex<Vec<DeltaDiscoveryRequest>>,
    reports: Mutex<Vec<ReportRequest>>,
    /// What is said to each stream of reports; none: there is no such service.
    pace: watch::Sender<Option<ReportResponse>>,
    /// Connections to the port of configuration.
    connections: AtomicUsize,
}

struct AuthorityState {
    token: String,
    life: (Duration, Duration),
    refuse: Option<Status>,
    issued: usize,
}

#[derive(Clone)]
struct Entry {
    type_url: &'static str,
    version: String,
    body: Vec<u8>,
}

#[derive(Clone)]
struct Authority(Arc<Shared>);
#[derive(Clone)]
struct Discovery(Arc<Shared>);

// === impl ControlPlane ===

impl ControlPlane {
    /// Serves on free ports, for a workload `ns/shop/sa/web` of trust domain `cluster.local`.
    pub async fn start() -> Self {
        Self::start_as("weft-system", "weft").await
    }

    /// Serves under another identity than the one proxies expect.
    pub async fn start_as(namespace: &str, account: &str) -> Self {
        let ca = Arc::new(TestCa::new("cluster.local"));
        let (subject, identity) = (ca.id("shop", "web"), ca.id(namespace, account));
        Self::start_with(ca, subject, identity).await
    }

    /// Serves `subject`, in a mesh that shares `ca` with other control planes.
    pub async fn start_for(ca: Arc<TestCa>, subject: SpiffeId) -> Self {
        let identity = ca.id("weft-system", "weft");
        Self::start_with(ca, subject, identity).await
    }

    async fn start_with(ca: Arc<TestCa>, subject: SpiffeId, identity: SpiffeId) -> Self {
        let shared = Arc::new(Shared {
            subject,
            ca: ca.clone(),
            authority: Mutex::new(AuthorityState {
                token: "token-1".to_owned(),
                life: (Duration::from_secs(60), Duration::from_secs(3600)),
                refuse: None,
                issued: 0,
            }),
            resources: watch::channel(BTreeMap::new()).0,
            requests: Mutex::default(),
            reports: Mutex::default(),
            pace: watch::channel(Some(ReportResponse { pace_ms: 10_000, now: false })).0,
            connections: AtomicUsize::new(0),
        });
        let mut plane = Self { ca, csr_port: 0, config_port: 0, shared, servers: Vec::new(), identity };
        plane.resume().await;
        plane
    }

    /// The settings of a proxy that uses this control plane, with its files in `dir`.
    pub fn proxy_config(&self, dir: &std::path::Path) -> Config {
        let files = Files {
            token: dir.join("token"),
            credentials: None,
            trust_bundle: dir.join("bundle.pem"),
            state: dir.join("state"),
        };
        std::fs::create_dir_all(&files.state).unwrap();
        std::fs::write(&files.token, "token-1\n").unwrap();
        std::fs::write(&files.trust_bundle, self.ca.bundle_pem()).unwrap();
        Config {
            control_plane_host: "127.0.0.1".to_owned(),
            csr_port: self.csr_port,
            config_port: self.config_port,
            trust_domain: "cluster.local".to_owned(),
            system_namespace: "weft-system".to_owned(),
            pod: Pod {
                name: "web-1".to_owned(),
                namespace: "shop".to_owned(),
                uid: "uid-1".to_owned(),
                service_account: "web".to_owned(),
                ips: vec!["127.0.0.1".parse().unwrap()],
            },
            probes: "{}".to_owned(),
            workers: 1,
            log: "info".to_owned(),
            access_log: None,
            drain: Duration::from_secs(1),
            ports: Ports { outbound: 0, inbound: 0, probe: 0, metrics: 0 },
            files,
        }
    }

    /// Ends the servers and every connection.
    pub async fn stop(&mut self) {
        for server in self.servers.drain(..) {
            server.abort();
            let _ = server.await;
        }
    }

    /// Serves again, on the ports of before.
    pub async fn resume(&mut self) {
        let csr = TcpListener::bind(("127.0.0.1", self.csr_port)).await.unwrap();
        let config = TcpListener::bind(("127.0.0.1", self.config_port)).await.unwrap();
        (self.csr_port, self.config_port) =
            (csr.local_addr().unwrap().port(), config.local_addr().unwrap().port());
        let own = self.ca.state(&self.identity, hour_around_now(), self.ca.trust());
        let anonymous = {
            let mut config = ServerConfig::builder_with_provider(tls::provider())
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(own.key.clone())));
            config.alpn_protocols = vec![b"h2".to_vec()];
            config
        };
        let mut mutual = own.server.as_ref().clone();
        mutual.alpn_protocols = vec![b"h2".to_vec()];
        let authority = IdentityAuthorityServer::new(Authority(self.shared.clone()));
        let discovery = AggregatedDiscoveryServiceServer::new(Discovery(self.shared.clone()));
        let services = Services { shared: self.shared.clone(), discovery };
        let counted = self.shared.clone();
        self.servers = vec![
            tokio::spawn(serve(csr, anonymous, authority, || {})),
            tokio::spawn(serve(config, mutual, services, move || {
                counted.connections.fetch_add(1, Ordering::Relaxed);
            })),
        ];
    }

    /// Accepts this token only.
    pub fn expect_token(&self, token: &str) {
        self.shared.authority.lock().unwrap().token = token.to_owned();
    }

    /// Certificates begin `before` now and end `after` now.
    pub fn certificate_life(&self, before: Duration, after: Duration) {
        self.shared.authority.lock().unwrap().life = (before, after);
    }

    /// Refuses every request, or none.
    pub fn refuse_certificates(&self, status: Option<Status>) {
        self.shared.authority.lock().unwrap().refuse = status;
    }

    /// How many certificates were issued.
    pub fn issued(&self) -> usize {
        self.shared.authority.lock().unwrap().issued
    }

    /// Publishes a destination under `name` (`ip/...`).
    pub fn set_destination(&self, name: &str, version: &str, body: &crate::wire::weft::v1::Destination) {
        self.set(names::DESTINATION_TYPE, name, version, body.encode_to_vec());
    }

    /// Publishes a workload.
    pub fn set_workload(&self, uid: &str, version: &str, body: &crate::wire::weft::v1::Workload) {
        self.set(names::WORKLOAD_TYPE, uid, version, body.encode_to_vec());
    }

    /// Publishes any bytes.
    pub fn set(&self, type_url: &'static str, name: &str, version: &str, body: Vec<u8>) {
        let entry = Entry { type_url, version: version.to_owned(), body };
        self.shared.resources.send_modify(|resources| {
            resources.insert(name.to_owned(), entry);
        });
    }

    /// Takes a resource away.
    pub fn remove(&self, name: &str) {
        self.shared.resources.send_modify(|resources| {
            resources.remove(name);
        });
    }

    /// Every report so far, over all streams.
    pub fn reports(&self) -> Vec<ReportRequest> {
        self.shared.reports.lock().unwrap().clone()
    }

    /// Says this to every stream of reports, also to those that come; none: from now on there is no such service.
    pub fn set_pace(&self, pace: Option<ReportResponse>) {
        self.shared.pace.send_replace(pace);
    }

    /// Connections to the port of configuration so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Every request so far, over all streams.
    pub fn requests(&self) -> Vec<DeltaDiscoveryRequest> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

/// Serves gRPC until aborted; connections end with it. `accepted` is told of each.
async fn serve<S>(listener: TcpListener, config: ServerConfig, service: S, accepted: impl Fn())
where
    S: tower_service::Service<
            http::Request<hyper::body::Incoming>,
            Response = http::Response<tonic::body::Body>,
            Error = std::convert::Infallible,
        > + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut connections = JoinSet::new();
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        accepted();
        let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(service.clone()));
        connections.spawn(async move {
            let Ok(tls) = acceptor.accept(tcp).await else { return };
            let _ = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(tls), service)
                .await;
        });
    }
}

// === impl Authority ===

#[tonic::async_trait]
impl IdentityAuthority for Authority {
    async fn certify(&self, request: Request<CertifyRequest>) -> Result<Response<CertifyResponse>, Status> {
        let mut state = self.0.authority.lock().unwrap();
        if let Some(refusal) = &state.refuse {
            return Err(refusal.clone());
        }
        let bearer = format!("Bearer {}", state.token);
        if request.metadata().get("authorization").is_none_or(|given| given.as_bytes() != bearer.as_bytes()) {
            return Err(Status::unauthenticated("the token is expired"));
        }
        let now = SystemTime::now();
        let life = (now - state.life.0, now + state.life.1);
        let chain = self.0.ca.certify(&request.get_ref().csr, &self.0.subject, life);
        state.issued += 1;
        Ok(Response::new(CertifyResponse {
            chain: chain.into_iter().map(|certificate| certificate.to_vec()).collect(),
            not_before: unix(life.0),
            not_after: unix(life.1),
        }))
    }
}

fn unix(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64
}

// === impl Discovery ===

#[tonic::async_trait]
impl AggregatedDiscoveryService for Discovery {
    type DeltaAggregatedResourcesStream =
        Pin<Box<dyn Stream<Item = Result<DeltaDiscoveryResponse, Status>> + Send + 'static>>;

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let (sender, receiver) = mpsc::channel(16);
        tokio::spawn(stream(self.0.clone(), request.into_inner(), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// What one stream has subscribed to, with the version last sent; `None` was not answered yet.
type Subscriptions = HashMap<(String, String), Option<String>>;

/// Stands for "told that it is not there".
const GONE: &str = "";

async fn stream(
    shared: Arc<Shared>,
    mut requests: Streaming<DeltaDiscoveryRequest>,
    responses: mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>,
) {
    let mut resources = shared.resources.subscribe();
    let mut subscribed = Subscriptions::new();
    let mut nonce = 0;
    loop {
        tokio::select! {
            request = requests.message() => match request {
                Ok(Some(request)) => {
                    subscribe(&mut subscribed, &request);
                    shared.requests.lock().unwrap().push(request);
                }
                _ => return,
            },
            changed = resources.changed() => if changed.is_err() { return },
        }
        let table = resources.borrow_and_update().clone();
        for type_url in [names::WORKLOAD_TYPE, names::DESTINATION_TYPE] {
            let mut response = difference(type_url, &mut subscribed, &table);
            if response.resources.is_empty() && response.removed_resources.is_empty() {
                continue;
            }
            nonce += 1;
            response.nonce = nonce.to_string();
            if responses.send(Ok(response)).await.is_err() {
                return;
            }
        }
    }
}

fn subscribe(subscribed: &mut Subscriptions, request: &DeltaDiscoveryRequest) {
    let key = |name: &String| (request.type_url.clone(), name.clone());
    for name in &request.resource_names_unsubscribe {
        subscribed.remove(&key(name));
    }
    for name in &request.resource_names_subscribe {
        subscribed.insert(key(name), request.initial_resource_versions.get(name).cloned());
    }
}

fn difference(
    type_url: &str,
    subscribed: &mut Subscriptions,
    table: &BTreeMap<String, Entry>,
) -> DeltaDiscoveryResponse {
    let mut response = DeltaDiscoveryResponse { type_url: type_url.to_owned(), ..Default::default() };
    for ((_, name), sent) in subscribed.iter_mut().filter(|((of_type, _), _)| of_type == type_url) {
        match table.get(name).filter(|entry| entry.type_url == type_url) {
            Some(entry) if sent.as_ref() != Some(&entry.version) => {
                *sent = Some(entry.version.clone());
                response.resources.push(Resource {
                    version: entry.version.clone(),
                    name: name.clone(),
                    resource: Some(prost_types::Any {
                        type_url: type_url.to_owned(),
                        value: entry.body.clone(),
                    }),
                });
            }
            None if sent.as_deref() != Some(GONE) => {
                *sent = Some(GONE.to_owned());
                response.removed_resources.push(name.clone());
            }
            _ => {}
        }
    }
    response
}
