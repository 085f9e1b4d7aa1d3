//! The client's side of HTTP/2, over the `h2` crate: who asks sends the request and reads the answer, with no task or channel
//! in between. What hyper's client does beside that is here: bodies, flow control, pings.

mod connection;
mod heard;
mod incoming;
mod pings;
mod pool;
mod sending;

pub use connection::{Connection, Failed, Pinged};
pub use incoming::Incoming;
pub use pool::{Found, Pool, StreamPermit};

#[cfg(test)]
mod tests;
