//! What a proxy holds has bounds, and reaching one concerns as few as possible.

use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout};

use super::app::App;
use super::harness::{LIMIT, SERVICE, World, connect, destination, is_refused, plain, read_response};
use crate::capacity::{Level, Pressure, Share};
use crate::http::Wire;
use crate::inbound::{Inbound, SILENCE_TIMEOUT};
use crate::outbound::Outbound;
use crate::state::{Mesh, MtlsMode, Protocol, Subscription, Workload};
use crate::telemetry::Direction;
use crate::worker::entrance::ARRIVALS;

fn share(connections: usize) -> Share {
    Share { connections, ..Share::default() }
}

async fn asks(client: &mut TcpStream) {
    client.write_all(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let (head, body) = read_response(client).await;
    assert!(head.starts_with("http/1.1 200 ok") && body == b"app", "{head}");
}

/// Whether the other side has ended the connection, without having said anything.
async fn is_ended(client: &mut TcpStream) -> bool {
    timeout(LIMIT, client.read_u8()).await.expect("an end in time").is_err()
}

#[tokio::test]
async fn idle_connections_make_room_before_any_is_refused() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    *world.share.borrow_mut() = share(16);
    let caller = world.caller(destination(Protocol::Http1, vec![plain(app.addr)]));
    // Twelve of them may be the application's, and eleven are more than seven eighths of that.
    let mut clients = Vec::new();
    for _ in 0..11 {
        let mut client = connect(caller.outbound).await;
        asks(&mut client).await;
        clients.push(client);
    }
    caller.counted("weft_errors_total", &["idle-shed", "outbound"], 2.0).await;
    let stay = clients.split_off(2);
    for client in &mut clients {
        assert!(is_ended(client).await, "those that were idle for longest go");
    }
    for mut client in stay {
        asks(&mut client).await;
    }
    let mut next = connect(caller.outbound).await;
    asks(&mut next).await;
}

#[tokio::test]
async fn connections_beyond_the_bound_are_refused_and_counted_and_those_that_are_open_go_on() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    *world.share.borrow_mut() = share(4);
    let caller = world.caller(destination(Protocol::Opaque, vec![plain(app.addr)]));
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut client = connect(caller.outbound).await;
        asks(&mut client).await;
        open.push(client);
    }
    assert!(is_refused(caller.outbound).await);
    caller.counted("weft_errors_total", &["too-many-connections", "outbound"], 1.0).await;
    for client in &mut open {
        asks(client).await;
    }
    drop(open.pop());
    caller.counted("weft_tcp_connections_open", &[], 2.0).await;
    asks(&mut connect(caller.outbound).await).await;
}

#[tokio::test]
async fn a_process_short_of_memory_refuses_new_connections_until_it_has_some() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let pressure = Pressure::default();
    *world.share.borrow_mut() = Share { pressure: pressure.clone(), ..Share::default() };
    let caller = world.caller(destination(Protocol::Http1, vec![plain(app.addr)]));
    let mut open = connect(caller.outbound).await;
    asks(&mut open).await;
    pressure.set(Level::Critical);
    assert!(is_refused(caller.outbound).await);
    caller.counted("weft_errors_total", &["memory-pressure", "outbound"], 1.0).await;
    asks(&mut open).await;
    pressure.set(Level::Calm);
    asks(&mut connect(caller.outbound).await).await;
}

#[tokio::test]
async fn callers_that_say_nothing_keep_nobody_out() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let receiver = world.receiver(app.addr);
    receiver.change_workload(|workload| {
        workload.mtls_mode = MtlsMode::Strict;
        workload.inbound_ports.clear();
    });
    let caller = world.caller(destination(Protocol::Http1, vec![world.meshed(&receiver)]));
    let mut silent = Vec::new();
    for _ in 0..ARRIVALS.of_loopback + 10 {
        silent.push(connect(receiver.inbound).await);
    }
    let mut client = connect(caller.outbound).await;
    asks(&mut client).await;
    assert!(is_ended(&mut silent[0]).await, "who has been silent for longest goes first");
    assert!(receiver.count("weft_errors_total", &["too-many-handshakes", "inbound"]) >= 10.0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_says_nothing_is_given_up_where_the_application_says_nothing_either() {
    let world = World::new();
    let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let workload = Workload::unconfigured("cluster/net/shop/web-1", world.ca.id("shop", "web"));
    let mesh = Mesh::fixed(workload, std::iter::empty::<(Subscription, _)>());
    let worker = Rc::new(world.worker(mesh, app.local_addr().unwrap()));
    let (silent, begin) = (worker.metrics.error_counter(Direction::Inbound, "silent"), Instant::now());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _caller = connect(listener.local_addr().unwrap()).await;
    let (accepted, _) = listener.accept().await.unwrap();
    let outbound = Outbound::new(worker.clone());
    let inbound = Rc::new(Inbound::new(worker, || outbound.callout()));
    LocalSet::new().run_until(inbound.connection(accepted)).await;
    assert!(begin.elapsed() >= SILENCE_TIMEOUT, "{:?}", begin.elapsed());
    assert_eq!(silent.get(), 1);
}

/// What is held for as long as a connection idles is paid a thousand times by a proxy with a thousand of them.
#[tokio::test]
async fn a_connection_that_idles_is_small() {
    let world = World::new();
    let workload = Workload::unconfigured("cluster/net/shop/web-1", world.ca.id("shop", "web"));
    let mesh = Mesh::fixed(workload, std::iter::empty::<(Subscription, _)>());
    let worker = Rc::new(world.worker(mesh, SERVICE));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dial = || connect(listener.local_addr().unwrap());
    let outbound = Rc::new(Outbound::new(worker.clone()));
    let inbound = Rc::new(Inbound::new(worker, || outbound.callout())).connection(dial().await);
    let outbound = outbound.connection(dial().await);
    let sizes = [size_of_val(&outbound), size_of_val(&inbound)];
    assert!(sizes[0] < 2048 && sizes[1] < 4096, "{sizes:?}");
}
