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
