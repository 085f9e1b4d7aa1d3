//! Ingress mode: the pod is an ingress controller, which finds endpoints itself and dials their addresses.
//!
//! What it dialled stands for the Service behind that endpoint, so that the routes of the Service hold for what comes from
//! outside too. Where several Services share the endpoint, the request's host says which. A host that names a Service
//! without that endpoint says nothing: hosts come from outside, and must not open a way that the ingress did not choose.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::{Request, Response, header};

use super::choosing::Choosing;
use super::request::AppConnection;
use crate::http::headers::is_grpc;
use crate::http::rescue::{Failure, Reader, rescue};
use crate::http::{Body, Upload, Wire};
use crate::state::{Resolution, Subscription};
use crate::telemetry::Direction;

/// Hosts that a connection remembers; one that brings more begins anew.
const HOSTS: usize = 32;
/// Hosts that a worker asks the control plane about in a second, because anybody on the internet can make them up.
const QUESTIONS_PER_SECOND: u32 = 32;
/// As long as a DNS name can be (RFC 1035 2.3.4).
const LONGEST_HOST: usize = 253;

/// An HTTP connection of an ingress controller.
#[derive(Debug)]
pub(super) struct IngressConnection {
    choosing: Rc<Choosing>,
    questions: Rc<HostQuestions>,
    dialled: SocketAddr,
    wire: Wire,
    /// For hosts that say nothing.
    by_address: Rc<AppConnection>,
    by_host: RefCell<HashMap<Arc<str>, Option<Rc<AppConnection>>>>,
}

/// Bounds what a worker asks about hosts.
#[derive(Debug, Default)]
pub(super) struct HostQuestions {
    second: Cell<u64>,
    asked: Cell<u32>,
}

// === impl IngressConnection ===

impl IngressConnection {
    pub fn new(
        choosing: Rc<Choosing>,
        questions: Rc<HostQuestions>,
        dialled: SocketAddr,
        by_address: Rc<AppConnection>,
        wire: Wire,
    ) -> Self {
        Self { choosing, questions, dialled, wire, by_address, by_host: RefCell::default() }
    }

    /// Answers one request as a connection to the Service it means would.
    pub async fn respond(&self, request: Request<Upload>) -> Response<Body> {
        let Some(host) = service_host(&request) else { return self.by_address.respond(request).await };
        let known = self.by_host.borrow().get(&*host).cloned();
        let connection = match known {
            Some(connection) => connection,
            None => match self.ask(host).await {
                Ok(connection) => connection,
                Err(failure) => {
                    self.choosing.worker.metrics.error(Direction::Outbound, failure.reason());
                    return rescue(&failure, is_grpc(request.headers()), Reader::Caller);
                }
            },
        };
        match connection {
            Some(connection) => connection.respond(request).await,
            None => self.by_address.respond(request).await,
        }
    }

    /// What `host` means for this endpoint; `None`: nothing.
    async fn ask(&self, host: Arc<str>) -> Result<Option<Rc<AppConnection>>, Failure> {
        let worker = &self.choosing.worker;
        if !self.questions.allow(self.choosing.clock().as_secs()) {
            worker.metrics.error(Direction::Outbound, "ingress-host-not-asked");
            return Ok(None);
        }
        let wanted = Subscription::Endpoint(self.dialled, Some(host.clone()));
        let connection = match worker.mesh.destination(wanted).await {
            Resolution::Known(view) => {
                let (choosing, resident) = (self.choosing.clone(), self.by_address.resident().clone());
                Some(Rc::new(AppConnection::new(choosing, self.dialled, view, self.wire, resident)))
            }
            Resolution::Unknown => None,
            // Not remembered: the control plane may be back for the next request.
            Resolution::Unreachable => return Ok(None),
            Resolution::Rejected(reason) => return Err(Failure::Rejected { addr: self.dialled, reason }),
        };
        let mut by_host = self.by_host.borrow_mut();
        if by_host.len() >= HOSTS {
            by_host.clear();
        }
        by_host.insert(host, connection.clone());
        Ok(connection)
    }
}

/// The request's host in lower case, without port, where it can be the name of a Service: `name.namespace`, or with `.svc`
/// and the cluster's domain behind it.
pub(super) fn service_host<B>(request: &Request<B>) -> Option<Arc<str>> {
    let authority = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => request.headers().get(header::HOST)?.to_str().ok()?,
    };
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let mut labels = host.split('.');
    let (name, namespace, third) = (labels.next()?, labels.next()?, labels.next());
    let plain = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let named = plain(name) && plain(namespace) && third.is_none_or(|third| third == "svc");
    (named && host.len() <= LONGEST_HOST && host.split('.').all(plain)).then(|| host.into())
}

// === impl HostQuestions ===

impl HostQuestions {
    fn allow(&self, second: u64) -> bool {
        if self.second.replace(second) != second {
            self.asked.set(0);
        }
        self.asked.set(self.asked.get().saturating_add(1));
        self.asked.get() <= QUESTIONS_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(uri: &str, host: Option<&str>) -> Option<String> {
        let mut request = Request::builder().uri(uri);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        service_host(&request.body(()).unwrap()).map(|host| host.to_string())
    }

    #[test]
    fn only_what_can_name_a_service_is_asked_about() {
        for (given, want) in [
            ("reviews.shop", Some("reviews.shop")),
            ("Reviews.Shop.svc:8080", Some("reviews.shop.svc")),
            ("reviews.shop.svc.cluster.local.", Some("reviews.shop.svc.cluster.local")),
            ("reviews", None),
            ("www.example.com", None),
            ("10.0.0.1:80", None),
            ("a_b.shop", None),
            ("..", None),
            ("[fd00::1]:80", None),
        ] {
            assert_eq!(host("/", Some(given)).as_deref(), want, "{given}");
        }
        assert_eq!(host("http://a.b:1/", Some("c.d")).as_deref(), Some("a.b"), "the request line wins");
        assert_eq!(host("/", None), None);
    }

    #[test]
    fn made_up_hosts_are_asked_about_within_bounds() {
        let questions = HostQuestions::default();
        let allowed = |second| (0..100).filter(|_| questions.allow(second)).count();
        assert_eq!((allowed(7), allowed(8)), (32, 32));
    }
}
