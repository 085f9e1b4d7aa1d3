//! What may be answered. Nothing in an answer is believed that could not be carried out as it says.

mod http;

use ::http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use ::http::{Response, StatusCode};
use bytes::Bytes;
use thiserror::Error;

pub use self::http::read_http;
use crate::asking::{NotAnswer, message};
use crate::header_edits::{BadEdits, Edit, HeaderEdits, How, MOST_BYTES, MOST_HEADERS, OF_GRPC, changeable};
use crate::wire::envoy::service::auth::v3 as auth;
use auth::check_response::HttpResponse;
use auth::header_value_option::HeaderAppendAction;

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

/// Why an answer is as good as none.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unusable {
    #[error("{0}")]
    NotAnswer(#[from] NotAnswer),
    #[error("it says nothing at all")]
    Nothing,
    #[error("it says that it could not be found out")]
    Undecided,
    #[error("{0}")]
    Edits(#[from] BadEdits),
    #[error("it wants the query changed, which is not supported")]
    Query,
    #[error("its body did not come whole")]
    Broken,
}

/// Reads what came back.
pub fn read(response: &Response<Bytes>) -> Result<Answer, Unusable> {
    understand(message(response)?)
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
    let request = edits(&ok.headers)?.removing(&ok.headers_to_remove)?;
    Ok(Allowed { request, response: edits(&ok.response_headers_to_add)? })
}

fn edits(options: &[auth::HeaderValueOption]) -> Result<HeaderEdits, BadEdits> {
    HeaderEdits::read(options.iter().map(|option| match &option.header {
        Some(header) => Edit { name: &header.key, value: value(header), how: how(option) },
        None => Edit { name: "", value: &[], how: None },
    }))
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

/// No is no, whatever else is said: what cannot be passed on of it is left out.
fn denial(denied: auth::DeniedHttpResponse) -> Denial {
    let status = denied.status.and_then(|status| u16::try_from(status.code).ok());
    let status = status.filter(|code| (200..600).contains(code));
    let headers = denied.headers.iter().filter_map(|option| {
        let header = option.header.as_ref()?;
        Some((header.key.as_str(), value(header), option.append == Some(true)))
    });
    Denial {
        status: status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::FORBIDDEN),
        headers: told(headers),
        body: denied.body.into(),
    }
}

/// Those of the headers of a no that can be passed on; `true`: beside another of that name.
fn told<'a>(given: impl Iterator<Item = (&'a str, &'a [u8], bool)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut bytes = 0;
    for (name, value, beside) in given.take(MOST_HEADERS) {
        bytes += name.len() + value.len();
        let Ok(Some(name)) = changeable(name) else { continue };
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        if bytes > MOST_BYTES || OF_GRPC.contains(&name.as_str()) {
            continue;
        }
        if name == SET_COOKIE || beside {
            headers.append(name, value);
        } else {
            headers.insert(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests;
