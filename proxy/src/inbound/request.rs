//! One HTTP request of a proved peer, on its way to the application.

use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;

use http::header::HOST;
use http::{Request, Response, Version};
use tokio::time::Instant;

use super::Inbound;
use crate::http::deadline::{Deadline, Limit, within};
use crate::http::framing::{self, Unusable};
use crate::http::headers::{
    is_grpc, mark_elsewhere, strip_hop_by_hop, take_elsewhere_mark, take_http1_mark, wants_upgrade,
};
use crate::http::rescue::{Failure, rescue};
use crate::http::upgrade::{Answer, agree, ask};
use crate::http::via::{add_forwarded, add_via};
use crate::http::{
    Body, Carry, ConnectError, Exchange, Incoming, Lease, Patience, Pending, Seen, SendError, Upload,
    Upstream, UpstreamKey, Wire, WireError, expect, replay,
};
use crate::state::Workload;
use crate::tcp::Bounds;
use crate::telemetry::{Direction, Record, RequestLabels, Series, Tls};
use crate::tls::Peer;
use crate::worker::Worker;

/// An HTTP connection of a peer.
#[derive(Debug)]
pub struct Connection {
    worker: Rc<Worker>,
    application: Rc<Upstream>,
    series: Rc<Series>,
    destination: String,
    /// The pod at its other end.
    caller: Option<SocketAddr>,
    wire: Wire,
}

/// `<namespace>/<service>:<port>` of the first Service in front of `port`, or the pod's own name.
pub(super) fn destination_name(workload: &Workload, port: u16) -> String {
    let service = workload.inbound_port(port).and_then(|inbound| inbound.services.first());
    match service {
        Some(service) => format!("{service}:{port}"),
        None => {
            let mut parts = workload.key.rsplitn(3, '/');
            let (pod, namespace) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            format!("{namespace}/{pod}:{port}")
        }
    }
}

// === impl Connection ===

impl Connection {
    pub fn new(
        inbound: &Inbound,
        original: SocketAddr,
        caller: Option<SocketAddr>,
        peer: &Peer,
        wire: Wire,
    ) -> Self {
        let worker = inbound.worker.clone();
        let destination = destination_name(&worker.workload.borrow(), original.port());
        let series = Series::new(
            &worker.metrics,
            RequestLabels {
                direction: Direction::Inbound,
                destination: destination.clone(),
                backend: String::new(),
                route: String::new(),
                peer: peer.identity.to_string(),
                tls: Tls::Mutual,
            },
        );
        let key = UpstreamKey { addr: original, peer: None, tunnel: None };
        Self { worker, application: inbound.applications.get(key), series, destination, caller, wire }
    }

    /// Answers one request, with the application's response or with why there is none.
    pub async fn respond(&self, mut request: Request<Upload>) -> Response<Body> {
        let started = Instant::now();
        let mut record = self.series.begin(started);
        record.about(&request);
        record.upstream(self.application.key.addr);
        let seen = Seen::of(request.headers());
        let grpc = seen.any(Seen::CONTENT_TYPE) && is_grpc(request.headers());
        // What comes over h2 was judged where it began; HTTP/1.1 between proxies is rare.
        let admitted = match self.wire {
            Wire::H1 => framing::admit(&mut request, self.application.key.addr),
            Wire::H2 => Ok(()),
        };
        self.tell(&mut request);
        let result = match admitted {
            Err(refused) => Err((Failure::Refused(refused), record)),
            Ok(()) if wants_upgrade(&request, seen) => Box::pin(self.upgrade(request, record)).await,
            Ok(()) => self.carry(request, seen, record, started, grpc).await,
        };
        result.unwrap_or_else(|(failure, mut record)| {
            let mut response = rescue(&failure, grpc);
            if matches!(failure, Failure::Connect { .. }) {
                mark_elsewhere(response.headers_mut());
            }
            record.answered(response.status(), response.headers());
            record.refused(failure.reason());
            self.worker.metrics.error(Direction::Inbound, failure.reason());
            tracing::debug!(%failure, "answered in the application's place");
            response
        })
    }

