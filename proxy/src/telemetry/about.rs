//! What the access log, and who watches, are told of a request beside what every request is counted by.

use std::net::SocketAddr;
use std::rc::Rc;

use http::{HeaderName, Method, Request};
use tokio::time::Instant;

use super::access_log::{Chosen, Policy};
use super::tap::Trail;
use crate::{otlp, trace};

/// Longest path and authority that are written; a longer one is cut, so that lines stay bounded.
const LONGEST: usize = 1024;
/// The same of a header.
const LONGEST_HEADER: usize = 256;
/// Of a method that is told; those that are registered have 17 bytes at most.
const LONGEST_METHOD: usize = 64;

/// Gathered while a request is under way, where there is an access log or somebody watches.
#[derive(Debug)]
pub struct About {
    pub(super) method: Method,
    pub(super) authority: String,
    /// With its query, as the caller sent it.
    pub(super) path: String,
    pub(super) trace_id: Option<u128>,
    pub(super) upstream: Option<SocketAddr>,
    pub(super) attempts: u32,
    /// Why each attempt but the last was given up.
    pub(super) retried: Vec<&'static str>,
    /// Why a wanted attempt was not made.
    pub(super) withheld: Option<&'static str>,
    /// Why endpoints were ejected because of this request.
    pub(super) ejected: Vec<&'static str>,
    /// Retries left in the budget of the route after it.
    pub(super) budget_left: Option<u64>,
    /// Requests under way when it was let in, by the narrowest limit.
    pub(super) under_way: Option<u32>,
    /// The stage that refused it.
    pub(super) refused_by: Option<&'static str>,
    /// Stages that would have, if they were not told only to say so, and why.
    pub(super) would_refuse: Vec<(&'static str, &'static str)>,
    /// The rule by which that was decided.
    pub(super) rule: Option<Box<str>>,
    pub(super) reason: Option<&'static str>,
    pub(super) bytes: u64,
    pub(super) deadline: Option<Instant>,
    /// How it is logged, where it may be.
    pub(super) log: Option<Chosen>,
    /// Where a collector is told of that.
    pub(super) records: Option<Rc<otlp::Queue>>,
    /// Headers that the log tells.
    pub(super) headers: Vec<(HeaderName, String)>,
    /// Where somebody watches.
    pub(super) trail: Option<Box<Trail>>,
}

// === impl About ===

impl About {
    pub(super) fn new<B>(request: &Request<B>, trail: Option<Box<Trail>>) -> Self {
        let uri = request.uri();
        let host = || request.headers().get(http::header::HOST)?.to_str().ok();
        let authority = uri.authority().map(http::uri::Authority::as_str).or_else(host).unwrap_or_default();
        Self {
            method: short(request.method()),
            authority: cut(authority, LONGEST),
            path: cut(uri.path_and_query().map_or("", |path| path.as_str()), LONGEST),
            trace_id: trace::trace_id(request.headers()),
            upstream: None,
            attempts: 1,
            retried: Vec::new(),
            withheld: None,
            ejected: Vec::new(),
            budget_left: None,
            under_way: None,
            refused_by: None,
            would_refuse: Vec::new(),
            rule: None,
            reason: None,
            bytes: 0,
            deadline: None,
            log: None,
            records: None,
            headers: Vec::new(),
            trail,
        }
    }

    /// It is to be logged so.
    pub(super) fn logged<B>(&mut self, chosen: Chosen, policy: Option<&Policy>, request: &Request<B>) {
        self.log = Some(chosen);
        for name in policy.into_iter().flat_map(|policy| &policy.headers) {
            let values = request.headers().get_all(name).iter();
            let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            if !values.is_empty() {
                // RFC 9110 5.3.
                self.headers.push((name.clone(), cut(&values.join(", "), LONGEST_HEADER)));
            }
        }
    }

    /// Where it is logged, a collector is told too.
    pub fn told_to(&mut self, records: &Rc<otlp::Queue>) {
        self.records = self.log.map(|_| records.clone());
    }

    pub(super) fn trail(&mut self, tell: impl FnOnce(&mut Trail)) {
        if let Some(trail) = &mut self.trail {
            tell(trail);
        }
    }
}

/// A method as it is told: callers may make up one that is as long as a head.
fn short(method: &Method) -> Method {
    match method.as_str().as_bytes().split_at_checked(LONGEST_METHOD) {
        Some((beginning, [_, ..])) => Method::from_bytes(beginning).unwrap_or_default(),
        _ => method.clone(),
    }
}

/// The beginning of a text, up to so many bytes.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    let end = (0..=text.len().min(longest)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text[..end].to_owned()
}
