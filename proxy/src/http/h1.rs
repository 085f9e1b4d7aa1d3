//! HTTP/1.1 (RFC 9112) towards an upstream: one request at a time on each connection, without a task of its own.
//!
//! hyper's client drives each connection by a task and hands requests to it through a channel: two wake-ups for each request, and
//! some 40 KB for each connection in buffers and channel (docs/memory.md). Here whoever waits for the answer reads it, through a
//! buffer that all connections of the worker share, so that an idle connection is little more than its socket.

mod chunks;
mod connection;
mod encode;
mod error;
mod head;
mod incoming;
mod pool;
mod sending;
#[cfg(test)]
mod tests;

pub use connection::{Connection, Failed};
pub use error::Error;
pub use incoming::Incoming;
pub(super) use pool::Pool;
