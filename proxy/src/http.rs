//! HTTP: HTTP/1.1 of our own and HTTP/2 over h2, one pool of connections for each upstream, headers, and errors as responses.

mod active;
mod body;
mod compare;
mod connect_error;
pub mod deadline;
pub mod expect;
pub mod framing;
mod h1;
pub mod headers;
mod http2;
mod incoming;
mod load;
pub mod replay;
pub mod rescue;
mod seen;
pub mod server;
mod slow;
mod tape;
pub mod upgrade;
mod upstream;
mod verdict;
pub mod via;
mod wire_error;

pub use active::{Active, Place};
pub use body::{Body, End, Ending, Exchange, Upload};
pub use compare::{Comparison, Side, Witness};
pub use connect_error::ConnectError;
pub use incoming::Incoming;
pub use load::{Load, Pending};
pub use seen::Seen;
pub use tape::{REPLAY_LIMIT, Recorded, TooLong};
pub use upstream::{Carry, Lease, Patience, SendError, Upstream, UpstreamKey, Upstreams, Wire};
pub use verdict::{Pushback, Verdict, pushback, retry_after};
pub use wire_error::WireError;

/// The largest head of a request or response that is carried, on either protocol.
const MAX_HEAD: usize = 64 * 1024;
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
