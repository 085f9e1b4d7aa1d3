//! Requests that leave the application in plain text and the pod in TLS, as an ExternalService asks for it: with real servers, under
//! every outbound policy. What a server has not proved nobody is sent, least of all who was dialled.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::version;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::harness::{LIMIT, Proxy, World, connect, read_response};
use super::outside::{Decoy, PUBLIC, declare, leads, start};
use super::tls_app::{Authority, Server, TlsApp};
use crate::access::IpBlock;
use crate::egress::{ExternalService, Originate, Speaks};
use crate::state::OutboundPolicy;
use crate::tls::Demand;

const POLICIES: [OutboundPolicy; 3] =
    [OutboundPolicy::AllowAny, OutboundPolicy::DryRun, OutboundPolicy::RegistryOnly];

/// The ExternalService `shop/api` with TLS to port 443.
fn service(decoy: &Decoy, hosts: &[&str], demand: Arc<Demand>) -> ExternalService {
    let tls = vec![Originate { port: decoy.addr.port(), to: 443, demand }];
    ExternalService { tls, ..decoy.service("shop/api", hosts, Speaks::Http) }
}

fn trusting(authority: &Authority) -> Arc<Demand> {
    authority.demand("ExternalService", "shop/api", &[], &[])
}

async fn api(authority: &Authority) -> TlsApp {
    Server { dns: &["api.example.com"], ..authority.server() }.start().await
}

/// Head and body of the answer to a request for `host`.
async fn ask(proxy: &Proxy, host: &str) -> (String, String) {
    ask_over(&mut connect(proxy.outbound).await, host).await
}

