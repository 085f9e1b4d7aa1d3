//! What the proxy counts. Labels are bounded: names of the mesh and its identities, never a host or a path.

mod about;
pub mod access_log;
mod account;
mod attributes;
mod connection;
mod egress;
mod exports;
mod external_check;
mod family;
mod histogram;
mod labels;
mod metrics;
mod mirror;
mod own_pod;
mod plain;
mod rate_limit;
mod request;
mod shared_limit;
mod span;
mod subjects;
pub mod tap;
mod timestamp;

pub use about::About;
pub(crate) use about::cut;
pub use access_log::AccessLog;
pub use account::{Account, Edge, Tally};
pub use connection::OpenConnection;
pub use egress::EgressMetrics;
pub use exports::{ExportCounts, ExportOutcome};
pub use labels::{AccessLabels, ConnectionLabels, Direction, RequestLabels, Tls};
pub use metrics::Metrics;
pub use mirror::{MirrorLabels, MirrorSeries};
pub use own_pod::OwnPodSeries;
pub use request::{Record, Series};
pub(crate) use span::{Beginning, Trace};
pub use subjects::{HeldSeries, Subject};
