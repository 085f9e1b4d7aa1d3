//! Bytes that a worker holds for readers who pause, all of its connections together.
//!
//! Windows bound what one stream may hold; who opens many streams and connections fills all of them. So the worker counts what it
//! keeps, reads in small pieces when that is much, and when it is too much the stream that holds most is given up: see
//! [`crate::http::http2`]. Nothing is counted of bytes that go on at once.

use std::cell::Cell;

use bytes::Bytes;

use crate::capacity::Level;

/// What is read at once where much comes in.
pub const USUAL_READ: usize = 256 * 1024;
/// What is read at once while much is held, or memory is short: a TLS record.
pub const SMALL_READ: usize = 16 * 1024;

/// Of one worker, which is a thread.
struct Worker {
    bytes: Cell<usize>,
    most: Cell<usize>,
    level: Cell<Level>,
    given_up: Cell<usize>,
}

thread_local! {
    static WORKER: Worker = const {
        Worker {
            bytes: Cell::new(0),
            most: Cell::new(usize::MAX),
            level: Cell::new(Level::Calm),
            given_up: Cell::new(0),
        }
    };
}

/// What one holder has of them, until it is dropped.
#[derive(Debug, Default)]
pub struct Count(usize);

/// See [`counted`].
struct Counted {
    bytes: Bytes,
    _count: Count,
}

/// The worker on this thread may hold so many bytes.
pub fn allow(most: usize) {
    WORKER.with(|worker| worker.most.set(most));
}

/// The process is so near its memory limit.
pub fn set_level(level: Level) {
    WORKER.with(|worker| worker.level.set(level));
}

/// Whether much is held, or memory is short: windows do not grow, and reads are small.
pub fn is_tight() -> bool {
    WORKER.with(|worker| worker.bytes.get() > worker.most.get() / 2 || worker.level.get() > Level::Calm)
}

/// How much is to be read at once.
pub fn read_size() -> usize {
    if is_tight() { SMALL_READ } else { USUAL_READ }
}

/// Whether more is held than may be.
pub fn is_too_much() -> bool {
    WORKER.with(|worker| worker.bytes.get() > worker.most.get())
}

/// Whether so many bytes more would leave half of what may be held: for those who can refuse instead, so that no stream has to be given
/// up for them.
pub fn has_room(bytes: usize) -> bool {
    WORKER.with(|worker| worker.bytes.get().saturating_add(bytes) <= worker.most.get() / 2)
}

/// The same bytes, which count on this worker until all of them have gone.
pub fn counted(bytes: Bytes) -> Bytes {
    if bytes.is_empty() {
        return bytes;
    }
    let mut count = Count::default();
    count.set(bytes.len());
    Bytes::from_owner(Counted { bytes, _count: count })
}

/// Somebody who held much was given up.
pub fn gave_up() {
    WORKER.with(|worker| worker.given_up.set(worker.given_up.get() + 1));
}

/// How many were given up since this was asked last.
pub fn take_given_up() -> usize {
    WORKER.with(|worker| worker.given_up.take())
}

// === impl Count ===

impl Count {
    /// It holds so many bytes now.
    pub fn set(&mut self, bytes: usize) {
        if bytes == self.0 {
            return;
        }
        WORKER.with(|worker| worker.bytes.set((worker.bytes.get() + bytes).saturating_sub(self.0)));
        self.0 = bytes;
    }

    /// So many bytes.
    pub fn get(&self) -> usize {
        self.0
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.set(0);
    }
}

// === impl Counted ===

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_makes_reads_small_and_then_is_too_much_until_it_has_gone() {
        allow(1000);
        let (mut one, mut other) = (Count::default(), Count::default());
        one.set(400);
        assert_eq!((read_size(), is_too_much()), (USUAL_READ, false));
        other.set(200);
        assert_eq!((read_size(), is_too_much()), (SMALL_READ, false));
        other.set(700);
        assert_eq!((read_size(), is_too_much()), (SMALL_READ, true));
        drop(other);
        assert!(has_room(100) && !has_room(101));
        assert_eq!((read_size(), is_too_much()), (USUAL_READ, false));
        one.set(0);
        set_level(Level::High);
        assert_eq!(read_size(), SMALL_READ);
        gave_up();
        assert_eq!((take_given_up(), take_given_up()), (1, 0));
    }

    #[test]
    fn bytes_count_until_the_last_part_of_them_has_gone() {
        allow(1000);
        let mut bytes = counted(Bytes::from(vec![7; 300]));
        let part = bytes.split_to(10);
        drop(bytes);
        assert!(!has_room(201) && part.len() == 10);
        drop(part);
        assert!(has_room(500));
    }
}
