use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::harness::{
    LIMIT, Proxy, World, connect, destination, is_refused, on_header, plain, read_response,
};
use super::script::{Act, OK, Script};
use crate::state::{Adaptive, Destination, Endpoint, Limits, Protocol, Route};

const MS: Duration = Duration::from_millis(1);
const SLOW_OK: Act =
    Act::SayLate(Duration::from_millis(500), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");

fn limited(endpoints: Vec<Endpoint>, limits: Limits) -> Destination {
    Destination { limits: Some(Box::new(limits)), ..destination(Protocol::Http1, endpoints) }
}

async fn ask(proxy: &Proxy, headers: &str) -> TcpStream {
    let mut client = connect(proxy.outbound).await;
    client.write_all(format!("GET /a HTTP/1.1\r\nhost: a\r\n{headers}\r\n").as_bytes()).await.unwrap();
    client
}

async fn head(mut client: TcpStream) -> String {
    read_response(&mut client).await.0
}

async fn seen(app: &Script, requests: usize) {
    let deadline = Instant::now() + LIMIT;
    while app.requests().len() < requests {
        assert!(Instant::now() < deadline, "{:?}", app.requests());
        tokio::time::sleep(MS).await;
    }
}

#[tokio::test]
async fn one_request_too_many_is_refused_at_once_and_told_why() {
    let (world, mut app) =
        (World::new(), Script::start(|index| if index == 0 { Act::Hang("") } else { OK }).await);
    let receiver = world.receiver(app.addr);
    let limits = Limits { max_requests: Some(1), ..Limits::default() };
    let caller = world.caller(limited(vec![world.meshed(&receiver)], limits));
    let first = ask(&caller, "").await;
    seen(&app, 1).await;
    let refused = head(ask(&caller, "").await).await;
    assert!(refused.starts_with("http/1.1 503"), "{refused}");
    assert!(refused.contains("x-weft-reason: max-requests"), "{refused}");
    let grpc = head(ask(&caller, "content-type: application/grpc\r\n").await).await;
    assert!(grpc.contains("grpc-status: 14"), "{grpc}");
    assert_eq!(app.requests().len(), 1);
    let shed = [r#"reason="max-requests""#, r#"destination="shop/reviews:8080""#, r#"route="all""#];
    caller.counted("weft_shed_total", &shed, 2.0).await;
    drop(first);
    app.given_up().await;
    caller.counted("weft_requests_total", &[r#"code="499""#], 1.0).await;
    assert!(head(ask(&caller, "").await).await.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn as_many_as_may_wait_do_in_their_order_and_a_caller_that_leaves_gives_up_its_place() {
    let (world, app) = (World::new(), Script::start(|_| SLOW_OK).await);
    let limits = Limits { max_connections: Some(1), max_pending: 1, ..Limits::default() };
    let caller = world.caller(limited(vec![plain(app.addr)], limits));
    let first = ask(&caller, "").await;
    seen(&app, 1).await;
    let waiting = ask(&caller, "").await;
    tokio::time::sleep(50 * MS).await;
    let refused = head(ask(&caller, "").await).await;
    assert!(refused.contains("x-weft-reason: max-connections"), "{refused}");
    // With a reset: one that only ends its sending side may still wait for an answer.
    waiting.set_zero_linger().unwrap();
    drop(waiting);
    caller.counted("weft_requests_total", &[r#"code="499""#], 1.0).await;
    let waiting = ask(&caller, "").await;
    assert!(head(first).await.starts_with("http/1.1 200"));
    assert!(head(waiting).await.starts_with("http/1.1 200"));
    assert_eq!(app.requests().len(), 2, "who left sent nothing");
}

#[tokio::test]
async fn who_waits_longer_than_its_deadline_is_told_so() {
    let (world, app) = (World::new(), Script::start(|_| Act::Hang("")).await);
    let limits = Limits { max_requests: Some(1), max_pending: 9, ..Limits::default() };
    let caller = world.caller(limited(vec![plain(app.addr)], limits));
    let _first = ask(&caller, "").await;
    seen(&app, 1).await;
    let late = head(ask(&caller, "x-weft-deadline: 50\r\n").await).await;
    assert!(late.starts_with("http/1.1 504") && late.contains("deadline-exceeded"), "{late}");
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test]
async fn a_route_that_is_full_leaves_the_others_alone() {
    let (world, app) =
        (World::new(), Script::start(|index| if index == 0 { Act::Hang("") } else { OK }).await);
    let mut destination = destination(Protocol::Http1, vec![plain(app.addr)]);
    let narrow = Limits { max_requests: Some(1), ..Limits::default() };
    let split = destination.routes[0].split.clone();
    let matches = vec![on_header("x-report", "yes")];
    let limits = Some(Box::new(narrow));
    destination
        .routes
        .insert(0, Route { name: "reports".into(), matches, split, limits, ..Route::default() });
    let caller = world.caller(destination);
    let _first = ask(&caller, "x-report: yes\r\n").await;
    seen(&app, 1).await;
    let refused = head(ask(&caller, "x-report: yes\r\n").await).await;
    assert!(refused.starts_with("http/1.1 503"), "{refused}");
    assert!(head(ask(&caller, "").await).await.starts_with("http/1.1 200"));
    caller.counted("weft_shed_total", &[r#"route="reports""#], 1.0).await;
}

#[tokio::test]
async fn one_opaque_connection_too_many_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut io, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = io.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    let limits = Limits { max_connections: Some(1), max_requests: Some(1), ..Limits::default() };
    let world = World::new();
    let caller =
        world.caller(Destination { protocol: Protocol::Opaque, ..limited(vec![plain(addr)], limits) });
    let mut first = connect(caller.outbound).await;
    let mut byte = [0];
    first.write_all(b"a").await.unwrap();
    first.read_exact(&mut byte).await.unwrap();
    assert!(is_refused(caller.outbound).await);
    drop(first);
    caller.counted("weft_shed_total", &[r#"reason="max-connections""#], 1.0).await;
    let deadline = Instant::now() + LIMIT;
    loop {
        if !is_refused(caller.outbound).await {
            break;
        }
        assert!(Instant::now() < deadline, "the place of the first is free again");
    }
}

/// An application that works on four requests at a time, each for 50 ms: 80 a second.
async fn busy() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let workers = Arc::new(Semaphore::new(4));
    tokio::spawn(async move {
        loop {
            let (mut io, _) = listener.accept().await.unwrap();
            let workers = workers.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                while io.read(&mut buffer).await.is_ok_and(|count| count > 0) {
                    let _worker = workers.acquire().await.unwrap();
                    tokio::time::sleep(50 * MS).await;
                    if io.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    addr
}

/// The numbers are held to the promise on a simulated clock (`outbound/gradient/tests.rs`); this is that it acts.
#[tokio::test]
async fn with_twice_the_capacity_offered_what_is_too_much_is_refused_and_the_rest_is_quick() {
    let (world, app) = (World::new(), busy().await);
    let adaptive = Some(Adaptive { min: 3, max: 1000 });
    let caller = Arc::new(world.caller(limited(vec![plain(app)], Limits { adaptive, ..Limits::default() })));
    let mut requests = tokio::task::JoinSet::new();
    for index in 0..800u32 {
        let caller = caller.clone();
        requests.spawn(async move {
            tokio::time::sleep(index * MS * 25 / 4).await;
            let began = Instant::now();
            let head = head(ask(&caller, "").await).await;
            (head, began.elapsed())
        });
    }
    let (mut good, mut shed) = (Vec::new(), 0);
    while let Some(result) = requests.join_next().await {
        let (head, took) = result.unwrap();
        if head.starts_with("http/1.1 200") {
            good.push(took);
        } else {
            assert!(head.contains("x-weft-reason: concurrency-limit"), "{head}");
            shed += 1;
        }
    }
    good.sort_unstable();
    let late = good[good.len() * 9 / 10];
    // Without a limit the last of 800 would take five seconds.
    assert!(late < 1000 * MS, "{late:?} with {} good and {shed} refused", good.len());
    assert!(good.len() > 200 && shed > 200, "{} good, {shed} refused", good.len());
    assert!(caller.count("weft_concurrency_limit", &[]) >= 3.0);
}
