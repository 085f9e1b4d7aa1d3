//! Tells a collector: much at a time, beside the requests, over the mesh.

use std::cell::OnceCell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use tokio::time::{Instant, sleep, sleep_until};

use super::answer::Answer;
use super::queue::Batch;
use super::{Collector, Protocol, Queue, Signal};
use crate::backoff::Backoff;
use crate::http::Wire;
use crate::outbound::callout::Callout;
use crate::state::Workload;
use crate::telemetry::ExportOutcome;
use crate::wire::opentelemetry::trace::{
    AnyValue, InstrumentationScope, KeyValue, Resource, ResourceSpans, ScopeSpans, any_value,
};
use crate::worker::ground::Worker;

/// How long one waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// For one answer.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// For all that is to be told when the pod is to end.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// So often the same is sent.
pub const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MOST_PAUSE: Duration = Duration::from_secs(30);

/// The call belongs to a trace of which nothing is told: the proxy of a collector would tell the collector of it, and of that again.
const UNTOLD: &str = "00-00000000000000000000000000000001-0000000000000001-00";

/// See the module. One for each signal of each worker.
pub(crate) struct Exporter {
    signal: Signal,
    worker: Rc<Worker>,
    callout: Callout,
    /// When the pod, which is to end, no longer waits for a collector.
    ends: OnceCell<Instant>,
}

// === impl Exporter ===

impl Exporter {
    pub fn new(signal: Signal, worker: Rc<Worker>, callout: Callout) -> Self {
        Self { signal, worker, callout, ends: OnceCell::new() }
    }

    /// Goes on for the life of the worker.
    pub async fn run(self) {
        let queue = match self.signal {
            Signal::Spans => self.worker.spans.ended(),
            Signal::Logs => &self.worker.records,
        };
        loop {
            queue.filled().await;
            tokio::select! {
                () = sleep(GATHER) => {}
                () = queue.much() => {}
                () = queue.draining() => {}
            }
            self.tell(queue, queue.take()).await;
            queue.rest();
        }
    }

    async fn tell(&self, queue: &Queue, batch: Batch) {
        let count = batch.count;
        let message = message(&self.worker.own_pod.current(), batch.fields);
        let mut backoff = Backoff::new(FIRST_PAUSE, MOST_PAUSE);
        for tried in 1..=TRIES {
            let last = queue.is_draining() || tried == TRIES;
            // It may be another by now.
            let own_pod = self.worker.own_pod.current();
            let answer = match self.signal.collector(&own_pod) {
                Some(collector) => self.send(queue, collector, &message).await,
                None => Answer::Never,
            };
            match answer {
                Answer::Taken { rejected } => {
                    let rejected = rejected.min(count);
                    queue.became(ExportOutcome::Rejected, rejected);
                    return queue.became(ExportOutcome::Exported, count - rejected);
                }
                Answer::Later(pause) if !last => tokio::select! {
                    () = sleep(backoff.pause().max(pause)) => {}
                    () = queue.draining() => {}
                },
                Answer::Later(_) | Answer::Never => break,
            }
        }
        tracing::debug!(count, signal = ?self.signal, "given up: no collector has taken them");
        queue.became(ExportOutcome::Failed, count);
    }

    async fn send(&self, queue: &Queue, told: &Collector, message: &Bytes) -> Answer {
        let Some(collector) = &told.asks else { return Answer::Never };
        let (mut call, wire): (Request<Bytes>, _) = match told.protocol {
            Protocol::Grpc => (collector.call_of(self.signal.grpc_method(), message), Wire::H2),
            Protocol::Http => {
                let kind = HeaderValue::from_static("application/x-protobuf");
                (collector.post(self.signal.http_path(), kind, message.clone()), Wire::H1)
            }
        };
        call.headers_mut().insert("traceparent", HeaderValue::from_static(UNTOLD));
        let asked = pin!(self.callout.call(collector.addr.into(), call, wire, PATIENCE));
        let end = async {
            queue.draining().await;
            sleep_until(*self.ends.get_or_init(|| Instant::now() + LAST_PATIENCE)).await;
        };
        let answer = tokio::select! {
            biased;
            answer = asked => answer,
            () = end => return Answer::Later(Duration::ZERO),
        };
        if let Err(error) = &answer {
            tracing::debug!(%error, collector = %collector.service, signal = ?self.signal, "a collector was not told");
        }
        Answer::read(told.protocol, answer)
    }
}

/// The request that tells of `items`, which are fields of `ScopeSpans` or of `ScopeLogs`. Around them both signals look the same.
fn message(workload: &Workload, mut items: Vec<u8>) -> Bytes {
    let scope = InstrumentationScope { name: "weft-proxy".into(), version: env!("CARGO_PKG_VERSION").into() };
    let mut of_scope = ScopeSpans { scope: Some(scope), spans: Vec::new() }.encode_to_vec();
    of_scope.append(&mut items);
    drop(items);
    let resource = Resource { attributes: resource(workload) };
    let mut of_resource = ResourceSpans { resource: Some(resource), ..Default::default() }.encode_to_vec();
    field(2, &of_scope, &mut of_resource);
    drop(of_scope);
    let mut message = Vec::with_capacity(of_resource.len() + 8);
    field(1, &of_resource, &mut message);
    message.into()
}

/// A message as the field `number` of another.
fn field(number: u32, message: &[u8], of: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, of);
    encode_varint(message.len() as u64, of);
    of.extend_from_slice(message);
}

/// Who tells: the pod, whatever its proxy did.
fn resource(workload: &Workload) -> Vec<KeyValue> {
    let mut parts = workload.key.rsplitn(3, '/');
    let (pod, namespace) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let label = |name: &str| workload.labels.get(name).filter(|value| !value.is_empty()).map(String::as_str);
    let name = label("app.kubernetes.io/name").or_else(|| label("app"));
    let version = label("app.kubernetes.io/version").or_else(|| label("version"));
    let attributes = [
        ("service.name", Some(name.unwrap_or_else(|| workload.identity.service_account()).to_owned())),
        ("service.namespace", Some(namespace.to_owned())),
        ("service.instance.id", Some(format!("{namespace}.{pod}"))),
        ("service.version", version.map(str::to_owned)),
        ("k8s.namespace.name", Some(namespace.to_owned())),
        ("k8s.pod.name", Some(pod.to_owned())),
        ("k8s.node.name", workload.node.as_deref().map(str::to_owned)),
        ("weft.identity", Some(workload.identity.to_string())),
    ];
    let value = |text| AnyValue { value: Some(any_value::Value::StringValue(text)) };
    attributes
        .into_iter()
        .filter_map(|(key, text)| Some(KeyValue { key: key.into(), value: Some(value(text?)) }))
        .collect()
}
