//! What all connections share: the way to the control plane, and what it wants of them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::{Notify, watch};

use super::certificates::{self, Tls};
use super::frames::{self, Certificates, Counts, Heard, Settings, Untrusted};
use super::outbox::Outbox;
use super::partial::Partials;
use super::streams::{Misled, Streams};

/// Messages about certificates that were refused, in a second; what is more is said with the next.
const UNTRUSTED_PER_SECOND: u32 = 10;
/// Of words about a certificate.
const MOST_WORDS: usize = 256;

/// Counts that find no room in the way to the control plane for so long are not sent; the next ones hold them.
const TELL_LIMIT: Duration = Duration::from_millis(500);

/// So many looks, a second apart, may find no beat of the control plane. Looks and not time: a process that was frozen has no
/// silence in it.
const SILENT_LOOKS: u32 = 10;

/// What is to become of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// End soon.
    pub draining: bool,
    /// End now; a new number each time.
    pub cuts: u64,
    /// Nobody is served.
    pub is_cut: bool,
}

#[derive(Debug)]
pub struct Hub {
    pub outbox: Outbox,
    pub streams: Streams,
    pub partials: Rc<Partials>,
    /// By path, the place among the settings' paths.
    pub paths: HashMap<String, u8>,
    pub counts: RefCell<Counts>,
    course: watch::Sender<Course>,
    tls: RefCell<Tls>,
    /// What became of certificates that changed, until it is told: the problem that there is with them.
    taken: RefCell<Option<String>>,
    beats: Cell<bool>,
    silent: Cell<u32>,
    untrusted: RefCell<Option<Untrusted>>,
    untrusted_left: Cell<u32>,
    to_tell: Notify,
}

/// What ends the front.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error(transparent)]
    Misled(#[from] Misled),
    #[error(transparent)]
    Certificates(#[from] certificates::Unusable),
    #[error("the control plane says again what it says once")]
    Again,
}

// === impl Hub ===

impl Hub {
    pub fn new(settings: &Settings, first: &Certificates) -> Result<Self, HubError> {
        let tls = RefCell::new(Tls::new(first, &settings.trust_domain)?);
        let paths = settings.paths.iter().zip(0..).map(|(path, at)| (path.clone(), at)).collect();
        Ok(Self {
            outbox: Outbox::new(),
            streams: Streams::default(),
            partials: Rc::default(),
            paths,
            counts: RefCell::default(),
            course: watch::Sender::new(Course::default()),
            tls,
            taken: RefCell::default(),
            beats: Cell::new(true),
            silent: Cell::new(0),
            untrusted: RefCell::default(),
            untrusted_left: Cell::new(UNTRUSTED_PER_SECOND),
            to_tell: Notify::new(),
        })
    }

    /// Does what the control plane says.
    pub fn hear(&self, heard: Heard) -> Result<(), HubError> {
        // Whatever it says shows that it lives.
        self.beats.set(true);
        match heard {
            Heard::Message(stream, message) => self.streams.message(stream, message)?,
            Heard::Ended(stream, status) => self.streams.ended(stream, status)?,
            Heard::ReadOn(stream, largest) => self.streams.read_on(stream, largest)?,
            Heard::Drain => self.course.send_modify(|course| course.draining = true),
            Heard::Certificates(certificates) => {
                let problem = self.tls.borrow_mut().change(&certificates).err();
                let problem = problem.map_or_else(String::new, |problem| problem.to_string());
                self.taken.replace(Some(problem.chars().take(MOST_WORDS).collect()));
                self.to_tell.notify_one();
            }
            Heard::Beat => {}
            Heard::Hello | Heard::Settings(_) => return Err(HubError::Again),
        }
        Ok(())
    }

    /// What handshakes are made with from now on.
    pub fn tls(&self) -> Arc<ServerConfig> {
        self.tls.borrow().server()
    }

    pub fn course(&self) -> watch::Receiver<Course> {
        self.course.subscribe()
    }

    /// A handshake failed for the client's certificate.
    pub fn untrusted(&self, address: IpAddr, why: &str) {
        let mut untold = self.untrusted.borrow_mut();
        let times = untold.as_ref().map_or(1, |untrusted| untrusted.times + 1);
        let why = why.chars().take(MOST_WORDS).collect();
        *untold = Some(Untrusted { address, why, times });
        self.to_tell.notify_one();
    }

    /// Tells of certificates: what became of ours, and which were refused, as they come and rarely.
    pub async fn tell(&self) -> ! {
        loop {
            self.to_tell.notified().await;
            let taken = self.taken.take();
            if let Some(problem) = taken {
                self.outbox.send(frames::taken(&problem)).await;
            }
            let left = self.untrusted_left.get();
            let untold = if left > 0 { self.untrusted.take() } else { None };
            if let Some(untrusted) = untold {
                self.untrusted_left.set(left - 1);
                self.outbox.send(frames::untrusted(&untrusted)).await;
            }
        }
    }

    /// What was counted, as it is told. `connections` are those that are open.
    pub async fn tell_counts(&self, connections: usize) {
        let counts = Counts { connections: connections as u64, ..self.counts.borrow().clone() };
        // There may be no room, and this must not wait for it.
        drop(tokio::time::timeout(TELL_LIMIT, self.outbox.send(frames::counts(&counts))).await);
    }

    /// Once a second: tells what was counted, and looks whether the control plane still lives. One that hangs would keep its proxies
    /// from going to another, as their connections end here: they are closed.
    pub async fn look(&self, connections: impl Fn() -> usize) -> ! {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            seconds.tick().await;
            self.untrusted_left.set(UNTRUSTED_PER_SECOND);
            self.to_tell.notify_one();
            self.listen_for_beat();
            self.tell_counts(connections()).await;
        }
    }

    fn listen_for_beat(&self) {
        let silent = if self.beats.replace(false) { 0 } else { self.silent.get() + 1 };
        self.silent.set(silent);
        let is_cut = silent >= SILENT_LOOKS;
        let was_cut = self.course.borrow().is_cut;
        if is_cut == was_cut {
            return;
        }
        if is_cut {
            tracing::warn!("the control plane says nothing: its proxies are sent away");
        }
        self.course.send_modify(|course| {
            course.is_cut = is_cut;
            course.cuts += u64::from(is_cut);
        });
    }
}
