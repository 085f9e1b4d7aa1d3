//! What is kept while a response whose head is good is under way: the passes of its request, and who judges its endpoint.

use std::rc::Rc;

use super::ejection::{Outcome, Reason};
use super::gate::Pass;
use super::outliers::Watched;
use crate::http::End;
use crate::request::Watcher;

/// See the module.
#[derive(Debug)]
pub(super) struct UntilEnd {
    pub watched: Option<Rc<Watched>>,
    pub _passes: Vec<Pass>,
}

impl Watcher for UntilEnd {
    fn ended(self: Box<Self>, end: End, grpc_status: Option<u16>) -> Option<&'static str> {
        let outcome = match end {
            End::Whole => Outcome::of(200, grpc_status),
            End::Broken => Outcome::Local,
        };
        self.watched.as_ref()?.ended(outcome, None).map(Reason::as_str)
    }
}
