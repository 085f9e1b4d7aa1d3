//! How many of something a worker has under way at once.

use std::cell::Cell;
use std::rc::Rc;

/// All of them; clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Active(Rc<Cell<u32>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Place(Rc<Cell<u32>>);

// === impl Active ===

impl Active {
    /// A place among at most `most`, if one is left.
    pub fn enter(&self, most: u32) -> Option<Place> {
        let active = self.0.get();
        if active >= most {
            return None;
        }
        self.0.set(active + 1);
        Some(Place(self.0.clone()))
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
