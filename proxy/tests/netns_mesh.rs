//! Two pods, two proxies, mutual TLS between them: the real program end to end.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::net::{IpAddr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ::http::Request;
use support::capture::{Capture, contains};
use support::http::{self, Version, ask, get};
use support::mesh::{Member, Mesh, Setup, identity, pause, service};
use support::netns::APPLICATION;
use support::peers::{PATIENCE, application, call, read_answer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use weft_proxy::socket;
use weft_proxy::wire::weft::v1::Protocol;

const MARKER: &str = "marker-nobody-else-writes";

/// Lets `client` reach `server` on `port` through a virtual address of each family; gives both.
fn publish(client: &Member, server: &Member, port: u16, protocol: Protocol) -> [SocketAddr; 2] {
    server.pod.ips().map(|ip| {
        let address = virtual_address(ip, port);
        client.knows(address, &service("reviews", protocol, &[(server, SocketAddr::new(ip, port))]));
        address
    })
}

/// A Service address of the same family.
fn virtual_address(like: IpAddr, port: u16) -> SocketAddr {
    let ip: IpAddr =
        if like.is_ipv4() { "10.96.0.5".parse().unwrap() } else { "fd00:96::5".parse().unwrap() };
    SocketAddr::new(ip, port)
}

#[test]
fn http_passes_both_proxies_encrypted_and_each_names_the_other() {
    let mesh = Mesh::new();
    let (client, server) = (mesh.member("web"), mesh.member("reviews"));
    let _application = http::application(&server.pod, 8080, "reviews", Version::Http1);
    let capture = Capture::start(&mesh.network);
    for address in publish(&client, &server, 8080, Protocol::Http1) {
        let answer = ask(&client.pod, address, Version::Http1, get(address, &format!("/{MARKER}")));
        assert_eq!(answer.head.status, 200, "{}", answer.body);
        assert_eq!(answer.body, format!("reviews GET /{MARKER} "));
    }
    assert!(!contains(&capture.finish(), MARKER), "the marker passed in plain text");
    assert!(client.metrics().contains(&identity("reviews")), "{}", client.metrics());
    assert!(server.metrics().contains(&identity("web")), "{}", server.metrics());
}

#[test]
fn without_the_mesh_the_same_capture_finds_the_marker() {
    let mesh = Mesh::new();
    let (client, server) = (mesh.stranger(), mesh.stranger());
    let _application = http::application(&server, 8080, "reviews", Version::Http1);
    let capture = Capture::start(&mesh.network);
    let address = SocketAddr::new(server.ipv4.into(), 8080);
    let answer = ask(&client, address, Version::Http1, get(address, &format!("/{MARKER}")));
    assert_eq!(answer.head.status, 200);
    assert!(contains(&capture.finish(), MARKER), "the capture sees nothing, so it proves nothing");
}

#[test]
fn http2_keeps_its_trailers() {
    let mesh = Mesh::new();
    let (client, server) = (mesh.member("web"), mesh.member("reviews"));
    let _application = http::application(&server.pod, 8080, "reviews", Version::Http2);
    for address in publish(&client, &server, 8080, Protocol::Http2) {
        let request = Request::post(format!("http://{address}/shop.Reviews/Get")).body("ping").unwrap();
        let answer = ask(&client.pod, address, Version::Http2, request);
        assert_eq!(answer.body, "reviews POST /shop.Reviews/Get ping");
        assert_eq!(answer.trailers.unwrap().get("x-end").unwrap(), "end");
    }
}

#[test]
fn bytes_pass_both_ways_after_one_side_has_finished() {
    let mesh = Mesh::new();
    let (client, server) = (mesh.member("web"), mesh.member("ledger"));
    // Answers only once the caller has half-closed, and says how much came.
    let _application = server.pod.start(APPLICATION, |started| async move {
        let listener = TcpListener::from_std(socket::listen_everywhere(5432).unwrap()).unwrap();
        started.send(()).unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            stream.write_all(all.len().to_string().as_bytes()).await.unwrap();
        }
    });
    let capture = Capture::start(&mesh.network);
    for address in publish(&client, &server, 5432, Protocol::Opaque) {
        let answer = client.pod.run(APPLICATION, || async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(MARKER.repeat(10_000).as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            read_answer(stream).await.unwrap()
        });
        assert_eq!(answer, (MARKER.len() * 10_000).to_string());
    }
    assert!(!contains(&capture.finish(), MARKER), "the marker passed in plain text");
    assert!(server.metrics().contains(&identity("web")), "{}", server.metrics());
}

#[test]
fn a_server_that_speaks_first_is_not_waited_for() {
    let mesh = Mesh::new();
    let (client, server) = (mesh.member("web"), mesh.member("mail"));
    let _application = application(&server.pod, 2525);
    for address in publish(&client, &server, 2525, Protocol::Opaque) {
        let said = call(&client.pod, APPLICATION, address).unwrap();
        assert!(said.starts_with("application "), "{said}");
    }
}

