//! TLS to servers outside the mesh, as BackendTLSPolicies ask for it. Each refusal has a twin that passes, and the refused server
//! gets nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::version;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::app::App;
use super::harness::{LIMIT, Proxy, World, backend, connect, destination, plain, read_response};
use super::tls_app::{Authority, Server};
use crate::http::Wire;
use crate::state::{
    Backend, BudgetLimits, Destination, Endpoint, Outliers, Protocol, Retries, RetryOn, Route,
};
use crate::tls::Origin;

fn to(protocol: Protocol, endpoints: Vec<Endpoint>, tls: Arc<Origin>) -> Destination {
    let backend = Backend { tls: Some(tls), ..backend("shop/ratings:443", endpoints) };
    Destination { backends: vec![Arc::new(backend)], ..destination(protocol, Vec::new()) }
}

/// Head and body of the answer to a request in HTTP/1.1.
async fn ask(caller: &Proxy) -> (String, String) {
    let mut client = connect(caller.outbound).await;
    client.write_all(b"GET /a HTTP/1.1\r\nhost: ratings\r\nconnection: close\r\n\r\n").await.unwrap();
    let (head, body) = read_response(&mut client).await;
    (head, String::from_utf8(body).unwrap())
}

/// The same in HTTP/2: status, reason, and body.
async fn ask_h2(caller: &Proxy) -> (u16, String, String) {
    let io = TokioIo::new(connect(caller.outbound).await);
    let (mut sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://ratings/a").body(Full::<Bytes>::default()).unwrap();
    let response = timeout(LIMIT, sender.send_request(request)).await.unwrap().unwrap();
    let reason = response.headers().get("x-weft-reason").map(|reason| reason.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, reason.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn requests_in_plain_text_arrive_in_tls_of_either_version_and_protocol() {
    let (world, authority) = (World::new(), Authority::new("a"));
    for (version, said) in [(&version::TLS13, "TLSv1_3"), (&version::TLS12, "TLSv1_2")] {
        let app = Server { versions: vec![version], ..authority.server() }.start().await;
        let tls = authority.origin("ratings.example.org");
        let caller = world.caller(to(Protocol::Unknown, vec![plain(app.addr)], tls));
        let (head, body) = ask(&caller).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(body, format!("ratings.example.org {said} Some(\"http/1.1\")"));
        let (status, _, body) = ask_h2(&caller).await;
        assert_eq!((status, body), (200, format!("ratings.example.org {said} Some(\"h2\")")));
        let (_, body) = ask(&caller).await;
        assert!(body.contains("http/1.1"), "{body}");
        assert_eq!((app.handshakes(), app.requests()), (2, 3), "connections are kept");
        caller.counted("weft_requests_total", &[r#"tls="backend""#, r#"code="200""#], 3.0).await;
    }
}

/// Asks in both versions of HTTP; both are refused in the same way.
async fn is_refused(caller: &Proxy, why: &str) {
    let (head, body) = ask(caller).await;
    assert!(head.starts_with("http/1.1 503") && head.contains("x-weft-reason: tls-failed"), "{head}");
    assert!(body.contains("BackendTLSPolicy shop/ratings") && body.contains(why), "{body} has not {why}");
    let (status, reason, body) = ask_h2(caller).await;
    assert_eq!((status, &*reason), (503, "tls-failed"));
    assert!(body.contains(why), "{body} has not {why}");
}

#[tokio::test]
async fn a_server_that_does_not_prove_what_is_asked_for_gets_no_request() {
    let (world, authority, other) = (World::new(), Authority::new("a"), Authority::new("a"));
    let name = "ratings.example.org";
    let ago = |minutes: u64| SystemTime::now() - Duration::from_secs(60 * minutes);
    let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    let good = || authority.server();
    let cases = [
        (good(), authority.origin("other.example.org"), "not valid for name"),
        (good(), other.origin(name), "chains to none"),
        (Server { life: (ago(20), ago(10)), ..good() }, authority.origin(name), "expired"),
        (
            Server { life: (in_an_hour, in_an_hour + Duration::from_secs(60)), ..good() },
            authority.origin(name),
            "not valid yet",
        ),
        (good(), authority.naming(name, &["other.example.org"], &[]), "subjectAltNames"),
        (good(), authority.naming(name, &[], &["spiffe://corp/ratings"]), "subjectAltNames"),
        (good(), refused("ConfigMap shop/ca does not exist"), "shop/ca"),
        (good(), garbage(name), "none of the certificate authorities"),
        (good(), authority.origin("not a name"), "not a valid host name"),
    ];
    for (server, tls, why) in cases {
        let app = server.start().await;
        let caller = world.caller(to(Protocol::Unknown, vec![plain(app.addr)], tls));
        is_refused(&caller, why).await;
        assert_eq!((app.handshakes(), app.requests()), (0, 0), "{why}");
        // The twin: the same server, under a policy that it satisfies.
        if why != "expired" && why != "not valid yet" {
            caller.change_destination(
                "2",
                to(Protocol::Unknown, vec![plain(app.addr)], authority.origin(name)),
            );
            assert!(ask(&caller).await.0.starts_with("http/1.1 200"), "{why}");
        }
    }
}

/// Nothing can be verified.
fn refused(reason: &str) -> Arc<Origin> {
    let demand = crate::tls::Demand::refused("BackendTLSPolicy", "shop/ratings", reason);
    Arc::new(Origin::new(Arc::new(demand), "ratings.example.org"))
}

/// Authorities that are no certificates.
fn garbage(server_name: &str) -> Arc<Origin> {
    let authorities = [b"no certificate".to_vec(), Vec::new()];
    let (dns_names, uris) = (&[][..], &[][..]);
    let policy = "shop/ratings";
    let kind = "BackendTLSPolicy";
    let asked = crate::tls::Asked { kind, policy, dns_names, uris, authorities: &authorities };
    Arc::new(Origin::new(Arc::new(crate::tls::Demand::new(asked)), server_name))
}

#[tokio::test]
async fn other_names_count_in_the_place_of_the_host_name() {
    let (world, authority) = (World::new(), Authority::new("a"));
    let uri = Some("spiffe://corp/ratings");
    type Case<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str], bool);
    let cases: [Case<'_>; 7] = [
        (&["a.example.org"], &["a.example.org"], &[], true),
        // The host name alone is not enough where others are given.
        (&["sni.example.org"], &["a.example.org"], &[], false),
        (&["x.a.example.org"], &["*.a.example.org"], &[], true),
        (&["*.a.example.org"], &["*.a.example.org"], &[], true),
        (&["x.y.a.example.org"], &["*.a.example.org"], &[], false),
        (&["b.example.org"], &["a.example.org"], &["spiffe://corp/ratings"], true),
        (&["b.example.org"], &[], &["spiffe://corp/Ratings"], false),
    ];
    for (has, dns, uris, passes) in cases {
        let app = Server { dns: has, uri, ..authority.server() }.start().await;
        let tls = authority.naming("sni.example.org", dns, uris);
        let caller = world.caller(to(Protocol::Http1, vec![plain(app.addr)], tls));
        let (head, body) = ask(&caller).await;
        assert_eq!(head.starts_with("http/1.1 200"), passes, "{has:?} {dns:?} {uris:?}: {head}{body}");
        assert!(!passes || body.starts_with("sni.example.org "), "{body}");
    }
}

#[tokio::test]
async fn http2_needs_a_server_that_agrees_to_it() {
    let (world, authority) = (World::new(), Authority::new("a"));
    for (alpn, why) in [(&[][..], "does not agree to HTTP/2"), (&["http/1.1"][..], "takes no HTTP/2")] {
        let app = Server { alpn, ..authority.server() }.start().await;
        let tls = authority.origin("ratings.example.org");
        let caller = world.caller(to(Protocol::Http2, vec![plain(app.addr)], tls));
        let (status, reason, body) = ask_h2(&caller).await;
        assert_eq!((status, &*reason), (503, "tls-failed"));
        assert!(body.contains(why), "{body}");
        assert_eq!(app.requests(), 0);
    }
}

#[tokio::test]
async fn a_server_in_plain_text_sees_no_byte_of_a_request() {
    let (world, authority) = (World::new(), Authority::new("a"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, mut told) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        // The proxy may try again.
        loop {
            let (mut io, _) = listener.accept().await.unwrap();
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut seen = vec![0; 1024];
                let count = io.read(&mut seen).await.unwrap_or_default();
                let _ = io.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
                seen.truncate(count);
                let _ = io.read_to_end(&mut seen).await;
                tell.send(seen).await.unwrap();
            });
        }
    });
    let tls = authority.origin("ratings.example.org");
    let caller = world.caller(to(Protocol::Http1, vec![plain(addr)], tls));
    let (head, body) = ask(&caller).await;
    assert!(head.starts_with("http/1.1 503") && body.contains("does not speak TLS"), "{head}{body}");
    let seen = timeout(LIMIT, told.recv()).await.unwrap().unwrap();
    assert_eq!(seen[..2], [22, 3], "a handshake of TLS and nothing else: {seen:?}");
    assert!(!seen.windows(3).any(|bytes| bytes == b"GET"));
    // Its twin without a policy.
    let app = App::start(Wire::H1).await;
    let caller = world.caller(destination(Protocol::Http1, vec![plain(app.addr)]));
    assert!(ask(&caller).await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn connections_that_were_verified_in_another_way_are_not_shared() {
    let (world, authority) = (World::new(), Authority::new("a"));
    let app = Server { dns: &["a.example.org", "b.example.org"], ..authority.server() }.start().await;
    let asking = |name| to(Protocol::Http1, vec![plain(app.addr)], authority.origin(name));
    let caller = world.caller(asking("a.example.org"));
    for (version, name, handshakes) in
        [("1", "a.example.org", 1), ("2", "b.example.org", 2), ("3", "b.example.org", 2)]
    {
        // A new value each time, as each version that arrives makes one.
        caller.change_destination(version, asking(name));
        assert!(ask(&caller).await.1.starts_with(name));
        assert_eq!(app.handshakes(), handshakes, "version {version}");
    }
    caller.change_destination("4", asking("c.example.org"));
    assert!(ask(&caller).await.0.starts_with("http/1.1 503"), "no pool of another policy");
}

#[tokio::test]
async fn a_meshed_endpoint_of_the_same_service_keeps_the_tls_of_the_mesh() {
    let (world, authority, app) = (World::new(), Authority::new("a"), App::start(Wire::H1).await);
    let receiver = world.receiver(app.addr);
    let tls = authority.origin("ratings.example.org");
    let caller = world.caller(to(Protocol::Http1, vec![world.meshed(&receiver)], tls));
    assert!(ask(&caller).await.0.starts_with("http/1.1 200"));
    caller.counted("weft_requests_total", &[r#"tls="mutual""#, r#"code="200""#], 1.0).await;
}

#[tokio::test]
async fn a_failed_handshake_is_a_failed_connection_to_retries_and_ejection() {
    let (world, authority, other) = (World::new(), Authority::new("a"), Authority::new("b"));
    let (good, bad) = (authority.server().start().await, other.server().start().await);
    let tls = authority.origin("ratings.example.org");
    let mut to = to(Protocol::Http1, vec![plain(bad.addr), plain(good.addr)], tls);
    let budget = BudgetLimits { percent: 100, interval: Duration::from_secs(10), min_per_second: 10 };
    let retries = Retries { attempts: 2, on: vec![RetryOn::ConnectFailure], budget, ..Retries::default() };
    let route = to.routes.remove(0);
    to.routes.push(Route { retries: Some(Box::new(retries)), ..route });
    let minute = Duration::from_secs(60);
    to.outliers = Some(Box::new(Outliers {
        consecutive_local_errors: Some(1),
        base: minute,
        max: minute,
        max_percent: 50,
        panic_percent: 0,
        ..Outliers::default()
    }));
    let caller = world.caller(to);
    for _ in 0..20 {
        let (head, body) = ask(&caller).await;
        assert!(head.starts_with("http/1.1 200"), "{head}{body}");
    }
    caller.counted("weft_ejections_total", &[], 1.0).await;
    assert_eq!((bad.handshakes(), good.requests()), (0, 20));
}

#[tokio::test]
async fn bytes_get_tls_around_them_unless_they_are_tls() {
    let (world, authority, other) = (World::new(), Authority::new("a"), Authority::new("b"));
    let app = Server { alpn: &[], ..authority.server() }.start().await;
    for protocol in [Protocol::Opaque, Protocol::Unknown] {
        let tls = authority.origin("ratings.example.org");
        let caller = world.caller(to(protocol, vec![plain(app.addr)], tls));
        let mut client = connect(caller.outbound).await;
        client.write_all(b"\x00\x01\x02\x03").await.unwrap();
        let mut echo = [0; 4];
        timeout(LIMIT, client.read_exact(&mut echo)).await.unwrap().unwrap();
        assert_eq!(&echo, b"\x00\x01\x02\x03");
        caller.counted("weft_tcp_connections_total", &[r#"tls="backend""#], 1.0).await;

        // A caller's own TLS is its own business, whatever the policy trusts: nothing is added.
        let wrong = to(protocol, vec![plain(app.addr)], other.origin("ratings.example.org"));
        caller.change_destination("2", wrong);
        let own = authority.origin("ratings.example.org");
        let tcp = connect(caller.outbound).await;
        let mut own = own.connect(tcp, crate::tls::Inside::Bytes).await.expect("its server's certificate");
        own.write_all(b"mine").await.unwrap();
        timeout(LIMIT, own.read_exact(&mut echo)).await.unwrap().unwrap();
        assert_eq!(&echo, b"mine");
        caller.counted("weft_tcp_connections_total", &[r#"tls="none""#], 1.0).await;

        // Bytes in plain text are not sent to a server that cannot be verified.
        let before = app.requests();
        assert!(super::harness::is_refused(caller.outbound).await);
        assert_eq!(app.requests(), before);
    }
}

#[tokio::test]
async fn a_caller_that_says_nothing_at_first_is_waited_for() {
    let (world, authority) = (World::new(), Authority::new("a"));
    let app = Server { alpn: &[], ..authority.server() }.start().await;
    for protocol in [Protocol::Opaque, Protocol::Unknown] {
        let tls = authority.origin("ratings.example.org");
        let caller = world.caller(to(protocol, vec![plain(app.addr)], tls));
        let tcp = connect(caller.outbound).await;
        // Past the time after which a caller is taken for one that waits for its server.
        tokio::time::sleep(crate::detect::QUIET * 3).await;
        let own = authority.origin("ratings.example.org");
        let mut own = own.connect(tcp, crate::tls::Inside::Bytes).await.expect("its server's certificate");
        own.write_all(b"late").await.unwrap();
        let mut echo = [0; 4];
        timeout(LIMIT, own.read_exact(&mut echo)).await.unwrap().unwrap();
        assert_eq!(&echo, b"late");
    }
}
