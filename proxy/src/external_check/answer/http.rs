//! An answer as plain HTTP: 200 means yes, 5xx that it could not be found out, anything else no.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, PROXY_AUTHENTICATE, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use super::{Allowed, Answer, Denial, Unusable, told};
use crate::asking::NotAnswer;
use crate::external_check::OverHttp;
use crate::header_edits::{BadEdits, Edit, HeaderEdits, How};

/// What the caller is told in any case: without it a status or a body means nothing.
const ALWAYS: [HeaderName; 4] = [CONTENT_TYPE, LOCATION, PROXY_AUTHENTICATE, WWW_AUTHENTICATE];

/// Reads what came back, whose body is `None` where it did not come whole.
pub fn read_http(http: &OverHttp, response: Response<Option<Bytes>>) -> Result<Answer, Unusable> {
    let (head, body) = response.into_parts();
    let status = head.status;
    if status == StatusCode::OK {
        body.ok_or(Unusable::Broken)?;
        let request = edits(&http.to_application, &head.headers)?;
        return Ok(Answer::Allowed(Allowed { request, response: HeaderEdits::default() }));
    }
    if status.is_informational() || status.as_u16() >= 500 {
        return Err(NotAnswer::Http(status).into());
    }
    if status.is_success() {
        // No, and a caller who were told so by it would take it for a yes.
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        return Ok(Answer::Denied(Denial { status: StatusCode::FORBIDDEN, headers, body }));
    }
    let passes = |name: &HeaderName| {
        http.to_caller.is_empty() || ALWAYS.contains(name) || http.to_caller.contains(name)
    };
    let headers = head.headers.iter().filter(|(name, _)| passes(name));
    // Several of a name belong together; there is nothing yet that they would stand beside.
    let headers = told(headers.map(|(name, value)| (name.as_str(), value.as_bytes(), true)));
    Ok(Answer::Denied(Denial { status, headers, body: body.unwrap_or_default() }))
}

fn edits(names: &[HeaderName], headers: &HeaderMap) -> Result<HeaderEdits, BadEdits> {
    let mut wanted = Vec::new();
    for name in names {
        for (index, value) in headers.get_all(name).iter().enumerate() {
            let how = if index == 0 { How::Overwrite } else { How::Append };
            wanted.push(Edit { name: name.as_str(), value: value.as_bytes(), how: Some(how) });
        }
    }
    HeaderEdits::read(wanted.into_iter())
}