#[test]
fn a_pod_that_calls_itself_passes_its_own_inbound_half() {
    let mesh = Mesh::new();
    let member = mesh.member("web");
    let _application = http::application(&member.pod, 8080, "web", Version::Http1);
    for address in publish(&member, &member, 8080, Protocol::Http1) {
        let answer = ask(&member.pod, address, Version::Http1, get(address, "/self"));
        assert_eq!((answer.head.status.as_u16(), answer.body.as_str()), (200, "web GET /self "));
    }
    let inbound = |line: &&str| line.contains("inbound") && line.contains(&identity("web"));
    let metrics = member.metrics();
    assert!(metrics.lines().any(|line| inbound(&line)), "its own identity arrived: {metrics}");
}

#[test]
fn an_address_the_mesh_does_not_know_passes_through() {
    let mesh = Mesh::new();
    let (client, stranger) = (mesh.member("web"), mesh.stranger());
    let _application = application(&stranger, 9999);
    for ip in stranger.ips() {
        let address = SocketAddr::new(ip, 9999);
        assert_eq!(call(&client.pod, APPLICATION, address).unwrap(), format!("application {address}"));
    }
}

#[test]
fn a_caller_outside_the_mesh_is_served_when_permissive_and_refused_when_strict() {
    let mesh = Mesh::new();
    let stranger = mesh.stranger();
    let permissive = mesh.member("open");
    let strict = mesh.member_with(Setup::new("closed").strict());
    for (member, served) in [(&permissive, true), (&strict, false)] {
        let _application = http::application(&member.pod, 8080, "app", Version::Http1);
        for ip in member.pod.ips() {
            let address = SocketAddr::new(ip, 8080);
            let answer = stranger.run(APPLICATION, || async move {
                let mut client = http::Client::connect(address, Version::Http1).await;
                client.ask(get(address, "/")).await.map(|answer| answer.head.status.as_u16())
            });
            assert_eq!(answer.ok(), served.then_some(200), "{address} of {}", member.account);
        }
    }
}

#[test]
fn probes_reach_the_application_and_fail_with_it() {
    let mesh = Mesh::new();
    let kubelet = mesh.stranger();
    let mut setup = Setup::new("web").strict();
    setup.probes = r#"{"web/readiness":{"httpGet":{"path":"/healthz","port":8080},"timeoutSeconds":5},
        "web/liveness":{"tcpSocket":{"port":8080},"timeoutSeconds":5}}"#
        .to_owned();
    let member = mesh.member_with(setup);
    let probe = |kind: &str| {
        let address = SocketAddr::new(member.pod.ipv4.into(), 15120);
        ask(&kubelet, address, Version::Http1, get(address, &format!("/probe/web/{kind}")))
            .head
            .status
            .as_u16()
    };
    let running = http::application(&member.pod, 8080, "web", Version::Http1);
    assert_eq!((probe("readiness"), probe("liveness")), (200, 200));
    drop(running);
    assert_eq!((probe("readiness"), probe("liveness")), (503, 503));
}

#[test]
fn a_request_in_flight_survives_drain_and_sigterm_and_the_proxy_ends_after_it() {
    let mesh = Mesh::new();
    let (client, mut server) = (mesh.member("web"), mesh.member("reviews"));
    let (arrived, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let _application = http::slow_application(&server.pod, 8080, arrived.clone(), finish.clone());
    let [address, _] = publish(&client, &server, 8080, Protocol::Http1);
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| ask(&client.pod, address, Version::Http1, get(address, "/slow")));
        wait_here(arrived.notified());
        // The preStop hook, and then the kubelet's signal while the hook's work goes on.
        let mut hook = server.command("drain").stdout(Stdio::piped()).spawn().unwrap();
        let other = ask(&client.pod, address, Version::Http1, get(address, "/quick"));
        assert_eq!(other.head.status, 200, "a draining proxy still accepts");
        server.terminate();
        assert!(hook.try_wait().unwrap().is_none(), "the hook waits for the request");
        finish.notify_one();
        assert_eq!(answer.join().unwrap().body, "done");
        assert!(hook.wait().unwrap().success());
    });
    assert!(server.wait(Duration::from_secs(5)).success());
}

