//! What the proxy knows about the mesh: immutable snapshots, replaced whole, read through `watch`.

mod action;
mod caller_limit;
mod condition;
mod cors;
mod destination;
mod mesh;
mod mirror;
mod resilience;
mod subscription;
mod table;
mod workload;

pub use action::{
    Actions, Answer, DirectResponse, HeaderChanges, Host, MessageChanges, PathChange, Redirect, Rewrite,
    Scheme,
};
pub use caller_limit::CallerLimit;
pub use cors::{Cors, Listed, Origins};
pub use destination::{
    Algorithm, Backend, BudgetLimits, Caller, CookiePath, Destination, Endpoint, HashInput, HeaderMatch,
    LoadBalancer, Match, NodePolicy, PathMatch, Protocol, QueryMatch, Retries, RetryOn, Route, Session,
    SessionCarrier, SessionKey, Target, TargetKind, Timeouts, ValueCondition, WeightedBackend, ZonePolicy,
};
pub(crate) use mesh::DestinationSender;
pub use mesh::{DestinationView, Mesh, Resolution};
pub use mirror::{Compared, Mirror};
pub use resilience::{
    Abort, Adaptive, Delay, Fault, HedgeAfter, Hedging, Limits, Outliers, Share, SlowBody, SuccessRate,
};
pub use subscription::Subscription;
pub(crate) use table::{Changes, SharedTable};
pub use workload::{InboundPort, MtlsMode, OutboundPolicy, Reading, Workload};
