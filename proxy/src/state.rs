//! What the proxy knows about the mesh: immutable snapshots, replaced whole, read through `watch`.

mod action;
mod destination;
mod mesh;
mod table;
mod workload;

pub use action::{
    Actions, Answer, DirectResponse, HeaderChanges, Host, MessageChanges, PathChange, Redirect, Rewrite,
    Scheme,
};
pub use destination::{
    Backend, Caller, Destination, Endpoint, HeaderMatch, LoadBalancer, Match, PathMatch, Protocol,
    QueryMatch, Route, Target, TargetKind, Timeouts, ValueCondition, WeightedBackend,
};
pub use mesh::{DestinationView, Mesh, Resolution};
pub(crate) use table::{Changes, SharedTable};
pub use workload::{InboundPort, MtlsMode, OutboundPolicy, Workload};
