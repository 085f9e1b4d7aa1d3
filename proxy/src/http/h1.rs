//! HTTP/1.1 (RFC 9112), both sides of it: one exchange at a time on each connection.
//!
//! hyper drives each connection to an upstream by a task and hands requests to it through a channel, and keeps two buffers for each
//! connection of either side: two wake-ups for each request, 20 KB for each caller and 40 KB for each connection to an
//! application (docs/memory.md). Here whoever waits for a message reads it, through a buffer that all connections of the
//! worker share, and a connection between two exchanges is little more than its socket.

mod chunks;
mod client;
mod early;
mod encode;
mod error;
mod framing;
mod imagined;
mod incoming;
mod io;
mod leaving;
mod lenient;
mod pool;
mod quiet;
mod request_head;
mod response_head;
mod sending;
mod server;
#[cfg(test)]
mod tests;

pub use client::{Closing, Connection, Failed};
pub use error::Error;
pub use imagined::imagined;
pub use incoming::Incoming;
pub(super) use pool::Pool;
pub use server::serve;
