//! The one place where an error of the proxy becomes a response.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use thiserror::Error;

use super::framing::{BadHead, Refused, Unusable};
use super::rate_limit_fields::write_wait;
use super::{Body, ConnectError, RateLimitFields, WireError};
use crate::access::NotNormal;
use crate::egress::Refusal;
use crate::external_check::{BadBody as BadCheckBody, Denial};
use crate::names::REASON_HEADER;
use crate::shared_limit::OverLimit;

/// gRPC's DEADLINE_EXCEEDED.
pub const GRPC_DEADLINE_EXCEEDED: &str = "4";
/// gRPC's UNAVAILABLE: the caller may try again.
const GRPC_UNAVAILABLE: &str = "14";
/// gRPC's UNIMPLEMENTED.
const GRPC_UNIMPLEMENTED: &str = "12";
/// gRPC's PERMISSION_DENIED.
const GRPC_PERMISSION_DENIED: &str = "7";
/// gRPC's RESOURCE_EXHAUSTED.
const GRPC_RESOURCE_EXHAUSTED: &str = "8";
/// gRPC's UNAUTHENTICATED.
const GRPC_UNAUTHENTICATED: &str = "16";
/// gRPC's INTERNAL.
const GRPC_INTERNAL: &str = "13";

/// Why there is no response though a request was sent: see [`Failure::Lost`].
pub const CONNECTION_LOST: &str = "connection-lost";
/// Somebody who was asked said no; see [`Failure::CheckDenied`].
pub const CHECK_DENIED: &str = "external-check-denied";
/// Nobody gave an answer to what had to be asked; see [`Failure::CheckFailed`].
pub const CHECK_FAILED: &str = "external-check-failed";
/// A service that counts gave no answer; see [`Failure::LimitFailed`].
pub const LIMIT_FAILED: &str = "rate-limit-failed";
/// The longest text of somebody else that becomes a gRPC message.
const LONGEST_MESSAGE: usize = 1024;

/// Why the proxy answers in the application's place.
#[derive(Debug, Error)]
pub enum Failure {
    #[error("no route of {destination} matches this request")]
    NoRoute { destination: String },
    #[error("a route of {destination} refers to {backend}, which does not resolve: {reason}")]
    InvalidBackend { destination: String, backend: String, reason: String },
    #[error("{backend} has no ready endpoint")]
    NoEndpoints { backend: String },
    #[error("{destination}: {error}")]
    Connect { destination: String, error: ConnectError },
    #[error("{destination}: no response came from {addr}: {error}")]
    Lost { destination: String, addr: SocketAddr, error: WireError },
    #[error("{destination}: too much is under way by route {route} ({reason})")]
    Overloaded { destination: String, route: String, reason: &'static str },
    #[error(
        "{destination}: a try failed, and route {route} has sent as much again as its retry budget allows"
    )]
    BudgetSpent { destination: String, route: String },
    #[error("{destination}: these are more requests than a rate limit allows; the next one passes in {:?}", .fields.reset)]
    RateLimited { destination: String, fields: Box<RateLimitFields> },
    #[error("{destination}: more requests come than a rate limit that pods share allows")]
    OverSharedLimit { destination: String, over: Box<OverLimit> },
    #[error(
        "the service that counts for a rate limit gave no usable answer, and without one the limit refuses"
    )]
    LimitFailed,
    #[error("{destination}: the deadline of the request has passed")]
    DeadlinePassed { destination: String },
    #[error("{destination}: {addr} did not answer within the {limit:?} of a try")]
    TryTimeout { destination: String, addr: SocketAddr, limit: Duration },
    #[error("{destination}: nothing passed for {limit:?}, as long as a request of its route may be silent")]
    Silent { destination: String, limit: Duration },
    #[error("{destination}: this request fails on purpose, as its route says")]
    Fault { destination: String, status: StatusCode, grpc_status: u16 },
    #[error("{0}")]
    Refused(Refused),
    #[error("{0}")]
    BadHead(BadHead),
    #[error("the access rules of the called workload do not allow this request")]
    Denied,
    #[error("the token of the request is not valid here")]
    InvalidToken,
    #[error("the access rules of the called workload do not allow this request without a token")]
    TokenRequired,
    #[error("an external check does not allow this request")]
    CheckDenied(Box<Denial>),
    #[error("an external check gave no usable answer, and without one nothing is let in")]
    CheckFailed,
    #[error("{0}")]
    CheckBody(BadCheckBody),
    #[error("the path of the request could be read in more than one way, and access depends on it: {0}")]
    AmbiguousPath(NotNormal),
    #[error("the body of the request ended before its end or is malformed")]
    BadBody,
    #[error("{destination}: the response of {addr} cannot be passed on: {reason}")]
    Unusable { destination: String, addr: SocketAddr, reason: Unusable },
    #[error("the outbound policy does not allow {host} at port {port}")]
    NotLetOut { host: Box<str>, port: u16, refusal: Refusal },
    #[error("{host}: no address was found for this name")]
    Unresolved { host: Box<str> },
    #[error(
        "the control plane could not be asked about {addr}, and the outbound policy allows only what it knows"
    )]
    ControlPlaneUnreachable { addr: SocketAddr },
    #[error("this proxy cannot honour the configuration of {addr}: {reason}")]
    Rejected { addr: SocketAddr, reason: Arc<str> },
}

