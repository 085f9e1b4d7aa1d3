//! What routes change in requests and responses.

use http::header::{HOST, HeaderMap};
use http::uri::PathAndQuery;
use http::{Request, Uri};

use super::chosen::Chosen;
use super::cors;
use crate::state::Rewrite;

/// Whether the route or its share may change headers of a request.
pub(super) fn changes_headers(chosen: &Chosen) -> bool {
    chosen.route().actions.is_some() || chosen.share().headers.is_some()
}

/// The stage `changes`: those of the route.
pub(super) fn by_route<B>(request: &mut Request<B>, chosen: &Chosen) {
    if let Some(actions) = &chosen.route().actions {
        if let Some(change) = &actions.rewrite {
            rewrite(request, change, chosen.prefix());
        }
        actions.headers.request.apply(request.headers_mut());
    }
}

/// Makes the changes of the share that was chosen.
pub(super) fn by_share<B>(request: &mut Request<B>, chosen: &Chosen) {
    if let Some(headers) = &chosen.share().headers {
        headers.request.apply(request.headers_mut());
    }
}

/// Makes the headers of a response what the route says the caller shall see.
pub(super) fn response(headers: &mut HeaderMap, chosen: &Chosen) {
    if let Some(actions) = &chosen.route().actions {
        actions.headers.response.apply(headers);
    }
    if let Some(share) = &chosen.share().headers {
        share.response.apply(headers);
    }
    if let Some(cors) = chosen.cors() {
        cors::tell(cors, chosen.origin.as_deref(), headers);
    }
}

fn rewrite<B>(request: &mut Request<B>, change: &Rewrite, prefix: &str) {
    let mut parts = request.uri().clone().into_parts();
    if let Some(path) = &change.path {
        parts.path_and_query = with_query(path.apply(request.uri().path(), prefix), request.uri());
    }
    if let Some(host) = &change.host {
        // HTTP/2 and absolute-form requests name their host in the URI, others in the header only.
        if parts.authority.is_none() || request.headers().contains_key(HOST) {
            request.headers_mut().insert(HOST, host.value.clone());
        }
        parts.authority = parts.authority.map(|_| host.authority.clone());
    }
    // Impossible only for CONNECT, which has no path to change.
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

fn with_query(path: String, uri: &Uri) -> Option<PathAndQuery> {
    let whole = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(whole)).ok()
}
