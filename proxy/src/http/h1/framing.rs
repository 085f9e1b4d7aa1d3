//! Where a body ends, as its head says (RFC 9112 6), and what both kinds of heads have in common.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version};

use super::Error;
use super::chunks::Chunks;
use crate::http::Seen;

/// Header fields for which there is room without asking for memory, as there nearly always are fewer; see [`parse`].
pub const USUAL_FIELDS: usize = 100;
/// Fields that a proxy may add to a head; room for them costs less than making it later.
const ADDED: usize = 2;
/// Fields of trailers; more are refused.
pub const MAX_TRAILER_FIELDS: usize = 100;

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
        let length = length(headers, seen, |_| false)?;
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
            // What another request would be answered with: no matter here, but it must be fit to go on.
            if length(headers, seen, is_list).is_err() {
                headers.remove(CONTENT_LENGTH);
            }
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
        let length = length(headers, seen, is_list)?;
        Ok((length.map_or(Self::UntilClose, Self::Length), true))
    }
}

/// Whether a response has no body whatever its headers say.
pub fn is_bodiless(status: StatusCode, method: &Method) -> bool {
    status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || *method == Method::HEAD
}

/// What `parse` makes of a head in `bytes`, with room for its fields: the usual few, or as many as it has lines.
pub fn with_room<'a, T>(
    bytes: &'a [u8],
    mut parse: impl FnMut(&mut [MaybeUninit<httparse::Header<'a>>]) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut few = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
    match parse(&mut few) {
        Err(Error::Head(httparse::Error::TooManyHeaders)) => {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            parse(&mut vec![MaybeUninit::uninit(); lines])
        }
        parsed => parsed,
    }
}

/// What the parts of a head may keep in memory beyond the head: what was read behind it, such as the beginning of a body. Values
/// outlive their message in the tables of HPACK, and a read may be 256 KB long.
const MOST_PINNED: usize = 4 * 1024;

/// A head, whose parts are kept without what was read behind it where that is much.
pub struct Source<'a> {
    read: &'a Bytes,
    /// The head alone.
    copied: Option<Bytes>,
}

// === impl Source ===

impl<'a> Source<'a> {
    /// The first `length` bytes of `read`.
    pub fn of(read: &'a Bytes, length: usize) -> Self {
        let copied = (read.len() - length > MOST_PINNED).then(|| Bytes::copy_from_slice(&read[..length]));
        Self { read, copied }
    }

    /// This part of the head, to be kept.
    pub fn part(&self, part: &[u8]) -> Bytes {
        match &self.copied {
            None => self.read.slice_ref(part),
            Some(copied) => {
                let at = part.as_ptr().addr() - self.read.as_ptr().addr();
                copied.slice(at..at + part.len())
            }
        }
    }
}

/// The fields as a map, whose values are parts of `source`.
pub fn fields(source: &Source<'_>, fields: &[httparse::Header<'_>]) -> Result<HeaderMap, Error> {
    // A map holds less than a head may.
    let mut headers = HeaderMap::try_with_capacity(fields.len() + ADDED).map_err(|_| Error::HeadTooLong)?;
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(source.part(field.value));
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(Error::Malformed("a header field of invalid characters"));
        };
        headers.try_append(name, value).map_err(|_| Error::HeadTooLong)?;
    }
    Ok(headers)
}

/// Whether the sender keeps the connection open after this message.
pub fn keeps(headers: &HeaderMap, seen: Seen, version: Version) -> bool {
    if !seen.any(Seen::CONNECTION) {
        return version != Version::HTTP_10;
    }
    if headers.len() == headers.keys_len() && headers.get(CONNECTION).is_some_and(|says| says == "keep-alive")
    {
        return true;
    }
    let says = |option| lists(headers, &CONNECTION, option);
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

/// The length that all values say, each of which is several where `is_several` says so. It is rewritten where it could be put more
/// simply, so that whoever reads it next, in HTTP/2 too, reads the same.
fn length(
    headers: &mut HeaderMap,
    seen: Seen,
    is_several: impl Fn(&HeaderValue) -> bool,
) -> Result<Option<u64>, Error> {
    if !seen.any(Seen::CONTENT_LENGTH) {
        return Ok(None);
    }
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let (Some(first), second) = (values.next(), values.next()) else { return Ok(None) };
    if second.is_none() && !is_several(first) {
        let length = digits(first.as_bytes())?;
        if first.as_bytes().len() > 1 && first.as_bytes()[0] == b'0' {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        return Ok(Some(length));
    }
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let several = is_several(value);
        for one in value.as_bytes().split(|byte| several && is_comma(byte)) {
            let one = digits(one)?;
            if length.replace(one).is_some_and(|before| before != one) {
                return Err(Error::Malformed("several lengths"));
            }
        }
    }
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    Ok(length)
}

fn is_list(value: &HeaderValue) -> bool {
    value.as_bytes().contains(&b',')
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
