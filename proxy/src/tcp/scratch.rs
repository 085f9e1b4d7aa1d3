//! One buffer for each worker thread, for reads whose bytes are used or copied at once: so no connection needs one of its own.

use std::cell::RefCell;

use crate::held::{USUAL_READ, read_size};

/// Sixteen TLS records. Pages that no read ever filled are not resident.
const SIZE: usize = USUAL_READ;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SIZE].into_boxed_slice());
}

/// Lends the buffer to `use_it`, which must not ask for it again: a small part of it while much is held.
pub fn with_scratch<R>(use_it: impl FnOnce(&mut [u8]) -> R) -> R {
    BUFFER.with_borrow_mut(|buffer| use_it(&mut buffer[..read_size()]))
}
