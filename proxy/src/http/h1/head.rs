//! The head of a response, and what it says of its body.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version};
use httparse::{ParserConfig, Status};

use super::Error;
use super::chunks::Chunks;
use crate::http::MAX_HEAD;

/// Header fields of a head, or of trailers; more are refused.
pub const MAX_FIELDS: usize = 100;

/// A response's head.
#[derive(Debug)]
pub struct Head {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    /// Where it is not the usual one of the status.
    pub reason: Option<Bytes>,
    pub framing: Framing,
    /// Whether the connection stays open for another request.
    pub keeps: bool,
}

/// Where a body ends (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes are left.
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

/// Takes a head from the front of `unread`, the answer to a request with `method`; `None`: it is not all there yet.
pub fn take(unread: &mut Bytes, method: &Method) -> Result<Option<Head>, Error> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed =
        ParserConfig::default().parse_response_with_uninit_headers(&mut response, unread, &mut fields)?;
    let Status::Complete(length) = parsed else {
        return if unread.len() < MAX_HEAD {
            Ok(None)
        } else {
            Err(Error::Malformed("its head is too long"))
        };
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Error::Malformed("its status is no number between 100 and 999"))?;
    let version = if response.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let told = response.reason.filter(|told| !told.is_empty() && Some(*told) != status.canonical_reason());
    let reason = told.map(|told| unread.slice_ref(told.as_bytes()));
    let mut headers = self::fields(unread, response.headers)?;
    unread.advance(length);
    let (framing, clear) = framing(&mut headers, status, version, method)?;
    let keeps = clear && framing != Framing::UntilClose && keeps(&headers, version);
    Ok(Some(Head { status, version, headers, reason, framing, keeps }))
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

/// Where the body ends, and whether that is clear enough to trust what follows it.
fn framing(
    headers: &mut HeaderMap,
    status: StatusCode,
    version: Version,
    method: &Method,
) -> Result<(Framing, bool), Error> {
    let bodiless = status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || *method == Method::HEAD;
    if bodiless {
        return Ok((Framing::Length(0), true));
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        if version == Version::HTTP_10 {
            return Err(Error::Malformed("HTTP/1.0 has no transfer codings"));
        }
        // The length is wrong, or for somebody else (RFC 9112 6.3, rule 3).
        let clear = headers.remove(CONTENT_LENGTH).is_none();
        let chunked = headers.get_all(TRANSFER_ENCODING).iter().next_back().is_some_and(ends_chunked);
        return Ok(if chunked {
            (Framing::Chunked(Chunks::Size), clear)
        } else {
            (Framing::UntilClose, false)
        });
    }
    let mut lengths =
        headers.get_all(CONTENT_LENGTH).iter().flat_map(|value| value.as_bytes().split(is_comma));
    let Some(first) = lengths.next() else { return Ok((Framing::UntilClose, true)) };
    let length = digits(first)?;
    for other in lengths {
        if digits(other)? != length {
            return Err(Error::Malformed("it has several lengths"));
        }
    }
    Ok((Framing::Length(length), true))
}

fn is_comma(byte: &u8) -> bool {
    *byte == b','
}

fn digits(text: &[u8]) -> Result<u64, Error> {
    let text = text.trim_ascii();
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    number.ok_or(Error::Malformed("its length is no number"))
}

fn ends_chunked(codings: &HeaderValue) -> bool {
    let last = codings.to_str().unwrap_or_default().rsplit(',').next().unwrap_or_default();
    last.trim().eq_ignore_ascii_case("chunked")
}

fn keeps(headers: &HeaderMap, version: Version) -> bool {
    let says = |option: &[u8]| {
        let mut options =
            headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(is_comma));
        options.any(|told| told.trim_ascii().eq_ignore_ascii_case(option))
    };
    if version == Version::HTTP_10 { says(b"keep-alive") } else { !says(b"close") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &str, method: &Method) -> Result<Head, Error> {
        let mut unread = Bytes::from(format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
        Ok(take(&mut unread, method)?.expect("all of it is there"))
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        let chunked = Framing::Chunked(Chunks::Size);
        for (fields, framing, keeps) in [
            ("content-length: 5\r\n", Framing::Length(5), true),
            ("content-length: 5\r\nContent-Length: 5\r\n", Framing::Length(5), true),
            ("content-length: 5, 5\r\n", Framing::Length(5), true),
            ("content-length: 0\r\nconnection: x, Close\r\n", Framing::Length(0), false),
            ("transfer-encoding: Chunked\r\n", chunked, true),
            ("transfer-encoding: gzip, chunked\r\n", chunked, true),
            ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", chunked, false),
            ("transfer-encoding: chunked, gzip\r\n", Framing::UntilClose, false),
            ("", Framing::UntilClose, false),
        ] {
            let head = of(fields, &Method::GET).unwrap();
            assert_eq!((head.framing, head.keeps), (framing, keeps), "{fields:?}");
            assert_eq!(of(fields, &Method::HEAD).unwrap().framing, Framing::Length(0), "{fields:?}");
        }
        for bad in
            ["content-length: 5\r\ncontent-length: 6\r\n", "content-length: +5\r\n", "content-length: \r\n"]
        {
            assert!(of(bad, &Method::GET).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn old_servers_close_unless_they_say_otherwise() {
        let keeps = |head: &'static str| {
            take(&mut Bytes::from_static(head.as_bytes()), &Method::GET).unwrap().unwrap().keeps
        };
        assert!(!keeps("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"));
        assert!(keeps("HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n"));
        assert!(keeps("HTTP/1.1 204 No Content\r\n\r\n"));
    }

    #[test]
    fn a_head_is_taken_once_it_is_whole_and_what_follows_stays() {
        let text = b"HTTP/1.1 404 Gone Fishing\r\nA: b\r\nA: c\r\nContent-Length: 2\r\n\r\nhi";
        for end in 0..text.len() - 2 {
            let mut part = Bytes::copy_from_slice(&text[..end]);
            assert!(take(&mut part, &Method::GET).unwrap().is_none(), "{end}");
            assert_eq!(part.len(), end);
        }
        let mut all = Bytes::from_static(text);
        let head = take(&mut all, &Method::GET).unwrap().unwrap();
        assert_eq!(
            (head.status, &head.reason.unwrap()[..], &all[..]),
            (StatusCode::NOT_FOUND, &b"Gone Fishing"[..], &b"hi"[..])
        );
        assert_eq!(head.headers.get_all("a").iter().collect::<Vec<_>>(), ["b", "c"]);
        let endless = [b"HTTP/1.1 200 OK\r\na: ".to_vec(), vec![b'x'; MAX_HEAD]].concat();
        assert!(take(&mut endless.into(), &Method::GET).is_err());
    }
}
