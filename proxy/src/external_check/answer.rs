//! What may be answered. Nothing in an answer is believed that could not be carried out as it says.

use bytes::{Buf, Bytes};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use http::{Response, StatusCode};
use prost::Message;
use thiserror::Error;

use crate::outbound::callout::Trailers;
use crate::wire::envoy::service::auth::v3 as auth;
use auth::check_response::HttpResponse;
use auth::header_value_option::HeaderAppendAction;

/// The longest answer that is read.
pub const LONGEST_ANSWER: usize = 64 * 1024;
/// Of headers that an answer changes, on each side.
const MOST_HEADERS: usize = 64;
const MOST_BYTES: usize = 16 * 1024;

/// What a proxy says by itself: what frames a message, belongs to one hop, or says where it goes and where it comes from.
const NOT_CHANGED: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];
/// What gRPC tells by headers is told by the proxy.
const OF_GRPC: [&str; 3] = ["grpc-message", "grpc-status", "grpc-status-details-bin"];

/// A usable answer.
#[derive(Debug)]
pub enum Answer {
    Allowed(Allowed),
    Denied(Denial),
}

/// It may pass, with these changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Of the request that the application sees.
    pub request: HeaderEdits,
    /// Of the response that the caller sees.
    pub response: HeaderEdits,
}

/// It may not, and its caller is told this.
#[derive(Debug)]
pub struct Denial {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Changes of headers, in their order; removals come last.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    edits: Vec<(HeaderName, HeaderValue, How)>,
    remove: Vec<HeaderName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Append,
    AddIfAbsent,
    Overwrite,
    OverwriteIfThere,
}

/// Why an answer is as good as none.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unusable {
    #[error("its HTTP status is {0}")]
    Http(StatusCode),
    #[error("it is not gRPC")]
    NotGrpc,
    #[error("its gRPC status is {0:?}")]
    Grpc(String),
    #[error("it has no gRPC status, so that it may be a part of an answer")]
    NoStatus,
    #[error("it is not one CheckResponse")]
    Malformed,
    #[error("it says nothing at all")]
    Nothing,
    #[error("it says that it could not be found out")]
    Undecided,
    #[error("it changes more headers than a message should have")]
    TooMuch,
    #[error("the header {0:?} that it changes is not one")]
    BadHeader(String),
    #[error("it wants the query changed, which is not supported")]
    Query,
}

/// Reads what came back.
pub fn read(response: &Response<Bytes>) -> Result<Answer, Unusable> {
    if response.status() != StatusCode::OK {
        return Err(Unusable::Http(response.status()));
    }
    let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !content_type.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
        return Err(Unusable::NotGrpc);
    }
    let trailers = response.extensions().get::<Trailers>().map(|Trailers(trailers)| trailers);
    let status = trailers.unwrap_or(response.headers()).get("grpc-status").ok_or(Unusable::NoStatus)?;
    if status != "0" {
        return Err(Unusable::Grpc(String::from_utf8_lossy(status.as_bytes()).into_owned()));
    }
    let mut body = response.body().clone();
    // Nothing is compressed, since no compression was offered.
    if body.len() < 5 || body.get_u8() != 0 || body.get_u32() as usize != body.len() {
        return Err(Unusable::Malformed);
    }
    understand(auth::CheckResponse::decode(body).map_err(|_| Unusable::Malformed)?)
}

fn understand(answer: auth::CheckResponse) -> Result<Answer, Unusable> {
    let auth::CheckResponse { status, http_response } = answer;
    let code = status.map(|status| status.code);
    match (code, http_response) {
        (_, Some(HttpResponse::ErrorResponse(_))) => Err(Unusable::Undecided),
        // Whoever fills in how it is denied means no, also where the status was forgotten, whose zero means yes.
        (_, Some(HttpResponse::DeniedResponse(denied))) => Ok(Answer::Denied(denial(denied))),
        (Some(0) | None, Some(HttpResponse::OkResponse(ok))) => allowed(ok).map(Answer::Allowed),
        (Some(0), None) => Ok(Answer::Allowed(Allowed::default())),
        (Some(_), _) => Ok(Answer::Denied(denial(auth::DeniedHttpResponse::default()))),
        (None, None) => Err(Unusable::Nothing),
    }
}

