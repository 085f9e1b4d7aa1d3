//! What leaves the mesh under RegistryOnly, with real servers and sockets. Each evasion has a twin that passes, and what is refused
//! reaches nobody: neither where its name leads, nor where the application dialled.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::app::App;
use super::harness::{LIMIT, Proxy, Start, World, connect, read_response};
use super::tls_app::{Authority, Server, TlsApp};
use crate::access::IpBlock;
use crate::egress::{ExternalService, HostPattern, Lookup, Speaks};
use crate::http::Wire;
use crate::state::{MtlsMode, OutboundPolicy, Protocol};

pub const PUBLIC: [u8; 4] = [93, 184, 216, 34];

/// A server at the address that the application dials. Under RegistryOnly nobody comes there.
pub struct Decoy {
    pub addr: SocketAddr,
    pub app: App,
}

impl Decoy {
    pub async fn start() -> Self {
        let app = App::named(Wire::H1, "decoy").await;
        Self { addr: app.addr, app }
    }

    pub fn service(&self, name: &str, hosts: &[&str], speaks: Speaks) -> ExternalService {
        ExternalService {
            name: name.into(),
            hosts: hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
            ports: vec![(self.addr.port(), speaks)],
            tls: Vec::new(),
            addresses: Vec::new(),
            private_addresses: false,
            permitted: true,
        }
    }
}

/// The names that a world knows lead there, past the address that is judged.
pub fn leads(world: &World, host: &str, ip: impl Into<IpAddr>, to: SocketAddr) {
    let Lookup::Fixed(names) = &world.lookup else { panic!("tests ask nobody else") };
    names.lock().unwrap().insert(host.to_owned(), vec![(ip.into(), to)]);
}

pub fn start(
    world: &World,
    original: SocketAddr,
    policy: OutboundPolicy,
    services: Vec<ExternalService>,
) -> Proxy {
    let proxy = world.start(Start {
        account: "web",
        original,
        destinations: HashMap::new(),
        inbound_mode: MtlsMode::Permissive,
        inbound_protocol: Protocol::Unknown,
        needs_requests: false,
        policy,
        ingress_mode: false,
    });
    declare(&proxy, services);
    proxy
}

pub fn declare(proxy: &Proxy, services: Vec<ExternalService>) {
    proxy.change_workload(|pod| pod.external_services = services.into_iter().map(Arc::new).collect());
}

/// Shakes hands through the proxy with whoever it leads to. `None`: without a server name.
async fn shake(
    proxy: &Proxy,
    authority: &Authority,
    name: Option<&str>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.der())).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_sni = name.is_some();
    let name = ServerName::try_from(name.unwrap_or("api.example.com").to_owned()).unwrap();
    let tcp = TcpStream::connect(proxy.outbound).await?;
    timeout(LIMIT, TlsConnector::from(Arc::new(config)).connect(name, tcp)).await.expect("an end in time")
}

async fn echoes(stream: &mut TlsStream<TcpStream>) -> bool {
    if stream.write_all(b"ping").await.is_err() {
        return false;
    }
    let mut answer = [0; 4];
    timeout(LIMIT, stream.read_exact(&mut answer)).await.unwrap().is_ok() && &answer == b"ping"
}

async fn bank(authority: &Authority) -> TlsApp {
    let dns: &[&str] = &["api.example.com", "files.example.com", "bank.example"];
    Server { dns: Box::leak(dns.to_vec().into_boxed_slice()), alpn: &[], ..authority.server() }.start().await
}

