//! What the proxy counts. Labels are bounded: names of the mesh and its identities, never a host or a path.

mod about;
mod access_log;
mod connection;
mod metrics;
mod mirror;
mod request;
mod timestamp;

pub use about::About;
pub use access_log::AccessLog;
pub use connection::OpenConnection;
pub use metrics::{ConnectionLabels, Direction, Metrics, RequestLabels, Tls};
pub use mirror::{MirrorLabels, MirrorSeries};
pub use request::{Record, Series};
