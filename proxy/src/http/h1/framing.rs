//! Where a body ends, as its head says (RFC 9112 6), and what both kinds of heads have in common.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version};

use super::Error;
use super::chunks::Chunks;
use crate::http::Seen;

/// Header fields of a head, or of trailers; more are refused.
pub const MAX_FIELDS: usize = 100;

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes are left.
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

/// A framing, and whether it is clear enough to trust what follows the body.
pub type Framed = (Framing, bool);

// === impl Framing ===

impl Framing {
    /// Whether the end is reached.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks::Ended))
    }

    /// Of a request with these headers, in which these are `seen`, and of which those that contradict it are taken away.
    pub fn of_request(headers: &mut HeaderMap, seen: Seen, version: Version) -> Result<Framed, Error> {
        if let Some((chunked, clear)) = transfer_coding(headers, seen, version)? {
            // Nobody can tell where it ends (rule 4).
            let framing = chunked.then_some(Self::Chunked(Chunks::Size));
            return Ok((
                framing.ok_or(Error::Malformed("a transfer coding that does not end in chunked"))?,
                clear,
            ));
        }
        let length = length(headers, seen, |value| std::iter::once(value.as_bytes()))?;
        Ok((Self::Length(length.unwrap_or(0)), true))
    }

    /// Of a response with these headers to a request with `method`.
    pub fn of_response(
        headers: &mut HeaderMap,
        seen: Seen,
        version: Version,
        status: StatusCode,
        method: &Method,
    ) -> Result<Framed, Error> {
        if is_bodiless(status, method) {
            return Ok((Self::Length(0), true));
        }
        if let Some((chunked, clear)) = transfer_coding(headers, seen, version)? {
            return Ok(if chunked {
                (Self::Chunked(Chunks::Size), clear)
            } else {
                (Self::UntilClose, false)
            });
        }
        // Some servers say it twice in one line; a recipient may take that for once (rule 5).
        let length = length(headers, seen, |value| value.as_bytes().split(is_comma))?;
        Ok((length.map_or(Self::UntilClose, Self::Length), true))
    }
}

/// Whether a response has no body whatever its headers say.
pub fn is_bodiless(status: StatusCode, method: &Method) -> bool {
    status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || *method == Method::HEAD
}

/// The fields as a map, whose values are parts of `source`.
pub fn fields(source: &Bytes, fields: &[httparse::Header<'_>]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(source.slice_ref(field.value));
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(Error::Malformed("a header field of invalid characters"));
        };
        headers.append(name, value);
    }
    Ok(headers)
}

/// Whether the sender keeps the connection open after this message.
pub fn keeps(headers: &HeaderMap, seen: Seen, version: Version) -> bool {
    let says = |option| seen.any(Seen::CONNECTION) && lists(headers, &CONNECTION, option);
    if version == Version::HTTP_10 { says(b"keep-alive") } else { !says(b"close") }
}

/// Whether `option` is among the values of a header that is a list.
pub fn lists(headers: &HeaderMap, name: &HeaderName, option: &[u8]) -> bool {
    let mut options = headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(is_comma));
    options.any(|told| told.trim_ascii().eq_ignore_ascii_case(option))
}

/// Whether the last transfer coding is `chunked`, if there is any, and whether that is clear.
fn transfer_coding(
    headers: &mut HeaderMap,
    seen: Seen,
    version: Version,
) -> Result<Option<(bool, bool)>, Error> {
    if !seen.any(Seen::TRANSFER_ENCODING) {
        return Ok(None);
    }
    let Some(last) = headers.get_all(TRANSFER_ENCODING).iter().next_back() else { return Ok(None) };
    if version == Version::HTTP_10 {
        return Err(Error::Malformed("HTTP/1.0 has no transfer codings"));
    }
    let chunked = ends_chunked(last);
    // The length is wrong, or for somebody else (rule 3).
    let clear = headers.remove(CONTENT_LENGTH).is_none();
    Ok(Some((chunked, clear)))
}

/// The length that all values say, each of which is one or more by `split`.
fn length<'a, I>(
    headers: &'a HeaderMap,
    seen: Seen,
    split: impl Fn(&'a HeaderValue) -> I,
) -> Result<Option<u64>, Error>
where
    I: Iterator<Item = &'a [u8]>,
{
    if !seen.any(Seen::CONTENT_LENGTH) {
        return Ok(None);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter().flat_map(split);
    let Some(first) = lengths.next() else { return Ok(None) };
    let length = digits(first)?;
    for other in lengths {
        if digits(other)? != length {
            return Err(Error::Malformed("several lengths"));
        }
    }
    Ok(Some(length))
}

fn is_comma(byte: &u8) -> bool {
    *byte == b','
}

fn digits(text: &[u8]) -> Result<u64, Error> {
    let text = text.trim_ascii();
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    number.ok_or(Error::Malformed("a length that is no number"))
}

fn ends_chunked(codings: &HeaderValue) -> bool {
    let last = codings.to_str().unwrap_or_default().rsplit(',').next().unwrap_or_default();
    last.trim().eq_ignore_ascii_case("chunked")
}
