//! OTLP: what an OpenTelemetry collector is told of requests, many at a time and beside them. How a span looks is in
//! `telemetry/span.rs`, and how a line of the access log in `telemetry/access_log/record.rs`.

mod answer;
mod export;
mod queue;

use crate::asking::Asks;
use crate::state::Workload;

pub(crate) use export::Exporter;
pub use queue::Queue;

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// `None`: nobody can be.
    pub asks: Option<Asks>,
    pub protocol: Protocol,
}

/// How a collector is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    Http,
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Spans,
    Logs,
}

// === impl Signal ===

impl Signal {
    fn grpc_method(self) -> &'static str {
        match self {
            Self::Spans => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }

    fn http_path(self) -> &'static str {
        match self {
            Self::Spans => "/v1/traces",
            Self::Logs => "/v1/logs",
        }
    }

    /// Whom the pod tells of it, if anybody.
    fn collector(self, workload: &Workload) -> Option<&Collector> {
        match self {
            Self::Spans => Some(&workload.tracing.as_ref()?.collector),
            Self::Logs => workload.access_log.as_ref()?.collector.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests;
