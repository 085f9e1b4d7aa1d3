//! When a request may be sent once more although it has left.
//!
//! Its head is copied before it is sent; its body must be none, or kept.

use http::{Method, Request};

use super::deadline::Activity;
use super::{RawTarget, Upload};

/// Why a request goes again to the same endpoint: the connection that was kept had been closed.
pub const STALE: &str = "stale-connection";
/// How often it may: while others give connections back, the next one kept may be closed too.
pub const STALE_LIMIT: u32 = 3;

/// A copy of a request without a body, or with one that is kept.
pub fn copy(request: &Request<Upload>) -> Option<Request<Upload>> {
    Some(with_head_of(request, request.body().again()?))
}

/// A request with `body` and the head of `request`.
pub fn with_head_of(request: &Request<Upload>, body: Upload) -> Request<Upload> {
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    if let Some(activity) = request.extensions().get::<Activity>() {
        copy.extensions_mut().insert(activity.clone());
    }
    RawTarget::copy(request, &mut copy);
    copy
}

/// Whether the request changes nothing, so that it may be sent twice: also when a kept connection turns out to have been
/// closed by its server while the request was under way (RFC 9112 9.3.1).
pub fn is_safe(request: &Request<Upload>) -> bool {
    request.body().is_none() && matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
}
