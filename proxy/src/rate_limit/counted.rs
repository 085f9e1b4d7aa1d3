//! Which requests a limit counts.

use http::{Method, Request};

use crate::access::normal;
use crate::http::RawTarget;
use crate::state::{HeaderMatch, PathMatch};

/// A kind of requests: all that is set holds for them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub method: Option<Method>,
    /// Without the query.
    pub path: Option<PathMatch>,
    pub headers: Vec<HeaderMatch>,
}

// === impl Counted ===

impl Counted {
    /// Whether the request is one of them.
    pub fn takes<B>(&self, request: &Request<B>) -> bool {
        let (uri, headers) = (request.uri(), request.headers());
        self.method.as_ref().is_none_or(|method| method == request.method())
            && self.headers.iter().all(|header| header.holds(uri, headers))
            && self.path.as_ref().is_none_or(|path| path.holds(uri.path()) || is_ambiguous(request))
    }
}

/// Whether an application may read the path of a request as another one. Such a request is of every path, or else writing it in another
/// way would be a way around the limit.
fn is_ambiguous<B>(request: &Request<B>) -> bool {
    normal(request.uri().path()).is_err() || !RawTarget::has_path_of_uri(request)
}
