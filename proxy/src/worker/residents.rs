//! The connections that a worker has accepted: how many there may be, and which of them go first when there are too many.
//!
//! A connection that can be asked to end without harm, since what it carries is requests, is asked in time: the one first that has
//! been idle for longest. Where that is not enough no more are accepted. Bytes are never cut off.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::capacity::{Level, Share};
use crate::telemetry::Direction;

/// Of those that a worker may have, the part that one direction may take, so that neither strangers nor the application itself
/// keep the other half from working: three fourths.
pub const OF_ONE_DIRECTION: (usize, usize) = (3, 4);
/// Of those that may come in, the part that one address may take: half. An ingress controller is one address.
pub const OF_ONE_ADDRESS: usize = 2;
/// From so many on idle ones are asked to go, down to [`LOW`].
pub const HIGH: (usize, usize) = (7, 8);
pub const LOW: (usize, usize) = (3, 4);
/// Under memory pressure a part of all, an eighth a second, is asked to go that has been idle for so many seconds.
pub const IDLE_PART: usize = 8;
pub const IDLE_SECONDS: u32 = 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Residents {
    share: Share,
    /// Seconds, about: counted by [`Self::look`].
    now: Cell<u32>,
    all: RefCell<All>,
}

#[derive(Debug, Default)]
struct All {
    next: u64,
    by_age: BTreeMap<u64, Rc<State>>,
    inbound: usize,
    from: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct State {
    direction: Direction,
    from: Option<IpAddr>,
    /// When it last had something to carry.
    heard: Cell<u32>,
    leaving: Cell<Leaving>,
    waker: RefCell<Option<Waker>>,
}

/// Whether a connection may be asked to go, and was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    Cannot,
    Can,
    Asked,
}

/// One connection; it has left when this is dropped.
#[derive(Debug)]
pub(crate) struct Resident {
    number: u64,
    state: Rc<State>,
    home: Rc<Residents>,
}

/// Why a connection is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There are as many as may be.
    Full,
    /// Its address has as many as one may have.
    FullOfSame,
    /// The process is short of memory.
    NoMemory,
}

/// How many were asked to go, by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AskedToGo {
    pub inbound: usize,
    pub outbound: usize,
}

// === impl Residents ===

impl Residents {
    pub fn new(share: Share) -> Rc<Self> {
        Rc::new(Self { share, now: Cell::new(0), all: RefCell::default() })
    }

    /// One more connection, from there.
    pub fn enter(self: &Rc<Self>, direction: Direction, from: Option<IpAddr>) -> Result<Resident, Refused> {
        if self.share.pressure.level() == Level::Critical {
            return Err(Refused::NoMemory);
        }
        let most = part(self.share.connections, OF_ONE_DIRECTION);
        let from = from.filter(|from| direction == Direction::Inbound && !from.is_loopback());
        let mut all = self.all.borrow_mut();
        let same = match direction {
            Direction::Inbound => all.inbound,
            Direction::Outbound => all.by_age.len() - all.inbound,
        };
        if same >= most || all.by_age.len() >= self.share.connections {
            return Err(Refused::Full);
        }
        if let Some(from) = from {
            let of_same = all.from.entry(from).or_default();
            if *of_same >= most / OF_ONE_ADDRESS {
                return Err(Refused::FullOfSame);
            }
            *of_same += 1;
        }
        all.inbound += usize::from(direction == Direction::Inbound);
        let state = Rc::new(State {
            direction,
            from,
            heard: self.now.clone(),
            leaving: Cell::new(Leaving::Cannot),
            waker: RefCell::default(),
        });
        let number = all.next;
        all.next += 1;
        all.by_age.insert(number, state.clone());
        Ok(Resident { number, state, home: self.clone() })
    }

    /// Asks some to go where there are too many, or too little memory. To be called about once a second.
    pub fn look(&self) -> AskedToGo {
        self.now.set(self.now.get().wrapping_add(1));
        let (all, now) = (self.all.borrow(), self.now.get());
        let (open, most) = (all.by_age.len(), self.share.connections);
        let of_one = part(most, OF_ONE_DIRECTION);
        let mut inbound = too_many(all.inbound, of_one);
        let mut outbound = too_many(open - all.inbound, of_one);
        let mut any = too_many(open, most);
        let mut patience = 1;
        if inbound + outbound + any == 0 {
            if self.share.pressure.level() == Level::Calm {
                return AskedToGo::default();
            }
            (any, patience) = (open.div_ceil(IDLE_PART), IDLE_SECONDS);
        }
        let mut take = |direction| {
            let of_direction = match direction {
                Direction::Inbound => &mut inbound,
                Direction::Outbound => &mut outbound,
            };
            let wanted = *of_direction > 0 || any > 0;
            *of_direction = of_direction.saturating_sub(1);
            any = any.saturating_sub(1);
            wanted
        };
        for leaving in all.by_age.values().filter(|state| state.leaving.get() == Leaving::Asked) {
            take(leaving.direction);
        }
        let can = |state: &&Rc<State>| state.leaving.get() == Leaving::Can && state.idle(now) > patience;
        let mut idle: Vec<_> = all.by_age.values().filter(can).collect();
        idle.sort_by_key(|state| Reverse(state.idle(now)));
        let mut asked = AskedToGo::default();
        for state in idle {
            if !take(state.direction) {
                continue;
            }
            state.leaving.set(Leaving::Asked);
            match state.direction {
                Direction::Inbound => asked.inbound += 1,
                Direction::Outbound => asked.outbound += 1,
            }
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
        }
        asked
    }

