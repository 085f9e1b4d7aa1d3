//! A server of OTLP's `TraceService`, or of its `LogsService`, that answers as a test wants.

use std::net::SocketAddr;

use prost::Message;
use tokio::time::Instant;

use super::super::grpc_server::{GrpcServer, Method, Say};
use super::super::harness::LIMIT;
use crate::wire::opentelemetry::trace as otlp;
use otlp::any_value::Value;
use otlp::{
    ExportLogsServiceRequest, ExportTracePartialSuccess, ExportTraceServiceRequest,
    ExportTraceServiceResponse, KeyValue, LogRecord, ResourceLogs, Span,
};

/// A running collector.
pub struct Collector {
    pub addr: SocketAddr,
    server: GrpcServer,
}

/// An attribute of a span as text; empty: it has none.
pub fn attribute(span: &Span, name: &str) -> String {
    among(&span.attributes, name)
}

/// The same of attributes of anything.
pub fn among(attributes: &[KeyValue], name: &str) -> String {
    attributes.iter().find(|attribute| attribute.key == name).map(text).unwrap_or_default()
}

/// The name of the Service that tells, with each record.
fn records_of(resource: ResourceLogs) -> impl Iterator<Item = (String, LogRecord)> {
    let name = among(&resource.resource.unwrap().attributes, "service.name");
    let records = resource.scope_logs.into_iter().flat_map(|scope| scope.log_records);
    records.map(move |record| (name.clone(), record))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(attribute: &KeyValue) -> String {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

// === impl Collector ===

impl Collector {
    /// `say` is asked with the number of each export, from zero.
    pub async fn start(say: impl Fn(usize) -> Say + Send + Sync + 'static) -> Self {
        Self::of("/opentelemetry.proto.collector.trace.v1.TraceService/Export", say).await
    }

    /// One that takes records of logs.
    pub async fn of_logs(say: impl Fn(usize) -> Say + Send + Sync + 'static) -> Self {
        Self::of("/opentelemetry.proto.collector.logs.v1.LogsService/Export", say).await
    }

    async fn of(path: &'static str, say: impl Fn(usize) -> Say + Send + Sync + 'static) -> Self {
        let server = GrpcServer::start(Method { path, good: Vec::new() }, move |index, _| say(index)).await;
        Self { addr: server.addr, server }
    }

    /// All were taken.
    pub fn taken() -> Say {
        Say::Answer(Vec::new())
    }

    /// All but so many.
    pub fn rejecting(rejected_spans: i64) -> Say {
        let part = ExportTracePartialSuccess { rejected_spans, error_message: "too old".into() };
        Say::Answer(ExportTraceServiceResponse { partial_success: Some(part) }.encode_to_vec())
    }

    fn all(&self) -> Vec<ExportTraceServiceRequest> {
        self.server.questions()
    }

    /// Who told of each record, and the record, once there are so many.
    pub async fn records(&self, count: usize) -> Vec<(String, LogRecord)> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let requests: Vec<ExportLogsServiceRequest> = self.server.questions();
            let resources = requests.into_iter().flat_map(|request| request.resource_logs);
            let records: Vec<_> = resources.flat_map(records_of).collect();
            if records.len() >= count {
                return records;
            }
            assert!(Instant::now() < deadline, "not {count} records: {records:#?}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Every span so far.
    pub fn so_far(&self) -> Vec<Span> {
        let resources = self.all().into_iter().flat_map(|request| request.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// The same, once there are so many.
    pub async fn spans(&self, count: usize) -> Vec<Span> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let spans = self.so_far();
            if spans.len() >= count {
                return spans;
            }
            assert!(Instant::now() < deadline, "not {count} spans: {spans:#?}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Who told, each time.
    pub fn resources(&self) -> Vec<String> {
        let resources = self.all().into_iter().flat_map(|request| request.resource_spans);
        let line = |attributes: &[KeyValue]| {
            let mut pairs: Vec<_> =
                attributes.iter().map(|one| format!("{}={}", one.key, text(one))).collect();
            pairs.sort();
            pairs.join(" ")
        };
        resources.filter_map(|one| Some(line(&one.resource?.attributes))).collect()
    }

    /// The trace that each call said it belongs to.
    pub fn traceparents(&self) -> Vec<String> {
        self.server.headers("traceparent")
    }
}
