//! Noticing that a peer is gone: one that is silent is pinged, and one that does not answer that is gone.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep_until};

use super::heard::Ear;

/// What is expected of a peer.
#[derive(Debug)]
pub struct Expect {
    /// It is pinged after so long a silence.
    pub silence: Duration,
    /// It is gone when it has not answered a ping within this time.
    pub patience: Duration,
    /// Something only while it owes answers, on so many streams; `None`: at any time.
    pub owed: Option<Rc<Cell<usize>>>,
}

/// See the module. Looks at the clock only when a time has passed.
#[derive(Debug)]
pub struct Pings {
    pings: PingPong,
    heard: Rc<Ear>,
    expect: Expect,
    state: State,
    timer: Pin<Box<Sleep>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It owes nothing, as far as was looked.
    Idle,
    /// Until the timer.
    Waiting,
    /// Until the timer, or an answer.
    Pinged,
}

// === impl Pings ===

impl Pings {
    /// `heard` knows when the peer last was.
    pub fn new(pings: PingPong, heard: Rc<Ear>, expect: Expect) -> Self {
        let timer = Box::pin(sleep_until(heard.last() + expect.silence));
        Self { pings, heard, expect, state: State::Idle, timer }
    }

    /// Ready when the peer is gone. To be polled after its connection whenever that is, which is when a request is sent, too.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.state {
                State::Idle => {
                    if self.owes_nothing() {
                        return Poll::Pending;
                    }
                    self.wait(State::Waiting, Instant::now() + self.expect.silence);
                }
                State::Waiting => {
                    ready!(self.timer.as_mut().poll(cx));
                    let due = self.heard.last() + self.expect.silence;
                    if self.owes_nothing() {
                        self.state = State::Idle;
                    } else if due > Instant::now() {
                        self.wait(State::Waiting, due);
                    } else if self.pings.send_ping(Ping::opaque()).is_ok() {
                        self.wait(State::Pinged, Instant::now() + self.expect.patience);
                    } else {
                        return Poll::Pending; // It is ending.
                    }
                }
                State::Pinged => {
                    if self.pings.poll_pong(cx).is_ready() {
                        self.state = State::Idle;
                        continue;
                    }
                    return self.timer.as_mut().poll(cx);
                }
            }
        }
    }

    fn owes_nothing(&self) -> bool {
        self.expect.owed.as_ref().is_some_and(|streams| streams.get() == 0)
    }

    fn wait(&mut self, state: State, until: Instant) {
        self.state = state;
        self.timer.as_mut().reset(until);
    }
}
