//! HTTP on its way out: each request is judged by the host that it is for.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use http::{Request, Response};

use super::{Leaving, Outside, Way, rehearsal, until};
use crate::egress::{ExternalService, HostName, Refusal, Speaks, holds_always, judge};
use crate::http::farewell::{Farewell, drained};
use crate::http::headers::is_grpc;
use crate::http::rescue::{Failure, rescue};
use crate::http::{Body, Upload, Wire, server};
use crate::outbound::reader::reader;
use crate::outbound::request::AppConnection;
use crate::state::{DestinationView, OutboundPolicy};
use crate::tcp::Stream;
use crate::telemetry::Direction;

/// Hosts that a connection remembers; one that asks for more begins anew.
const HOSTS: usize = 32;

/// An HTTP connection of the application.
#[derive(Debug)]
pub struct OutsideRequests {
    outside: Rc<Outside>,
    wire: Wire,
    leaving: Leaving,
    by_host: RefCell<HashMap<HostName, Known>>,
    /// For requests that go where the application dialled.
    unjudged: OnceCell<Rc<AppConnection>>,
}

/// A host, and what lets it out.
#[derive(Clone, Debug)]
struct Known {
    service: Arc<ExternalService>,
    view: DestinationView,
    connection: Rc<AppConnection>,
}

// === impl OutsideRequests ===

impl OutsideRequests {
    pub(super) fn new(outside: Rc<Outside>, wire: Wire, leaving: Leaving) -> Rc<Self> {
        Rc::new(Self { outside, wire, leaving, by_host: RefCell::default(), unjudged: OnceCell::new() })
    }

    /// Answers requests until the connection ends, or until they are judged in another way: those that follow come anew.
    pub(super) async fn serve(self: Rc<Self>, stream: Stream) {
        let worker = self.outside.choosing.worker.clone();
        let (drain, resident) = (worker.drain.clone(), self.leaving.resident.clone());
        let (judging, policy) = (worker.clone(), self.leaving.policy);
        let farewell = Box::pin(async move {
            let judged_no_more = until(&judging, |pod| pod.outbound_policy != policy);
            tokio::select! {
                farewell = drained(&drain) => farewell,
                () = judged_no_more => Farewell::Gone,
                () = resident.asked_to_go() => Farewell::Shed,
            }
        });
        let this = self.clone();
        let respond = move |request| {
            let this = this.clone();
            async move { this.respond(request).await }
        };
        let answering = worker.clone();
        let refuse = move |bad| {
            let failure = Failure::BadHead(bad);
            answering.metrics.error(Direction::Outbound, failure.reason());
            rescue(&failure, false, reader(&answering))
        };
        let served =
            server::serve(stream, self.wire, respond, refuse, farewell, &worker.metrics.goaways).await;
        if let Err(error) = served {
            tracing::debug!(%error, original = %self.leaving.original, "an HTTP connection outside the mesh failed");
        }
    }

    async fn respond(&self, request: Request<Upload>) -> Response<Body> {
        self.leaving.resident.heard();
        match self.connection(&request).await {
            Ok(connection) => connection.respond(request).await,
            Err(failure) => {
                let worker = &self.outside.choosing.worker;
                worker.metrics.error(Direction::Outbound, failure.reason());
                rescue(&failure, is_grpc(request.headers()), reader(worker))
            }
        }
    }

    /// What leads to the host of a request. One that the connection has asked for before is judged again, by what the pod is now.
    async fn connection(&self, request: &Request<Upload>) -> Result<Rc<AppConnection>, Failure> {
        let (outside, leaving) = (&self.outside, &self.leaving);
        let host = HostName::of_request(request);
        let pod = outside.choosing.worker.own_pod.current();
        let (services, original) = (&pod.external_services, leaving.original);
        let judged = judge(services, Speaks::Http, host.as_ref(), original);
        if leaving.policy != OutboundPolicy::RegistryOnly
            && !holds_always(services, judged, host.as_ref(), original)
        {
            return self.unjudged(judged, host.as_ref()).await;
        }
        if let Some(host) = &host {
            let known = self.by_host.borrow().get(host).cloned();
            if let (Some(known), Ok(service)) = (known, judged)
                && known.service == *service
            {
                // The name may have gone elsewhere. The connection follows, unless the way was forgotten meanwhile and is another.
                let view = outside.lead(service, Speaks::Http, host, leaving).await?;
                if known.view.is_told_as(&view) {
                    return Ok(known.connection);
                }
                return Ok(self.keep(Some(host.clone()), Way { service: service.clone(), view }));
            }
        }
        let way = outside.way(Speaks::Http, host.as_ref(), leaving).await?;
        Ok(self.keep(host, way))
    }

    /// The connection for requests that go where they were dialled; a dry run tells what would become of each.
    async fn unjudged(
        &self,
        judged: Result<&Arc<ExternalService>, Refusal>,
        host: Option<&HostName>,
    ) -> Result<Rc<AppConnection>, Failure> {
        let (outside, leaving) = (&self.outside, &self.leaving);
        let (original, worker) = (leaving.original, &outside.choosing.worker);
        if leaving.policy == OutboundPolicy::DryRun {
            rehearsal::request(&worker.metrics.egress, judged, host, original);
        }
        if let Some(connection) = self.unjudged.get() {
            return Ok(connection.clone());
        }
        worker.metrics.passthrough(Direction::Outbound, leaving.ignorance.reason());
        let unresolved = |_| Failure::Unresolved { host: original.ip().to_string().into() };
        let view = outside.ways.unjudged(original).await.map_err(unresolved)?;
        let connection = self.new_connection(view);
        Ok(self.unjudged.get_or_init(|| connection).clone())
    }

    fn new_connection(&self, view: DestinationView) -> Rc<AppConnection> {
        let (choosing, leaving) = (self.outside.choosing.clone(), &self.leaving);
        let resident = leaving.resident.clone();
        Rc::new(AppConnection::new(choosing, leaving.original, view, self.wire, resident))
    }

    /// A connection for the requests that go this way, remembered by their host.
    fn keep(&self, host: Option<HostName>, Way { service, view }: Way) -> Rc<AppConnection> {
        let kept = view.clone();
        let connection = self.new_connection(view);
        let mut by_host = self.by_host.borrow_mut();
        if by_host.len() >= HOSTS {
            by_host.clear();
        }
        if let Some(host) = host {
            by_host.insert(host, Known { service, view: kept, connection: connection.clone() });
        }
        connection
    }
}
