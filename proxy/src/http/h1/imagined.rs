//! A request that nobody has sent, for who asks what would become of it.

use bytes::Bytes;
use http::Request;

use super::request_head::RequestHead;
use crate::http::Upload;
use crate::http::framing::BadHead;

/// The request of this head, read as one that has come; without a body.
pub fn imagined(mut head: Bytes) -> Result<Request<Upload>, BadHead> {
    let malformed = |why: &dyn std::fmt::Display| BadHead::Malformed(why.to_string());
    let read = RequestHead::take(&mut head).map_err(|error| malformed(&error))?;
    let head = read.ok_or_else(|| malformed(&"its head has no end"))?;
    let mut request = Request::new(Upload::default());
    *request.method_mut() = head.method;
    *request.uri_mut() = head.uri;
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers;
    if let Some(raw_target) = head.raw_target {
        request.extensions_mut().insert(raw_target);
    }
    Ok(request)
}
