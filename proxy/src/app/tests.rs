use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener as TokioListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

use super::*;
use crate::{
    admin::client::{self, Question},
    test_util::{ControlPlane, eventually},
    wire::weft::v1 as wire,
};

const SERVICE: &str = "10.96.0.5:8080";

/// A whole proxy in this process, with capture replaced by a fixed destination.
struct Running {
    addresses: Addresses,
    admin: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<anyhow::Result<()>>,
    _dir: tempfile::TempDir,
}

fn start(plane: &ControlPlane, original: SocketAddr) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let mut config = plane.proxy_config(dir.path());
    // Any loopback address but the one the peers are dialled at: a pod's calls to itself take another path.
    config.pod.ips = vec!["127.0.0.9".parse().unwrap()];
    let admin = config.files.admin_socket();
    let proxy = Proxy::bind(config, Log::detached(), OriginalDst::Fixed(original)).unwrap();
    let addresses = proxy.addresses();
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(proxy.run(async move {
        let _ = stopped.await;
    }));
    Running { addresses, admin, stop: Some(stop), ended, _dir: dir }
}

impl Running {
    /// Asked over its admin socket.
    async fn shows(&self, path: &'static str) -> String {
        let admin = self.admin.clone();
        let ask = move || client::ask(&admin, Question { method: "GET", path, body: "" });
        tokio::task::spawn_blocking(ask).await.unwrap().unwrap().body
    }

    async fn ready(&self) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        loop {
            let answer = get(self.addresses.metrics, "/ready").await;
            if answer.starts_with("HTTP/1.1 200") {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{answer}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The proxies' listeners are on all addresses; tests use loopback.
fn local(addr: SocketAddr) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], addr.port()))
}

async fn get(addr: SocketAddr, path: &str) -> String {
    let mut tcp = TcpStream::connect(local(addr)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: reviews:8080\r\nconnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(10), tcp.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    answer
}

/// An application that answers every request with what it saw.
async fn application() -> SocketAddr {
    let listener = TokioListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !seen.ends_with(b"\r\n\r\n") {
                    match tcp.read_u8().await {
                        Ok(byte) => seen.push(byte),
                        Err(_) => return,
                    }
                }
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", seen.len());
                let _ = tcp.write_all(&[head.as_bytes(), &seen].concat()).await;
            });
        }
    });
    addr
}

fn workload() -> wire::Workload {
    wire::Workload {
        key: "default/default/shop/web-1".to_owned(),
        identity: "spiffe://cluster.local/ns/shop/sa/web".to_owned(),
        mtls_mode: wire::MtlsMode::Permissive.into(),
        outbound_policy: wire::OutboundPolicy::AllowAny.into(),
        ..Default::default()
    }
}

