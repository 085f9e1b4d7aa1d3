//! How many bytes of messages that have not come whole all streams hold together.

use std::cell::Cell;

use super::frames::{FIRST_MESSAGE, Status};

/// Beyond what each stream may hold: who sends the first part of a large request and never the rest is one of few.
const MOST: usize = 32 * 1024 * 1024;
const RESOURCE_EXHAUSTED: u8 = 8;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// What one stream holds, until it is dropped.
#[derive(Debug, Default)]
pub struct Partial(usize);

// === impl Partial ===

impl Partial {
    /// The stream holds so many bytes now; the error is how it ends where all hold too much.
    pub fn hold(&mut self, bytes: usize) -> Result<(), Status> {
        let bytes = bytes.saturating_sub(FIRST_MESSAGE);
        let held = HELD.get() - self.0 + bytes;
        let grows = bytes > self.0;
        HELD.set(held);
        self.0 = bytes;
        if grows && held > MOST {
            let text = "too many bytes of unfinished messages are under way; try again".to_owned();
            return Err(Status { code: RESOURCE_EXHAUSTED, text });
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        HELD.set(HELD.get() - self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_messages_are_bounded_together_and_small_ones_are_not_counted() {
        let mut small: Vec<_> = (0..10_000).map(|_| Partial::default()).collect();
        assert!(small.iter_mut().all(|one| one.hold(FIRST_MESSAGE).is_ok()));
        let mut large: Vec<_> = (0..33).map(|_| Partial::default()).collect();
        let held = large.iter_mut().filter_map(|one| one.hold(1024 * 1024 + FIRST_MESSAGE).ok()).count();
        assert_eq!(held, 32);
        drop(large);
        assert_eq!(HELD.get(), 0);
    }
}