#[tokio::test]
async fn tls_goes_where_the_name_leads_and_not_where_it_was_dialled() {
    let (world, authority, decoy) = (World::new(), Authority::new("a"), Decoy::start().await);
    let app = bank(&authority).await;
    leads(&world, "api.example.com", PUBLIC, app.addr);
    let service = decoy.service("shop/api", &["*.example.com", "api.example.com"], Speaks::Tls);
    let proxy = start(&world, decoy.addr, OutboundPolicy::RegistryOnly, vec![service]);
    let mut stream = shake(&proxy, &authority, Some("api.example.com")).await.unwrap();
    assert!(echoes(&mut stream).await);
    assert_eq!((app.handshakes(), decoy.app.connections()), (1, 0));
    let labels = [r#"verdict="allowed""#, r#"service="shop/api""#, r#"host="api.example.com""#];
    proxy.counted("weft_egress_total", &labels, 1.0).await;
    let destination = format!(r#"destination="shop/api:{}""#, decoy.addr.port());
    proxy.counted("weft_tcp_connections_total", &[&destination], 1.0).await;
}

#[tokio::test]
async fn tls_that_is_not_declared_reaches_nobody() {
    let (world, authority, decoy) = (World::new(), Authority::new("a"), Decoy::start().await);
    let app = bank(&authority).await;
    let metadata = [169, 254, 169, 254];
    for (host, ip) in [
        ("api.example.com", IpAddr::from(PUBLIC)),
        ("other.example.net", PUBLIC.into()),
        ("bank.example", PUBLIC.into()),
        ("inside.example.com", [10, 0, 0, 1].into()),
        ("metadata.example.com", metadata.into()),
        ("mapped.example.com", "::ffff:10.0.0.1".parse().unwrap()),
        ("loopback.example.com", [127, 0, 0, 1].into()),
        ("shared.example.com", [100, 64, 0, 1].into()),
        ("metadata.private.example", metadata.into()),
        ("http.example", PUBLIC.into()),
    ] {
        leads(&world, host, ip, app.addr);
    }
    let services = || {
        vec![
            decoy.service("shop/api", &["*.example.com"], Speaks::Tls),
            ExternalService {
                permitted: false,
                ..decoy.service("shop/bank", &["bank.example"], Speaks::Tls)
            },
            ExternalService {
                private_addresses: true,
                ..decoy.service("shop/private", &["*.private.example"], Speaks::Tls)
            },
            decoy.service("shop/http", &["http.example"], Speaks::Http),
        ]
    };
    let proxy = start(&world, decoy.addr, OutboundPolicy::RegistryOnly, services());
    for (name, reason) in [
        (Some("other.example.net"), "unknown-destination"),
        (Some("example.com"), "unknown-destination"),
        (Some("http.example"), "unknown-destination"),
        (None, "no-host"),
        (Some("bank.example"), "external-service-not-permitted"),
        (Some("inside.example.com"), "private-address"),
        (Some("metadata.example.com"), "private-address"),
        (Some("mapped.example.com"), "private-address"),
        (Some("loopback.example.com"), "private-address"),
        (Some("shared.example.com"), "private-address"),
        (Some("metadata.private.example"), "private-address"),
        (Some("nowhere.example.com"), "unresolved-host"),
    ] {
        let before = proxy.count("weft_errors_total", &[&format!(r#"reason="{reason}""#)]);
        assert!(shake(&proxy, &authority, name).await.is_err(), "{name:?}");
        proxy.counted("weft_errors_total", &[&format!(r#"reason="{reason}""#)], before + 1.0).await;
    }
    assert_eq!((app.handshakes(), app.requests(), decoy.app.connections()), (0, 0, 0));
    let host = [r#"verdict="refused""#, r#"host="inside.example.com""#, r#"reason="private-address""#];
    proxy.counted("weft_egress_total", &host, 1.0).await;
    // The twins.
    let reached = async |name| {
        let mut stream = shake(&proxy, &authority, Some(name)).await.unwrap();
        assert!(echoes(&mut stream).await, "{name}");
    };
    reached("api.example.com").await;
    let mut services = services();
    services[1].permitted = true;
    services[0].private_addresses = true;
    declare(&proxy, services);
    reached("bank.example").await;
    leads(&world, "files.example.com", [10, 0, 0, 1], app.addr);
    reached("files.example.com").await;
    assert_eq!((app.handshakes(), decoy.app.connections()), (3, 0));
}

/// A connection under RegistryOnly at whose port `*.example.com` is declared for HTTP; the application answers there.
async fn http_world() -> (World, App, Decoy, Proxy) {
    let (world, app, decoy) = (World::new(), App::start(Wire::H1).await, Decoy::start().await);
    leads(&world, "api.example.com", PUBLIC, app.addr);
    leads(&world, "evil.example.net", PUBLIC, app.addr);
    leads(&world, "inside.example.com", [10, 0, 0, 1], app.addr);
    let service = decoy.service("shop/api", &["*.example.com"], Speaks::Http);
    let proxy = start(&world, decoy.addr, OutboundPolicy::RegistryOnly, vec![service]);
    (world, app, decoy, proxy)
}

#[tokio::test]
async fn requests_are_judged_by_the_one_host_that_they_are_for() {
    let (_world, app, decoy, proxy) = http_world().await;
    for (request, status, reason) in [
        ("GET /head HTTP/1.1\r\nhost: api.example.com\r\n\r\n", 200, ""),
        ("GET /head HTTP/1.1\r\nhost: API.example.COM.\r\n\r\n", 200, ""),
        ("GET /head HTTP/1.1\r\nhost: api.example.com:80\r\n\r\n", 200, ""),
        ("GET http://api.example.com/head HTTP/1.1\r\nhost: evil.example.net\r\n\r\n", 200, ""),
        ("GET / HTTP/1.1\r\nhost: evil.example.net\r\n\r\n", 403, "unknown-destination"),
        ("GET / HTTP/1.1\r\nhost: example.com\r\n\r\n", 403, "unknown-destination"),
        ("GET / HTTP/1.1\r\nhost: evilexample.com\r\n\r\n", 403, "unknown-destination"),
        (
            "GET http://evil.example.net/ HTTP/1.1\r\nhost: api.example.com\r\n\r\n",
            403,
            "unknown-destination",
        ),
        ("GET / HTTP/1.1\r\nhost: api.example.com@evil.example.net\r\n\r\n", 403, "unknown-destination"),
        ("GET / HTTP/1.1\r\nhost: 93.184.216.34\r\n\r\n", 403, "no-host"),
        ("GET / HTTP/1.1\r\nhost: [::1]\r\n\r\n", 403, "no-host"),
        ("GET / HTTP/1.1\r\nhost: 2130706433\r\n\r\n", 403, "no-host"),
        ("GET / HTTP/1.1\r\nhost: \r\n\r\n", 403, "no-host"),
        ("GET / HTTP/1.1\r\n\r\n", 403, "no-host"),
        ("GET / HTTP/1.0\r\n\r\n", 403, "no-host"),
        ("GET / HTTP/1.0\r\nhost: api.example.com\r\n\r\n", 200, ""),
        ("GET / HTTP/1.1\r\nhost: inside.example.com\r\n\r\n", 403, "private-address"),
        ("GET / HTTP/1.1\r\nhost: nowhere.example.com\r\n\r\n", 503, "unresolved-host"),
        (
            "CONNECT evil.example.net:443 HTTP/1.1\r\nhost: evil.example.net\r\n\r\n",
            403,
            "unknown-destination",
        ),
        (
            "CONNECT evil.example.net:443 HTTP/1.1\r\nhost: api.example.com\r\n\r\n",
            403,
            "unknown-destination",
        ),
    ] {
        let before = app.connections();
        let mut client = connect(proxy.outbound).await;
        client.write_all(request.as_bytes()).await.unwrap();
        let (head, body) = read_response(&mut client).await;
        let body = String::from_utf8(body).unwrap();
        assert!(head.split(' ').nth(1) == Some(&status.to_string()), "{request}: {head}{body}");
        if status != 200 {
            assert!(head.contains(&format!("x-weft-reason: {reason}\r\n")), "{request}: {head}");
            assert!(!body.contains("shop/"), "the rule is for the log: {body}");
            assert_eq!(app.connections(), before, "{request}");
        } else if request.contains("/head") {
            assert!(
                body.to_ascii_lowercase().contains("api.example.com") && !body.contains("evil"),
                "{body}"
            );
        }
    }
    // Refused for what they are, whatever their host is.
    for request in [
        "GET / HTTP/1.1\r\nhost: api.example.com\r\nhost: evil.example.net\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: evil@api.example.com\r\n\r\n",
        "CONNECT api.example.com:443 HTTP/1.1\r\nhost: api.example.com\r\n\r\n",
    ] {
        let before = app.connections();
        let mut client = connect(proxy.outbound).await;
        client.write_all(request.as_bytes()).await.unwrap();
        let (head, _) = read_response(&mut client).await;
        assert!(head.starts_with("http/1.1 4") || head.starts_with("http/1.1 501"), "{request}: {head}");
        assert_eq!(app.connections(), before, "{request}");
    }
    assert_eq!(decoy.app.connections(), 0, "nobody goes where the application dialled");
}

#[tokio::test]
async fn each_request_of_a_connection_is_judged() {
    let (world, app, decoy, proxy) = http_world().await;
    leads(&world, "files.example.com", PUBLIC, app.addr);
    let mut client = connect(proxy.outbound).await;
    for (host, status) in [
        ("api.example.com", 200),
        ("evil.example.net", 403),
        ("api.example.com", 200),
        ("files.example.com", 200),
        ("evil.example.net", 403),
    ] {
        client.write_all(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
        let (head, _) = read_response(&mut client).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{host}: {head}");
    }
    proxy.counted("weft_egress_total", &[r#"verdict="refused""#, r#"host="evil.example.net""#], 2.0).await;
    let destination = format!(r#"destination="shop/api:{}""#, decoy.addr.port());
    proxy.counted("weft_requests_total", &[&destination, r#"code="200""#], 3.0).await;
    // What is withdrawn holds for the connection that has used it, too.
    declare(&proxy, Vec::new());
    client.write_all(b"GET / HTTP/1.1\r\nhost: api.example.com\r\n\r\n").await.unwrap();
    assert!(read_response(&mut client).await.0.starts_with("http/1.1 403"));
}

#[tokio::test]
async fn requests_over_http2_are_judged_alike() {
    let (world, app, decoy) = (World::new(), App::start(Wire::H2).await, Decoy::start().await);
    leads(&world, "api.example.com", PUBLIC, app.addr);
    let service = decoy.service("shop/api", &["*.example.com"], Speaks::Http);
    let proxy = start(&world, decoy.addr, OutboundPolicy::RegistryOnly, vec![service]);
    let io = TokioIo::new(connect(proxy.outbound).await);
    let (mut sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    for (authority, host, status) in [
        ("api.example.com", None, 200),
        ("api.example.com", Some("api.example.com"), 200),
        ("evil.example.net", None, 403),
        ("evil.example.net", Some("api.example.com"), 403),
        ("api.example.com", Some("evil.example.net"), 400),
        ("10.0.0.1", None, 403),
    ] {
        let mut request = Request::get(format!("http://{authority}/name"));
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let response = timeout(LIMIT, sender.send_request(request)).await.unwrap().unwrap();
        assert_eq!(response.status(), status, "{authority} {host:?}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body == "app", status == 200, "{authority} {host:?}: {body:?}");
    }
    let grpc = Request::post("http://evil.example.net/a.B/C")
        .header("content-type", "application/grpc")
        .body(Full::<Bytes>::default())
        .unwrap();
    let response = timeout(LIMIT, sender.send_request(grpc)).await.unwrap().unwrap();
    assert_eq!(response.headers()["grpc-status"], "7");
    assert_eq!(decoy.app.connections(), 0);
}

/// A server that greets whoever comes.
async fn greeter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            let _ = io.write_all(b"hello").await;
            tokio::spawn(async move { drop(io.read(&mut [0; 64]).await) });
        }
    });
    addr
}

async fn is_greeted(proxy: &Proxy) -> bool {
    let Ok(mut client) = TcpStream::connect(proxy.outbound).await else { return false };
    let mut greeting = [0; 5];
    timeout(LIMIT, client.read_exact(&mut greeting)).await.expect("an end in time").is_ok()
}

#[tokio::test]
async fn bytes_go_to_declared_addresses_only() {
    let (world, server) = (World::new(), greeter().await);
    let bytes = |address: [u8; 4], port| ExternalService {
        name: "shop/db".into(),
        hosts: Vec::new(),
        ports: vec![(port, Speaks::Bytes)],
        tls: Vec::new(),
        addresses: vec![IpBlock::new(address.into(), 32).unwrap()],
        private_addresses: false,
        permitted: true,
    };
    let good = bytes([127, 0, 0, 1], server.port());
    let proxy = start(&world, server, OutboundPolicy::RegistryOnly, vec![good.clone()]);
    assert!(is_greeted(&proxy).await, "also where the server speaks first");
    for services in [
        vec![],
        vec![bytes([127, 0, 0, 2], server.port())],
        vec![bytes([127, 0, 0, 1], server.port().wrapping_add(1).max(1))],
        vec![ExternalService { permitted: false, ..good.clone() }],
    ] {
        declare(&proxy, services);
        let mut client = connect(proxy.outbound).await;
        // A proxy may have reset it before.
        let _ = client.write_all(b"\x00\x01\x02 no HTTP\r\n\r\n").await;
        let mut nothing = [0; 5];
        assert!(timeout(LIMIT, client.read_exact(&mut nothing)).await.expect("an end in time").is_err());
    }
    declare(&proxy, vec![good]);
    assert!(is_greeted(&proxy).await);
}

#[tokio::test]
async fn what_is_allowed_no_more_ends() {
    let (world, authority, decoy) = (World::new(), Authority::new("a"), Decoy::start().await);
    let app = bank(&authority).await;
    leads(&world, "api.example.com", PUBLIC, app.addr);
    let service = || decoy.service("shop/api", &["api.example.com"], Speaks::Tls);
    let proxy = start(&world, decoy.addr, OutboundPolicy::RegistryOnly, vec![service()]);
    let mut kept = shake(&proxy, &authority, Some("api.example.com")).await.unwrap();
    // What changes and still allows it ends nothing.
    declare(&proxy, vec![service(), decoy.service("shop/more", &["more.example.com"], Speaks::Tls)]);
    assert!(echoes(&mut kept).await);
    declare(&proxy, Vec::new());
    proxy.counted("weft_errors_total", &[r#"reason="outbound-narrowed""#], 1.0).await;
    assert!(!echoes(&mut kept).await);

    let server = greeter().await;
    let open = start(&world, server, OutboundPolicy::AllowAny, Vec::new());
    let mut passed = connect(open.outbound).await;
    let mut greeting = [0; 5];
    passed.read_exact(&mut greeting).await.unwrap();
    open.change_workload(|pod| pod.outbound_policy = OutboundPolicy::RegistryOnly);
    assert!(timeout(LIMIT, passed.read_u8()).await.expect("an end in time").is_err());
    assert!(!is_greeted(&open).await);
}

#[tokio::test]
async fn a_dry_run_lets_everything_pass_and_says_what_it_would_refuse() {
    let (world, decoy) = (World::new(), Decoy::start().await);
    let service = decoy.service("shop/api", &["*.example.com"], Speaks::Http);
    let proxy = start(&world, decoy.addr, OutboundPolicy::DryRun, vec![service]);
    let judged = async |host: &str| {
        let mut client = connect(proxy.outbound).await;
        client.write_all(format!("GET /head HTTP/1.1\r\nhost: {host}\r\n").as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
        client.write_all(b"x-b: c\r\n\r\n").await.unwrap();
        let (head, body) = read_response(&mut client).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(String::from_utf8(body).unwrap().contains("x-b"), "all of it arrived");
    };
    judged("api.example.com").await;
    let allowed = [r#"verdict="allowed""#, r#"service="shop/api""#, r#"host="*.example.com""#];
    proxy.counted("weft_egress_total", &allowed, 1.0).await;
    judged("evil.example.net").await;
    let refused =
        [r#"verdict="would-refuse""#, r#"host="evil.example.net""#, r#"reason="unknown-destination""#];
    proxy.counted("weft_egress_total", &refused, 1.0).await;
    assert_eq!(decoy.app.connections(), 2, "it goes where the application dialled");

    let silent = start(&world, greeter().await, OutboundPolicy::DryRun, Vec::new());
    assert!(is_greeted(&silent).await, "nobody waits for the application");
    silent.counted("weft_egress_total", &[r#"verdict="would-refuse""#, r#"host="-""#], 1.0).await;
}
