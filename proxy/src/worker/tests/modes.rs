//! What passes, and what is refused, by the mode of a port and by the policy for what the mesh does not know.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::app::App;
use super::harness::{LIMIT, Start, World, connect, destination, plain, read_response};
use crate::http::Wire;
use crate::state::{Endpoint, MtlsMode, OutboundPolicy, Protocol};

const GET: &[u8] = b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn a_strict_port_refuses_plain_text_and_takes_the_mesh() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let receiver = world.start(Start {
        account: "reviews",
        original: app.addr,
        destinations: HashMap::new(),
        inbound_mode: MtlsMode::Strict,
        inbound_protocol: Protocol::Unknown,
        needs_requests: false,
        policy: OutboundPolicy::AllowAny,
        ingress_mode: false,
    });
    let mut client = connect(receiver.inbound).await;
    client.write_all(GET).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LIMIT, client.read_to_end(&mut answer)).await.unwrap();
    assert!(read.is_err() || answer.is_empty(), "{answer:?}");
    receiver.counted("weft_errors_total", &["mtls-required"], 1.0).await;
    let refused = [r#"address="127.0.0.1""#, r#"verdict="refused""#];
    receiver.counted("weft_plain_connections_total", &refused, 1.0).await;
    assert_eq!(app.connections(), 0);

    let caller = world.caller(destination(Protocol::Http1, vec![world.meshed(&receiver)]));
    let mut client = connect(caller.outbound).await;
    client.write_all(GET).await.unwrap();
    assert_eq!(read_response(&mut client).await.1, b"app");
}

#[tokio::test]
async fn a_permissive_port_passes_the_applications_own_tls_and_plain_text() {
    let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let receiver = world.receiver(app.local_addr().unwrap());
    // A ClientHello that offers http/1.1, as an HTTPS client of the application sends it.
    let hello = {
        let mut config = rustls::ClientConfig::builder_with_provider(crate::tls::config::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = rustls_pki_types::ServerName::try_from("app.example").unwrap();
        let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut hello = Vec::new();
        connection.write_tls(&mut hello).unwrap();
        hello
    };
    for bytes in [&hello[..], b"plain text"] {
        let mut client = connect(receiver.inbound).await;
        // In two parts: a post-quantum hello spans segments.
        let (first, second) = bytes.split_at(bytes.len() / 2);
        client.write_all(first).await.unwrap();
        tokio::task::yield_now().await;
        client.write_all(second).await.unwrap();
        client.shutdown().await.unwrap();
        let (mut io, _) = tokio::time::timeout(LIMIT, app.accept()).await.unwrap().unwrap();
        let mut seen = Vec::new();
        tokio::time::timeout(LIMIT, io.read_to_end(&mut seen)).await.unwrap().unwrap();
        assert_eq!(seen, bytes);
    }
    receiver.counted("weft_passthrough_total", &[r#"direction="inbound",reason="no-mutual-tls""#], 2.0).await;
    receiver.counted("weft_plain_connections_total", &[r#"verdict="would-refuse""#], 2.0).await;
}

#[tokio::test]
async fn what_the_mesh_does_not_know_passes_or_is_refused_as_the_policy_says() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let start = |policy| {
        world.start(Start {
            account: "web",
            original: app.addr,
            destinations: HashMap::new(),
            inbound_mode: MtlsMode::Permissive,
            inbound_protocol: Protocol::Unknown,
            needs_requests: false,
            policy,
            ingress_mode: false,
        })
    };
    let open = start(OutboundPolicy::AllowAny);
    let mut client = connect(open.outbound).await;
    client.write_all(GET).await.unwrap();
    assert_eq!(read_response(&mut client).await.1, b"app");
    open.counted("weft_passthrough_total", &["unknown-destination"], 1.0).await;

    let closed = start(OutboundPolicy::RegistryOnly);
    let mut client = connect(closed.outbound).await;
    client.write_all(GET).await.unwrap();
    let (head, _) = read_response(&mut client).await;
    assert!(
        head.starts_with("http/1.1 403") && head.contains("x-weft-reason: unknown-destination"),
        "{head}"
    );
    assert_eq!(app.connections(), 1);
}

#[tokio::test]
async fn a_caller_sends_no_plain_text_to_a_meshed_endpoint_whatever_fails_there() {
    // What is behind the address closes at once, or answers in plain text.
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"] {
        let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let endpoint = Endpoint { peer: Some(world.id("reviews")), ..plain(app.local_addr().unwrap()) };
        let (seen, mut heard) = tokio::sync::mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((mut io, _)) = app.accept().await {
                let mut first = vec![0; 4096];
                let length = io.read(&mut first).await.unwrap_or(0);
                first.truncate(length);
                let _ = seen.send(first).await;
                let _ = io.write_all(answer).await;
            }
        });
        let caller = world.caller(destination(Protocol::Http1, vec![endpoint]));
        let mut client = connect(caller.outbound).await;
        client.write_all(GET).await.unwrap();
        let (head, _) = read_response(&mut client).await;
        assert!(head.starts_with("http/1.1 503") && head.contains("x-weft-reason: tls-failed"), "{head}");
        let first = heard.recv().await.unwrap();
        assert_eq!(first[0], 0x16, "a ClientHello: {first:?}");
        while let Ok(more) = heard.try_recv() {
            assert!(more.first().is_none_or(|byte| *byte == 0x16), "{more:?}");
        }
    }
}