/// Who reads what an answer of the proxy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The application whose own calls the proxy carries: it is told what became of what it called.
    Application,
    /// Whoever calls this pod, or through it, perhaps from the internet: it is told of its own request, and of the mesh no more
    /// than a word.
    Caller,
}

/// Goes with the answer to a request that could be read in more than one way: what follows it could be, too, so an HTTP/1.1 connection
/// ends with this answer. What was meant to go through a tunnel (CONNECT) is not taken for requests.
#[derive(Clone, Copy, Debug)]
pub struct LastAnswer;

// === impl Failure ===

impl Failure {
    /// For the header `x-weft-reason` and the metric.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoRoute { .. } => "no-route",
            Self::InvalidBackend { .. } => "invalid-backend",
            Self::NoEndpoints { .. } => "no-endpoints",
            Self::Connect { error, .. } => error.reason(),
            Self::Lost { error, .. } if error.is_bad_response() => "bad-response",
            Self::Lost { .. } => CONNECTION_LOST,
            Self::Overloaded { reason, .. } => reason,
            Self::BudgetSpent { .. } => "retry-budget",
            Self::RateLimited { .. } | Self::OverSharedLimit { .. } => "rate-limited",
            Self::LimitFailed => LIMIT_FAILED,
            Self::DeadlinePassed { .. } => "deadline-exceeded",
            Self::TryTimeout { .. } => "try-timeout",
            Self::Silent { .. } => "idle-timeout",
            Self::Fault { .. } => "fault-abort",
            Self::Refused(refused) => refused.reason(),
            Self::BadHead(bad) => bad.reason(),
            Self::Denied => "access-denied",
            Self::InvalidToken => "invalid-token",
            Self::TokenRequired => "token-required",
            Self::CheckDenied(_) => CHECK_DENIED,
            Self::CheckFailed => CHECK_FAILED,
            Self::CheckBody(bad) => bad.reason(),
            Self::AmbiguousPath(_) => "ambiguous-path",
            Self::BadBody => "bad-body",
            Self::Unusable { .. } => "bad-response",
            Self::NotLetOut { refusal, .. } => refusal.reason(),
            Self::Unresolved { .. } => "unresolved-host",
            Self::ControlPlaneUnreachable { .. } => "control-plane-unreachable",
            Self::Rejected { .. } => "configuration-rejected",
        }
    }

    /// What its answer says. The rest is in the access log.
    fn words(&self, reader: Reader) -> String {
        match self {
            Self::Refused(_)
            | Self::BadHead(_)
            | Self::Denied
            | Self::InvalidToken
            | Self::TokenRequired
            | Self::CheckDenied(_)
            | Self::CheckFailed
            | Self::CheckBody(_)
            | Self::LimitFailed
            | Self::AmbiguousPath(_)
            | Self::BadBody => self.to_string(),
            _ if reader == Reader::Caller => self.reason().to_owned(),
            _ => self.to_string(),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoRoute { .. } => StatusCode::NOT_FOUND,
            Self::InvalidBackend { .. } | Self::Rejected { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoEndpoints { .. }
            | Self::Connect { .. }
            | Self::Overloaded { .. }
            | Self::BudgetSpent { .. }
            | Self::CheckFailed
            | Self::CheckBody(BadCheckBody::NoRoom)
            | Self::LimitFailed
            | Self::Unresolved { .. }
            | Self::ControlPlaneUnreachable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::CheckBody(BadCheckBody::TooLong) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::CheckBody(BadCheckBody::TooSlow) => StatusCode::REQUEST_TIMEOUT,
            Self::RateLimited { .. } | Self::OverSharedLimit { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Lost { .. } | Self::Unusable { .. } => StatusCode::BAD_GATEWAY,
            Self::DeadlinePassed { .. } | Self::TryTimeout { .. } | Self::Silent { .. } => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::Fault { status, .. } => *status,
            Self::Refused(refused) => refused.status(),
            Self::BadHead(bad) => bad.status(),
            Self::Denied | Self::NotLetOut { .. } => StatusCode::FORBIDDEN,
            Self::CheckDenied(denial) => denial.status,
            Self::InvalidToken | Self::TokenRequired => StatusCode::UNAUTHORIZED,
            Self::AmbiguousPath(_) | Self::BadBody => StatusCode::BAD_REQUEST,
        }
    }

    fn grpc_status(&self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Fault { grpc_status, .. } => return HeaderValue::from(*grpc_status),
            Self::RateLimited { .. }
            | Self::OverSharedLimit { .. }
            | Self::CheckBody(BadCheckBody::TooLong) => GRPC_RESOURCE_EXHAUSTED,
            Self::CheckDenied(denial) => denied_in_grpc(denial.status),
            Self::NoRoute { .. } => GRPC_UNIMPLEMENTED,
            Self::Rejected { .. }
            | Self::Refused(_)
            | Self::BadHead(_)
            | Self::AmbiguousPath(_)
            | Self::BadBody
            | Self::Unusable { .. } => GRPC_INTERNAL,
            Self::Denied | Self::NotLetOut { .. } => GRPC_PERMISSION_DENIED,
            Self::InvalidToken | Self::TokenRequired => GRPC_UNAUTHENTICATED,
            Self::DeadlinePassed { .. }
            | Self::TryTimeout { .. }
            | Self::Silent { .. }
            | Self::CheckBody(BadCheckBody::TooSlow) => GRPC_DEADLINE_EXCEEDED,
            // A GRPCRoute of Gateway API wants this for a backend that does not resolve.
            Self::InvalidBackend { .. }
            | Self::NoEndpoints { .. }
            | Self::Connect { .. }
            | Self::Lost { .. }
            | Self::Overloaded { .. }
            | Self::BudgetSpent { .. }
            | Self::CheckFailed
            | Self::CheckBody(BadCheckBody::NoRoom)
            | Self::LimitFailed
            | Self::Unresolved { .. }
            | Self::ControlPlaneUnreachable { .. } => GRPC_UNAVAILABLE,
        })
    }
}

