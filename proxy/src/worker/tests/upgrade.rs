//! A request that asks to leave HTTP goes the way of all others; only its connection is its own.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::harness::{LIMIT, Proxy, World, connect, destination, nobody, plain, read_response};
use super::script::{Act, OK, Script};
use crate::state::{Algorithm, Destination, Endpoint, Limits, Protocol, Retries, RetryOn, Timeouts};

const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
const ASK: &[u8] = b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
const MS: Duration = Duration::from_millis(1);

/// The head of the answer to a handshake, with its connection.
async fn handshake(caller: &Proxy) -> (String, TcpStream) {
    let mut client = connect(caller.outbound).await;
    client.write_all(ASK).await.unwrap();
    (read_response(&mut client).await.0, client)
}

async fn websocket(caller: &Proxy) -> TcpStream {
    let (head, client) = handshake(caller).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    client
}

fn to(endpoints: Vec<Endpoint>) -> Destination {
    destination(Protocol::Http1, endpoints)
}

/// Agrees, and keeps the connection open until the other side ends it.
async fn agreeing() -> Script {
    Script::start(|_| Act::Hang(AGREED)).await
}

#[tokio::test]
async fn limits_count_a_websocket_until_it_ends() {
    for limits in [
        Limits { max_requests: Some(1), ..Limits::default() },
        Limits { max_connections: Some(1), ..Limits::default() },
    ] {
        let (world, app) = (World::new(), agreeing().await);
        let receiver = world.receiver(app.addr);
        let destination = Destination { limits: Some(Box::new(limits)), ..to(vec![world.meshed(&receiver)]) };
        let caller = world.caller(destination);
        let open = websocket(&caller).await;
        let (head, _) = handshake(&caller).await;
        assert!(head.starts_with("http/1.1 503") && head.contains("x-weft-reason: max-"), "{head}");
        caller.counted("weft_requests_total", &[r#"code="101""#], 0.0).await;
        drop(open);
        caller.counted("weft_requests_total", &[r#"code="101""#], 1.0).await;
        receiver.counted("weft_requests_total", &[r#"code="101""#], 1.0).await;
        websocket(&caller).await;
    }
}

#[tokio::test]
async fn balancing_counts_a_websocket_until_it_ends() {
    let (world, apps) = (World::new(), [agreeing().await, agreeing().await]);
    let mut destination = to(apps.iter().map(|app| plain(app.addr)).collect());
    destination.load_balancer.algorithm = Algorithm::LeastRequest;
    let caller = world.caller(destination);
    let mut open = Vec::new();
    for round in 1..=4 {
        open.push(websocket(&caller).await);
        open.push(websocket(&caller).await);
        assert_eq!(apps.each_ref().map(|app| app.requests().len()), [round, round]);
    }
}

#[tokio::test]
async fn a_handshake_that_nobody_answers_ends_by_the_time_of_its_route() {
    for (timeouts, reason) in [
        (Timeouts { request: Some(200 * MS), ..Timeouts::default() }, "deadline-exceeded"),
        (Timeouts { per_try: Some(200 * MS), ..Timeouts::default() }, "try-timeout"),
        (Timeouts { idle: Some(200 * MS), ..Timeouts::default() }, "idle-timeout"),
    ] {
        let (world, mut app) = (World::new(), Script::start(|_| Act::Hang("")).await);
        let receiver = world.receiver(app.addr);
        let mut destination = to(vec![world.meshed(&receiver)]);
        destination.routes[0].timeouts = timeouts;
        let caller = world.caller(destination);
        let began = Instant::now();
        let (head, _client) = handshake(&caller).await;
        assert!(head.starts_with("http/1.1 504") && head.contains(reason), "{head}");
        assert!(began.elapsed() >= 200 * MS, "{:?}", began.elapsed());
        app.given_up().await;
    }
}

#[tokio::test]
async fn a_handshake_is_bound_by_the_deadline_of_its_caller_on_both_sides() {
    let (world, mut app) = (World::new(), Script::start(|_| Act::Hang("")).await);
    let receiver = world.receiver(app.addr);
    let caller = world.caller(to(vec![world.meshed(&receiver)]));
    let mut client = connect(caller.outbound).await;
    let text = String::from_utf8_lossy(ASK).replace("host: a\r\n", "host: a\r\nx-weft-deadline: 200\r\n");
    client.write_all(text.as_bytes()).await.unwrap();
    let (head, _) = read_response(&mut client).await;
    assert!(head.starts_with("http/1.1 504"), "{head}");
    app.given_up().await;
    let told = &app.requests()[0];
    assert!(told.contains("x-weft-deadline: ") && !told.contains("x-weft-proto"), "{told}");
}

#[tokio::test]
async fn a_handshake_that_failed_is_tried_again_as_the_route_says() {
    const BUSY: Act = Act::Say("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
    let script = |index| if index == 0 { BUSY } else { Act::Hang(AGREED) };
    let (world, app) = (World::new(), Script::start(script).await);
    let receiver = world.receiver(app.addr);
    let mut destination = to(vec![world.meshed(&receiver)]);
    destination.routes[0].retries = Some(Box::new(Retries {
        attempts: 1,
        on: vec![RetryOn::GatewayError],
        methods: vec![http::Method::GET],
        budget: crate::state::BudgetLimits { percent: 100, interval: 1000 * MS, min_per_second: 10 },
        ..Retries::default()
    }));
    let caller = world.caller(destination);
    let mut client = websocket(&caller).await;
    client.write_all(b"frame").await.unwrap();
    assert_eq!(app.requests().len(), 2);
    assert!(app.requests()[1].contains("x-weft-attempt: 2"), "{}", app.requests()[1]);
}

#[tokio::test]
async fn a_handshake_goes_elsewhere_when_an_endpoint_is_gone() {
    let (world, app) = (World::new(), agreeing().await);
    let receiver = world.receiver(app.addr);
    let dead = Endpoint { addr: nobody(), ..world.meshed(&receiver) };
    let caller = world.caller(to(vec![dead, world.meshed(&receiver)]));
    for _ in 0..4 {
        websocket(&caller).await;
    }
}

#[tokio::test]
async fn the_bytes_of_a_websocket_are_in_the_line_of_its_request() {
    let (world, app) = (World::new(), Script::start(|_| Act::Say(AGREED)).await);
    let caller = world.caller(to(vec![plain(app.addr)]));
    let mut client = websocket(&caller).await;
    // The script takes this for a request, and so says something on the connection that has left HTTP.
    client.write_all(ASK).await.unwrap();
    let mut echo = vec![0; AGREED.len()];
    tokio::time::timeout(LIMIT, client.read_exact(&mut echo)).await.unwrap().unwrap();
    assert_eq!(echo, AGREED.as_bytes());
    drop(client);
    caller.counted("weft_requests_total", &[r#"code="101""#], 1.0).await;
}

#[tokio::test]
async fn an_answer_that_declines_is_an_ordinary_one() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let receiver = world.receiver(app.addr);
    let limits = Limits { max_connections: Some(1), ..Limits::default() };
    let destination = Destination { limits: Some(Box::new(limits)), ..to(vec![world.meshed(&receiver)]) };
    let caller = world.caller(destination);
    for _ in 0..3 {
        let (head, _client) = handshake(&caller).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
    }
    caller.counted("weft_requests_total", &[r#"code="200""#], 3.0).await;
}
