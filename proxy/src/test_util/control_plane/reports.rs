//! What stands on the port of proxies: the config server, and beside it a service that keeps what proxies report.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::mpsc;
use tonic::{
    Request, Response, Status, Streaming,
    codegen::tokio_stream::{Stream, wrappers::ReceiverStream},
};

use super::{Discovery, Shared};
use crate::wire::{
    envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer,
    weft::telemetry::v1::{
        ReportRequest, ReportResponse,
        telemetry_server::{Telemetry, TelemetryServer},
    },
};

/// Both.
#[derive(Clone)]
pub(super) struct Services {
    pub(super) shared: Arc<Shared>,
    pub(super) discovery: AggregatedDiscoveryServiceServer<Discovery>,
}

struct Reports(Arc<Shared>);

// === impl Services ===

impl tower_service::Service<http::Request<hyper::body::Incoming>> for Services {
    type Response = http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = tonic::codegen::BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<hyper::body::Incoming>) -> Self::Future {
        match request.uri().path() {
            "/weft.telemetry.v1.Telemetry/Report" => {
                TelemetryServer::new(Reports(self.shared.clone())).call(request)
            }
            _ => self.discovery.call(request),
        }
    }
}

// === impl Reports ===

#[tonic::async_trait]
impl Telemetry for Reports {
    type ReportStream = Pin<Box<dyn Stream<Item = Result<ReportResponse, Status>> + Send + 'static>>;

    async fn report(
        &self,
        request: Request<Streaming<ReportRequest>>,
    ) -> Result<Response<Self::ReportStream>, Status> {
        let (shared, mut requests) = (self.0.clone(), request.into_inner());
        let mut pace = shared.pace.subscribe();
        if pace.borrow().is_none() {
            return Err(Status::unimplemented("an older control plane"));
        }
        pace.mark_changed();
        let (answers, receiver) = mpsc::channel(16);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    request = requests.message() => match request {
                        Ok(Some(request)) => shared.reports.lock().unwrap().push(request),
                        _ => return,
                    },
                    changed = pace.changed() => {
                        let said = *pace.borrow_and_update();
                        let (Ok(()), Some(said)) = (changed, said) else { return };
                        if answers.send(Ok(said)).await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}
