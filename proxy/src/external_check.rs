//! Somebody else who is asked whether a request may reach the application: what a policy says of it, the question and the
//! answer, in the words of `envoy.service.auth.v3` or as plain HTTP. Who asks is `inbound/external_check.rs`.

mod answer;
mod question;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::{HeaderName, Method};
use thiserror::Error;

use crate::asking::{Asks, CAUSES};

pub use answer::{Allowed, Answer, Denial, Unusable, read, read_http};
pub(crate) use question::{Question, ToldBody};

/// One check of a port, with what became of the requests that met it.
#[derive(Debug, Clone)]
pub struct ExternalCheck {
    /// `<namespace>/<name>` of the policy that wants it.
    pub policy: Arc<str>,
    /// Who is asked; `None`: nobody can be.
    pub asks: Option<Asks>,
    /// For a whole call.
    pub timeout: Duration,
    /// A request without a usable answer is let in.
    pub allows_on_failure: bool,
    /// It is asked over HTTP; `None`: over gRPC.
    pub over_http: Option<OverHttp>,
    /// So much of the body is told; `None`: nothing.
    pub body: Option<BodyRule>,
    /// The headers that are told; empty: all, and over HTTP only what is always told there.
    pub allowed_headers: Box<[HeaderName]>,
    /// Requests that nobody is asked about.
    pub exempt: Box<[Exemption]>,
    /// Say only what would be refused.
    pub dry_run: bool,
    pub tally: Arc<Tally>,
}

/// How a question and its answer look as plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverHttp {
    /// Stands before the path of the request; without a slash at its end.
    pub prefix: Box<str>,
    /// Headers of a yes that the application sees. A caller's own of these names never get there.
    pub to_application: Box<[HeaderName]>,
    /// Headers of a no that the caller sees; empty: all.
    pub to_caller: Box<[HeaderName]>,
}

/// How much of a body is told, and what about the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyRule {
    /// Bytes.
    pub most: usize,
    /// Of a longer one, or one that takes too long to come, the beginning is told; otherwise the request is refused.
    pub partial: bool,
    /// For it to come.
    pub patience: Duration,
}

/// Why a request whose body is to be told is refused unasked, whatever failures mean.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BadBody {
    #[error("the body of the request is longer than an external check may be told of")]
    TooLong,
    #[error("the body of the request, of which an external check is to be told, took too long to arrive")]
    TooSlow,
    #[error("there is no room for the body of the request, of which an external check is to be told")]
    NoRoom,
}

/// Requests that nobody is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// `None`: any.
    pub method: Option<Method>,
    pub path: ExemptPath,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExemptPath {
    Exact(Box<str>),
    /// By segment.
    Prefix(Box<str>),
}

/// What became of requests.
#[derive(Debug, Default)]
pub struct Tally {
    pub allowed: AtomicU64,
    pub denied: AtomicU64,
    /// Refused, since nobody gave a usable answer.
    pub failed: AtomicU64,
    /// Let in for the same reason.
    pub unchecked: AtomicU64,
    /// Would have been denied, or refused for want of an answer, but for the mode.
    pub would_refuse: AtomicU64,
    /// Why there was no usable answer, in the order of [`CAUSES`].
    pub causes: [AtomicU64; CAUSES.len()],
}

// === impl ExternalCheck ===

impl ExternalCheck {
    /// A check that denies where it fails, tells everything and exempts nothing.
    pub fn new(policy: &str, asks: Option<Asks>, timeout: Duration) -> Self {
        Self {
            policy: policy.into(),
            asks,
            timeout,
            allows_on_failure: false,
            over_http: None,
            body: None,
            allowed_headers: Box::default(),
            exempt: Box::default(),
            dry_run: false,
            tally: Arc::default(),
        }
    }

    /// Goes on counting where `before`, an earlier version of the same check, stopped.
    pub fn carry_on(&mut self, before: &Self) {
        if self.policy == before.policy {
            self.tally = before.tally.clone();
        }
    }

    /// Whether nobody is asked about requests of `method` to `path`, which has one reading only.
    pub fn exempts(&self, method: &Method, path: &str) -> bool {
        self.exempt.iter().any(|exemption| exemption.takes(method, path))
    }
}

impl PartialEq for ExternalCheck {
    /// Whether both say the same; what they have counted is beside the point.
    fn eq(&self, other: &Self) -> bool {
        let said = |check: &Self| (check.timeout, check.allows_on_failure, check.dry_run);
        said(self) == said(other)
            && (&self.policy, &self.asks) == (&other.policy, &other.asks)
            && (&self.allowed_headers, &self.exempt) == (&other.allowed_headers, &other.exempt)
            && (&self.over_http, self.body) == (&other.over_http, other.body)
    }
}

impl Eq for ExternalCheck {}

// === impl BadBody ===

impl BadBody {
    /// For the header `x-weft-reason` and the metric.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "check-body-too-long",
            Self::TooSlow => "check-body-too-slow",
            Self::NoRoom => "check-body-no-room",
        }
    }
}

// === impl Exemption ===

impl Exemption {
    fn takes(&self, method: &Method, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method) && self.path.takes(path)
    }
}

// === impl ExemptPath ===

impl ExemptPath {
    fn takes(&self, path: &str) -> bool {
        match self {
            Self::Exact(whole) => **whole == *path,
            Self::Prefix(prefix) => {
                let segments = prefix.strip_suffix('/').unwrap_or(prefix);
                path.strip_prefix(segments).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exempt_is_exempt_by_segment_and_by_method() {
        let prefix = |text: &str| ExemptPath::Prefix(text.into());
        for (path, asked, takes) in [
            (prefix("/public"), "/public", true),
            (prefix("/public"), "/public/a", true),
            (prefix("/public/"), "/public/a", true),
            (prefix("/public"), "/publicly", false),
            (prefix("/"), "/anything", true),
            (ExemptPath::Exact("/healthz".into()), "/healthz", true),
            (ExemptPath::Exact("/healthz".into()), "/healthz/", false),
            (ExemptPath::Exact("/healthz".into()), "/healthz/a", false),
        ] {
            assert_eq!(path.takes(asked), takes, "{path:?} {asked}");
        }
        let mut check = ExternalCheck::new("shop/reviews", None, Duration::from_secs(1));
        assert!(!check.exempts(&Method::GET, "/healthz"), "nothing is exempt that nobody named");
        let path = ExemptPath::Exact("/healthz".into());
        check.exempt = [Exemption { method: Some(Method::GET), path }].into();
        assert!(check.exempts(&Method::GET, "/healthz") && !check.exempts(&Method::POST, "/healthz"));
    }
}
