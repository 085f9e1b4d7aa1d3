//! A question as plain HTTP: the request itself, with another path and few of its headers.

use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use http::uri::PathAndQuery;

use super::{OWN, PARTIAL, Question};
use crate::external_check::OverHttp;
use crate::header_edits::NOT_CHANGED;
use crate::request::Caller;

/// Who has proved to call, and whom, as Envoy tells it. What a caller says of itself by this name is not told.
const PROVED: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

// === impl Question ===

impl Question<'_> {
    /// The request that asks it; `None`: its target is too long to be one.
    pub fn over_http(&self, http: &OverHttp) -> Option<Request<Bytes>> {
        let (asked, fields) = (self.asked, self.asked.request.headers());
        let body = self.body.as_ref().map(|body| body.bytes.clone()).unwrap_or_default();
        let mut question = Request::new(body);
        *question.method_mut() = asked.request.method().clone();
        *question.uri_mut() = self.target(&http.prefix)?.into();
        let headers = question.headers_mut();
        let allowed = self.check.allowed_headers.iter();
        for name in
            [AUTHORIZATION].iter().chain(allowed.filter(|name| **name != AUTHORIZATION && is_told(name)))
        {
            for value in fields.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        let authority = asked.request.uri().authority();
        let host = authority.and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        let host = host.or_else(|| fields.get(HOST).cloned());
        headers.insert(HOST, host.unwrap_or(HeaderValue::from_static("")));
        if let Caller::Peer(identity) = &asked.caller
            && let Ok(proved) = HeaderValue::try_from(format!("By={};URI={identity}", asked.own_pod.identity))
        {
            headers.insert(PROVED, proved);
        }
        if let Some(body) = &self.body {
            let partial = if body.partial { "true" } else { "false" };
            headers.insert(PARTIAL, HeaderValue::from_static(partial));
        }
        Some(question)
    }

    /// The path and query of the request, below `prefix`; the asterisk of OPTIONS as the last segment.
    fn target(&self, prefix: &str) -> Option<PathAndQuery> {
        let uri = self.asked.request.uri();
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let slash = if path.starts_with('/') { "" } else { "/" };
        PathAndQuery::try_from(format!("{prefix}{slash}{path}")).ok()
    }
}

/// Whether a header of the request may be told at all: none that frames a message, belongs to one hop, or is said by proxies.
fn is_told(name: &HeaderName) -> bool {
    !NOT_CHANGED.contains(&name.as_str())
        && !name.as_str().starts_with(OWN)
        && *name != PROVED
        && *name != PARTIAL
}
