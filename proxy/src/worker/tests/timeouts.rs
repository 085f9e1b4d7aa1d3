use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use super::harness::{LIMIT, Proxy, World, connect, destination, plain, read_response};
use super::script::{Act, OK, Script};
use crate::state::{Destination, Endpoint, Protocol, Timeouts};

const MS: Duration = Duration::from_millis(1);
const NONE: Timeouts = Timeouts { request: None, per_try: None, connect: None, idle: None, stream: None };
const SILENT: Timeouts = Timeouts { idle: Some(Duration::from_millis(200)), ..NONE };
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";

fn bounded(protocol: Protocol, endpoints: Vec<Endpoint>, timeouts: Timeouts) -> Destination {
    let mut destination = destination(protocol, endpoints);
    destination.routes[0].timeouts = timeouts;
    destination
}

async fn get(proxy: &Proxy) -> String {
    let mut client = connect(proxy.outbound).await;
    client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_response(&mut client).await.0
}

/// A server of one connection.
async fn server<F>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    addr
}

/// Answers a byte at a time, ten of them, longer all together than [`SILENT`] allows without one.
async fn drip(mut io: TcpStream) {
    io.read_buf(&mut Vec::with_capacity(1024)).await.unwrap();
    io.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await.unwrap();
    for _ in 0..10 {
        sleep(40 * MS).await;
        io.write_all(b"x").await.unwrap();
    }
}

#[tokio::test]
async fn a_request_that_is_silent_for_too_long_ends_with_504_and_is_given_up() {
    let (world, mut app) = (World::new(), Script::start(|_| Act::Hang("")).await);
    let receiver = world.receiver(app.addr);
    let caller = world.caller(bounded(Protocol::Http1, vec![world.meshed(&receiver)], SILENT));
    let head = get(&caller).await;
    assert!(head.starts_with("http/1.1 504") && head.contains("x-weft-reason: idle-timeout"), "{head}");
    app.given_up().await;
    caller.counted("weft_errors_total", &["idle-timeout"], 1.0).await;
}

#[tokio::test]
async fn a_response_that_falls_silent_half_way_is_cut() {
    let (world, mut app) = (World::new(), Script::start(|_| Act::Hang(HALF)).await);
    let caller = world.caller(bounded(Protocol::Http1, vec![plain(app.addr)], SILENT));
    let mut client = connect(caller.outbound).await;
    client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    let _ = timeout(LIMIT, client.read_to_end(&mut seen)).await.expect("an end");
    assert!(seen.ends_with(b"half"), "{}", String::from_utf8_lossy(&seen));
    app.given_up().await;
    caller.counted("weft_errors_total", &["idle-timeout"], 1.0).await;
}

#[tokio::test]
async fn what_moves_is_not_silent_in_either_direction_however_long_it_takes() {
    let world = World::new();
    let down = world.caller(bounded(Protocol::Http1, vec![plain(server(drip).await)], SILENT));
    let mut client = connect(down.outbound).await;
    client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert_eq!(read_response(&mut client).await.1, b"xxxxxxxxxx");

    let app = Script::start(|_| OK).await;
    let up = world.caller(bounded(Protocol::Http1, vec![plain(app.addr)], SILENT));
    let mut client = connect(up.outbound).await;
    client.write_all(b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n").await.unwrap();
    for _ in 0..10 {
        sleep(40 * MS).await;
        client.write_all(b"x").await.unwrap();
    }
    assert!(read_response(&mut client).await.0.starts_with("http/1.1 200"));
}

/// How long an opaque connection lasts over which a byte goes back and forth each 40 ms, for as long as `talks`.
async fn opaque_lasts(timeouts: Timeouts, talks: Duration) -> Duration {
    let world = World::new();
    let addr = server(async |mut io: TcpStream| {
        let (mut read, mut write) = io.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    });
    let receiver = world.receiver(addr.await);
    let caller = world.caller(bounded(Protocol::Opaque, vec![world.meshed(&receiver)], timeouts));
    let (began, mut client) = (Instant::now(), connect(caller.outbound).await);
    let mut byte = [0];
    while began.elapsed() < talks {
        if client.write_all(b"x").await.is_err() || !matches!(client.read(&mut byte).await, Ok(1)) {
            break;
        }
        sleep(40 * MS).await;
    }
    let _ = timeout(LIMIT, client.read(&mut byte)).await.expect("an end");
    let reason = if timeouts.idle.is_some() { "idle-timeout" } else { "stream-timeout" };
    caller.counted("weft_errors_total", &[reason], 1.0).await;
    began.elapsed()
}

#[tokio::test]
async fn a_connection_of_bytes_ends_when_it_is_silent_or_has_lasted_too_long() {
    let silent = opaque_lasts(SILENT, 600 * MS).await;
    assert!(silent >= 600 * MS, "it talked for so long, and ended after {silent:?}");
    let long = opaque_lasts(Timeouts { stream: Some(300 * MS), ..NONE }, LIMIT).await;
    assert!(long >= 300 * MS && long < 3 * LIMIT / 4, "{long:?}");
}

#[tokio::test]
async fn an_upgraded_connection_is_bound_too_and_by_the_time_of_requests_not() {
    const AGREED: &str =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let timeouts = Timeouts { request: Some(50 * MS), stream: Some(300 * MS), ..NONE };
    let (world, app) = (World::new(), Script::start(|_| Act::Say(AGREED)).await);
    let caller = world.caller(bounded(Protocol::Http1, vec![plain(app.addr)], timeouts));
    let (began, mut client) = (Instant::now(), connect(caller.outbound).await);
    client
        .write_all(b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        .await
        .unwrap();
    let mut seen = Vec::new();
    let _ = timeout(LIMIT, client.read_to_end(&mut seen)).await.expect("an end");
    assert!(seen.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&seen));
    assert!(began.elapsed() >= 300 * MS, "{:?}", began.elapsed());
    caller.counted("weft_errors_total", &["stream-timeout"], 1.0).await;
}

#[tokio::test]
async fn a_connection_may_take_as_long_as_the_route_says_to_open_and_no_longer() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let receiver = world.receiver(app.addr);
    let to = receiver.inbound;
    let slow = server(async move |mut io: TcpStream| {
        sleep(1300 * MS).await;
        let mut to = TcpStream::connect(to).await.unwrap();
        let _ = copy_bidirectional(&mut io, &mut to).await;
    });
    let far = Endpoint { addr: slow.await, ..world.meshed(&receiver) };
    let patient = Timeouts { connect: Some(5000 * MS), ..NONE };
    let caller = world.caller(bounded(Protocol::Http1, vec![far], patient));
    assert!(get(&caller).await.starts_with("http/1.1 200"), "longer than usual");

    let mute = server(async |_io: TcpStream| std::future::pending().await);
    let near = Endpoint { addr: mute.await, ..world.meshed(&receiver) };
    let hasty = Timeouts { connect: Some(100 * MS), ..NONE };
    let caller = world.caller(bounded(Protocol::Http1, vec![near], hasty));
    let began = Instant::now();
    let head = get(&caller).await;
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert!(began.elapsed() < 900 * MS, "{:?}", began.elapsed());
}
