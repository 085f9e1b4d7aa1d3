//! What a proxy holds in memory: idle, busy on both sides of mutual TLS, and after the load has gone. The budget is for the
//! release profile, so this runs by hand; `docs/memory.md` has the figures.
//!
//!     WEFT_PROGRAM=$(proxy/build.sh) cargo test --test netns_memory -- --ignored --nocapture
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::http::{self, Client, Version, get};
use support::mesh::{Member, Mesh, Setup, pause, service};
use support::netns::{APPLICATION, Running};
use tokio::time::{MissedTickBehavior, interval, sleep};
use weft_proxy::wire::weft::v1::Protocol;

/// What a proxy may hold under the load below, in kB of VmRSS.
const BUSY_BUDGET: u64 = 10 * 1024;
const HTTP1_CONNECTIONS: usize = 100;
const HTTP2_CONNECTIONS: usize = 10;
/// Between two requests of one connection: 2,000 and 500 requests a second in all.
const HTTP1_PACE: Duration = Duration::from_millis(50);
const HTTP2_PACE: Duration = Duration::from_millis(20);
const LOAD: Duration = Duration::from_secs(10);
const AFTER: Duration = Duration::from_secs(60);

/// Clients that go on until this is dropped.
struct Load {
    answered: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
    _running: Running,
}

#[test]
#[ignore = "takes more than a minute and judges a release build"]
fn both_proxies_stay_within_their_budget_under_a_hundred_and_ten_connections() {
    let mesh = Mesh::new();
    let member = |account| mesh.member_with(Setup { log: "info", ..Setup::new(account) });
    let (client, server) = (member("web"), member("reviews"));
    let _first = http::application(&server.pod, 8080, "reviews", Version::Http1);
    let _second = http::application(&server.pod, 8081, "reviews", Version::Http2);
    let publish = |port: u16, protocol| {
        let address = SocketAddr::new("10.96.0.5".parse().unwrap(), port);
        let endpoint = SocketAddr::new(server.pod.ipv4.into(), port);
        client.knows(address, &service("reviews", protocol, &[(&server, endpoint)]));
        address
    };
    let (one, two) = (publish(8080, Protocol::Http1), publish(8081, Protocol::Http2));
    wait(Duration::from_secs(2));
    tell("idle", &client, &server);

    let load = [
        Load::start(&client, one, Version::Http1, HTTP1_CONNECTIONS, HTTP1_PACE),
        Load::start(&client, two, Version::Http2, HTTP2_CONNECTIONS, HTTP2_PACE),
    ];
    wait(LOAD);
    let busy = tell("busy", &client, &server);
    for load in load {
        let (answered, failed) = (load.answered.load(Ordering::SeqCst), load.failed.load(Ordering::SeqCst));
        println!("answered {answered}, failed {failed}");
        assert!(failed == 0 && answered > 1000, "the load is part of the measurement");
    }
    wait(AFTER);
    tell("later", &client, &server);
    assert!(busy <= BUSY_BUDGET, "{busy} kB");
}

// === impl Load ===

impl Load {
    fn start(
        client: &Member,
        address: SocketAddr,
        version: Version,
        connections: usize,
        pace: Duration,
    ) -> Self {
        let (answered, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counters = (answered.clone(), failed.clone());
        let running = client.pod.start(APPLICATION, move |started| async move {
            started.send(()).unwrap();
            let (answered, failed) = counters;
            for index in 0..connections {
                let (answered, failed) = (answered.clone(), failed.clone());
                tokio::spawn(async move {
                    sleep(pace * u32::try_from(index).unwrap() / u32::try_from(connections).unwrap()).await;
                    let mut connection = Client::connect(address, version).await;
                    let mut ticks = interval(pace);
                    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                    loop {
                        ticks.tick().await;
                        let good = connection
                            .ask(get(address, "/healthz"))
                            .await
                            .is_ok_and(|a| a.head.status == 200);
                        if good { &answered } else { &failed }.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            std::future::pending::<()>().await;
        });
        Self { answered, failed, _running: running }
    }
}

/// Prints what both hold, and gives the larger VmRSS in kB.
fn tell(when: &str, client: &Member, server: &Member) -> u64 {
    [("client", client), ("server", server)]
        .map(|(who, member)| {
            let status = fs::read_to_string(format!("/proc/{}/status", member.pid())).unwrap();
            let field = |name: &str| -> u64 {
                let line = status.lines().find(|line| line.starts_with(name)).unwrap();
                line.split_whitespace().nth(1).unwrap().parse().unwrap()
            };
            let [all, anonymous, file] = ["VmRSS:", "RssAnon:", "RssFile:"].map(field);
            println!("{when:>5} {who}: VmRSS {all} kB = anonymous {anonymous} + files {file}");
            all
        })
        .into_iter()
        .max()
        .unwrap()
}

fn wait(time: Duration) {
    let until = std::time::Instant::now() + time;
    while std::time::Instant::now() < until {
        pause();
    }
}
