//! Who is served where anybody may connect: every connection is accepted, and where there is no place left, the one goes that
//! has waited longest without asking anything.
//!
//! A bound that is taken before `accept` would be held by whoever connects and stays silent, with probes of the kubelet in
//! the kernel's queue behind it. Here silence is the first thing that is given up, an address has a share of its own, and
//! loopback, where the application's own tools and the drain come from, has room that strangers cannot take.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many places there are.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// For all together, but for those from loopback.
    pub most: usize,
    /// Of them, for one address.
    pub of_one_address: usize,
    /// For loopback, on top of all others.
    pub of_loopback: usize,
}

/// The connections of one port.
#[derive(Clone, Debug)]
pub struct Places(Arc<Mutex<Taken>>);

/// The oldest first.
#[derive(Debug)]
struct Taken {
    room: Room,
    next: u64,
    places: BTreeMap<u64, Arc<State>>,
}

#[derive(Debug)]
struct State {
    from: IpAddr,
    asking: AtomicBool,
    leave: Notify,
}

/// One connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    number: u64,
    state: Arc<State>,
    all: Places,
}

/// A request is being answered: its connection is not given up for another.
#[derive(Debug)]
pub struct Asking(Arc<State>);

// === impl Places ===

impl Places {
    /// All of them free.
    pub fn new(room: Room) -> Self {
        Self(Arc::new(Mutex::new(Taken { room, next: 0, places: BTreeMap::new() })))
    }

    /// A place for a connection from this address, if need be that of an older one that asks nothing. `None`: all that could
    /// go are being answered.
    pub fn take(&self, from: IpAddr) -> Option<Place> {
        let from = from.to_canonical();
        let mut taken = self.lock();
        let room = taken.room;
        let of_same = |state: &State| state.from == from;
        let of_strangers = |state: &State| !state.from.is_loopback();
        if from.is_loopback() {
            taken.make_room(room.of_loopback, |state| state.from.is_loopback())?;
        } else {
            taken.make_room(room.of_one_address, of_same)?;
            taken.make_room(room.most, of_strangers)?;
        }
        let state = Arc::new(State { from, asking: AtomicBool::new(false), leave: Notify::new() });
        let number = taken.next;
        taken.next += 1;
        taken.places.insert(number, state.clone());
        Some(Place { number, state, all: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Sees to it that fewer than `most` places are taken by `whose`.
    fn make_room(&mut self, most: usize, whose: impl Fn(&State) -> bool) -> Option<()> {
        if self.places.values().filter(|state| whose(state)).count() < most {
            return Some(());
        }
        let silent = |state: &State| whose(state) && !state.asking.load(Ordering::Relaxed);
        let (&oldest, _) = self.places.iter().find(|(_, state)| silent(state))?;
        let left = self.places.remove(&oldest)?;
        left.leave.notify_one();
        Some(())
    }
}

// === impl Place ===

impl Place {
    /// From here to the drop of what is returned the connection is not given up.
    pub fn asking(&self) -> Asking {
        self.state.asking.store(true, Ordering::Relaxed);
        Asking(self.state.clone())
    }

    /// Ends when the place was given to another.
    pub async fn given_up(&self) {
        self.state.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.lock().places.remove(&self.number);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    const MOST: usize = 256;
    const MOST_OF_ONE_ADDRESS: usize = 16;
    const NODE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn places() -> Places {
        Places::new(Room { most: MOST, of_one_address: MOST_OF_ONE_ADDRESS, of_loopback: 4 })
    }

    fn pod(number: u8) -> IpAddr {
        IpAddr::from([10, 1, 0, number])
    }

    fn is_given_up(place: &Place) -> bool {
        pin!(place.given_up()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_oldest_that_asks_nothing_goes_first() {
        let places = places();
        let mut of_pod: Vec<_> = (0..MOST_OF_ONE_ADDRESS).map(|_| places.take(pod(1)).unwrap()).collect();
        let answered = of_pod[0].asking();
        let next = places.take(pod(1)).unwrap();
        assert!(!is_given_up(&of_pod[0]), "it is being answered");
        assert!(is_given_up(&of_pod[1]));
        assert!(!is_given_up(&next));
        drop(answered);
        let _another = places.take(pod(1)).unwrap();
        assert!(is_given_up(&of_pod[0]));
        of_pod.clear();
        assert_eq!(places.lock().places.len(), 2);
    }

    #[test]
    fn an_address_whose_share_is_being_answered_gets_no_more_and_others_do() {
        let places = places();
        let of_pod: Vec<_> = (0..MOST_OF_ONE_ADDRESS).map(|_| places.take(pod(1)).unwrap()).collect();
        let _answered: Vec<_> = of_pod.iter().map(Place::asking).collect();
        assert!(places.take(pod(1)).is_none());
        assert!(places.take(NODE).is_some());
    }

    #[test]
    fn many_silent_addresses_keep_nobody_out() {
        let places = places();
        let silent: Vec<_> = (0..MOST).map(|number| places.take(pod((number / 8) as u8)).unwrap()).collect();
        let probe = places.take(NODE).unwrap();
        assert!(is_given_up(&silent[0]));
        assert!(!is_given_up(&probe));
        assert_eq!(places.lock().places.len(), MOST);
    }

    #[test]
    fn loopback_has_room_of_its_own() {
        let places = places();
        let strangers: Vec<_> =
            (0..MOST).map(|number| places.take(pod((number / 8) as u8)).unwrap()).collect();
        let _answered: Vec<_> = strangers.iter().map(Place::asking).collect();
        assert!(places.take(NODE).is_none());
        assert!(places.take("::1".parse().unwrap()).is_some());
        assert!(places.take("::ffff:127.0.0.1".parse().unwrap()).is_some());
    }
}