/// The response for `failure`: a status and one plain line, or for gRPC a status in its own terms.
pub fn rescue(failure: &Failure, grpc: bool, reader: Reader) -> Response<Body> {
    let words = format!("weft: {}", failure.words(reader));
    let mut response = if grpc { grpc_response(failure, &words) } else { http_response(failure, words) };
    response
        .headers_mut()
        .insert(HeaderName::from_static(REASON_HEADER), HeaderValue::from_static(failure.reason()));
    if let Failure::RateLimited { fields, .. } = failure {
        fields.write_refusal(response.headers_mut(), grpc);
    }
    if let Failure::OverSharedLimit { over, .. } = failure {
        if let Some(fields) = &over.fields {
            fields.write(response.headers_mut());
        }
        if let Some(wait) = over.wait {
            write_wait(wait, response.headers_mut(), grpc);
        }
        tell(&over.denial, &mut response, grpc);
    }
    if let Failure::CheckDenied(denial) = failure {
        tell(denial, &mut response, grpc);
    }
    if let Some(challenge) = challenge(failure) {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if matches!(failure, Failure::Refused(_) | Failure::BadHead(_)) {
        response.extensions_mut().insert(LastAnswer);
    }
    response
}

/// What somebody who was asked wants said along with no.
fn tell(denial: &Denial, response: &mut Response<Body>, grpc: bool) {
    let bare = matches!(
        denial.status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    );
    for name in denial.headers.keys().filter(|name| !grpc || *name != CONTENT_TYPE) {
        response.headers_mut().remove(name);
        for value in denial.headers.get_all(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    if !grpc && (bare || !denial.body.is_empty()) {
        *response.body_mut() = if bare { Body::empty() } else { Body::text(denial.body.clone()) };
    }
}

/// How gRPC says what an HTTP status says.
fn denied_in_grpc(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => GRPC_UNAUTHENTICATED,
        StatusCode::TOO_MANY_REQUESTS => GRPC_RESOURCE_EXHAUSTED,
        status if status.is_server_error() => GRPC_UNAVAILABLE,
        _ => GRPC_PERMISSION_DENIED,
    }
}

/// What whoever asks is told about tokens (RFC 6750 section 3): where it had none, that one is wanted and nothing more.
fn challenge(failure: &Failure) -> Option<&'static str> {
    match failure {
        Failure::InvalidToken => Some(r#"Bearer error="invalid_token""#),
        Failure::TokenRequired => Some("Bearer"),
        _ => None,
    }
}

fn http_response(failure: &Failure, words: String) -> Response<Body> {
    let mut response = Response::new(Body::text(words + "\n"));
    *response.status_mut() = failure.status();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Trailers only: the status is in the head and there is no body.
fn grpc_response(failure: &Failure, words: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", failure.grpc_status());
    let message = match failure {
        Failure::CheckDenied(denial) if (1..=LONGEST_MESSAGE).contains(&denial.body.len()) => {
            percent_encode(String::from_utf8_lossy(&denial.body).as_bytes())
        }
        _ => percent_encode(words.as_bytes()),
    };
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert("grpc-message", message);
    }
    response
}

/// As gRPC wants its messages: printable ASCII but `%` stays.
pub(crate) fn percent_encode(text: &[u8]) -> String {
    text.iter().fold(String::with_capacity(text.len()), |mut out, byte| {
        if matches!(byte, b' '..=b'~') && *byte != b'%' {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_and_grpc_callers_are_told_in_their_own_terms() {
        let failure = Failure::NoEndpoints { backend: "shop/reviews:8080{version=100%}".into() };
        let http = rescue(&failure, false, Reader::Application);
        assert_eq!(http.status(), 503);
        assert_eq!(http.headers()[REASON_HEADER], "no-endpoints");
        let grpc = rescue(&failure, true, Reader::Application);
        assert_eq!(grpc.status(), 200);
        assert_eq!(grpc.headers()["grpc-status"], "14");
        assert_eq!(
            grpc.headers()["grpc-message"],
            "weft: shop/reviews:8080{version=100%25} has no ready endpoint"
        );
        assert_eq!(grpc.headers()[REASON_HEADER], "no-endpoints");
    }

    #[test]
    fn a_backend_that_does_not_resolve_is_500_and_for_grpc_unavailable() {
        let text = || "x".to_owned();
        let failure = Failure::InvalidBackend { destination: text(), backend: text(), reason: text() };
        assert_eq!(rescue(&failure, false, Reader::Application).status(), 500);
        assert_eq!(rescue(&failure, true, Reader::Application).headers()["grpc-status"], "14");
    }

    #[test]
    fn callers_from_elsewhere_are_told_no_name_of_the_mesh() {
        let (text, addr) = (|| "shop/secret".to_owned(), "10.244.9.9:8080".parse().unwrap());
        let limit = Duration::from_secs(1);
        for failure in [
            Failure::NoRoute { destination: text() },
            Failure::InvalidBackend { destination: text(), backend: text(), reason: text() },
            Failure::NoEndpoints { backend: text() },
            Failure::Overloaded { destination: text(), route: text(), reason: "overloaded" },
            Failure::BudgetSpent { destination: text(), route: text() },
            Failure::DeadlinePassed { destination: text() },
            Failure::TryTimeout { destination: text(), addr, limit },
            Failure::Silent { destination: text(), limit },
            Failure::Fault { destination: text(), status: StatusCode::IM_A_TEAPOT, grpc_status: 1 },
            Failure::NotLetOut { host: text().into(), port: 80, refusal: Refusal::Undeclared },
            Failure::Unresolved { host: text().into() },
            Failure::ControlPlaneUnreachable { addr },
            Failure::Rejected { addr, reason: text().into() },
        ] {
            let said = failure.words(Reader::Caller);
            assert_eq!(said, failure.reason());
            let own = failure.words(Reader::Application);
            assert!(own.contains("secret") || own.contains("10.244"), "{own}");
            let grpc = rescue(&failure, true, Reader::Caller);
            assert_eq!(grpc.headers()["grpc-message"], format!("weft: {said}"));
        }
        let own_fault = Failure::BadBody;
        assert_eq!(own_fault.words(Reader::Caller), own_fault.to_string());
    }
}
