//! What a request looks like on its way to one endpoint.

use http::{HeaderValue, Request, Version};

use super::endpoint::LiveEndpoint;
use crate::http::headers::{ATTEMPT_HEADER, PROTO_HEADER, mark_http1};
use crate::http::{RawTarget, Seen, Upload, Wire};

/// Makes the request what `endpoint` expects; gives how it travels. `caller` is what its caller speaks, and
/// `seen` are the headers that it and the
/// route gave it.
pub(super) fn dress(
    request: &mut Request<Upload>,
    caller: Wire,
    seen: Seen,
    endpoint: &LiveEndpoint,
    tries: u32,
) -> Wire {
    *request.version_mut() = Version::HTTP_11;
    if tries > 1 || seen.any(Seen::WEFT) {
        request.headers_mut().remove(ATTEMPT_HEADER);
    }
    if tries > 1 {
        request.headers_mut().insert(ATTEMPT_HEADER, HeaderValue::from(tries));
    }
    if caller == Wire::H1 && endpoint.carries_mesh_http() {
        mark_http1(request.headers_mut());
    } else if tries > 1 || seen.any(Seen::PROTO) {
        request.headers_mut().remove(PROTO_HEADER);
    }
    // HTTP/2 cannot say every target that HTTP/1.1 can.
    if RawTarget::of(request).is_some() { Wire::H1 } else { endpoint.wire(caller) }
}
