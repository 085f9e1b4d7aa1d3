use std::net::TcpListener as StdTcpListener;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

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

/// Served until the directory is dropped.
struct Served(tempfile::TempDir);

impl Served {
    async fn ask(&self, method: &'static str, path: &'static str, body: &'static str) -> Said {
        let socket = self.0.path().join("admin.sock");
        ask(move || client::ask(&socket, client::Question { method, path, body })).await
    }

    async fn get(&self, path: &'static str) -> Said {
        self.ask("GET", path, "").await
    }

    async fn drain(&self) -> Said {
        self.ask("POST", "/drain", "").await
    }
}

fn admin(limit: Duration) -> (Served, Drain) {
    let served = Served(tempfile::tempdir().unwrap());
    let listener = socket::listen_privately(&served.0.path().join("admin.sock")).unwrap();
    let (trigger, drain) = drain::channel();
    let admin = Admin {
        drain: trigger,
        drain_limit: limit,
        linger: Duration::ZERO,
        config_dump: Arc::new(|| r#"{"workload":null}"#.to_owned()),
        views: Views::default(),
        taps: Taps::default(),
        identity: "spiffe://cluster.local/ns/shop/sa/web".into(),
        log: Log::detached(),
    };
    tokio::spawn(admin.serve(listener));
    (served, drain)
}

#[tokio::test]
async fn drain_answers_when_the_last_connection_has_ended() {
    let (served, drain) = admin(Duration::from_secs(20));
    let guard = drain.guard();
    let ended = Arc::new(AtomicBool::new(false));
    let answer = tokio::spawn({
        let ended = ended.clone();
        async move {
            let answer = served.drain().await;
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
    let (served, drain) = admin(Duration::from_millis(20));
    let _guard = drain.guard();
    let answer = served.drain().await;
    assert_eq!(answer.status, 504);
    assert!(answer.body.starts_with("1 connections were still open"), "{}", answer.body);
}

#[tokio::test]
async fn looking_at_drain_does_not_start_it() {
    let (served, drain) = admin(Duration::from_secs(1));
    assert_eq!(served.get("/drain").await.status, 405);
    assert!(!drain.has_started());
}

#[tokio::test]
async fn a_question_that_nobody_can_answer_is_told_why_and_one_that_can_be_goes_to_every_worker() {
    let (served, _drain) = admin(Duration::from_secs(1));
    assert_eq!(served.get("/explain").await.status, 405);
    let bad = served.ask("POST", "/explain", "{}").await;
    assert_eq!(bad.status, 400);
    assert!(bad.body.contains("missing field `to`"), "{}", bad.body);
    let question = r#"{"to": "10.96.0.5:80", "method": "GET", "target": "/", "authority": "a"}"#;
    // Here are no workers.
    assert_eq!(served.ask("POST", "/explain", question).await.body.trim(), "[]");
    let long = Box::leak(format!("{question}{}", " ".repeat(128 * 1024)).into_boxed_str());
    assert_eq!(served.ask("POST", "/explain", long).await.status, 400);
}

#[tokio::test]
async fn the_configuration_is_shown() {
    let (served, _drain) = admin(Duration::from_secs(1));
    assert_eq!(served.get("/config").await.body, "{\"workload\":null}\n");
    assert_eq!(served.get("/balancers").await.body, "[]\n");
    assert_eq!(served.get("/nothing").await.status, 404);
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

#[tokio::test]
async fn the_log_is_changed_over_the_socket_and_nothing_bad_is_taken() {
    let (served, _drain) = admin(Duration::from_secs(1));
    let said = served.ask("PUT", "/loglevel", "info,=nonsense=").await;
    assert_eq!(said.status, 400);
    assert!(said.body.contains("is no log filter"), "{}", said.body);
}

#[tokio::test]
async fn silent_clients_keep_nobody_from_being_answered() {
    let (listener, port) = bound();
    let (registry, readiness) = (Arc::default(), Readiness::new());
    tokio::spawn(Metrics { registry, readiness }.serve(listener));
    let silent: Vec<_> =
        (0..100).map(|_| std::net::TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let asked = ask(move || client::get(port, "/ready"));
    assert_eq!(tokio::time::timeout(server::HEAD_TIMEOUT, asked).await.unwrap().status, 200);
    drop(silent);
}

/// Where a command writes what it follows.
struct Pipe(mpsc::Sender<String>);

impl io::Write for Pipe {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8(line.to_vec()).unwrap();
        self.0.blocking_send(text).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_tap_goes_on_until_whoever_watches_is_gone() {
    let (served, _drain) = admin(Duration::from_secs(20));
    let bad = served.ask("POST", "/tap", r#"{"status": "many"}"#).await;
    assert_eq!((bad.status, bad.body.trim_end()), (400, "`many` is not a status such as 404 or 5xx"));
    let follow = |body: &'static str| {
        let (socket, (sender, lines)) = (served.0.path().join("admin.sock"), mpsc::channel(16));
        let asked = client::Question { method: "POST", path: "/tap", body };
        let ended = tokio::task::spawn_blocking(move || client::follow(&socket, asked, Pipe(sender)));
        (lines, ended)
    };
    let (mut lines, ended) = follow("{}");
    for _ in 0..2 {
        assert_eq!(lines.recv().await.unwrap(), "{\"leftOut\":0,\"tap\":\"on\",\"why\":null}\n");
    }
    drop(lines);
    // Nobody reads what the command writes, so it ends, and with its connection the tap.
    let error = tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    let mut four: Vec<_> = Vec::new();
    while four.len() < 4 {
        let (mut lines, ended) = follow("{}");
        match lines.recv().await {
            Some(_) => four.push((lines, ended)),
            // The first is not gone yet.
            None => assert_eq!(ended.await.unwrap().unwrap().status, 429),
        }
    }
    let (_, ended) = follow("{}");
    let full = ended.await.unwrap().unwrap();
    assert_eq!(full.status, 429);
    assert!(full.body.starts_with("4 taps are on in this proxy already"), "{}", full.body);
}
