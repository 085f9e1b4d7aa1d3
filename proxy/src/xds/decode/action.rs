//! What routes do beside sending on.

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, StatusCode};

use super::{Reject, beside, each, port};
use crate::state::{
    Actions, Answer, DirectResponse, HeaderChanges, Host, MessageChanges, PathChange, Redirect, Rewrite,
    Scheme,
};
use crate::wire::weft::v1 as wire;

/// What `wire` does, if anything.
pub(super) fn actions(wire: &wire::Route, backends: usize) -> Result<Option<Box<Actions>>, Reject> {
    let headers = message(wire.request_headers.as_ref(), wire.response_headers.as_ref())?;
    let rewrite = wire.rewrite.as_ref().map(rewrite).transpose().map_err(within("rewrite"))?;
    let answer = match (&wire.redirect, &wire.direct_response) {
        (Some(_), Some(_)) => return Err(reject!("there are a redirect and a direct response")),
        (Some(wire), None) => Some(Answer::Redirect(redirect(wire).map_err(within("redirect"))?)),
        (None, Some(wire)) => Some(Answer::Direct(direct(wire).map_err(within("direct_response"))?)),
        (None, None) => None,
    };
    let cors = wire.cors.as_ref().map(beside::cors).transpose().map_err(within("cors"))?.map(Box::new);
    let mirrors = each("mirrors", &wire.mirrors, |wire| beside::mirror(wire, backends))?;
    if headers.is_none() && rewrite.is_none() && cors.is_none() && mirrors.is_empty() && answer.is_none() {
        return Ok(None);
    }
    Ok(Some(Box::new(Actions { headers: headers.unwrap_or_default(), rewrite, cors, mirrors, answer })))
}

/// Changes of headers, if there are any.
pub(super) fn message(
    request: Option<&wire::HeaderChanges>,
    response: Option<&wire::HeaderChanges>,
) -> Result<Option<MessageChanges>, Reject> {
    if request.is_none() && response.is_none() {
        return Ok(None);
    }
    let side = |field, wire: Option<&wire::HeaderChanges>| {
        wire.map(changes).transpose().map(Option::unwrap_or_default).map_err(within(field))
    };
    Ok(Some(MessageChanges {
        request: side("request_headers", request)?,
        response: side("response_headers", response)?,
    }))
}

fn within(field: &str) -> impl Fn(Reject) -> Reject {
    move |Reject(reason)| reject!("{field}: {reason}")
}

fn changes(wire: &wire::HeaderChanges) -> Result<HeaderChanges, Reject> {
    Ok(HeaderChanges {
        remove: each("remove", &wire.remove, |name| header_name(name))?,
        set: each("set", &wire.set, header_text)?,
        add: each("add", &wire.add, header_text)?,
    })
}

fn header_text(wire: &wire::HeaderText) -> Result<(HeaderName, HeaderValue), Reject> {
    Ok((header_name(&wire.name)?, header_value(&wire.value)?))
}

pub(super) fn header_name(name: &str) -> Result<HeaderName, Reject> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| reject!("`{}` is no header name", name.escape_default()))
}

pub(super) fn header_value(value: &str) -> Result<HeaderValue, Reject> {
    HeaderValue::from_str(value).map_err(|_| reject!("`{}` is no header value", value.escape_default()))
}

fn rewrite(wire: &wire::Rewrite) -> Result<Rewrite, Reject> {
    Ok(Rewrite { host: given(&wire.host).map(host).transpose()?, path: path_change(wire.path.as_ref())? })
}

fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn host(text: &str) -> Result<Host, Reject> {
    let authority =
        text.parse::<Authority>().map_err(|_| reject!("`{}` is no host", text.escape_default()))?;
    Ok(Host { authority, value: header_value(text)? })
}

fn path_change(wire: Option<&wire::PathChange>) -> Result<Option<PathChange>, Reject> {
    use wire::path_change::Change;

    let Some(wire) = wire else { return Ok(None) };
    let change = wire.change.as_ref().ok_or_else(|| reject!("path: no change this proxy knows"))?;
    let (Change::Full(path) | Change::Prefix(path)) = change;
    // The data path puts it into URIs without looking again.
    let good = path.starts_with('/') && !path.contains('?') && path.parse::<PathAndQuery>().is_ok();
    if !good {
        return Err(reject!("path: `{}` is no path", path.escape_default()));
    }
    Ok(Some(match change {
        Change::Full(path) => PathChange::Full(path.as_str().into()),
        Change::Prefix(path) => PathChange::Prefix(path.as_str().into()),
    }))
}

fn redirect(wire: &wire::Redirect) -> Result<Redirect, Reject> {
    let scheme = match wire.scheme.as_str() {
        "" => None,
        "http" => Some(Scheme::Http),
        "https" => Some(Scheme::Https),
        other => return Err(reject!("scheme `{}` is unknown", other.escape_default())),
    };
    if !matches!(wire.status, 301 | 302 | 303 | 307 | 308) {
        return Err(reject!("{} is no status of a redirect", wire.status));
    }
    Ok(Redirect {
        scheme,
        host: given(&wire.host).map(host).transpose()?.map(|host| host.authority.as_str().into()),
        port: (wire.port != 0).then(|| port(wire.port)).transpose()?,
        path: path_change(wire.path.as_ref())?,
        status: status(wire.status)?,
    })
}

fn direct(wire: &wire::DirectResponse) -> Result<DirectResponse, Reject> {
    if !(200..=599).contains(&wire.status) {
        return Err(reject!("{} is no status of an answer", wire.status));
    }
    let body = given(&wire.body)
        .map(|body| header_value(&wire.content_type).map(|of| (Bytes::copy_from_slice(body.as_bytes()), of)));
    Ok(DirectResponse { status: status(wire.status)?, body: body.transpose()? })
}

fn status(number: u32) -> Result<StatusCode, Reject> {
    u16::try_from(number)
        .ok()
        .and_then(|number| StatusCode::from_u16(number).ok())
        .ok_or_else(|| reject!("{number} is no status"))
}
