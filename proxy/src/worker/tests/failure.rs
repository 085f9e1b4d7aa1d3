use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::app::App;
use super::harness::{
    LIMIT, Proxy, World, backend, connect, destination, nobody, on_header, plain, read_response,
};
use super::peer;
use super::script::{Act, OK, Script};
use crate::http::Wire;
use crate::state::{Algorithm, Destination, Endpoint, LoadBalancer, Protocol};
use crate::tls::Alpn;

const GET: &[u8] = b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n";
/// Requests that are lost under way, and what their callers hear: what changes nothing is sent again.
const LOST: [(&[u8], &str); 2] = [
    (GET, "http/1.1 200 "),
    (b"POST /pay HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", "http/1.1 502 "),
];

/// What lies between a caller and `to`: carries bytes until it is cut, and then takes connections and says nothing.
struct Line {
    addr: SocketAddr,
    cut: watch::Sender<bool>,
    taken: Arc<AtomicUsize>,
}

impl Line {
    async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (cut, is_cut) = watch::channel(false);
        let line = Self { addr: listener.local_addr().unwrap(), cut, taken: Arc::default() };
        let taken = line.taken.clone();
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                taken.fetch_add(1, Ordering::SeqCst);
                let mut is_cut = is_cut.clone();
                tokio::spawn(async move {
                    if *is_cut.borrow_and_update() {
                        return std::future::pending::<()>().await;
                    }
                    let mut far = TcpStream::connect(to).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_cut.changed() => {}
                    }
                });
            }
        });
        line
    }

    /// Connections so far.
    fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    fn cut(&self) {
        self.cut.send_replace(true);
    }
}

/// Asks, one request after the other, until one meets what `ended` waits for; gives the head of its response.
async fn ask_until(ended: &JoinHandle<()>, caller: &Proxy, request: &[u8]) -> String {
    loop {
        let mut client = connect(caller.outbound).await;
        client.write_all(request).await.unwrap();
        let (head, _) = read_response(&mut client).await;
        if ended.is_finished() {
            return head;
        }
    }
}

