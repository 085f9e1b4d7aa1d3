//! Who may begin a handshake. Addresses take turns, and those of one address go in order: whoever sends a thousand connections
//! waits for itself, and for nobody else. One begins between two looks at everything else that this thread serves.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;

use tokio::sync::{Notify, oneshot};
use tokio::task::yield_now;

use super::outbox::Outbox;
use super::per_address::PerAddress;

/// Handshakes under way at once, without those that have become slow.
const AT_ONCE: usize = 16;
/// Of those, from one address: a peer that never finishes cannot hold everybody up.
const PER_ADDRESS: usize = AT_ONCE / 4;

#[derive(Debug, Default)]
pub struct Gate {
    state: RefCell<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    active: usize,
    per_address: PerAddress,
    /// Those of whom some wait; whose turn is next comes first.
    order: VecDeque<IpAddr>,
    waiting: HashMap<IpAddr, VecDeque<oneshot::Sender<Turn>>>,
}

/// A handshake that is under way, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    gate: Rc<Gate>,
    address: IpAddr,
}

// === impl Gate ===

impl Gate {
    /// The turn of a connection from `address`, when it comes. Whoever drops what this answers has left the line.
    pub fn turn(&self, address: IpAddr) -> oneshot::Receiver<Turn> {
        let (given, turn) = oneshot::channel();
        let state = &mut *self.state.borrow_mut();
        let queue = state.waiting.entry(address).or_default();
        if queue.is_empty() {
            state.order.push_back(address);
        }
        queue.push_back(given);
        self.wake.notify_one();
        turn
    }

    /// Gives turns, for as long as the front lives. A handshake makes a stream that somebody has to admit: while the way to the control
    /// plane is full, those that are connected come first.
    pub async fn give_turns(self: Rc<Self>, outbox: &Outbox) {
        loop {
            outbox.room().await;
            match self.begin() {
                true => yield_now().await,
                false => self.wake.notified().await,
            }
        }
    }

    /// False: nobody who waits may begin now.
    fn begin(self: &Rc<Self>) -> bool {
        while let Some((address, given)) = self.next() {
            // Who has left the line gives its turn back.
            if given.send(Turn { gate: self.clone(), address }).is_ok() {
                return true;
            }
        }
        false
    }

    fn next(&self) -> Option<(IpAddr, oneshot::Sender<Turn>)> {
        let state = &mut *self.state.borrow_mut();
        if state.active >= AT_ONCE {
            return None;
        }
        let at = state.order.iter().position(|address| state.per_address.of(address) < PER_ADDRESS)?;
        let address = state.order.remove(at)?;
        let queue = state.waiting.get_mut(&address)?;
        let given = queue.pop_front();
        if queue.is_empty() {
            state.waiting.remove(&address);
        } else {
            state.order.push_back(address);
        }
        state.active += 1;
        state.per_address.add(address);
        given.map(|given| (address, given))
    }
}

// === impl Turn ===

impl Drop for Turn {
    fn drop(&mut self) {
        let state = &mut *self.gate.state.borrow_mut();
        state.active -= 1;
        state.per_address.remove(&self.address);
        self.gate.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn given(turns: &mut [oneshot::Receiver<Turn>]) -> Vec<Turn> {
        turns.iter_mut().filter_map(|turn| turn.try_recv().ok()).collect()
    }

    #[test]
    fn an_address_has_a_quarter_and_the_others_take_turns() {
        let gate = Rc::new(Gate::default());
        let mut greedy: Vec<_> = (0..1000).map(|_| gate.turn(address(1))).collect();
        let mut others: Vec<_> = (2..20).map(|last| gate.turn(address(last))).collect();
        while gate.begin() {}
        let (of_greedy, of_others) = (given(&mut greedy), given(&mut others));
        assert_eq!((of_greedy.len(), of_others.len()), (1, 15));
        drop(of_others);
        while gate.begin() {}
        assert_eq!((of_greedy.len() + given(&mut greedy).len(), given(&mut others).len()), (4, 3));
    }

    #[test]
    fn who_has_left_the_line_takes_no_turn_and_nothing_is_left_of_them() {
        let gate = Rc::new(Gate::default());
        drop((0..100).map(|_| gate.turn(address(1))).collect::<Vec<_>>());
        let mut last = [gate.turn(address(1))];
        assert!(gate.begin());
        assert_eq!(given(&mut last).len(), 1);
        let state = gate.state.borrow();
        assert!(state.active == 0 && state.waiting.is_empty() && state.order.is_empty());
        assert!(state.per_address.0.is_empty());
    }
}
