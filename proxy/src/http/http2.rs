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

/// What one stream between proxies may have under way before its reader takes it: two of the largest frames, so that the sender
/// has always one to send while the other is read. Less made large bodies wait for the window.
const STREAM_WINDOW: u32 = 2 * MAX_FRAME;
/// What all streams of a connection may have under way together: many slow readers must not block a quick one.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// The longest frame of a response that is taken. A body of an HTTP/1.1 server is read 256 KB at a time where it is large, and
/// goes on in one piece: one write. Servers take the least there may be, 16 KB: h2spec counts on it.
const MAX_FRAME: u32 = 256 * 1024;
/// What one stream may hold back for a peer that does not take it: the largest frame.
const SEND_BUFFER: usize = MAX_FRAME as usize;
/// Streams a caller may have open on one connection.
const MAX_STREAMS: u32 = 256;
/// A peer is cut off that makes us reset this many streams by what it does wrong.
const RESETS: usize = 1024;

#[cfg(test)]
mod tests;