#[tokio::test]
async fn a_dead_endpoint_costs_a_retry_and_no_request() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let receiver = world.receiver(app.addr);
    let alive = world.meshed(&receiver);
    let dead = Endpoint { addr: nobody(), ..world.meshed(&receiver) };
    let caller = world.caller(destination(Protocol::Http1, vec![dead, alive]));
    for _ in 0..20 {
        let mut client = connect(caller.outbound).await;
        client.write_all(GET).await.unwrap();
        assert_eq!(read_response(&mut client).await.1, b"app");
    }
    caller.counted("weft_requests_total", &[r#"code="200""#], 20.0).await;
    let retries = caller.count("weft_retries_total", &[r#"reason="connect-failed""#]);
    assert!((1.0..10.0).contains(&retries), "the dead endpoint is found once and then avoided: {retries}");
}

#[tokio::test]
async fn an_endpoint_that_falls_silent_holds_up_no_request_for_long() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let (receiver, other) = (world.receiver(app.addr), world.receiver(app.addr));
    let line = Line::start(receiver.inbound).await;
    let silent = Endpoint { addr: line.addr, ..world.meshed(&receiver) };
    let turns = LoadBalancer { algorithm: Algorithm::RoundRobin, ..LoadBalancer::default() };
    let endpoints = vec![silent, world.meshed(&other)];
    let caller =
        world.caller(Destination { load_balancer: turns, ..destination(Protocol::Http1, endpoints) });
    let ask = async || {
        let began = Instant::now();
        let mut client = connect(caller.outbound).await;
        client.write_all(GET).await.unwrap();
        assert_eq!(read_response(&mut client).await.1, b"app");
        began.elapsed()
    };
    while line.taken() == 0 {
        ask().await;
    }
    line.cut();
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        slowest = slowest.max(ask().await);
    }
    assert!(line.taken() > 1, "it was dialled again");
    let retries = caller.count("weft_retries_total", &[r#"reason="connect-timeout""#]);
    assert!(retries >= 1.0 && slowest < Duration::from_millis(700), "{retries} {slowest:?}");
}

/// Two choices among four are often both of the two that are gone: without a memory each such request would wait.
#[tokio::test]
async fn half_of_the_endpoints_can_fall_silent_and_few_requests_wait() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let receivers = [(); 4].map(|()| world.receiver(app.addr));
    let lines = [Line::start(receivers[0].inbound).await, Line::start(receivers[1].inbound).await];
    let endpoints = receivers.iter().enumerate().map(|(index, receiver)| {
        let addr = lines.get(index).map_or(receiver.inbound, |line| line.addr);
        Endpoint { addr, ..world.meshed(receiver) }
    });
    let caller = world.caller(destination(Protocol::Http1, endpoints.collect()));
    let ask = async || {
        let mut client = connect(caller.outbound).await;
        client.write_all(GET).await.unwrap();
        assert_eq!(read_response(&mut client).await.1, b"app");
    };
    while lines.iter().any(|line| line.taken() == 0) {
        ask().await;
    }
    lines.iter().for_each(Line::cut);
    let began = Instant::now();
    let mut asked = 0;
    while began.elapsed() < Duration::from_millis(900) {
        ask().await;
        asked += 1;
    }
    let waited = caller.count("weft_retries_total", &[r#"reason="connect-timeout""#]);
    assert!(asked > 40 && waited <= 2.0, "{waited} of {asked} waited, where each line is found out once");
}

#[tokio::test]
async fn a_proxy_that_ends_while_it_is_asked_costs_no_request_that_may_be_sent_twice() {
    for (request, expected) in LOST {
        let (world, app) = (World::new(), App::start(Wire::H1).await);
        let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (alive, leaving) = (world.receiver(app.addr), world.receiver(slow.local_addr().unwrap()));
        let line = Line::start(leaving.inbound).await;
        let ending = Endpoint { addr: line.addr, ..world.meshed(&leaving) };
        let caller = world.caller(destination(Protocol::Http1, vec![ending, world.meshed(&alive)]));
        let cut = tokio::spawn(async move {
            let (mut io, _) = slow.accept().await.unwrap();
            io.read_u8().await.unwrap();
            line.cut();
        });
        let head = ask_until(&cut, &caller, request).await;
        assert!(head.starts_with(expected), "{head}");
        let again = if request == GET { 1.0 } else { 0.0 };
        caller.counted("weft_retries_total", &[r#"reason="reset""#], again).await;
    }
}

#[tokio::test]
async fn an_application_that_has_stopped_costs_no_request_while_another_runs() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let (alive, stopped) = (world.receiver(app.addr), world.receiver(nobody()));
    let caller =
        world.caller(destination(Protocol::Http1, vec![world.meshed(&stopped), world.meshed(&alive)]));
    for _ in 0..20 {
        let mut client = connect(caller.outbound).await;
        client.write_all(GET).await.unwrap();
        let (head, body) = read_response(&mut client).await;
        assert_eq!(body, b"app", "{head}");
    }
    let retries = caller.count("weft_retries_total", &[r#"reason="application-unreachable""#]);
    assert!((1.0..10.0).contains(&retries), "the stopped one is found and then avoided: {retries}");
}

#[tokio::test]
async fn an_application_that_ends_while_it_is_asked_costs_no_request_that_may_be_sent_twice() {
    for (request, expected) in LOST {
        let (world, app) = (World::new(), App::start(Wire::H1).await);
        let ending = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (alive, leaving) = (world.receiver(app.addr), world.receiver(ending.local_addr().unwrap()));
        // One after the other, until the request meets the one that ends.
        let endpoints = vec![world.meshed(&leaving), world.meshed(&alive)];
        let caller = world.caller(destination(Protocol::Http1, endpoints));
        let ended = tokio::spawn(async move {
            let (mut io, _) = ending.accept().await.unwrap();
            io.read_u8().await.unwrap();
            drop(ending);
        });
        let head = ask_until(&ended, &caller, request).await;
        assert!(head.starts_with(expected), "{head}");
    }
}

#[tokio::test]
async fn an_application_that_has_stopped_is_told_as_it_is_where_there_is_no_other() {
    let world = World::new();
    let stopped = world.receiver(nobody());
    let caller = world.caller(destination(Protocol::Http1, vec![world.meshed(&stopped)]));
    let mut client = connect(caller.outbound).await;
    client.write_all(GET).await.unwrap();
    let (head, _) = read_response(&mut client).await;
    assert!(head.starts_with("http/1.1 503") && head.contains("x-weft-reason: connect-failed"), "{head}");
    assert!(!head.contains("x-weft-elsewhere"), "a mark between proxies reached the application: {head}");
}

#[tokio::test]
async fn an_application_cannot_ask_for_its_requests_to_be_sent_elsewhere() {
    let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let receiver = world.receiver(app.local_addr().unwrap());
    let endpoints = vec![world.meshed(&receiver), Endpoint { addr: nobody(), ..world.meshed(&receiver) }];
    let caller = world.caller(destination(Protocol::Http1, endpoints));
    tokio::spawn(async move {
        loop {
            let (mut io, _) = app.accept().await.unwrap();
            let mut seen = [0; 10];
            io.read_exact(&mut seen).await.unwrap();
            let answer = b"HTTP/1.1 503 Busy\r\nx-weft-elsewhere: 1\r\ncontent-length: 4\r\n\r\nbusy";
            io.write_all(answer).await.unwrap();
        }
    });
    for _ in 0..5 {
        let mut client = connect(caller.outbound).await;
        client.write_all(GET).await.unwrap();
        let (head, body) = read_response(&mut client).await;
        assert_eq!(body, b"busy", "{head}");
    }
    assert_eq!(caller.count("weft_retries_total", &["application-unreachable"]), 0.0);
}

#[tokio::test]
async fn each_way_to_fail_says_what_failed() {
    let world = World::new();
    let no_route = {
        let mut destination = destination(Protocol::Http1, vec![plain(nobody())]);
        destination.routes[0].matches = vec![on_header("x-group", "beta")];
        destination
    };
    let invalid = {
        let mut destination = destination(Protocol::Http1, Vec::new());
        let mut invalid = backend("shop/gone:80", Vec::new());
        invalid.invalid = Some("Service shop/gone does not exist".into());
        destination.backends = vec![Arc::new(invalid)];
        destination
    };
    for (destination, status, reason, told) in [
        (no_route, "404", "no-route", "shop/reviews:8080"),
        (invalid, "500", "invalid-backend", "Service shop/gone does not exist"),
        (destination(Protocol::Http1, Vec::new()), "503", "no-endpoints", "shop/reviews:8080"),
        (destination(Protocol::Http1, vec![plain(nobody())]), "503", "connect-failed", "refused"),
    ] {
        let caller = world.caller(destination);
        let mut client = connect(caller.outbound).await;
        client.write_all(GET).await.unwrap();
        let (head, body) = read_response(&mut client).await;
        let body = String::from_utf8(body).unwrap();
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        assert!(head.contains(&format!("x-weft-reason: {reason}\r\n")), "{head}");
        assert!(body.contains(told) && body.ends_with('\n') && body.lines().count() == 1, "{body}");
        caller.counted("weft_errors_total", &[reason], 1.0).await;
        caller.counted("weft_requests_total", &[&format!(r#"code="{status}""#)], 1.0).await;
    }
}

#[tokio::test]
async fn a_peer_with_another_identity_is_not_spoken_to() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let receiver = world.receiver(app.addr);
    let endpoint = Endpoint { peer: Some(world.id("somebody-else")), ..world.meshed(&receiver) };
    let caller = world.caller(destination(Protocol::Http1, vec![endpoint]));
    let mut client = connect(caller.outbound).await;
    client.write_all(GET).await.unwrap();
    let (head, _) = read_response(&mut client).await;
    assert!(head.starts_with("http/1.1 503") && head.contains("x-weft-reason: tls-failed"), "{head}");
    assert_eq!(app.connections(), 0);
}

#[tokio::test]
async fn a_pooled_connection_that_its_server_closed_costs_no_request() {
    let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let caller = world.caller(destination(Protocol::Http1, vec![plain(app.local_addr().unwrap())]));
    let (closed, mut was_closed) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let (mut io, _) = app.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n") {
                io.read_buf(&mut seen).await.unwrap();
            }
            // Promises to keep the connection, and closes it.
            io.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            drop(io);
            closed.send(()).await.unwrap();
        }
    });
    let mut client = connect(caller.outbound).await;
    for _ in 0..20 {
        client.write_all(GET).await.unwrap();
        let (head, body) = read_response(&mut client).await;
        assert_eq!(body, b"ok", "{head}");
        was_closed.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_is_not_asked_for_again() {
    let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let caller = world.caller(destination(Protocol::Http1, vec![plain(app.local_addr().unwrap())]));
    let count = tokio::spawn(async move {
        let (mut io, _) = app.accept().await.unwrap();
        let mut seen = [0; 10];
        io.read_exact(&mut seen).await.unwrap();
        drop(io);
        tokio::time::timeout(Duration::from_millis(300), app.accept()).await.is_err()
    });
    let mut client = connect(caller.outbound).await;
    client.write_all(b"POST /pay HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    let (head, _) = read_response(&mut client).await;
    assert!(head.starts_with("http/1.1 502") && head.contains("x-weft-reason: connection-lost"), "{head}");
    assert!(count.await.unwrap(), "the request was sent twice");
}

#[tokio::test]
async fn a_caller_that_leaves_is_recorded_and_its_request_given_up() {
    let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let (caller, _receiver) = world.pair(app.local_addr().unwrap(), Protocol::Http1);
    let mut client = connect(caller.outbound).await;
    client.write_all(GET).await.unwrap();
    let (mut io, _) = tokio::time::timeout(LIMIT, app.accept()).await.unwrap().unwrap();
    let mut seen = Vec::new();
    io.read_buf(&mut seen).await.unwrap();
    drop(client);
    caller.counted("weft_requests_total", &[r#"code="499""#], 1.0).await;
    tokio::time::timeout(LIMIT, io.read_to_end(&mut seen)).await.expect("the application is told").ok();
}

/// A tunnel that begins so is closed, and counted.
async fn closes_a_tunnel_that_begins_with(bytes: &[u8]) {
    let world = World::new();
    let receiver = world.receiver(nobody());
    let mut stream = peer::dial(&world, &receiver, Alpn::Tcp).await;
    stream.write_all(bytes).await.unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await.expect("it is closed");
    assert!(read.is_err() || rest.is_empty());
    receiver.counted("weft_errors_total", &["bad-tunnel-header"], 1.0).await;
}

#[tokio::test]
async fn a_tunnel_with_a_broken_header_is_closed() {
    closes_a_tunnel_that_begins_with(b"\x09\x00\x00").await;
}

/// After five seconds: what came is a part of one, the version and half of a length.
#[tokio::test]
async fn a_tunnel_whose_header_does_not_come_is_closed() {
    closes_a_tunnel_that_begins_with(b"\x01\x00").await;
}

#[tokio::test]
async fn a_kept_connection_closed_under_a_request_is_replaced_if_the_request_changes_nothing() {
    let (world, app) = (World::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let caller = world.caller(destination(Protocol::Http1, vec![plain(app.local_addr().unwrap())]));
    tokio::spawn(async move {
        loop {
            // Answers once on each connection, and closes it when the next request has come.
            let (mut io, _) = app.accept().await.unwrap();
            for answer in [&b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"[..], b""] {
                let mut seen = Vec::new();
                while !seen.ends_with(b"\r\n\r\n") && io.read_buf(&mut seen).await.unwrap() > 0 {}
                io.write_all(answer).await.unwrap();
            }
        }
    });
    let mut client = connect(caller.outbound).await;
    for (request, status) in
        [(GET, "200"), (GET, "200"), (b"DELETE /cart HTTP/1.1\r\nhost: a\r\n\r\n", "502")]
    {
        client.write_all(request).await.unwrap();
        let (head, _) = read_response(&mut client).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
    }
}

#[tokio::test]
async fn a_request_that_goes_again_since_a_kept_connection_was_closed_is_counted_and_says_so() {
    let script = |index| if index == 1 { Act::Close } else { OK };
    let world = World::new();
    for meshed in [false, true] {
        let app = Script::start(script).await;
        let receiver = world.receiver(app.addr);
        let endpoint = if meshed { world.meshed(&receiver) } else { plain(app.addr) };
        let caller = world.caller(destination(Protocol::Http1, vec![endpoint]));
        let mut client = connect(caller.outbound).await;
        for _ in 0..2 {
            client.write_all(GET).await.unwrap();
            let (head, _) = read_response(&mut client).await;
            assert!(head.starts_with("http/1.1 200"), "{head}");
        }
        let attempts: Vec<_> =
            app.requests().iter().map(|request| request.contains("x-weft-attempt: 2")).collect();
        assert_eq!(attempts, [false, false, true], "meshed: {meshed}");
        let counting = if meshed { &receiver } else { &caller };
        counting.counted("weft_retries_total", &[r#"reason="stale-connection""#], 1.0).await;
    }
}
