//! HTTP/2 over the `h2` crate, both sides. Whoever asks sends the request and reads the answer, with no task or channel in
//! between; each request that comes in is answered by a task of its own. Bodies, flow control and pings are here.

mod client;
mod heard;
mod incoming;
mod pings;
mod pool;
mod sending;
mod server;

pub use client::{Connection, Failed, Pinged};
pub use incoming::Incoming;
pub use pool::{Found, Pool, StreamPermit};
pub use server::serve;

/// A peer is cut off that makes us reset this many streams by what it does wrong.
const RESETS: usize = 1024;

#[cfg(test)]
mod tests;