/// The service behind one meshed endpoint.
fn service(endpoint: SocketAddr) -> wire::Destination {
    let SocketAddr::V4(endpoint) = local(endpoint) else { unreachable!("loopback of IPv4") };
    wire::Destination {
        key: "default/default/shop/reviews:8080/-".to_owned(),
        target: Some(wire::Target {
            kind: 1,
            namespace: "shop".to_owned(),
            name: "reviews".to_owned(),
            port: 8080,
        }),
        protocol: 1,
        endpoints: vec![wire::Endpoint {
            address: endpoint.ip().octets().to_vec(),
            port: endpoint.port().into(),
            identity: 1,
            ..Default::default()
        }],
        identities: vec!["spiffe://cluster.local/ns/shop/sa/web".to_owned()],
        backends: vec![wire::Backend {
            name: "shop/reviews:8080".to_owned(),
            endpoints: vec![0],
            ..Default::default()
        }],
        routes: vec![wire::Route {
            name: "route-0".to_owned(),
            split: vec![wire::WeightedBackend { backend: 0, weight: 1, ..Default::default() }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[tokio::test]
async fn a_request_goes_from_proxy_to_proxy_over_mutual_tls_and_both_tell_it() {
    let plane = ControlPlane::start().await;
    plane.set_workload("uid-1", "w1", &workload());
    let callee = start(&plane, application().await);
    let caller = start(&plane, SERVICE.parse().unwrap());
    plane.set_destination(&format!("ip/{SERVICE}"), "v1", &service(callee.addresses.inbound));
    callee.ready().await;
    caller.ready().await;

    let answer = get(caller.addresses.outbound, "/hello").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("GET /hello HTTP/1.1"), "{answer}");

    for proxy in [&caller, &callee] {
        let metrics = get(proxy.addresses.metrics, "/metrics").await;
        assert!(metrics.contains("weft_control_plane_connected 1"), "{metrics}");
        assert!(metrics.contains("spiffe://cluster.local/ns/shop/sa/web"), "the peer is named: {metrics}");
    }
    let dump = caller.shows("/config").await;
    assert!(dump.contains("\"connected\": true") && dump.contains(SERVICE), "{dump}");
    assert!(dump.contains("default/default/shop/reviews:8080/-") && !dump.contains("PRIVATE"), "{dump}");
}

#[tokio::test]
async fn what_the_balancers_weigh_is_shown_for_each_worker() {
    let plane = ControlPlane::start().await;
    plane.set_workload("uid-1", "w1", &wire::Workload { zone: "zone-a".to_owned(), ..workload() });
    let caller = start(&plane, SERVICE.parse().unwrap());
    let mut destination = service(application().await);
    (destination.identities, destination.endpoints[0].identity) = (Vec::new(), 0);
    destination.endpoints[0].weight = 300;
    (destination.zones, destination.endpoints[0].zone) = (vec!["zone-b".to_owned()], 1);
    destination.load_balancer = Some(wire::LoadBalancer {
        algorithm: wire::load_balancer::Algorithm::Maglev.into(),
        hash: vec![wire::HashInput { input: Some(wire::hash_input::Input::Path(true)) }],
        zone: wire::load_balancer::Zone::Prefer.into(),
        slow_start_ms: 30_000,
        ..Default::default()
    });
    destination.limits = Some(wire::Limits { max_requests: 7, max_pending: 2, ..Default::default() });
    destination.outliers = Some(wire::Outliers {
        consecutive_failures: 1,
        base_ms: 60_000,
        max_percent: 100,
        ..Default::default()
    });
    destination.routes[0].retries = Some(wire::Retries {
        attempts: 1,
        on: vec!["reset".to_owned()],
        budget_percent: 20,
        budget_interval_ms: 10_000,
        budget_min_per_second: 3,
        ..Default::default()
    });
    plane.set_destination(&format!("ip/{SERVICE}"), "v1", &destination);
    caller.ready().await;
    get(caller.addresses.outbound, "/hello").await;

    let workers: serde_json::Value = serde_json::from_str(&caller.shows("/balancers").await).unwrap();
    let key = "default/default/shop/reviews:8080/-";
    let seen = workers.as_array().unwrap().iter().find_map(|worker| worker.get(key)).unwrap();
    assert_eq!(seen["algorithm"], "Maglev", "{seen:#}");
    let backend = &seen["backends"][0];
    assert_eq!(backend["leavesZone"], 1.0, "{seen:#}");
    let endpoint = &backend["endpoints"][0];
    assert_eq!(
        (&endpoint["weight"], &endpoint["zone"], &endpoint["pending"], &endpoint["share"]),
        (&300.into(), &"zone-b".into(), &0.into(), &1.0.into()),
        "{seen:#}"
    );
    assert!(endpoint["latencyMs"].as_f64().unwrap() > 0.0, "{seen:#}");
    let limits = &seen["limits"];
    assert_eq!(
        (&limits["requests"], &limits["maxRequests"], &limits["pending"], &limits["maxPending"]),
        (&0.into(), &7.into(), &0.into(), &2.into()),
        "{seen:#}"
    );
    assert_eq!(seen["routes"][0]["retriesLeft"], 3, "{seen:#}");
    assert_eq!(endpoint["ejection"], serde_json::Value::Null, "{seen:#}");
}

#[tokio::test]
async fn readiness_says_what_is_missing_until_there_is_a_certificate_and_a_workload() {
    let plane = ControlPlane::start().await;
    plane.refuse_certificates(Some(tonic::Status::unavailable("not yet")));
    let proxy = start(&plane, SERVICE.parse().unwrap());
    let answer = get(proxy.addresses.metrics, "/ready").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("identity certificate, workload configuration, workers"), "{answer}");
    plane.refuse_certificates(None);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !get(proxy.addresses.metrics, "/ready")
        .await
        .contains("waiting for workload configuration, workers")
    {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    plane.set_workload("uid-1", "w1", &workload());
    proxy.ready().await;
}

#[tokio::test]
async fn being_told_to_end_ends_it_after_draining() {
    let plane = ControlPlane::start().await;
    plane.set_workload("uid-1", "w1", &workload());
    let mut proxy = start(&plane, SERVICE.parse().unwrap());
    proxy.ready().await;
    drop(proxy.stop.take());
    timeout(Duration::from_secs(5), &mut proxy.ended).await.expect("ended in time").unwrap().unwrap();
    eventually("its ports are closed", || {
        std::net::TcpStream::connect(local(proxy.addresses.metrics)).is_err().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let plane = ControlPlane::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut config = plane.proxy_config(dir.path());
    config.ports.metrics = taken.local_addr().unwrap().port();
    let Err(error) = Proxy::bind(config, Log::detached(), OriginalDst::Socket) else { panic!("bound twice") };
    assert!(error.to_string().contains("cannot listen on metrics port"), "{error:#}");
}
