//! One stream of delta discovery: requests go out while the head of the answer may still be waited for.

use std::{future::Future, pin::Pin, time::Duration};

use http::Uri;
use tokio::{sync::mpsc, time::timeout};
use tonic::{Response, Status, Streaming, codegen::tokio_stream::wrappers::ReceiverStream};

use crate::{
    rpc::{ConnectError, Connection},
    wire::envoy::service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse,
        aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
    },
};

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("configuration stream: {} ({:?})", .0.message(), .0.code())]
    Status(Box<Status>),
    #[error("configuration stream: ended by the control plane")]
    Closed,
    #[error("configuration stream: the control plane reads no more")]
    Stuck,
    #[error("certificate changed, connecting anew")]
    NewCertificate,
}

type Call = Pin<Box<dyn Future<Output = Result<Response<Streaming<DeltaDiscoveryResponse>>, Status>> + Send>>;

/// The two halves of one stream. The answer's head may come as late as the first response, while requests go out already.
pub(super) struct Stream {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    call: Option<Call>,
    responses: Option<Streaming<DeltaDiscoveryResponse>>,
}

/// Requests that may wait for the control plane to read them, and for how long the last may.
const QUEUE: usize = 16;
const STUCK: Duration = Duration::from_secs(10);
/// All subscriptions of a proxy in one response, should the control plane wish so.
const LARGEST_RESPONSE: usize = 32 * 1024 * 1024;
// === impl Stream ===

impl Stream {
    pub(super) fn new(connection: Connection, origin: Uri) -> Self {
        let (requests, receiver) = mpsc::channel(QUEUE);
        let mut client = AggregatedDiscoveryServiceClient::with_origin(connection, origin)
            .max_decoding_message_size(LARGEST_RESPONSE);
        let call = async move { client.delta_aggregated_resources(ReceiverStream::new(receiver)).await };
        Self { requests, call: Some(Box::pin(call)), responses: None }
    }

    /// Hands a request over. That the stream has ended is told by the response side.
    pub(super) async fn send(&mut self, request: DeltaDiscoveryRequest) -> Result<(), Ended> {
        match timeout(STUCK, self.requests.send(request)).await {
            Ok(Ok(()) | Err(_)) => Ok(()),
            Err(_) => Err(Ended::Stuck),
        }
    }

    /// The next response. May be dropped and asked again without losing one.
    pub(super) async fn response(&mut self) -> Result<DeltaDiscoveryResponse, Ended> {
        if let Some(call) = &mut self.call {
            let answer = call.await;
            self.call = None;
            self.responses = Some(answer?.into_inner());
        }
        let Some(responses) = &mut self.responses else { return Err(Ended::Closed) };
        responses.message().await?.ok_or(Ended::Closed)
    }
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}
