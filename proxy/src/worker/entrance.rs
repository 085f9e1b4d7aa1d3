//! Where connections come in: who may, how many, and who goes first.

use std::rc::Rc;

use super::residents::Residents;
use super::turns::Turns;
use crate::capacity::Share;
use crate::places::{Places, Room};

/// Connections of others that one worker has before their handshake is done, or they have said what they want; where there are
/// more, those go that have been silent for longest. A connection in its handshake holds some 20 KB.
pub const ARRIVALS: Room = Room { most: 1024, of_one_address: 512, of_loopback: 512 };

/// See the module.
#[derive(Debug)]
pub(crate) struct Entrance {
    /// Connections that were accepted.
    pub residents: Rc<Residents>,
    /// Those of others that have not proved anything yet, nor said what they want.
    pub arrivals: Places,
    /// Of handshakes with them.
    pub turns: Turns,
}

// === impl Entrance ===

impl Entrance {
    /// Of a worker that may hold so much.
    pub fn new(share: Share) -> Self {
        Self { residents: Residents::new(share), arrivals: Places::new(ARRIVALS), turns: Turns::default() }
    }
}