    async fn carry(
        &self,
        request: Request<Upload>,
        seen: Seen,
        mut record: Record,
        started: Instant,
        grpc: bool,
    ) -> Result<Response<Body>, (Failure, Record)> {
        let mut request = request;
        strip_hop_by_hop(request.headers_mut(), seen);
        let overdue = || Failure::DeadlinePassed { destination: self.destination.clone() };
        let mut limit = None;
        if seen.any(Seen::DEADLINES)
            && let Some(deadline) = Deadline::read(request.headers(), started, None, grpc)
        {
            record.deadline(Some(deadline.at()));
            if deadline.left(started).is_zero() {
                return Err((overdue(), record));
            }
            deadline.write_marked(request.headers_mut(), Instant::now());
            let cut = self.worker.metrics.error_counter(Direction::Inbound, "deadline-exceeded");
            limit = Limit::new(Some(deadline), None, grpc, || cut);
        }
        let http1 = take_http1_mark(request.headers_mut(), seen) || self.wire == Wire::H1;
        let wire = if http1 { Wire::H1 } else { Wire::H2 };
        if self.wire == Wire::H1 {
            expect::hold(&mut request);
        }
        *request.version_mut() = Version::HTTP_11;
        let pending = Pending::new(&self.application);
        let harmless = replay::is_safe(&request);
        let answer = pin!(self.application.send(request, wire, Patience::FULL));
        match within(&mut limit, None, answer).await {
            Ok(Ok((response, lease))) => match framing::usable(&response) {
                Ok(()) => Ok(self.answer(
                    response,
                    Exchange { record, lease, pending, limit, ending: None, witness: None },
                )),
                Err(reason) => Err((self.unusable(reason), record)),
            },
            // Boxed: it dials, and would make the future of every request larger.
            Ok(Err(error)) => Err((Box::pin(self.failure(error, harmless)).await, record)),
            Err(_) => Err((overdue(), record)),
        }
    }

    async fn upgrade(
        &self,
        request: Request<Upload>,
        mut record: Record,
    ) -> Result<Response<Body>, (Failure, Record)> {
        let (caller, mut request) = ask(request);
        let pending = Pending::new(&self.application);
        let connection = match self.application.open_h1(Carry::H1, None).await {
            Ok(connection) => connection,
            Err(error) => return Err((self.failure_to_connect(error), record)),
        };
        let response = match connection.exchange(&mut request).await {
            Ok(response) => response.map(Incoming::H1),
            Err(failed) => return Err((self.lost(failed.error), record)),
        };
        Ok(match agree(caller, response, connection, &self.worker.drain, Bounds::default(), |_| {}) {
            Answer::Agreed(agreed) => {
                record.answered(agreed.status(), agreed.headers());
                let mut agreed = agreed;
                if self.worker.workload.borrow().via {
                    add_via(agreed.headers_mut(), Version::HTTP_11);
                }
                agreed
            }
            Answer::Declined(response) => {
                let lease = Lease::Once;
                self.answer(
                    response,
                    Exchange { record, lease, pending, limit: None, ending: None, witness: None },
                )
            }
        })
    }

    /// An application that ends resets what it has accepted and not read, and what it has not accepted yet. If it is gone
    /// now, a request that may be processed twice counts as one that never arrived.
    async fn failure(&self, error: SendError, harmless: bool) -> Failure {
        let (error, may_dial) = match error {
            SendError::Connect(error, _) => return self.failure_to_connect(error),
            SendError::Unsent(error, _) => (error, true),
            SendError::Lost(error) if error.caller_failed() => return Failure::BadBody,
            SendError::Lost(error) => (error, harmless),
        };
        if may_dial && let Err(gone) = self.application.open_h1(Carry::H1, None).await {
            return self.failure_to_connect(gone);
        }
        self.lost(error)
    }

    fn failure_to_connect(&self, error: ConnectError) -> Failure {
        self.worker.metrics.connect_failure(Direction::Inbound, error.reason());
        Failure::Connect { destination: self.destination.clone(), error }
    }

    fn unusable(&self, reason: Unusable) -> Failure {
        Failure::Unusable { destination: self.destination.clone(), addr: self.application.key.addr, reason }
    }

    /// The application's response as the caller's proxy sees it.
    fn answer(&self, response: Response<Incoming>, mut exchange: Exchange) -> Response<Body> {
        let (mut head, body) = response.into_parts();
        let seen = Seen::of(&head.headers);
        strip_hop_by_hop(&mut head.headers, seen);
        take_elsewhere_mark(&mut head.headers, seen);
        if self.worker.workload.borrow().via {
            add_via(&mut head.headers, head.version);
        }
        head.version = Version::HTTP_11;
        exchange.record.coded(head.status);
        if seen.any(Seen::GRPC_STATUS) {
            exchange.record.read_grpc_status(&head.headers);
        }
        Response::from_parts(head, Body::hold(body, exchange))
    }

    /// Tells the application by whom the request came, where the mesh wants that.
    fn tell(&self, request: &mut Request<Upload>) {
        let (via, forwarded) = {
            let workload = self.worker.workload.borrow();
            (workload.via, workload.forwarded)
        };
        let version = request.version();
        if via {
            add_via(request.headers_mut(), version);
        }
        if forwarded && let Some(caller) = self.caller {
            let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
            let host =
                request.uri().authority().map(|authority| authority.as_str()).or(host).map(str::to_owned);
            add_forwarded(request.headers_mut(), caller.ip(), host.as_deref());
        }
    }

    fn lost(&self, error: impl Into<WireError>) -> Failure {
        let addr = self.application.key.addr;
        Failure::Lost { destination: self.destination.clone(), addr, error: error.into() }
    }
}