async fn ask_over(client: &mut TcpStream, host: &str) -> (String, String) {
    client.write_all(format!("GET /name HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let (head, body) = read_response(client).await;
    (head, String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn requests_arrive_in_tls_at_the_host_that_they_are_for_under_every_policy() {
    let authority = Authority::new("a");
    for policy in POLICIES {
        let (world, decoy) = (World::new(), Decoy::start().await);
        for (version, said) in [(&version::TLS13, "TLSv1_3"), (&version::TLS12, "TLSv1_2")] {
            let server = Server { dns: &["api.example.com"], versions: vec![version], ..authority.server() };
            let app = server.start().await;
            leads(&world, "api.example.com", PUBLIC, app.addr);
            let service = service(&decoy, &["*.example.com"], trusting(&authority));
            let proxy = start(&world, decoy.addr, policy, vec![service]);
            for host in ["api.example.com", "API.example.COM.", "api.example.com:8080"] {
                let (head, body) = ask(&proxy, host).await;
                assert!(head.starts_with("http/1.1 200"), "{policy:?} {host}: {head}{body}");
                assert_eq!(body, format!("api.example.com {said} Some(\"http/1.1\")"));
                assert!(head.contains("x-host: api.example.com\r\n"), "as in https: {head}");
            }
            let io = TokioIo::new(connect(proxy.outbound).await);
            let (mut sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            let request = Request::get("http://api.example.com/a").body(Full::<Bytes>::default()).unwrap();
            let response = timeout(LIMIT, sender.send_request(request)).await.unwrap().unwrap();
            assert_eq!(
                (response.status().as_u16(), response.headers()["x-host"].as_bytes()),
                (200, b"api.example.com".as_slice())
            );
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, format!("api.example.com {said} Some(\"h2\")"));
            let labels = [r#"verdict="allowed""#, r#"service="shop/api""#, r#"host="*.example.com""#];
            proxy.counted("weft_egress_total", &labels, 4.0).await;
            let destination = format!(r#"destination="shop/api:{}""#, decoy.addr.port());
            let labels = [&*destination, r#"tls="backend""#, r#"code="200""#];
            proxy.counted("weft_requests_total", &labels, 4.0).await;
            assert_eq!(app.handshakes(), 2, "connections are kept");
        }
        assert_eq!(decoy.app.connections(), 0, "nobody goes where the application dialled");
    }
}

/// The request fails as TLS, for this reason.
async fn is_refused(proxy: &Proxy, host: &str, why: &str) {
    let (head, body) = ask(proxy, host).await;
    assert!(head.starts_with("http/1.1 503") && head.contains("x-weft-reason: tls-failed"), "{why}: {head}");
    assert!(body.contains("ExternalService shop/api") && body.contains(why), "{body} has not {why}");
}

#[tokio::test]
async fn a_server_that_does_not_prove_its_name_gets_no_request() {
    let (authority, other) = (Authority::new("a"), Authority::new("a"));
    let ago = |minutes: u64| SystemTime::now() - Duration::from_secs(60 * minutes);
    let refused =
        || Arc::new(Demand::refused("ExternalService", "shop/api", "ConfigMap shop/ca does not exist"));
    let naming = |dns: &[&str], uris: &[&str]| authority.demand("ExternalService", "shop/api", dns, uris);
    let good = || Server { dns: &["api.example.com"], ..authority.server() };
    for policy in POLICIES {
        let cases = [
            // Wildcards of hosts say who may be asked, and not which of them may answer for another.
            (Server { dns: &["files.example.com"], ..good() }, trusting(&authority), "not valid for name"),
            (Server { dns: &["example.com"], ..good() }, trusting(&authority), "not valid for name"),
            (good(), trusting(&other), "chains to none"),
            (Server { life: (ago(20), ago(10)), ..good() }, trusting(&authority), "expired"),
            (good(), naming(&["bank.example"], &[]), "subjectAltNames"),
            (good(), naming(&[], &["spiffe://corp/api"]), "subjectAltNames"),
            (good(), refused(), "ConfigMap shop/ca does not exist"),
        ];
        for (server, demand, why) in cases {
            let (world, decoy, app) = (World::new(), Decoy::start().await, server.start().await);
            leads(&world, "api.example.com", PUBLIC, app.addr);
            let proxy = start(&world, decoy.addr, policy, vec![service(&decoy, &["*.example.com"], demand)]);
            is_refused(&proxy, "api.example.com", why).await;
            assert_eq!((app.handshakes(), app.requests(), decoy.app.connections()), (0, 0, 0), "{why}");
        }
        // The twins: other names where they are asked for, and the good server after the change that mends it.
        let (world, decoy, app) = (World::new(), Decoy::start().await, api(&authority).await);
        leads(&world, "api.example.com", PUBLIC, app.addr);
        let twin = |demand| vec![service(&decoy, &["*.example.com"], demand)];
        let proxy = start(&world, decoy.addr, policy, twin(trusting(&other)));
        let mut kept = connect(proxy.outbound).await;
        assert!(ask_over(&mut kept, "api.example.com").await.0.starts_with("http/1.1 503"));
        declare(&proxy, twin(trusting(&authority)));
        assert!(ask_over(&mut kept, "api.example.com").await.0.starts_with("http/1.1 200"));
        declare(&proxy, twin(naming(&["*.example.com"], &[])));
        assert!(ask_over(&mut kept, "api.example.com").await.0.starts_with("http/1.1 200"));
        // No connection that was verified for the one stands in for another.
        declare(&proxy, twin(trusting(&other)));
        assert!(ask_over(&mut kept, "api.example.com").await.0.starts_with("http/1.1 503"));
    }
}

/// A server that answers whoever comes with `hello` and tells all that it was sent.
async fn raw(hello: &'static [u8]) -> (std::net::SocketAddr, tokio::sync::mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, told) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut seen = vec![0; 4096];
                let count = io.read(&mut seen).await.unwrap_or_default();
                let _ = io.write_all(hello).await;
                seen.truncate(count);
                let _ = io.read_to_end(&mut seen).await;
                let _ = tell.send(seen).await;
            });
        }
    });
    (addr, told)
}

/// ServerHello of TLS 1.1 (RFC 4346), with a random of zeros and TLS_RSA_WITH_AES_128_CBC_SHA.
const TLS11: &[u8] = &[
    22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x2f, 0, 0,
];

#[tokio::test]
async fn a_server_without_tls_or_with_an_old_version_sees_no_byte_of_a_request() {
    let authority = Authority::new("a");
    for (hello, why) in [
        (b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".as_slice(), "does not speak TLS"),
        (TLS11, "TLS handshake"),
    ] {
        for policy in POLICIES {
            let (world, decoy, (addr, mut told)) = (World::new(), Decoy::start().await, raw(hello).await);
            leads(&world, "api.example.com", PUBLIC, addr);
            let service = service(&decoy, &["api.example.com"], trusting(&authority));
            let proxy = start(&world, decoy.addr, policy, vec![service]);
            is_refused(&proxy, "api.example.com", why).await;
            let seen = timeout(LIMIT, told.recv()).await.unwrap().unwrap();
            assert_eq!(seen[..2], [22, 3], "a handshake of TLS and nothing else: {seen:?}");
            assert!(!seen.windows(3).any(|bytes| bytes == b"GET"));
            assert_eq!(decoy.app.connections(), 0);
        }
    }
}

#[tokio::test]
async fn requests_of_one_connection_go_each_its_way() {
    let authority = Authority::new("a");
    for policy in POLICIES {
        let (world, decoy, app) = (World::new(), Decoy::start().await, api(&authority).await);
        leads(&world, "api.example.com", PUBLIC, app.addr);
        let good = || service(&decoy, &["api.example.com"], trusting(&authority));
        let proxy = start(&world, decoy.addr, policy, vec![good()]);
        let mut client = connect(proxy.outbound).await;
        let other = if policy == OutboundPolicy::RegistryOnly { "403" } else { "200" };
        for (host, status, app_answers) in [
            ("other.example.net", other, false),
            ("api.example.com", "200", true),
            ("93.184.216.34", other, false),
            ("api.example.com", "200", true),
        ] {
            let (head, body) = ask_over(&mut client, host).await;
            assert!(head.starts_with(&format!("http/1.1 {status}")), "{policy:?} {host}: {head}{body}");
            assert_eq!(body.starts_with("api.example.com TLS"), app_answers, "{host}: {body}");
            assert!(app_answers || status == "403" || body == "decoy", "{body}");
        }
        assert_eq!(app.requests(), 2);
        if policy == OutboundPolicy::DryRun {
            let would = [r#"verdict="would-refuse""#, r#"host="other.example.net""#];
            proxy.counted("weft_egress_total", &would, 1.0).await;
        }
        // What it may not use goes out no other way, and neither does what it asks for elsewhere than at the declared addresses.
        let before = decoy.app.connections();
        let elsewhere = vec![IpBlock::new([203, 0, 113, 0].into(), 24).unwrap()];
        for (service, reason) in [
            (ExternalService { permitted: false, ..good() }, "external-service-not-permitted"),
            (ExternalService { addresses: elsewhere, ..good() }, "unknown-destination"),
        ] {
            declare(&proxy, vec![service]);
            let (head, _) = ask_over(&mut client, "api.example.com").await;
            let told = format!("x-weft-reason: {reason}\r\n");
            assert!(head.starts_with("http/1.1 403") && head.contains(&told), "{policy:?}: {head}");
        }
        assert_eq!((app.requests(), decoy.app.connections()), (2, before), "{policy:?}");
    }
}

#[tokio::test]
async fn declared_addresses_are_dialled_at_the_port_for_tls() {
    let (authority, world) = (Authority::new("a"), World::new());
    for policy in POLICIES {
        let (decoy, app) = (Decoy::start().await, api(&authority).await);
        let mut service = service(&decoy, &["api.example.com"], trusting(&authority));
        service.addresses = vec![IpBlock::new([127, 0, 0, 1].into(), 32).unwrap()];
        service.tls[0].to = app.addr.port();
        let proxy = start(&world, decoy.addr, policy, vec![service]);
        let (head, body) = ask(&proxy, "api.example.com").await;
        assert!(head.starts_with("http/1.1 200"), "{head}{body}");
        assert!(head.contains(&format!("x-host: api.example.com:{}\r\n", app.addr.port())), "{head}");
        assert_eq!((app.requests(), decoy.app.connections()), (1, 0));
    }
}

#[tokio::test]
async fn of_two_that_name_a_host_as_closely_the_one_with_tls_counts() {
    let (authority, world) = (Authority::new("a"), World::new());
    let (decoy, app) = (Decoy::start().await, api(&authority).await);
    leads(&world, "api.example.com", PUBLIC, app.addr);
    let plain = decoy.service("shop/plain", &["api.example.com"], Speaks::Http);
    let tls = service(&decoy, &["api.example.com"], trusting(&authority));
    for services in [vec![plain.clone(), tls.clone()], vec![tls, plain]] {
        for policy in POLICIES {
            let proxy = start(&world, decoy.addr, policy, services.clone());
            assert!(ask(&proxy, "api.example.com").await.1.starts_with("api.example.com TLS"));
        }
    }
    assert_eq!(decoy.app.connections(), 0);
}

#[tokio::test]
async fn what_asks_for_tls_and_is_not_for_the_pod_or_the_address_leaves_no_way_without() {
    let (authority, world) = (Authority::new("a"), World::new());
    let (decoy, app) = (Decoy::start().await, api(&authority).await);
    leads(&world, "api.example.com", PUBLIC, app.addr);
    leads(&world, "closer.example.com", PUBLIC, decoy.addr);
    let asks = |hosts: &[&str]| service(&decoy, hosts, trusting(&authority));
    let elsewhere = vec![IpBlock::new([203, 0, 113, 0].into(), 24).unwrap()];
    let wide = decoy.service("shop/wide", &["*.example.com"], Speaks::Http);
    let same = decoy.service("shop/same", &["api.example.com"], Speaks::Http);
    for withheld in [
        ExternalService { permitted: false, ..asks(&["api.example.com"]) },
        ExternalService { addresses: elsewhere, ..asks(&["api.example.com"]) },
    ] {
        for other in [&wide, &same] {
            for policy in POLICIES {
                let proxy = start(&world, decoy.addr, policy, vec![other.clone(), withheld.clone()]);
                let (head, _) = ask(&proxy, "api.example.com").await;
                assert!(head.starts_with("http/1.1 403"), "{policy:?} {}: {head}", other.name);
            }
        }
    }
    // One that names the host more closely is an exception that somebody wrote.
    let closer = decoy.service("shop/closer", &["closer.example.com"], Speaks::Http);
    for policy in POLICIES {
        let proxy = start(&world, decoy.addr, policy, vec![asks(&["*.example.com"]), closer.clone()]);
        assert_eq!(ask(&proxy, "closer.example.com").await.1, "decoy", "{policy:?}");
    }
    assert_eq!(app.requests(), 0);
}

#[tokio::test]
async fn bytes_that_are_declared_are_read_where_requests_at_their_port_go_out_in_tls() {
    let authority = Authority::new("a");
    for policy in POLICIES {
        let (world, decoy, app) = (World::new(), Decoy::start().await, api(&authority).await);
        leads(&world, "api.example.com", PUBLIC, app.addr);
        let mut bytes = decoy.service("shop/bytes", &["bytes.example.com"], Speaks::Bytes);
        bytes.addresses = vec![IpBlock::new([127, 0, 0, 0].into(), 8).unwrap()];
        let proxy = start(&world, decoy.addr, policy, vec![bytes.clone()]);
        let mut unread = connect(proxy.outbound).await;
        assert_eq!(ask_over(&mut unread, "api.example.com").await.1, "decoy", "{policy:?}");
        declare(&proxy, vec![bytes, service(&decoy, &["api.example.com"], trusting(&authority))]);
        assert!(timeout(LIMIT, unread.read_u8()).await.expect("an end in time").is_err(), "{policy:?}");
        let (head, body) = ask(&proxy, "api.example.com").await;
        assert!(body.starts_with("api.example.com TLS"), "{policy:?}: {head}{body}");
        assert_eq!(decoy.app.connections(), 1);
    }
}

#[tokio::test]
async fn at_such_a_port_bytes_that_could_be_a_request_go_nowhere() {
    let authority = Authority::new("a");
    for policy in [OutboundPolicy::AllowAny, OutboundPolicy::DryRun] {
        let (world, decoy) = (World::new(), Decoy::start().await);
        let proxy = start(&world, decoy.addr, policy, Vec::new());
        // Passed unread, before anything is declared.
        let mut unread = connect(proxy.outbound).await;
        assert_eq!(ask_over(&mut unread, "other.example.net").await.1, "decoy");
        let before = decoy.app.connections();
        declare(&proxy, vec![service(&decoy, &["api.example.com"], trusting(&authority))]);
        let ended = timeout(LIMIT, unread.read_u8()).await.expect("an end in time");
        assert!(ended.is_err(), "it could go on with a request that has to be read");
        for bytes in [b"\x00\x01\x02 no HTTP\r\n\r\n".as_slice(), b"GET\t/ api.example.com\r\n\r\n"] {
            let mut client = connect(proxy.outbound).await;
            let _ = client.write_all(bytes).await;
            let mut answer = Vec::new();
            let _ = timeout(LIMIT, client.read_to_end(&mut answer)).await.expect("an end in time");
            assert!(!answer.starts_with(b"HTTP/1.1 2"), "{answer:?}");
        }
        assert_eq!(decoy.app.connections(), before);
    }
}

#[tokio::test]
async fn tls_of_the_application_passes_where_nobody_judges_it() {
    let (authority, world) = (Authority::new("a"), World::new());
    let app = Server { dns: &["api.example.com"], alpn: &[], ..authority.server() }.start().await;
    let decoy = Decoy { addr: app.addr, ..Decoy::start().await };
    for (policy, passes) in POLICIES.into_iter().zip([true, true, false]) {
        let service = service(&decoy, &["api.example.com"], trusting(&authority));
        let proxy = start(&world, app.addr, policy, vec![service]);
        let own = authority.origin("api.example.com");
        let shaken = own.connect(connect(proxy.outbound).await, crate::tls::Inside::Bytes).await;
        assert_eq!(shaken.is_ok(), passes, "{policy:?}");
    }
}
