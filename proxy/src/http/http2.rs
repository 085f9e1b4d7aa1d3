//! HTTP/2 over the `h2` crate, both sides. Whoever asks sends the request and reads the answer, with no task or channel in
//! between; each request that comes in is answered by a task of its own. Bodies, flow control and pings are here.

mod client;
mod frames;
mod goaways;
mod heard;
mod incoming;
mod intake;
mod pings;
mod pool;
mod sending;
mod server;
mod windows;

pub use client::{Connection, Failed, Pinged};
pub use goaways::Goaways;
pub use incoming::Incoming;
pub use intake::count_unread;
pub use pool::{Found, Pool, StreamPermit};
pub use server::serve;

use std::time::Duration;

/// The longest frame of a response that is taken. A body of an HTTP/1.1 server is read 256 KB at a time where it is large, and
/// goes on in one piece: one write. Servers take the least there may be, 16 KB: h2spec counts on it.
const MAX_FRAME: u32 = 256 * 1024;
/// The longest trailers that go on, of a request as over HTTP/1.1. So far below what h2 takes of fields that it shows on the wire
/// where h2 leaves some out (see [`frames`]).
const MAX_REQUEST_TRAILERS: usize = 16 * 1024;
const MAX_RESPONSE_TRAILERS: usize = 256 * 1024;
/// What one stream may hold back for a peer that does not take it: the largest frame.
const SEND_BUFFER: usize = MAX_FRAME as usize;
/// Streams a caller may have open on one connection.
const MAX_STREAMS: u32 = 256;
/// Streams that were reset here are remembered so long, and so many of them: frames that were on their way meanwhile are ignored.
/// What comes later is answered with another reset.
const RESET_MEMORY: Duration = Duration::from_secs(2);
const RESETS_REMEMBERED: usize = 4096;
/// A peer is cut off that makes us reset streams, or answer for those we forgot, this often in the life of a connection, which
/// is not long (see [`crate::http::upstream`]). Each that it does not let us send takes some 400 bytes.
const RESETS: usize = 16 * 1024;
/// What DATA frames that nobody has read may cost beyond their bytes, before h2 ends the connection. See [`intake`].
const DATA_BUDGET: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;
