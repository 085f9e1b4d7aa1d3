//! A dry run of the outbound policy: everything passes as if nobody judged, and what would be refused is said.
//!
//! Judged is the connection, by its first words. They are looked at while it is open to where it was going, so that nobody waits for
//! them: not the application that waits for the server, either.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::first::{self, First};
use crate::detect::DETECT_TIMEOUT;
use crate::egress::{ExternalService, HostName, Refusal, Speaks, judge};
use crate::http::Wire;
use crate::outbound::pass::{self, UNJUDGED};
use crate::tcp::Prefixed;
use crate::telemetry::EgressMetrics;
use crate::worker::ground::Worker;

/// A head that is longer is not read for its host.
const MOST_HEAD: usize = 16 * 1024;
/// Fields of a head that are looked at.
const MOST_FIELDS: usize = 64;
/// HTTP/2 without TLS hides its host in compressed frames, which only who answers them reads.
const UNREAD: &str = "not-read";

/// Carries the bytes, of which some were `seen`, to where they were going, and judges.
pub async fn pass(worker: &Worker, mut tcp: TcpStream, mut seen: BytesMut, original: SocketAddr) {
    let services = worker.own_pod.current().external_services.clone();
    let Some(upstream) = pass::dial(worker, &tcp, original).await else { return };
    let (port, metrics) = (original.port(), &worker.metrics.egress);
    if let Ok(service) = judge(&services, Speaks::Bytes, None, original) {
        metrics.allowed(&service.name, "-", port);
        return pass::join(worker, Prefixed::new(seen.freeze(), tcp), upstream, service.at(port)).await;
    }
    let spoken = tokio::select! {
        first = first::read(&mut tcp, &mut seen, None) => first,
        // The server speaks first, or is gone.
        _ = upstream.readable() => First::Bytes,
    };
    let (speaks, host) = match &spoken {
        First::Tls(name) => (Speaks::Tls, name.as_deref().and_then(HostName::parse)),
        First::Http(Wire::H1) => (Speaks::Http, host_of_head(&mut tcp, &mut seen).await),
        First::Http(Wire::H2) => (Speaks::Http, None),
        First::Bytes => (Speaks::Bytes, None),
    };
    let judged = judge(&services, speaks, host.as_ref(), original);
    let unread = (spoken == First::Http(Wire::H2)).then_some(UNREAD);
    tell(metrics, judged, host.as_ref(), (original, unread));
    let destination = judged.map_or_else(|_| UNJUDGED.to_owned(), |service| service.at(port));
    pass::join(worker, Prefixed::new(seen.freeze(), tcp), upstream, destination).await;
}

/// Says what would become of a request that was read.
pub fn request(
    metrics: &EgressMetrics,
    judged: Result<&Arc<ExternalService>, Refusal>,
    host: Option<&HostName>,
    original: SocketAddr,
) {
    tell(metrics, judged, host, (original, None));
}

/// `unread`: the reason in the place of the judge's, where the host is not known.
fn tell(
    metrics: &EgressMetrics,
    judged: Result<&Arc<ExternalService>, Refusal>,
    host: Option<&HostName>,
    (original, unread): (SocketAddr, Option<&'static str>),
) {
    match judged {
        Ok(service) => {
            let pattern = host.and_then(|host| service.pattern_of(host));
            let pattern = pattern.map(ToString::to_string).unwrap_or_default();
            metrics.allowed(&service.name, &pattern, original.port());
        }
        Err(refusal) => {
            let (named, reason) = (host.map(HostName::as_str), unread.unwrap_or(refusal.reason()));
            if metrics.refused(named, original.port(), "would-refuse", reason) {
                tracing::info!(host = named, %original, reason, "would refuse what is going outside the mesh");
            }
        }
    }
}

/// The host of the first request, once its head is there.
async fn host_of_head(tcp: &mut TcpStream, seen: &mut BytesMut) -> Option<HostName> {
    let whole = async {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
            let mut head = httparse::Request::new(&mut fields);
            match head.parse(seen) {
                Ok(httparse::Status::Complete(_)) => return host_of(&head),
                Ok(httparse::Status::Partial) if seen.len() < MOST_HEAD => {}
                _ => return None,
            }
            if tcp.read_buf(seen).await.ok()? == 0 {
                return None;
            }
        }
    };
    timeout(DETECT_TIMEOUT, whole).await.unwrap_or_default()
}

fn host_of(head: &httparse::Request<'_, '_>) -> Option<HostName> {
    let target: http::Uri = head.path?.parse().ok()?;
    if let Some(authority) = target.authority() {
        return HostName::parse(authority.host());
    }
    let field = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("host"))?;
    HostName::of_field(field.value)
}
