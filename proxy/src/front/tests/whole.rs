use std::sync::Arc;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::task::LocalSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::super::{FrontError, serve};
use super::*;
use crate::identity::SpiffeId;
use crate::log::Log;
use crate::tls::{NO_HOST, config};

const LIMIT: Duration = Duration::from_secs(20);

const DRAINING: u8 = 5;
const SETTINGS: u8 = 7;
const CERTIFICATES: u8 = 8;
const LISTENING: u8 = 9;
const COUNTS: u8 = 10;
const UNTRUSTED: u8 = 11;
const TAKEN: u8 = 13;

/// A control plane of a front.
struct Plane {
    socket: UnixStream,
    port: u16,
    ended: JoinHandle<Result<(), FrontError>>,
}

impl Plane {
    async fn start(ca: &TestCa) -> Self {
        let (near, mut socket) = UnixStream::pair().unwrap();
        let ended = spawn_local(async move { serve(near, &Log::detached()).await });
        socket.write_all(&super::super::frames::hello()).await.unwrap();
        let mut plane = Self { socket, port: 0, ended };
        plane.say(SETTINGS, &serde_json::to_vec(&settings()).unwrap()).await;
        plane.say(CERTIFICATES, &serde_json::to_vec(&certificates(ca)).unwrap()).await;
        let port = plane.hear(LISTENING).await;
        plane.port = u16::from_be_bytes(port.try_into().unwrap());
        plane
    }

    async fn say(&mut self, kind: u8, bytes: &[u8]) {
        let mut frame = BytesMut::new();
        frame.put_u32(0);
        frame.put_u8(kind);
        frame.put_u32(bytes.len() as u32);
        frame.put_slice(bytes);
        self.socket.write_all(&frame).await.unwrap();
    }

    /// The next of a kind.
    async fn hear(&mut self, kind: u8) -> Vec<u8> {
        let next = async {
            loop {
                let (_, next, bytes) = heard(&mut self.socket).await;
                if next == kind {
                    return bytes;
                }
            }
        };
        timeout(LIMIT, next).await.unwrap()
    }

    async fn change(&mut self, certificates: &Certificates) -> String {
        self.say(CERTIFICATES, &serde_json::to_vec(certificates).unwrap()).await;
        String::from_utf8(self.hear(TAKEN).await).unwrap()
    }

    /// Whether who has a certificate of `own` is served by a front with one of `ca`.
    async fn serves(&self, own: &TestCa, ca: &TestCa) -> bool {
        let key = own.certs("shop", "web").current().key.clone();
        let mut config =
            config::client(ca.trust(), SpiffeId::new("cluster.local", "weft-system", "weft"), Some(key));
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let tls = TlsConnector::from(Arc::new(config)).connect(NO_HOST.into(), tcp);
        let answer = async {
            let (mut requests, connection) = h2::client::handshake(tls.await.ok()?).await.ok()?;
            let driver = spawn_local(connection);
            poll_fn(|cx| requests.poll_ready(cx)).await.ok()?;
            let (response, _out) = requests.send_request(a_request(), false).ok()?;
            let answer = response.await.ok();
            driver.abort();
            answer
        };
        timeout(LIMIT, answer).await.unwrap().is_some()
    }
}

#[tokio::test]
async fn a_root_that_was_taken_away_is_refused_at_the_next_handshake() {
    LocalSet::new()
        .run_until(async {
            let (old, new) = (TestCa::new("cluster.local"), TestCa::new("cluster.local"));
            let mut plane = Plane::start(&old).await;
            assert!(plane.serves(&old, &old).await);
            let both = [old.bundle_pem(), new.bundle_pem()].concat();
            assert_eq!(plane.change(&Certificates { roots: both, ..certificates(&new) }).await, "");
            assert!(plane.serves(&old, &new).await && plane.serves(&new, &new).await);
            assert_eq!(plane.change(&certificates(&new)).await, "");
            assert!(!plane.serves(&old, &new).await && plane.serves(&new, &new).await);
            let untrusted: serde_json::Value = serde_json::from_slice(&plane.hear(UNTRUSTED).await).unwrap();
            assert_eq!(untrusted["address"], "127.0.0.1");
        })
        .await;
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_told_and_change_nothing_but_what_can() {
    LocalSet::new()
        .run_until(async {
            let (old, new) = (TestCa::new("cluster.local"), TestCa::new("cluster.local"));
            let mut plane = Plane::start(&old).await;
            let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
            let other_key = certificates(&new).private_key;
            for (unusable, says) in [
                (Certificates { roots: bad.clone(), ..certificates(&old) }, "roots cannot be used"),
                (Certificates { roots: String::new(), ..certificates(&old) }, "roots cannot be used"),
                (Certificates { chain: bad, ..certificates(&old) }, "certificate cannot be used"),
                (Certificates { chain: String::new(), ..certificates(&old) }, "certificate cannot be used"),
                (Certificates { private_key: other_key, ..certificates(&old) }, "certificate cannot be used"),
                (Certificates { private_key: "none".to_owned(), ..certificates(&old) }, "cannot be read"),
            ] {
                let problem = plane.change(&unusable).await;
                assert!(problem.contains(says), "{problem}");
                assert!(plane.serves(&old, &old).await, "{problem}");
                assert!(!plane.serves(&new, &old).await, "{problem}");
            }
            // A root that is gone is gone, whatever there is with the key.
            let moved = Certificates { private_key: "none".to_owned(), ..certificates(&new) };
            assert_ne!(plane.change(&moved).await, "");
            assert!(!plane.serves(&old, &old).await && plane.serves(&new, &old).await);
            assert_eq!(plane.change(&certificates(&old)).await, "");
            assert!(plane.serves(&old, &old).await);
        })
        .await;
}

#[tokio::test]
async fn handshakes_that_fail_are_counted_and_who_is_in_one_is_let_go_at_the_end() {
    LocalSet::new()
        .run_until(async {
            let ca = TestCa::new("cluster.local");
            let mut plane = Plane::start(&ca).await;
            let mut nonsense = TcpStream::connect(("127.0.0.1", plane.port)).await.unwrap();
            nonsense.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            let mut said = vec![];
            drop(timeout(LIMIT, nonsense.read_to_end(&mut said)).await.unwrap());
            // The other end refuses our certificate.
            assert!(!plane.serves(&ca, &TestCa::new("cluster.local")).await);
            let mut half = TcpStream::connect(("127.0.0.1", plane.port)).await.unwrap();
            half.write_all(b"\x16\x03\x01\x05\xf8\x01\0\x05\xf4\x03\x03").await.unwrap();
            let mut counts = json!({});
            while counts["failed"] != 2 || counts["connections"] != 1 {
                counts = serde_json::from_slice(&plane.hear(COUNTS).await).unwrap();
            }
            let began = std::time::Instant::now();
            plane.say(DRAINING, &[]).await;
            // What it counted last is its last word, and has all arrived.
            let mut last = vec![];
            timeout(LIMIT, plane.socket.read_to_end(&mut last)).await.unwrap().unwrap();
            let text = String::from_utf8_lossy(&last);
            assert!(text.ends_with(r#""failed":2}"#) && text.contains(r#"{"connections":0,"#), "{text}");
            plane.ended.await.unwrap().unwrap();
            // Not after the seconds that a handshake may take.
            assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        })
        .await;
}
