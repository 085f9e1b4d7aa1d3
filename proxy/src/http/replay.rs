//! When a request may be sent once more although it has left.
//!
//! Its head is copied before it is sent; its body must be none, or kept.

use http::{Method, Request};

use super::Upload;

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
    copy
}

/// Whether the request changes nothing, so that it may be sent twice.
pub fn is_safe(request: &Request<Upload>) -> bool {
    request.body().is_none() && matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A copy of a request that changes nothing, and that may be sent again when a kept connection turns out to have been
/// closed by its server while the request was under way (RFC 9112 9.3.1).
pub fn copy_if_safe(request: &Request<Upload>) -> Option<Request<Upload>> {
    if is_safe(request) { copy(request) } else { None }
}

/// Whether `error` means that the connection ended rather than that something was wrong on it.
pub fn connection_ended(error: &hyper::Error) -> bool {
    use std::error::Error as _;
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    error.is_incomplete_message()
        || error.is_closed()
        || error.is_canceled()
        || io.is_some_and(|io| matches!(io.kind(), BrokenPipe | ConnectionReset | NotConnected))
}

/// Whether the request was given up on this side, because the body that its caller sent was malformed or ended early.
pub fn caller_failed(error: &hyper::Error) -> bool {
    use std::error::Error as _;
    let h2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    error.is_user() || h2.is_some_and(|error| error.is_reset() && !error.is_remote() && !error.is_library())
}

/// Whether the server said that it did not look at the request.
pub fn stream_refused(error: &hyper::Error) -> bool {
    use std::error::Error as _;
    let h2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    h2.and_then(h2::Error::reason) == Some(h2::Reason::REFUSED_STREAM)
}
