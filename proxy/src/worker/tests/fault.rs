use std::num::NonZeroU32;
use std::time::Duration;

use http::StatusCode;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::harness::{LIMIT, Proxy, World, connect, destination, on_header, plain, read_response};
use super::script::{Act, OK, Script};
use crate::state::{Abort, Delay, Destination, Endpoint, Fault, Protocol, Route, Share, SlowBody};

const MS: Duration = Duration::from_millis(1);
const LONG: &str = "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n01234567890123456789";
const NOTHING: Fault = Fault { abort: None, delay: None, slow_body: None, max_active: 1000 };

fn share(hit: u32) -> Share {
    Share { hit, of: NonZeroU32::new(100).unwrap() }
}

fn abort(hit: u32) -> Option<Abort> {
    Some(Abort { share: share(hit), status: StatusCode::IM_A_TEAPOT, grpc_status: 8 })
}

fn failing(endpoints: Vec<Endpoint>, fault: Fault) -> Destination {
    let mut destination = destination(Protocol::Http1, endpoints);
    destination.routes[0].fault = Some(Box::new(fault));
    destination
}

async fn get(proxy: &Proxy, headers: &str) -> String {
    let mut client = connect(proxy.outbound).await;
    client.write_all(format!("GET /a HTTP/1.1\r\nhost: a\r\n{headers}\r\n").as_bytes()).await.unwrap();
    read_response(&mut client).await.0
}

#[tokio::test]
async fn requests_are_answered_in_the_place_of_the_application_each_caller_in_its_terms() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let fault = Fault { abort: abort(100), ..NOTHING };
    let mut destination = failing(vec![plain(app.addr)], fault);
    let split = destination.routes[0].split.clone();
    destination.routes[0].matches = vec![on_header("x-test", "yes")];
    destination.routes.push(Route { name: "rest".into(), split, ..Default::default() });
    let caller = world.caller(destination);
    let head = get(&caller, "x-test: yes\r\n").await;
    assert!(head.starts_with("http/1.1 418") && head.contains("x-weft-reason: fault-abort"), "{head}");
    let head = get(&caller, "x-test: yes\r\ncontent-type: application/grpc\r\n").await;
    assert!(head.starts_with("http/1.1 200") && head.contains("grpc-status: 8"), "{head}");
    let head = get(&caller, "x-test: yes\r\nconnection: upgrade\r\nupgrade: websocket\r\n").await;
    assert!(head.starts_with("http/1.1 418"), "{head}");
    assert!(get(&caller, "").await.starts_with("http/1.1 200"), "another route");
    assert_eq!(app.requests().len(), 1);
    caller.counted("weft_faults_total", &[r#"kind="abort""#, r#"route="all""#], 3.0).await;
    caller.counted("weft_requests_total", &[r#"code="418""#, r#"route="all""#], 2.0).await;
}

#[tokio::test]
async fn about_as_many_as_the_share_says_are_hit() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let fault = Fault { abort: abort(30), ..NOTHING };
    let caller = world.caller(failing(vec![plain(app.addr)], fault));
    for _ in 0..200 {
        get(&caller, "").await;
    }
    let sent = app.requests().len();
    assert!((100..=180).contains(&sent), "{sent} of 200 were sent on");
}

#[tokio::test]
async fn a_request_waits_no_longer_than_its_deadline_and_then_goes_on() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let delay = Some(Delay { share: share(100), time: 200 * MS });
    let caller = world.caller(failing(vec![plain(app.addr)], Fault { delay, ..NOTHING }));
    let began = Instant::now();
    assert!(get(&caller, "").await.starts_with("http/1.1 200"));
    assert!(began.elapsed() >= 200 * MS);
    let head = get(&caller, "x-weft-deadline: 20\r\n").await;
    assert!(head.starts_with("http/1.1 504"), "{head}");
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test]
async fn no_more_than_the_ceiling_wait_at_once() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let delay = Some(Delay { share: share(100), time: LIMIT });
    let fault = Fault { delay, max_active: 1, ..NOTHING };
    let caller = world.caller(failing(vec![plain(app.addr)], fault));
    let mut first = connect(caller.outbound).await;
    first.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    caller.counted("weft_faults_total", &[r#"kind="delay""#], 1.0).await;
    assert!(get(&caller, "").await.starts_with("http/1.1 200"), "spared");
    caller.counted("weft_faults_total", &[r#"kind="spared""#], 1.0).await;
    // Who leaves frees a place, and is recorded.
    drop(first);
    caller.counted("weft_requests_total", &[r#"code="499""#], 1.0).await;
    let mut next = connect(caller.outbound).await;
    next.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    caller.counted("weft_faults_total", &[r#"kind="delay""#], 2.0).await;
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test]
async fn the_body_of_an_answer_comes_as_slowly_as_the_route_says_and_whole() {
    let (world, app) = (World::new(), Script::start(|_| Act::Say(LONG)).await);
    let receiver = world.receiver(app.addr);
    let slow_body = Some(SlowBody { share: share(100), bytes_per_second: NonZeroU32::new(40).unwrap() });
    let fault = Fault { slow_body, max_active: 1, ..NOTHING };
    for endpoint in [plain(app.addr), world.meshed(&receiver)] {
        let caller = world.caller(failing(vec![endpoint], fault.clone()));
        let mut client = connect(caller.outbound).await;
        let began = Instant::now();
        client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let (head, body) = read_response(&mut client).await;
        assert!(head.starts_with("http/1.1 200") && head.contains("content-length: 20"), "{head}");
        assert_eq!(body, b"01234567890123456789");
        let took = began.elapsed();
        assert!((500 * MS..3000 * MS).contains(&took), "{took:?}");
        caller.counted("weft_faults_total", &[r#"kind="slow-body""#], 1.0).await;
        caller.counted("weft_requests_total", &[r#"code="200""#], 1.0).await;
        // The place is free again.
        get(&caller, "").await;
        caller.counted("weft_faults_total", &[r#"kind="slow-body""#], 2.0).await;
    }
    assert_eq!(app.requests().len(), 4);
}
