//! What the proxy counts. Labels are bounded: names of the mesh and its identities, never a host or a path.

mod about;
mod access_log;
mod account;
mod connection;
mod egress;
mod external_check;
mod family;
mod histogram;
mod labels;
mod metrics;
mod mirror;
mod plain;
mod rate_limit;
mod request;
mod shared_limit;
mod subjects;
mod timestamp;

pub use about::About;
pub use access_log::AccessLog;
pub use account::{Account, Edge, Tally};
pub use connection::OpenConnection;
pub use external_check::ExternalCheckSeries;
pub use labels::{AccessLabels, ConnectionLabels, Direction, RequestLabels, Tls};
pub use metrics::Metrics;
pub use mirror::{MirrorLabels, MirrorSeries};
pub use rate_limit::RateLimitSeries;
pub use request::{Record, Series};
pub use shared_limit::SharedLimitSeries;
pub use subjects::{HeldSeries, Subject};
