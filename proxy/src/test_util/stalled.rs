//! An output that takes nothing before it may.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender};

/// Each write waits for a word, and is then told of.
pub(crate) struct Stalled(pub Receiver<()>, pub Sender<Vec<u8>>);

impl Write for Stalled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        let _ = self.1.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
