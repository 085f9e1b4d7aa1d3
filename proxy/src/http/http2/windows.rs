//! How much the streams of a connection may have under way.
//!
//! A stream whose reader pauses fills its window and stops. It must not stop others: what the connection lets through is more
//! than all its streams together may hold. So that this is not much memory, a window is small to begin with; it grows while few
//! streams are open and a reader takes more than a window holds, and shrinks when many are.

use std::rc::Rc;

use super::MAX_STREAMS;
use super::heard::Ear;
use super::intake::Intakes;
use crate::held;

/// What a stream may have under way to begin with, and always.
pub const LEAST: u32 = 64 * 1024;
/// What it may have at most: two of the largest frames, so that the sender has always one to send while the other is read.
const MOST: u32 = 2 * super::MAX_FRAME;
/// What all streams of a connection may have under way together. More than their windows add up to, if each of the first
/// was filled when there were fewer: `TOGETHER` by the first eight, half of it by the next eight and again by sixteen more,
/// `LEAST` by each of the rest.
pub const CONNECTION: u32 = 2 * TOGETHER + MAX_STREAMS * LEAST;
/// Windows above `LEAST` shrink where all would add up to more than this, and grow up to half of it.
const TOGETHER: u32 = 4 * 1024 * 1024;

/// Looks after what a connection has received, whenever that was polled.
#[derive(Debug)]
pub struct Care {
    ear: Rc<Ear>,
    intakes: Rc<Intakes>,
    window: u32,
}

// === impl Care ===

impl Care {
    pub fn new(ear: Rc<Ear>) -> Self {
        Self { intakes: Intakes::of_connection(ear.clone()), ear, window: LEAST }
    }

    /// The streams to look after.
    pub fn intakes(&self) -> &Rc<Intakes> {
        &self.intakes
    }

    /// Takes over what nobody reads, and sets the window of streams by `set` where it should change; `open` of them are.
    /// Returns whether the connection is to be polled again, since there is something to send.
    pub fn look<E>(&mut self, open: usize, set: impl FnOnce(u32) -> Result<(), E>) -> bool {
        if self.ear.has_much_unread() {
            self.intakes.take_over();
            self.ear.forget_unread();
        }
        let read = if held::is_tight() { 0 } else { self.intakes.most_read() };
        let wanted = wanted(self.window, open, read);
        // Not while the last change is on its way.
        if wanted == self.window || set(wanted).is_err() {
            return false;
        }
        self.window = wanted;
        self.intakes.forget_most_read();
        true
    }
}

/// The window that streams should have when `open` of them are; they have `now`, and one reader took `read` of its stream.
fn wanted(now: u32, open: usize, read: usize) -> u32 {
    let open = u32::try_from(open).unwrap_or(MAX_STREAMS).clamp(1, MAX_STREAMS);
    let fits = |all: u32| (all / open.next_power_of_two()).clamp(LEAST, MOST);
    let most = fits(TOGETHER);
    if now > most {
        most
    } else if read >= now as usize {
        now.max(fits(TOGETHER / 2))
    } else {
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_grows_while_its_reader_keeps_up_and_shrinks_where_many_share() {
        assert_eq!(wanted(LEAST, 1, 0), LEAST);
        assert_eq!(wanted(LEAST, 1, LEAST as usize - 1), LEAST);
        assert_eq!(wanted(LEAST, 1, LEAST as usize), MOST);
        assert_eq!(wanted(LEAST, 12, LEAST as usize), 128 * 1024);
        assert_eq!(wanted(LEAST, 200, usize::MAX), LEAST);
        assert_eq!(wanted(MOST, 8, 0), MOST);
        assert_eq!(wanted(MOST, 9, 0), MOST / 2);
        assert_eq!(wanted(MOST, 200, usize::MAX), LEAST);
    }

    #[test]
    fn streams_that_all_stop_leave_the_connection_open() {
        let (mut window, mut held) = (LEAST, 0);
        for open in 1..=MAX_STREAMS {
            // Each fills what it could have in the best case when it came, and is never read again.
            window = wanted(window, open as usize, usize::MAX);
            window = wanted(window.max(LEAST), open as usize, 0);
            held += window;
        }
        assert!(held <= CONNECTION - LEAST, "{held} of {CONNECTION}");
        let (mut at_most, mut window) = (0, MOST);
        for open in 1..=MAX_STREAMS {
            window = wanted(window, open as usize, 0);
            at_most += window;
        }
        assert!(at_most < CONNECTION, "{at_most} of {CONNECTION}");
    }
}
