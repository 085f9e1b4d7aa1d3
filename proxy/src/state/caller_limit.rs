//! How many requests this pod sends to others.

use super::{Target, TargetKind};
use crate::rate_limit::RateLimit;

/// A limit on the requests of this pod to one Service, or to one external service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerLimit {
    /// Who is called: a Service or an external service...
    pub kind: TargetKind,
    /// ...in this namespace...
    pub namespace: Box<str>,
    /// ...with this name.
    pub name: Box<str>,
    /// How much it is, with what has been counted.
    pub limit: RateLimit,
}

// === impl CallerLimit ===

impl CallerLimit {
    /// Whether it counts what goes to `target`, at whichever port.
    pub fn is_about(&self, target: &Target) -> bool {
        self.kind == target.kind && *self.name == *target.name && *self.namespace == *target.namespace
    }

    /// `<namespace>/<name>` of who is called.
    pub fn callee(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}
