//! What goes with a response until it ends, in a stated order.
//!
//! A frame, and the end, come from the upstream and pass, in this order: the endpoint's load (`pending`), what the stages left
//! to watch it, the latest stage first, the bounds of the request, and its record. The connection is free again before anybody
//! is told of the end.

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;

use crate::http::deadline::{Limit, Passed};
use crate::http::rescue::GRPC_DEADLINE_EXCEEDED;
use crate::http::{BodyError, End, Escort, Lease, Pending, WireError};
use crate::telemetry::Record;
use crate::telemetry::tap::Ended;

/// See the module. Dropping it records the request and frees its connection.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub lease: Lease,
    pub pending: Pending,
    /// In the order of the stages that left them.
    pub watchers: Vec<Box<dyn Watcher>>,
    /// When the response must have ended.
    pub limit: Option<Box<Limit>>,
    pub record: Record,
}

/// What a stage leaves to see the response. Dropped without a word where the caller left first, or a bound has passed.
pub(crate) trait Watcher: fmt::Debug {
    /// The head as the upstream sent it, without what concerned its connection only.
    fn head(&mut self, _head: &Parts) {}

    /// A part of the body, or the trailers.
    fn frame(&mut self, _frame: &Frame<Bytes>) {}

    /// The response has ended, with this gRPC status where it has one. Says why its endpoint is ejected for it, if it is.
    fn ended(self: Box<Self>, end: End, grpc_status: Option<u16>) -> Option<&'static str>;
}

// === impl Exchange ===

impl Exchange {
    /// The head of the response is there, and goes on.
    pub fn head(&mut self, head: &Parts) {
        if let Some(activity) = self.limit.as_ref().and_then(|limit| limit.activity()) {
            activity.seen();
        }
        self.watchers.iter_mut().rev().for_each(|watcher| watcher.head(head));
    }

    /// The response has ended so.
    pub fn finish(self, end: End) {
        let Self { lease, pending, watchers, limit, mut record } = self;
        record.ended(if end == End::Whole { Ended::Whole } else { Ended::Broken });
        if end == End::Whole {
            lease.release();
        }
        drop(pending);
        for watcher in watchers.into_iter().rev() {
            record.ejected(watcher.ended(end, record.grpc_status()));
        }
        drop((limit, record));
    }
}

impl Escort for Exchange {
    fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<Passed> {
        match &mut self.limit {
            Some(limit) => limit.poll_passed(cx),
            None => Poll::Pending,
        }
    }

    fn explains(&self, error: &WireError) -> Option<Passed> {
        self.limit.as_ref().filter(|limit| limit.explains(error)).map(|_| Passed::Deadline)
    }

    fn cut(mut self: Box<Self>, passed: Passed) -> Result<Frame<Bytes>, BodyError> {
        self.record.ended(Ended::Cut);
        let error = match passed {
            Passed::Idle => BodyError::Silent,
            Passed::Deadline | Passed::Try => BodyError::DeadlinePassed,
        };
        if !self.limit.as_ref().is_some_and(|limit| limit.cut(passed)) {
            return Err(error);
        }
        let trailers = overdue_trailers(&error);
        self.record.read_grpc_status(&trailers);
        Ok(Frame::trailers(trailers))
    }

    fn frame(&mut self, frame: &Frame<Bytes>) {
        if let Some(trailers) = frame.trailers_ref() {
            self.pending.read_trailers(trailers);
        }
        self.watchers.iter_mut().rev().for_each(|watcher| watcher.frame(frame));
        if let Some(activity) = self.limit.as_ref().and_then(|limit| limit.activity()) {
            activity.seen();
        }
        if let Some(trailers) = frame.trailers_ref() {
            self.record.read_grpc_status(trailers);
        }
        if let Some(data) = frame.data_ref() {
            self.record.sent(data.len());
        }
    }

    fn ended(self: Box<Self>, end: End) {
        self.finish(end);
    }
}

/// How a gRPC response ends that took too long.
fn overdue_trailers(error: &BodyError) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert("grpc-status", HeaderValue::from_static(GRPC_DEADLINE_EXCEEDED));
    if let Ok(message) = HeaderValue::try_from(format!("weft: {error}")) {
        trailers.insert("grpc-message", message);
    }
    trailers
}