/// As a rolling restart does it: the hook of the sidecar and the end of the application at the same moment, callers
/// that hear of it later, and SIGTERM for the sidecar once the application has ended.
#[test]
fn a_callee_that_is_replaced_under_load_costs_no_request() {
    const CALLERS: usize = 8;
    let mesh = Mesh::new();
    let client = mesh.member("web");
    let (mut leaving, staying) = (mesh.member("reviews-1"), mesh.member("reviews-2"));
    let stop = Arc::new(Notify::new());
    let application = http::ending_application(&leaving.pod, 8080, "leaving", stop.clone());
    let _other = http::ending_application(&staying.pod, 8080, "staying", Arc::new(Notify::new()));
    let at = |member: &Member| SocketAddr::new(member.pod.ipv4.into(), 8080);
    let address = virtual_address(client.pod.ipv4.into(), 8080);
    let before = [(&leaving, at(&leaving)), (&staying, at(&staying))];
    client.knows(address, &service("reviews", Protocol::Http1, &before));

    let (answered, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let after_more = |count: usize| {
        let from = answered.load(Ordering::SeqCst);
        eventually("answers go on", || answered.load(Ordering::SeqCst) >= from + count);
    };
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            client.pod.run(APPLICATION, || async {
                let mut callers = tokio::task::JoinSet::new();
                for _ in 0..CALLERS {
                    callers.spawn(call_until(address, answered.clone(), done.clone()));
                }
                callers.join_all().await.concat()
            })
        });
        after_more(400);
        let mut hook = leaving.command("drain").stdout(Stdio::piped()).spawn().unwrap();
        stop.notify_one();
        after_more(400);
        client.knows_as("2", address, &service("reviews", Protocol::Http1, &[(&staying, at(&staying))]));
        drop(application);
        after_more(400);
        assert!(hook.wait().unwrap().success());
        leaving.terminate();
        assert!(leaving.wait(Duration::from_secs(5)).success());
        after_more(400);
        done.store(true, Ordering::SeqCst);
        let failed = load.join().unwrap();
        assert!(failed.is_empty(), "{} failed: {failed:#?}", failed.len());
    });
}

/// Sends one GET after another, over connections that are kept as long as the proxy keeps them; gives what failed.
async fn call_until(address: SocketAddr, answered: Arc<AtomicUsize>, done: Arc<AtomicBool>) -> Vec<String> {
    let mut failed = Vec::new();
    let mut client = http::Client::connect(address, Version::Http1).await;
    while !done.load(Ordering::SeqCst) {
        match client.ask(get(address, "/")).await {
            Ok(answer) if answer.head.status == 200 => {}
            Ok(answer) => failed.push(format!("{:?} {}", answer.head, answer.body)),
            Err(error) => {
                failed.push(format!("{error:?}"));
                client = http::Client::connect(address, Version::Http1).await;
            }
        }
        answered.fetch_add(1, Ordering::SeqCst);
    }
    failed
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + 4 * PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not in time");
        pause();
    }
}

#[test]
fn a_request_that_outlasts_the_drain_does_not_hold_the_proxy() {
    let mesh = Mesh::new();
    let client = mesh.member("web");
    let mut setup = Setup::new("reviews");
    setup.drain_seconds = 1;
    let mut server = mesh.member_with(setup);
    let (arrived, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let _application = http::slow_application(&server.pod, 8080, arrived.clone(), finish.clone());
    let [address, _] = publish(&client, &server, 8080, Protocol::Http1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            client.pod.run(APPLICATION, || async move {
                let mut client = http::Client::connect(address, Version::Http1).await;
                client.ask(get(address, "/slow")).await.map(drop)
            })
        });
        wait_here(arrived.notified());
        server.terminate();
        server.wait(Duration::from_secs(4));
    });
}

/// Waits on this thread for what another pod's thread signals.
fn wait_here(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await }).expect("the signal comes");
}

/// A neighbour on the same link can write any address on a frame, and the rules of capture take whatever reaches the pod.
#[test]
fn the_receiving_half_dials_nobody_but_its_own_pod() {
    let mesh = Mesh::new();
    let (neighbour, victim, third) = (mesh.stranger(), mesh.member("reviews"), mesh.stranger());
    let _target = application(&third, 5432);
    let _own = application(&victim.pod, 8080);
    let ([victim4, victim6], [third4, third6]) = (victim.pod.ips(), third.ips());
    neighbour.shell(&format!("ip route add {third4} via {victim4}; ip -6 route add {third6} via {victim6}"));
    for ip in third.ips() {
        let answer = call(&neighbour, APPLICATION, SocketAddr::new(ip, 5432));
        assert!(answer.as_ref().map_or(true, String::is_empty), "relayed to somebody else: {answer:?}");
    }
    let refused = |reason: &str, count: usize| {
        let line = format!(r#"weft_errors_total{{direction="inbound",reason="{reason}"}} {count}"#);
        assert!(victim.metrics().contains(&line), "no {line} in\n{}", victim.metrics());
    };
    refused("not-this-pod", 2);
    // An address of a second network, which the proxy was not told of.
    victim.pod.shell("ip addr add 10.200.0.9/32 dev lo");
    neighbour.shell(&format!("ip route add 10.200.0.9 via {victim4}"));
    let second: IpAddr = "10.200.0.9".parse().unwrap();
    for ip in victim.pod.ips().into_iter().chain([second]) {
        let address = SocketAddr::new(ip, 8080);
        assert_eq!(call(&neighbour, APPLICATION, address).unwrap(), format!("application {address}"));
    }
    let itself = call(&neighbour, APPLICATION, SocketAddr::new(second, 15106));
    assert!(itself.as_ref().map_or(true, String::is_empty), "{itself:?}");
    refused("not-captured", 1);
}
