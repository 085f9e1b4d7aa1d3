//! Bytes: streams of every kind the path carries, dialling, relaying with half-close, the tunnel header.

mod bounds;
mod dial;
mod prefixed;
mod read_ahead;
mod relay;
mod reset;
mod scratch;
mod stream;
mod tunnel;
mod writes;

pub use bounds::{Bounds, RelayError};
pub use dial::{CONNECT_TIMEOUT, within_connect_timeout};
pub use prefixed::Prefixed;
pub use read_ahead::ReadAhead;
pub use relay::{Relayed, relay};
pub use reset::ResetOnClose;
pub use scratch::with_scratch;
pub use stream::Stream;
pub use tunnel::{TunnelError, encode_header, read_header};
pub(crate) use writes::writes_go_to_inner;
