//! Destinations that are replaced, with their endpoints and policies, while requests are under way, endpoints ejected and limits
//! reached. Afterwards nothing is held that nobody holds, and nothing stays ejected. A counter that underflows ends the worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::harness::{LIMIT, Proxy, World, connect, destination, plain};
use super::script::{Act, BROKEN, OK, Script};
use crate::state::{Adaptive, Algorithm, Destination, Limits, LoadBalancer, Outliers, Protocol};

const MS: Duration = Duration::from_millis(1);
const REPLICAS: usize = 4;
const CHANGES: usize = 60;

struct Stage {
    proxy: Proxy,
    replicas: [Script; REPLICAS],
    /// From now on nothing fails.
    well: Arc<AtomicBool>,
}

/// One that now and then fails, breaks off or takes its time.
async fn replica(well: &Arc<AtomicBool>) -> Script {
    let well = well.clone();
    Script::start(move |index| match index % 5 {
        _ if well.load(Ordering::SeqCst) => OK,
        0 => OK,
        1 => Act::SayLate(8 * MS, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        2 => Act::Close,
        _ => BROKEN,
    })
    .await
}

fn outliers(version: usize) -> Option<Box<Outliers>> {
    let base = if version.is_multiple_of(2) { 5 * MS } else { 3600 * 1000 * MS };
    (!version.is_multiple_of(7)).then(|| {
        Box::new(Outliers {
            consecutive_failures: Some(1),
            consecutive_local_errors: Some(1),
            base,
            max: base,
            max_percent: 75,
            ..Outliers::default()
        })
    })
}

fn limits(version: usize) -> Option<Box<Limits>> {
    let limits = Limits { max_pending: 2, ..Limits::default() };
    match version % 4 {
        0 => None,
        1 => Some(Box::new(Limits { max_requests: Some(3), ..limits })),
        2 => Some(Box::new(Limits { max_connections: Some(2), ..limits })),
        _ => Some(Box::new(Limits { adaptive: Some(Adaptive { min: 1, max: 8 }), ..limits })),
    }
}

impl Stage {
    /// The destination of a version: some of the endpoints, and policies that differ or do not from one to the next.
    fn version(&self, version: usize) -> Destination {
        let some = self.replicas.iter().enumerate().filter(|(index, _)| !(version + index).is_multiple_of(3));
        let mut made = destination(Protocol::Http1, some.map(|(_, replica)| plain(replica.addr)).collect());
        made.outliers = outliers(version / 2);
        made.limits = limits(version / 3);
        made.routes[0].limits = limits(version / 5);
        made.load_balancer = LoadBalancer { algorithm: Algorithm::RoundRobin, ..LoadBalancer::default() };
        made
    }

    /// Whether the worker holds nothing at all; what it holds.
    async fn is_at_rest(&self) -> Result<(), Value> {
        let view = self.proxy.view().await;
        let zero = |value: &Value| value.is_null() || value.as_f64() == Some(0.0);
        let held = |limits: &Value| {
            !["requests", "connections", "unanswered", "pending"].iter().all(|name| zero(&limits[*name]))
        };
        let all = view.as_object().ok_or(Value::Null)?.values();
        let busy = all.clone().any(|live| {
            let endpoints = live["backends"].as_array().into_iter().flatten();
            let mut endpoints =
                endpoints.flat_map(|backend| backend["endpoints"].as_array().into_iter().flatten());
            let mut routes = live["routes"].as_array().into_iter().flatten();
            held(&live["limits"])
                || routes.any(|route| held(&route["limits"]))
                || endpoints.any(|endpoint| !zero(&endpoint["pending"]))
        });
        if busy { Err(view) } else { Ok(()) }
    }
}

/// Sends requests until it is told to stop. Some callers leave before the answer.
async fn calls(to: std::net::SocketAddr, leaves: bool, stop: Arc<AtomicBool>, done: Arc<AtomicUsize>) {
    while !stop.load(Ordering::SeqCst) {
        let mut client = connect(to).await;
        let request = b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        if client.write_all(request).await.is_ok() {
            let patience = if leaves { 4 * MS } else { LIMIT };
            let _ = timeout(patience, client.read_to_end(&mut Vec::new())).await;
        }
        done.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn what_is_replaced_under_load_leaves_nothing_counted_and_nobody_ejected() {
    let (world, well) = (World::new(), Arc::new(AtomicBool::new(false)));
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(replica(&well).await);
    }
    let replicas = replicas.try_into().unwrap_or_else(|_| unreachable!());
    let proxy = world.caller(destination(Protocol::Http1, Vec::new()));
    let stage = Stage { proxy, replicas, well };

    let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let callers: Vec<_> = (0..8)
        .map(|number| {
            let (stop, done) = (stop.clone(), done.clone());
            tokio::spawn(calls(stage.proxy.outbound, number % 3 == 0, stop, done))
        })
        .collect();
    for version in 0..CHANGES {
        // Some requests meet each version.
        let (before, deadline) = (done.load(Ordering::SeqCst), Instant::now() + LIMIT);
        if version % 10 == 9 {
            stage.proxy.remove_destination();
        }
        stage.proxy.change_destination(&version.to_string(), stage.version(version));
        while done.load(Ordering::SeqCst) < before + 5 {
            assert!(Instant::now() < deadline, "nothing is served any more after {version} changes");
            sleep(MS).await;
        }
        // A version counts for as long as requests hold it, so for a moment two may.
        loop {
            let ejected = stage.proxy.count("weft_ejected_endpoints", &[]);
            assert!(ejected >= 0.0, "{ejected} after {version} changes");
            if ejected <= REPLICAS as f64 {
                break;
            }
            assert!(Instant::now() < deadline, "{ejected} after {version} changes");
            sleep(MS).await;
        }
    }
    assert!(
        stage.proxy.count("weft_ejections_total", &[]) > 0.0,
        "nothing was ejected: {}",
        stage.proxy.metrics()
    );
    assert!(
        stage.proxy.count("weft_shed_total", &[]) > 0.0,
        "no limit was reached: {}",
        stage.proxy.metrics()
    );
    stop.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }

    let deadline = Instant::now() + LIMIT;
    while let Err(held) = stage.is_at_rest().await {
        assert!(Instant::now() < deadline, "{held:#}");
        sleep(MS).await;
    }
    // With short ejections, and replicas that are well, everybody comes back: each gets requests, and nothing is counted as out.
    stage.well.store(true, Ordering::SeqCst);
    let mut last =
        destination(Protocol::Http1, stage.replicas.iter().map(|replica| plain(replica.addr)).collect());
    last.outliers = outliers(2);
    stage.proxy.change_destination("last", last);
    let before = stage.replicas.each_ref().map(|replica| replica.requests().len());
    let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let caller = tokio::spawn(calls(stage.proxy.outbound, false, stop.clone(), done));
    let deadline = Instant::now() + LIMIT;
    loop {
        let served = stage.replicas.each_ref().map(|replica| replica.requests().len());
        let all = served.iter().zip(before).all(|(now, before)| *now > before + 5);
        if all && stage.proxy.count("weft_ejected_endpoints", &[]) == 0.0 {
            break;
        }
        assert!(Instant::now() < deadline, "{before:?} to {served:?}\n{}", stage.proxy.metrics());
        sleep(MS).await;
    }
    stop.store(true, Ordering::SeqCst);
    caller.await.unwrap();
}