    /// How near the process is to its memory limit.
    pub fn level(&self) -> Level {
        self.share.pressure.level()
    }
}

/// How many of `open` are to go.
fn too_many(open: usize, most: usize) -> usize {
    if open > part(most, HIGH) { open - part(most, LOW) } else { 0 }
}

fn part(all: usize, (of, parts): (usize, usize)) -> usize {
    all.saturating_mul(of) / parts
}

// === impl State ===

impl State {
    fn idle(&self, now: u32) -> u32 {
        now.wrapping_sub(self.heard.get())
    }
}

// === impl Resident ===

impl Resident {
    /// It has something to carry.
    pub fn heard(&self) {
        self.state.heard.set(self.home.now.get());
    }

    /// Ends when the connection is asked to go, which from now on it may be.
    pub async fn asked_to_go(&self) {
        std::future::poll_fn(|cx| {
            if self.state.leaving.get() == Leaving::Asked {
                return Poll::Ready(());
            }
            self.state.leaving.set(Leaving::Can);
            *self.state.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let mut all = self.home.all.borrow_mut();
        all.by_age.remove(&self.number);
        all.inbound -= usize::from(self.state.direction == Direction::Inbound);
        if let Some(from) = self.state.from
            && let Some(of_same) = all.from.get_mut(&from)
        {
            *of_same -= 1;
            if *of_same == 0 {
                all.from.remove(&from);
            }
        }
    }
}

// === impl Refused ===

impl Refused {
    /// For the metric.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Full => "too-many-connections",
            Self::FullOfSame => "too-many-connections-of-one-address",
            Self::NoMemory => "memory-pressure",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use super::*;
    use crate::capacity::Pressure;

    fn home(connections: usize) -> Rc<Residents> {
        Residents::new(Share { connections, bytes: 0, pressure: Pressure::default() })
    }

    fn pod(number: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 1, 0, number]))
    }

    fn is_asked(resident: &Resident) -> bool {
        pin!(resident.asked_to_go()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn neither_direction_and_no_address_takes_all() {
        let home = home(100);
        let enter = |direction, from| home.enter(direction, from);
        let mut inbound: Vec<_> = (0..37).map(|_| enter(Direction::Inbound, pod(1)).unwrap()).collect();
        assert_eq!(enter(Direction::Inbound, pod(1)).unwrap_err(), Refused::FullOfSame);
        inbound.extend((0..38).map(|number| enter(Direction::Inbound, pod(2 + number % 2)).unwrap()));
        assert_eq!(enter(Direction::Inbound, pod(9)).unwrap_err(), Refused::Full);
        let outbound: Vec<_> = (0..25).map(|_| enter(Direction::Outbound, pod(1)).unwrap()).collect();
        assert_eq!(enter(Direction::Outbound, None).unwrap_err(), Refused::Full);
        inbound.truncate(1);
        assert!(enter(Direction::Inbound, pod(1)).is_ok() && enter(Direction::Outbound, None).is_ok());
        drop((inbound, outbound));
        let all = home.all.borrow();
        assert_eq!((all.by_age.len(), all.inbound, all.from.len()), (0, 0, 0));
    }

    #[test]
    fn those_that_have_been_idle_for_longest_are_asked_in_time_and_bytes_never() {
        let home = home(80);
        let bytes: Vec<_> = (0..10).map(|_| home.enter(Direction::Outbound, None).unwrap()).collect();
        let idle: Vec<_> = (0..43).map(|_| home.enter(Direction::Outbound, None).unwrap()).collect();
        assert!(!idle.iter().any(is_asked), "from here on they may be");
        home.look();
        let busy = &idle[..20];
        for resident in busy {
            resident.heard();
        }
        // Of 60 that may be outbound, 53 are more than seven eighths, and three fourths are 45.
        assert_eq!(home.look(), AskedToGo { inbound: 0, outbound: 8 });
        assert_eq!(idle.iter().filter(|idle| is_asked(idle)).count(), 8);
        assert!(!busy.iter().any(is_asked));
        assert_eq!(home.look(), AskedToGo::default(), "those that were asked are going");
        drop((bytes, idle));
    }

    #[test]
    fn one_half_makes_room_for_the_other() {
        let home = home(80);
        let inbound: Vec<_> = (0..30).map(|_| home.enter(Direction::Inbound, pod(1)).unwrap()).collect();
        let outbound: Vec<_> = (0..42).map(|_| home.enter(Direction::Outbound, None).unwrap()).collect();
        assert!(!inbound.iter().chain(&outbound).any(is_asked));
        home.look();
        // Neither has too many, and both together 72 of 80.
        let asked = home.look();
        assert_eq!(asked.inbound + asked.outbound, 12);
    }

    #[test]
    fn short_memory_lets_idle_ones_go_and_then_nobody_in() {
        let home = home(1000);
        let idle: Vec<_> = (0..40).map(|_| home.enter(Direction::Outbound, None).unwrap()).collect();
        assert!(!idle.iter().any(is_asked));
        home.share.pressure.set(Level::High);
        let asked: Vec<_> = (0..=IDLE_SECONDS + 1).map(|_| home.look().outbound).collect();
        assert_eq!(
            asked.iter().sum::<usize>(),
            5,
            "an eighth, of those that have been idle for long: {asked:?}"
        );
        assert!(home.enter(Direction::Outbound, None).is_ok());
        home.share.pressure.set(Level::Critical);
        assert_eq!(home.enter(Direction::Inbound, pod(1)).unwrap_err(), Refused::NoMemory);
        assert_eq!(Refused::NoMemory.reason(), "memory-pressure");
    }
}
