//! HTTP: HTTP/1.1 of our own and HTTP/2 over h2, one pool of connections for each upstream, headers, and errors as responses.

mod active;
mod authority;
mod body;
mod connect_error;
mod connection_auth;
pub mod deadline;
pub mod expect;
pub mod farewell;
pub mod framing;
mod h1;
pub mod headers;
mod http2;
mod incoming;
mod interim;
mod load;
mod rate_limit_fields;
mod raw_target;
pub mod replay;
pub mod rescue;
mod seen;
mod seldom;
pub mod server;
mod slow;
mod tape;
mod trailers;
pub mod upgrade;
mod upload;
mod upstream;
mod verdict;
pub mod via;
mod wire_error;

pub use active::{Active, Place};
pub use body::{Body, BodyError, End, Escort};
pub use connect_error::ConnectError;
pub use connection_auth::{OwnConnections, authenticates, challenges};
pub use h1::{Closing, imagined};
pub use http2::{Goaways, count_unread};
pub use incoming::Incoming;
pub use load::{Load, Pending};
pub use rate_limit_fields::RateLimitFields;
pub use raw_target::RawTarget;
pub use seen::Seen;
pub use tape::{REPLAY_LIMIT, Recorded, TooLong};
pub use upload::{Arrived, NotGathered, Upload};
pub use upstream::{Carry, Lease, Over, Patience, SendError, Upstream, UpstreamKey, Upstreams, Wire};
pub use verdict::{Pushback, Verdict, pushback, retry_after};
pub use wire_error::WireError;

/// The longest head of a request that is carried, in bytes: in HTTP/2 those of its names and values, with 32 for each field
/// (RFC 9113 6.5.2).
const MAX_HEAD: usize = 64 * 1024;
/// The same of a response. Servers say more than clients ask: links, policies, cookies, the status of gRPC with its details.
/// HTTP/2 gives an error for one that is longer, but `h2` leaves fields out of trailers that are: so those are bounded well below.
const MAX_RESPONSE_HEAD: usize = 1024 * 1024;
