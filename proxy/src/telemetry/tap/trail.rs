//! What is gathered about a request, or a connection that carries bytes, while somebody watches.

use std::net::SocketAddr;
use std::sync::Weak;
use std::time::Duration;

use http::{HeaderMap, Request};
use tokio::time::Instant;

use super::event::Event;
use super::{Set, Taps};
use crate::telemetry::ConnectionLabels;
use crate::telemetry::about::About;
use crate::telemetry::labels::{AccessLabels, Direction, RequestLabels, Tls};

/// Of a request.
#[derive(Debug)]
pub(in crate::telemetry) struct Trail {
    taps: Set,
    pub(super) request: HeaderMap,
    /// `None`: there was no answer.
    pub(super) response: Option<HeaderMap>,
    pub(super) stages: Vec<Passed>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) ended: Option<Ended>,
    /// When the last stage had spoken.
    since: Instant,
    /// What the stage that is being asked has said so far.
    rule: Option<Box<str>>,
    would_refuse: bool,
}

/// A stage that has spoken.
#[derive(Debug)]
pub(super) struct Passed {
    pub stage: &'static str,
    pub verdict: &'static str,
    pub rule: Option<Box<str>>,
    pub took: Duration,
}

/// The request was sent somewhere.
#[derive(Debug)]
pub(super) struct Attempt {
    pub endpoint: SocketAddr,
    pub began: Instant,
    /// When it was given up, and why.
    pub gave_up: Option<(Instant, String)>,
    /// It follows one that was given up, and its endpoint may not be known yet.
    again: bool,
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Whole,
    /// Its sender broke it off.
    Broken,
    /// A bound has passed.
    Cut,
    /// It is the proxy's own.
    Own,
}

/// Of a connection that carries bytes.
#[derive(Debug)]
pub(crate) struct ByteTrail {
    taps: Set,
    labels: ConnectionLabels,
    began: Instant,
}

// === impl Trail ===

impl Trail {
    /// Of a request that has come now; nothing where nobody watches who may want to see it.
    pub fn begin<B>(taps: &Taps, side: Direction, request: &Request<B>) -> Option<Box<Self>> {
        let taps = taps.current()?;
        if !taps.iter().filter_map(Weak::upgrade).any(|tap| tap.filter.may_take(side, request)) {
            return None;
        }
        Some(Box::new(Self {
            taps,
            request: request.headers().clone(),
            response: None,
            stages: Vec::new(),
            attempts: Vec::new(),
            ended: None,
            since: Instant::now(),
            rule: None,
            would_refuse: false,
        }))
    }

    /// The head of the answer is there. Where nobody watches any more, nothing is kept for as long as it takes.
    pub fn answered(&mut self, headers: &HeaderMap) {
        if self.taps.iter().all(|tap| tap.strong_count() == 0) {
            self.request = HeaderMap::new();
            return;
        }
        self.response = Some(headers.clone());
    }

    /// The stage that is being asked decides by this rule.
    pub fn decided_by(&mut self, rule: &str) {
        self.rule = Some(rule.into());
    }

    /// The stage that is being asked would refuse, and was told only to say so.
    pub fn would_refuse(&mut self) {
        self.would_refuse = true;
    }

    /// `stage` lets it go on.
    pub fn passed(&mut self, stage: &'static str) {
        let verdict = if std::mem::take(&mut self.would_refuse) { "would-refuse" } else { "go" };
        self.spoke(stage, verdict);
        // What stages took is not the application's.
        if let Some(first) = self.attempts.first_mut() {
            first.began = self.since;
        }
    }

    /// `stage` has ended it so.
    pub fn spoke(&mut self, stage: &'static str, verdict: &'static str) {
        let now = Instant::now();
        self.stages.push(Passed { stage, verdict, rule: self.rule.take(), took: now - self.since });
        self.since = now;
    }

    /// It is sent there.
    pub fn sent_to(&mut self, endpoint: SocketAddr) {
        match self.attempts.last_mut() {
            Some(last) if last.again => (last.endpoint, last.again) = (endpoint, false),
            _ => self.attempts.push(Attempt::new(endpoint, Instant::now(), false)),
        }
    }

    /// A copy of it, sent at `began`, was answered first.
    pub fn overtaken_by(&mut self, endpoint: SocketAddr, began: Instant) {
        self.gave_up("overtaken".to_owned());
        self.attempts.push(Attempt::new(endpoint, began, false));
    }

    /// The last attempt is given up; what is said first of that counts.
    pub fn gave_up(&mut self, why: String) {
        if let Some(last) = self.attempts.last_mut() {
            last.gave_up.get_or_insert((Instant::now(), why));
        }
    }

    /// One more attempt begins, and where it goes may be said next.
    pub fn tried_again(&mut self, why: &'static str) {
        self.gave_up(why.to_owned());
        if let Some(endpoint) = self.attempts.last().map(|last| last.endpoint) {
            self.attempts.push(Attempt::new(endpoint, Instant::now(), true));
        }
    }

    /// The response has ended so.
    pub fn ended(&mut self, how: Ended) {
        self.ended = Some(how);
    }

    /// Tells who watches; `result` has the status as people read it.
    pub fn tell(&self, labels: &RequestLabels, about: &About, started: Instant, result: (u16, Option<u16>)) {
        let event = Event::of_request(labels, about, self, started.elapsed(), result);
        self.taps.iter().filter_map(Weak::upgrade).for_each(|tap| tap.offer(&event));
    }
}

impl Attempt {
    fn new(endpoint: SocketAddr, began: Instant, again: bool) -> Self {
        Self { endpoint, began, gave_up: None, again }
    }
}

// === impl ByteTrail ===

impl ByteTrail {
    /// Of a connection that is opened now; nothing where nobody watches.
    pub fn begin(taps: &Taps, labels: &ConnectionLabels) -> Option<Box<Self>> {
        let taps = taps.current()?;
        Some(Box::new(Self { taps, labels: labels.clone(), began: Instant::now() }))
    }

    /// It has ended, with so many bytes there and back.
    pub fn tell(&self, bytes: (u64, u64)) {
        let event = Event::of_bytes(&self.labels, self.began.elapsed(), bytes);
        self.taps.iter().filter_map(Weak::upgrade).for_each(|tap| tap.offer(&event));
    }
}

// === impl Taps ===

impl Taps {
    /// A connection of bytes was refused by this rule.
    pub(crate) fn refused_bytes(&self, labels: impl FnOnce() -> AccessLabels, rule: &str) {
        let Some(taps) = self.current() else { return };
        let AccessLabels { destination, peer, .. } = labels();
        let tls = if peer.is_empty() { Tls::None } else { Tls::Mutual };
        let direction = Direction::Inbound;
        let labels = ConnectionLabels { direction, destination, route: String::new(), peer, tls };
        let event = Event::of_bytes(&labels, Duration::ZERO, (0, 0)).denied_by(rule);
        taps.iter().filter_map(Weak::upgrade).for_each(|tap| tap.offer(&event));
    }
}
