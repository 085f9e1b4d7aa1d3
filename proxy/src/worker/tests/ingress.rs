//! An ingress controller dials endpoints; what it dialled, or the host where several Services share it, chooses the Service.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use super::app::App;
use super::harness::{Start, World, connect, destination, nobody, plain, read_response};
use crate::http::Wire;
use crate::state::{Destination, MtlsMode, OutboundPolicy, Protocol, Subscription};

fn service(name: &str, app: &App) -> Arc<Destination> {
    let known = destination(Protocol::Http1, vec![plain(app.addr)]);
    Arc::new(Destination { key: format!("default/default/shop/{name}:8080/-").into(), ..known })
}

#[tokio::test]
async fn the_host_chooses_among_the_services_of_the_endpoint_and_else_the_endpoint_does() {
    let world = World::new();
    let (pod, reviews) = (App::named(Wire::H1, "pod").await, App::named(Wire::H1, "reviews").await);
    let endpoint = |host: Option<&str>| Subscription::Endpoint(pod.addr, host.map(Arc::from));
    let ingress = world.start(Start {
        account: "ingress",
        original: pod.addr,
        destinations: HashMap::from([
            (endpoint(None), service("pod", &pod)),
            (endpoint(Some("reviews.shop")), service("reviews", &reviews)),
        ]),
        inbound_mode: MtlsMode::Permissive,
        inbound_protocol: Protocol::Unknown,
        needs_requests: false,
        policy: OutboundPolicy::AllowAny,
        ingress_mode: true,
    });
    let mut client = connect(ingress.outbound).await;
    for (host, expected) in [
        ("reviews.shop", "reviews"),
        ("www.example.com", "pod"),
        ("secret.internal", "pod"),
        ("Reviews.Shop:8080", "reviews"),
    ] {
        let request = format!("GET /name HTTP/1.1\r\nhost: {host}\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(read_response(&mut client).await.1, expected.as_bytes(), "{host}");
    }
}

/// Its callers may be the internet; an application that calls for itself is told what became of what it called.
#[tokio::test]
async fn who_calls_through_an_ingress_controller_reads_no_name_of_the_mesh() {
    for ingress_mode in [true, false] {
        let (world, dead) = (World::new(), nobody());
        let wanted =
            if ingress_mode { Subscription::Endpoint(dead, None) } else { Subscription::Address(dead) };
        let proxy = world.start(Start {
            account: "ingress",
            original: dead,
            destinations: HashMap::from([(
                wanted,
                Arc::new(destination(Protocol::Http1, vec![plain(dead)])),
            )]),
            inbound_mode: MtlsMode::Permissive,
            inbound_protocol: Protocol::Unknown,
            needs_requests: false,
            policy: OutboundPolicy::AllowAny,
            ingress_mode,
        });
        let mut client = connect(proxy.outbound).await;
        client.write_all(b"GET / HTTP/1.1\r\nhost: www.example.com\r\n\r\n").await.unwrap();
        let (head, body) = read_response(&mut client).await;
        let body = String::from_utf8_lossy(&body);
        assert!(head.starts_with("http/1.1 503 "), "{head}");
        assert_eq!(body.contains("shop/"), !ingress_mode, "{body}");
        assert_eq!(body == "weft: connect-failed\n", ingress_mode, "{body}");
    }
}
