//! What every connection passes before it is served: the budget, its first bytes, its turn, its handshake.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use rustls_pki_types::CertificateDer;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{spawn_local, yield_now};
use tokio::time::{sleep, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::budget::{Budget, Over, Place};
use super::connection;
use super::gate::{Gate, Turn};
use super::hub::Hub;
use super::intake::{Counted, Intake};
use super::rate::Sampler;
use super::stream::Peer;
use crate::socket;
use crate::tls::{TlsError, validity};

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
    /// Lines about handshakes that failed.
    lines: Rc<RefCell<Sampler>>,
}

/// A connection whose handshake is done.
struct Proven {
    tls: TlsStream<Counted<TcpStream>>,
    peer: Peer,
    /// How long its certificates are still valid.
    left: Duration,
    place: Place,
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
    let lines = Rc::new(RefCell::new(Sampler::new(20, Duration::from_secs(1))));
    let door = Door { budget, gate: Rc::default(), hub, lines };
    let mut course = door.hub.course();
    let turns = {
        let (gate, hub) = (door.gate.clone(), door.hub.clone());
        spawn_local(async move { gate.give_turns(&hub.outbox).await })
    };
    let mut errors = Sampler::new(5, Duration::from_secs(10));
    let mut arrivals = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = course.wait_for(|course| course.draining) => break,
        };
        match accepted {
            Ok((tcp, from)) => door.enter(tcp, from.ip().to_canonical()),
            Err(error) => {
                if let Some(omitted) = errors.take() {
                    tracing::warn!(%error, omitted, "could not accept a connection");
                }
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
                    let mut course = door.hub.course();
                    let proven = tokio::select! {
                        proven = door.prove(tcp, address, place) => proven,
                        // Nobody would serve it.
                        _ = course.wait_for(|course| course.draining || course.is_cut) => None,
                    };
                    if let Some(proven) = proven {
                        Box::pin(proven.serve(door.hub)).await;
                    }
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

    /// Thousands may wait, and what follows is large: it has a box of its own.
    async fn prove(&self, tcp: TcpStream, address: IpAddr, place: Place) -> Option<Box<Proven>> {
        let begun = self.wait(tcp, address, place).await?;
        Box::pin(self.handshake(begun)).await
    }

    /// Until the peer has begun to speak and has its turn. Its bytes stay in the kernel, which has room for few of them.
    async fn wait(&self, tcp: TcpStream, address: IpAddr, place: Place) -> Option<Begun> {
        let accepted = tokio::time::Instant::now();
        match timeout(SILENCE, socket::waiting_bytes(&tcp, MOST_FIRST_BYTES)).await {
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

    async fn handshake(&self, Begun { tcp, address, place, turn }: Begun) -> Option<Box<Proven>> {
        tcp.set_nodelay(true).ok()?;
        let intake = Intake::new();
        let counted = Counted::new(tcp, intake.clone());
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
            Ok(Err(error)) => {
                self.failed(address, error);
                return None;
            }
            Err(_late) => {
                self.count_failed(address, &"it took too long");
                return None;
            }
        };
        let session = tls.get_ref().1;
        // A client that names no protocol gets none, and one that names others has failed.
        if session.alpn_protocol() != Some(b"h2") {
            self.count_failed(address, &"the client does not ask for HTTP/2");
            return None;
        }
        let chain = session.peer_certificates()?;
        let left = shortest(chain);
        let leaf = chain.first()?.clone().into_owned();
        Some(Box::new(Proven { tls, peer: Peer { address, leaf, intake }, left, place }))
    }

    fn failed(&self, address: IpAddr, error: std::io::Error) {
        let missing = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
            .is_some_and(|error| matches!(error, rustls::Error::NoCertificatesPresented));
        match TlsError::from_handshake(error) {
            TlsError::Refused(why) => self.hub.untrusted(address, &why),
            _ if missing => self.hub.untrusted(address, "it showed no certificate"),
            error => self.count_failed(address, &error),
        }
    }

    fn count_failed(&self, address: IpAddr, error: &dyn std::fmt::Display) {
        self.hub.counts.borrow_mut().failed += 1;
        if let Some(omitted) = self.lines.borrow_mut().take() {
            tracing::debug!(%error, %address, omitted, "a TLS handshake failed");
        }
    }
}

// === impl Proven ===

impl Proven {
    async fn serve(self: Box<Self>, hub: Rc<Hub>) {
        let Self { tls, peer, left, place } = *self;
        connection::serve(tls, peer, left, hub).await;
        drop(place);
    }
}

/// How long all of a chain is still valid; not at all where a part of it cannot be read.
fn shortest(chain: &[CertificateDer<'_>]) -> Duration {
    let ends = Duration::from_secs(validity(chain.iter()).map_or(0, |valid| *valid.end()));
    // Nothing of an empty chain ends, at no time that there is.
    let ends = SystemTime::UNIX_EPOCH.checked_add(ends);
    ends.and_then(|ends| ends.duration_since(SystemTime::now()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::TestCa;

    #[test]
    fn a_chain_is_valid_for_as_long_as_the_first_of_its_certificates_to_end() {
        let (ca, now) = (TestCa::new("cluster.local"), SystemTime::now());
        let issue = |seconds| {
            ca.issue(&["spiffe://cluster.local/ns/a/sa/b"], (now, now + Duration::from_secs(seconds))).0
        };
        let (long, short) = (issue(3000), issue(1000));
        for chain in [[&long[..], &short[..]].concat(), [&short[..], &long[..]].concat()] {
            assert!((990..=1000).contains(&shortest(&chain).as_secs()));
        }
        assert!(shortest(&long).as_secs() > 2900);
        let unreadable = [&long[..], &[CertificateDer::from(vec![48, 1, 0])]].concat();
        assert_eq!([shortest(&unreadable), shortest(&[]), shortest(&issue(0))], [Duration::ZERO; 3]);
    }
}
