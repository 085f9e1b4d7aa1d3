//! How many connections the port takes, in all and from each address, and how fast they may come.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::per_address::PerAddress;

/// What is over is closed at once, before a byte of it is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At once, those that wait for their handshake included.
    pub total: usize,
    /// At once from one address.
    pub per_address: usize,
    /// New ones from one address: so many at once, then one each `every`.
    pub burst: u32,
    pub every: Duration,
}

/// A pod's proxy has one connection, and a second while it is told to leave the first.
pub const OF_PODS: Limits =
    Limits { total: 12_000, per_address: 16, burst: 64, every: Duration::from_millis(100) };

/// Where many pods share an address.
pub const OF_NODES: Limits =
    Limits { total: 12_000, per_address: 12_000, burst: 12_000, every: Duration::from_millis(1) };

/// Addresses whose rate is known at once; those whose rate is full again longest ago are forgotten first.
const MOST_RATES: usize = 20_000;

/// Why a connection was closed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Total,
    PerAddress,
    Rate,
}

/// Counts the connections of the port.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    total: usize,
    per_address: PerAddress,
    rates: Rates,
}

/// When the bucket of an address is full again.
#[derive(Debug, Default)]
struct Rates {
    full_at: HashMap<IpAddr, Instant>,
    /// Each use; an address that was used again since has a later one.
    uses: VecDeque<(IpAddr, Instant)>,
}

/// One connection, counted until it is dropped.
#[derive(Debug)]
pub struct Place {
    budget: Rc<Budget>,
    address: IpAddr,
}

// === impl Budget ===

impl Budget {
    pub fn new(limits: Limits) -> Rc<Self> {
        Rc::new(Self { limits, state: RefCell::default() })
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.state.borrow().total
    }

    /// A place for a connection from `address` that came at `now`.
    pub fn enter(self: &Rc<Self>, address: IpAddr, now: Instant) -> Result<Place, Over> {
        let Limits { total, per_address, burst, every } = self.limits;
        let state = &mut *self.state.borrow_mut();
        if state.per_address.of(&address) >= per_address {
            return Err(Over::PerAddress);
        }
        if state.total >= total {
            return Err(Over::Total);
        }
        if !state.rates.take(address, now, burst, every) {
            return Err(Over::Rate);
        }
        state.total += 1;
        state.per_address.add(address);
        Ok(Place { budget: self.clone(), address })
    }
}

// === impl Rates ===

impl Rates {
    fn take(&mut self, address: IpAddr, now: Instant, burst: u32, every: Duration) -> bool {
        let from = self.full_at.get(&address).map_or(now, |full| (*full).max(now));
        let full = from + every;
        if full.duration_since(now) > every * burst {
            return false;
        }
        self.full_at.insert(address, full);
        self.uses.push_back((address, full));
        self.forget(now);
        true
    }

    fn forget(&mut self, now: Instant) {
        while let Some((address, full)) = self.uses.front() {
            let is_last = self.full_at.get(address) == Some(full);
            if is_last && *full > now && self.uses.len() <= MOST_RATES {
                return;
            }
            if is_last {
                self.full_at.remove(address);
            }
            self.uses.pop_front();
        }
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        let state = &mut *self.budget.state.borrow_mut();
        state.total -= 1;
        state.per_address.remove(&self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { total: 3, per_address: 2, burst: 3, every: Duration::from_secs(1) };

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn connections_are_bounded_in_all_and_from_each_address_until_they_close() {
        let (budget, now) = (Budget::new(LIMITS), Instant::now());
        let first = budget.enter(address(1), now).unwrap();
        let _second = budget.enter(address(1), now).unwrap();
        assert_eq!(budget.enter(address(1), now).unwrap_err(), Over::PerAddress);
        let third = budget.enter(address(2), now).unwrap();
        assert_eq!(budget.enter(address(3), now).unwrap_err(), Over::Total);
        assert_eq!(budget.open(), 3);
        drop(first);
        let _again = budget.enter(address(1), now).unwrap();
        drop(third);
        assert_eq!(budget.open(), 2);
        assert!(!budget.state.borrow().per_address.0.contains_key(&address(2)));
    }

    #[test]
    fn new_ones_of_an_address_come_at_a_rate_and_what_is_full_again_is_forgotten() {
        let (budget, start) = (Budget::new(LIMITS), Instant::now());
        let enter = |seconds| budget.enter(address(1), start + Duration::from_secs(seconds)).map(drop);
        assert_eq!([enter(0), enter(0), enter(0), enter(0)], [Ok(()), Ok(()), Ok(()), Err(Over::Rate)]);
        assert_eq!([enter(1), enter(1)], [Ok(()), Err(Over::Rate)]);
        budget.enter(address(2), start + Duration::from_secs(60)).unwrap();
        assert_eq!(budget.state.borrow().rates.full_at.len(), 1);
        assert_eq!(budget.state.borrow().rates.uses.len(), 1);
    }
}
