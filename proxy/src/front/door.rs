//! What every connection passes before it is served: the budget, its first bytes, its turn, its handshake.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{spawn_local, yield_now};
use tokio::time::{sleep, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use x509_parser::parse_x509_certificate;

use super::budget::{Budget, Over, Place};
use super::connection::{self, Counted, Heard};
use super::gate::{Gate, Turn};
use super::hub::Hub;
use super::stream::Peer;
use crate::socket;
use crate::tls::TlsError;

/// A client speaks as soon as it is connected.
const SILENCE: Duration = Duration::from_secs(3);
/// Since it was accepted. Proxies give up a handshake after 5 s, of which a storm takes the rest; who is sent away sooner comes back.
const MOST_WAIT: Duration = Duration::from_millis(3750);
const HANDSHAKE: Duration = Duration::from_secs(5);
/// A handshake takes two round trips and a few milliseconds; after so long it waits for its peer, and others need not wait for it.
const SLOW: Duration = Duration::from_millis(100);
/// No ClientHello is longer.
const MOST_FIRST_BYTES: usize = 16 * 1024;
/// Accepted before one handshake begins, where so many keep coming: those in the kernel's line may be given up already.
const ARRIVALS: usize = 32;
/// What may wait to be written of a connection.
const UNSENT: usize = 64 * 1024;
/// After an error such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone)]
struct Door {
    budget: Rc<Budget>,
    gate: Rc<Gate>,
    hub: Rc<Hub>,
}

/// A connection that has its turn.
struct Begun {
    tcp: TcpStream,
    address: IpAddr,
    place: Place,
    turn: Turn,
}

/// Accepts until the port is to be closed.
pub async fn accept(listener: TcpListener, budget: Rc<Budget>, hub: Rc<Hub>) {
    let door = Door { budget, gate: Rc::default(), hub };
    let mut course = door.hub.course();
    let turns = spawn_local(door.gate.clone().give_turns());
    let mut arrivals = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = course.wait_for(|course| course.draining) => break,
        };
        match accepted {
            Ok((tcp, from)) => door.enter(tcp, from.ip().to_canonical()),
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                sleep(PAUSE).await;
            }
        }
        arrivals += 1;
        if arrivals % ARRIVALS == 0 {
            yield_now().await;
        }
    }
    // Who waits for a handshake goes with the line.
    turns.abort();
}

// === impl Door ===

impl Door {
    fn enter(&self, tcp: TcpStream, address: IpAddr) {
        // Nobody would be answered.
        if self.hub.course().borrow().is_cut {
            return;
        }
        match self.budget.enter(address, Instant::now()) {
            Err(over) => self.count(over),
            Ok(place) => {
                let door = self.clone();
                spawn_local(async move {
                    let Some(begun) = door.wait(tcp, address, place).await else { return };
                    // Thousands may wait, and what follows is large.
                    Box::pin(door.handshake(begun)).await;
                });
            }
        }
    }

    fn count(&self, over: Over) {
        let mut counts = self.hub.counts.borrow_mut();
        match over {
            Over::Total => counts.total += 1,
            Over::PerAddress => counts.per_address += 1,
            Over::Rate => counts.rate += 1,
        }
    }

    /// Until the peer has begun to speak and has its turn. Its bytes stay in the kernel, which has room for few of them.
    async fn wait(&self, tcp: TcpStream, address: IpAddr, place: Place) -> Option<Begun> {
        let accepted = tokio::time::Instant::now();
        let mut course = self.hub.course();
        let begun = tokio::select! {
            begun = timeout(SILENCE, socket::waiting_bytes(&tcp, MOST_FIRST_BYTES)) => begun,
            _ = course.wait_for(|course| course.draining || course.is_cut) => return None,
        };
        match begun {
            Ok(Ok(1..)) => {}
            Ok(_gone) => return None,
            Err(_silent) => {
                self.hub.counts.borrow_mut().silent += 1;
                return None;
            }
        }
        let turn = self.gate.turn(address);
        let Ok(turn) = timeout_at(accepted + MOST_WAIT, turn).await else {
            self.hub.counts.borrow_mut().waited_too_long += 1;
            return None;
        };
        let turn = turn.ok()?;
        // It may have gone while it waited.
        if tcp.ready(Interest::READABLE).await.ok()?.is_read_closed() {
            return None;
        }
        if socket::waiting_bytes(&tcp, MOST_FIRST_BYTES).await.ok()? >= MOST_FIRST_BYTES {
            self.hub.counts.borrow_mut().too_much += 1;
            return None;
        }
        Some(Begun { tcp, address, place, turn })
    }

    async fn handshake(self, Begun { tcp, address, place, turn }: Begun) {
        if tcp.set_nodelay(true).is_err() {
            return;
        }
        let heard = Heard::default();
        let counted = Counted { io: tcp, heard: heard.clone() };
        let acceptor = TlsAcceptor::from(self.hub.tls());
        let handshake = acceptor.accept_with(counted, |connection| connection.set_buffer_limit(Some(UNSENT)));
        let mut handshake = std::pin::pin!(timeout(HANDSHAKE, handshake));
        let done = tokio::select! {
            done = &mut handshake => Some(done),
            () = sleep(SLOW) => None,
        };
        drop(turn);
        let done = match done {
            Some(done) => done,
            None => handshake.await,
        };
        let tls = match done {
            Ok(Ok(tls)) => tls,
            Ok(Err(error)) => return self.failed(address, error),
            Err(_late) => return,
        };
        let session = tls.get_ref().1;
        // A client that names no protocol gets none, and one that names others has failed.
        if session.alpn_protocol() != Some(b"h2") {
            return;
        }
        let Some(chain) = session.peer_certificates() else { return };
        let left = chain.iter().map(left).min().unwrap_or_default();
        let Some(leaf) = chain.first().cloned() else { return };
        connection::serve(tls, Peer { address, leaf: leaf.into_owned() }, left, heard, self.hub).await;
        drop(place);
    }

    fn failed(&self, address: IpAddr, error: std::io::Error) {
        let missing = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
            .is_some_and(|error| matches!(error, rustls::Error::NoCertificatesPresented));
        match TlsError::from_handshake(error) {
            TlsError::Refused(why) => self.hub.untrusted(address, &why),
            _ if missing => self.hub.untrusted(address, "it showed no certificate"),
            error => tracing::debug!(%error, %address, "a TLS handshake failed"),
        }
    }
}

/// How long a certificate is still valid; not at all where it cannot be read.
fn left(certificate: &rustls_pki_types::CertificateDer<'_>) -> Duration {
    let ends =
        parse_x509_certificate(certificate).map_or(0, |(_, parsed)| parsed.validity().not_after.timestamp());
    let ends = Duration::from_secs(u64::try_from(ends).unwrap_or_default());
    (SystemTime::UNIX_EPOCH + ends).duration_since(SystemTime::now()).unwrap_or_default()
}
