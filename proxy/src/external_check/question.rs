//! What is asked about a request: `envoy.service.auth.v3.Authorization/Check` over gRPC; `http.rs` has the same over plain HTTP.

mod http;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::SystemTime;

use ::http::Request;
use ::http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName};
use bytes::Bytes;

use super::ExternalCheck;
use crate::asking::Asks;
use crate::http::{Seen, Wire};
use crate::request::{Asked, Caller};
use crate::wire::envoy::service::auth::v3 as auth;

const METHOD: &str = "/envoy.service.auth.v3.Authorization/Check";
/// What the mesh tells itself is nobody else's.
const OWN: &str = "x-weft-";
/// With a question that tells of a body: whether that is a part of it. Envoy's name for it.
const PARTIAL: &str = "x-envoy-auth-partial-body";

/// One request, on its way to the application.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub check: &'a ExternalCheck,
    pub asked: &'a Asked,
    /// What is told of the body; `None`: nothing.
    pub body: Option<ToldBody>,
    /// The pod at the other end of the connection.
    pub from: Option<SocketAddr>,
    /// The application.
    pub to: SocketAddr,
}

/// What is told of a body.
#[derive(Clone, Debug)]
pub(crate) struct ToldBody {
    pub bytes: Bytes,
    /// There is more of it, or more may come.
    pub partial: bool,
}

// === impl Question ===

impl Question<'_> {
    /// The call over gRPC that asks it of `asks`.
    pub fn call(&self, asks: &Asks) -> Request<Bytes> {
        asks.call(METHOD, &self.message())
    }

    fn message(&self) -> auth::CheckRequest {
        let (asked, own) = (self.asked, &self.asked.own_pod);
        let service = own.inbound_port(self.to.port()).and_then(|inbound| inbound.services.first());
        let source = auth::attribute_context::Peer {
            address: self.from.map(address),
            service: String::new(),
            // What somebody has proved, and never what somebody says.
            principal: match &asked.caller {
                Caller::Peer(identity) => identity.to_string(),
                Caller::Local | Caller::Plain => String::new(),
            },
        };
        let destination = auth::attribute_context::Peer {
            address: Some(address(self.to)),
            service: service.map(|service| service.to_string()).unwrap_or_default(),
            principal: own.identity.to_string(),
        };
        let request = auth::attribute_context::Request {
            time: Some(SystemTime::now().into()),
            http: Some(self.http()),
        };
        let attributes = auth::AttributeContext {
            source: Some(source),
            destination: Some(destination),
            request: Some(request),
        };
        auth::CheckRequest { attributes: Some(attributes) }
    }

    fn http(&self) -> auth::attribute_context::HttpRequest {
        let (asked, request) = (self.asked, &self.asked.request);
        let (uri, fields) = (request.uri(), request.headers());
        let field = |name: HeaderName| fields.get(name).map(|value| lossy(value.as_bytes()));
        let host = uri.authority().map(|authority| authority.as_str().to_owned());
        let host = host.or_else(|| field(HOST)).unwrap_or_default();
        let path = uri.path_and_query().map_or_else(|| uri.path().to_owned(), |path| path.to_string());
        let length = || field(CONTENT_LENGTH)?.parse().ok();
        let http1 = asked.wire == Wire::H1
            || (asked.seen.any(Seen::PROTO) && matches!(asked.caller, Caller::Peer(_)));
        let method = request.method().to_string();
        let mut headers = self.headers(fields);
        for (name, value) in [(":method", &method), (":path", &path), (":authority", &host)] {
            headers.insert(name.to_owned(), value.clone());
        }
        headers.insert(":scheme".to_owned(), "http".to_owned());
        if let Some(body) = &self.body {
            headers.insert(PARTIAL.to_owned(), body.partial.to_string());
        }
        let told = self.body.as_ref().map_or(&[][..], |body| &body.bytes[..]);
        // A text must be one; what is cut may end within a character.
        let (text, raw) = match std::str::from_utf8(told) {
            Ok(text) => (text.to_owned(), Vec::new()),
            Err(_) => (String::new(), told.to_vec()),
        };
        auth::attribute_context::HttpRequest {
            id: field(HeaderName::from_static("x-request-id")).unwrap_or_default(),
            method,
            headers,
            path,
            host,
            scheme: "http".to_owned(),
            size: if request.body().is_none() { 0 } else { length().unwrap_or(-1) },
            protocol: if http1 { "HTTP/1.1" } else { "HTTP/2" }.to_owned(),
            body: text,
            raw_body: raw,
        }
    }

    fn headers(&self, fields: &HeaderMap) -> HashMap<String, String> {
        let allowed = &self.check.allowed_headers;
        let told = |name: &HeaderName| {
            // Only a proxy says what of the body is told.
            !name.as_str().starts_with(OWN)
                && *name != PARTIAL
                && (allowed.is_empty() || allowed.contains(name))
        };
        let all = fields.keys().filter(|name| told(name));
        let values = |name: &HeaderName| {
            let each: Vec<_> = fields.get_all(name).iter().map(|value| lossy(value.as_bytes())).collect();
            // RFC 9113 8.2.3, and RFC 9110 5.3 for all others.
            each.join(if *name == COOKIE { "; " } else { "," })
        };
        all.map(|name| (name.as_str().to_owned(), values(name))).collect()
    }
}

fn address(addr: SocketAddr) -> auth::Address {
    let socket_address = auth::SocketAddress {
        protocol: 0,
        address: addr.ip().to_canonical().to_string(),
        port_value: addr.port().into(),
    };
    auth::Address { socket_address: Some(socket_address) }
}

/// As Envoy tells what is no UTF-8.
fn lossy(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(bytes).replace('\u{fffd}', "!"),
    }
}