fn allowed(ok: auth::OkHttpResponse) -> Result<Allowed, Unusable> {
    if !ok.query_parameters_to_set.is_empty() || !ok.query_parameters_to_remove.is_empty() {
        return Err(Unusable::Query);
    }
    let mut request = edits(&ok.headers)?;
    if ok.headers_to_remove.len() > MOST_HEADERS {
        return Err(Unusable::TooMuch);
    }
    for name in &ok.headers_to_remove {
        request.remove.extend(changeable(name)?);
    }
    Ok(Allowed { request, response: edits(&ok.response_headers_to_add)? })
}

fn edits(options: &[auth::HeaderValueOption]) -> Result<HeaderEdits, Unusable> {
    let bytes: usize = options.iter().filter_map(|option| option.header.as_ref()).map(size).sum();
    if options.len() > MOST_HEADERS || bytes > MOST_BYTES {
        return Err(Unusable::TooMuch);
    }
    let mut edits = Vec::with_capacity(options.len());
    for option in options {
        let header = option.header.as_ref().ok_or_else(|| Unusable::BadHeader(String::new()))?;
        let Some(name) = changeable(&header.key)? else { continue };
        let bad = || Unusable::BadHeader(header.key.clone());
        let value = HeaderValue::from_bytes(value(header)).map_err(|_| bad())?;
        edits.push((name, value, how(option).ok_or_else(bad)?));
    }
    Ok(HeaderEdits { edits, remove: Vec::new() })
}

/// `None`: in a way that is not known.
fn how(option: &auth::HeaderValueOption) -> Option<How> {
    if let Some(append) = option.append {
        return Some(if append { How::Append } else { How::Overwrite });
    }
    match HeaderAppendAction::try_from(option.append_action).ok()? {
        // Zero, so that whoever says nothing says this. What somebody set is to be true: a caller's own value must not stay
        // beside it.
        HeaderAppendAction::AppendIfExistsOrAdd | HeaderAppendAction::OverwriteIfExistsOrAdd => {
            Some(How::Overwrite)
        }
        HeaderAppendAction::AddIfAbsent => Some(How::AddIfAbsent),
        HeaderAppendAction::OverwriteIfExists => Some(How::OverwriteIfThere),
    }
}

fn value(header: &auth::HeaderValue) -> &[u8] {
    if header.raw_value.is_empty() { header.value.as_bytes() } else { &header.raw_value }
}

fn size(header: &auth::HeaderValue) -> usize {
    header.key.len() + value(header).len()
}

/// The header of that name, where it is for others to change; those that are not are left as they are.
fn changeable(name: &str) -> Result<Option<HeaderName>, Unusable> {
    if name.starts_with(':') {
        return Ok(None);
    }
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unusable::BadHeader(name.to_owned()))?;
    let ours = NOT_CHANGED.contains(&parsed.as_str()) || parsed.as_str().starts_with("x-weft-");
    Ok((!ours).then_some(parsed))
}

/// No is no, whatever else is said: what cannot be passed on of it is left out.
fn denial(denied: auth::DeniedHttpResponse) -> Denial {
    let status = denied.status.and_then(|status| u16::try_from(status.code).ok());
    let status = status.filter(|code| (200..600).contains(code));
    let mut headers = HeaderMap::new();
    let mut bytes = 0;
    for option in denied.headers.iter().take(MOST_HEADERS) {
        let Some(header) = &option.header else { continue };
        let Ok(Some(name)) = changeable(&header.key) else { continue };
        let Ok(value) = HeaderValue::from_bytes(value(header)) else { continue };
        bytes += size(header);
        if bytes > MOST_BYTES || OF_GRPC.contains(&name.as_str()) {
            continue;
        }
        if name == SET_COOKIE || option.append == Some(true) {
            headers.append(name, value);
        } else {
            headers.insert(name, value);
        }
    }
    Denial {
        status: status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::FORBIDDEN),
        headers,
        body: denied.body.into(),
    }
}

// === impl HeaderEdits ===

impl HeaderEdits {
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.remove.is_empty()
    }

    pub fn apply(self, headers: &mut HeaderMap) {
        for (name, value, how) in self.edits {
            let there = headers.contains_key(&name);
            match how {
                How::Append => {
                    headers.append(name, value);
                }
                How::AddIfAbsent if there => {}
                How::OverwriteIfThere if !there => {}
                How::AddIfAbsent | How::Overwrite | How::OverwriteIfThere => {
                    headers.insert(name, value);
                }
            }
        }
        for name in self.remove {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
