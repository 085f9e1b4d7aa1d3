use std::net::TcpListener as StdTcpListener;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::drain::{self, Drain};
use crate::socket;
use client::Answer as Said;

/// Asks from a thread, because the client blocks.
async fn ask(ask: impl FnOnce() -> io::Result<Said> + Send + 'static) -> Said {
    tokio::task::spawn_blocking(ask).await.unwrap().unwrap()
}

fn bound() -> (StdTcpListener, u16) {
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn admin(limit: Duration) -> (u16, Drain) {
    let (listener, port) = bound();
    let (trigger, drain) = drain::channel();
    let admin = Admin {
        drain: trigger,
        drain_limit: limit,
        linger: Duration::ZERO,
        config_dump: Arc::new(|| r#"{"workload":null}"#.to_owned()),
        views: Views::default(),
        log_level: LogLevel::detached(),
    };
    tokio::spawn(admin.serve(listener));
    (port, drain)
}

#[tokio::test]
async fn drain_answers_when_the_last_connection_has_ended() {
    let (port, drain) = admin(Duration::from_secs(20));
    let guard = drain.guard();
    let ended = Arc::new(AtomicBool::new(false));
    let answer = tokio::spawn({
        let ended = ended.clone();
        async move {
            let answer = ask(move || client::post(port, "/drain")).await;
            assert!(ended.load(Ordering::SeqCst), "answered while a connection was open");
            answer
        }
    });
    drain.started().await;
    ended.store(true, Ordering::SeqCst);
    drop(guard);
    assert_eq!(answer.await.unwrap().status, 200);
}

#[tokio::test]
async fn drain_says_what_was_open_at_the_deadline() {
    let (port, drain) = admin(Duration::from_millis(20));
    let _guard = drain.guard();
    let answer = ask(move || client::post(port, "/drain")).await;
    assert_eq!(answer.status, 504);
    assert!(answer.body.starts_with("1 connections were still open"), "{}", answer.body);
}

#[tokio::test]
async fn looking_at_drain_does_not_start_it() {
    let (port, drain) = admin(Duration::from_secs(1));
    assert_eq!(ask(move || client::get(port, "/drain")).await.status, 405);
    assert!(!drain.has_started());
}

#[tokio::test]
async fn the_configuration_is_shown() {
    let (port, _drain) = admin(Duration::from_secs(1));
    assert_eq!(ask(move || client::get(port, "/config")).await.body, "{\"workload\":null}\n");
    assert_eq!(ask(move || client::get(port, "/balancers")).await.body, "[]\n");
    assert_eq!(ask(move || client::get(port, "/nothing")).await.status, 404);
}

#[tokio::test]
async fn ready_names_what_is_missing_until_nothing_is() {
    let (listener, port) = bound();
    let readiness = Readiness::new();
    let mut registry = Registry::default();
    let requests = prometheus_client::metrics::counter::Counter::<u64>::default();
    registry.register("weft_test", "For the test", requests.clone());
    requests.inc();
    let certificate = readiness.block("an identity certificate");
    tokio::spawn(Metrics { registry: Arc::new(registry), readiness }.serve(listener));

    let answer = ask(move || client::get(port, "/ready")).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (503, "not ready: waiting for an identity certificate\n")
    );
    let waiting = tokio::spawn(ask(move || client::get(port, "/ready")));
    drop(certificate);
    assert_eq!(waiting.await.unwrap().status, 200);
    assert_eq!(ask(move || client::get(port, "/ready")).await.status, 200);
    assert!(ask(move || client::get(port, "/metrics")).await.body.contains("weft_test_total 1\n"));
}
