//! How a connection ends that is given up half-way: with a reset, so that nobody takes what came of it for the whole.

use std::io;

use tokio::net::TcpStream;

use super::{Prefixed, Stream};
use crate::socket;

/// A connection that can be told to end so.
pub trait ResetOnClose {
    /// Has the connection reset when it is dropped, also where that is since the process ends, or, with `false`, ended as
    /// if all had been said. What was written and has not arrived yet is lost by a reset.
    fn reset_on_close(&self, resets: bool) -> io::Result<()>;
}

impl ResetOnClose for TcpStream {
    fn reset_on_close(&self, resets: bool) -> io::Result<()> {
        socket::reset_on_close(self, resets)
    }
}

impl<T: ResetOnClose> ResetOnClose for Prefixed<T> {
    fn reset_on_close(&self, resets: bool) -> io::Result<()> {
        self.get_ref().reset_on_close(resets)
    }
}

impl ResetOnClose for Stream {
    /// Nothing for TLS: a session without its closing alert is cut off for whoever reads it, and all before it arrives.
    fn reset_on_close(&self, resets: bool) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.reset_on_close(resets),
            Self::Begun(stream) => stream.get_ref().reset_on_close(resets),
            Self::Tls(_) => Ok(()),
        }
    }
}

#[cfg(test)]
impl ResetOnClose for tokio::io::DuplexStream {
    fn reset_on_close(&self, _: bool) -> io::Result<()> {
        Ok(())
    }
}
