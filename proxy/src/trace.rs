//! Traces: what the mesh wants told of requests, and how a request says to which trace it belongs. How a span looks is in
//! `telemetry/span.rs`, and the way to a collector is `otlp`.

mod context;
mod ids;
mod queue;
mod sampling;

use http::HeaderMap;

use crate::otlp::Collector;

pub use context::{Context, NAMES, trace_id};
pub use queue::Queue;
pub use sampling::Sampling;

use context::{Said, TRACESTATE};

/// The longest `tracestate` that spans repeat; what a request has goes on whatever its length.
const LONGEST_STATE: usize = 512;

/// What the mesh wants told of the requests of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracing {
    pub collector: Collector,
    /// Which traces, of those that begin here.
    pub sampling: Sampling,
}

/// One request that belongs to a trace. Spans are told of it where its context is sampled.
#[derive(Debug)]
pub struct Begun {
    /// The span of this proxy.
    pub context: Context,
    /// That which it is in.
    pub parent: Option<u64>,
    /// W3C's `tracestate`.
    pub state: Option<Box<str>>,
}

/// Finds the trace that a request with `headers` belongs to, or begins one, and makes the headers say so: whoever reads them next is in
/// the span that comes back.
pub fn begin(sampling: &Sampling, queue: &Queue, headers: &mut HeaderMap) -> Begun {
    let said = Said::read(headers);
    let (mut context, parent) = match said.parent {
        Some(parent) => (parent, Some(parent.span_id)),
        None => (Context::root(queue.trace_id(), queue.span_id(), said.forms), None),
    };
    context.sampled = said.sampled.unwrap_or_else(|| sampling.takes(context.trace_id));
    if said.has_state && !said.by_w3c {
        headers.remove(TRACESTATE);
    }
    if !context.sampled {
        if !said.is_plain() {
            context.write(headers);
        }
        return Begun { context, parent, state: None };
    }
    if parent.is_some() {
        context.span_id = queue.span_id();
    } else if said.sampled.is_none() {
        headers.insert(TRACESTATE, sampling.state());
    }
    context.write(headers);
    let state = headers.get(TRACESTATE).and_then(|state| state.to_str().ok());
    let state = state.filter(|state| state.len() <= LONGEST_STATE).map(Into::into);
    Begun { context, parent, state }
}

#[cfg(test)]
mod tests;
