//! The head of a response, as it comes from an upstream.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes};
use http::{HeaderMap, Method, StatusCode, Version};
use httparse::{ParserConfig, Status};

use super::Error;
use super::framing::{self, Framing, Source};
use crate::http::{MAX_RESPONSE_HEAD, Seen, challenges};

/// See the module.
#[derive(Debug)]
pub struct ResponseHead {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    /// Where it is not the usual one of the status.
    pub reason: Option<Reason>,
    pub framing: Framing,
    /// Whether the connection stays open for another request.
    pub keeps: bool,
    /// It asks its caller to authenticate the connection, or goes on with that.
    pub challenges: bool,
}

/// What stands behind the status, as the parser has checked it; goes on with the response among its extensions.
#[derive(Clone, Debug)]
pub struct Reason(pub Bytes);

// === impl ResponseHead ===

impl ResponseHead {
    /// Takes a head from the front of `unread`, the answer to a request with `method`; `None`: it is not all there yet.
    pub fn take(unread: &mut Bytes, method: &Method) -> Result<Option<Self>, Error> {
        let taken = framing::with_room(unread, |fields| Self::parse(unread, method, fields))?;
        Ok(taken.map(|(head, length)| {
            unread.advance(length);
            head
        }))
    }

    /// The head at the front of `unread`, and its length.
    fn parse<'a>(
        unread: &'a Bytes,
        method: &Method,
        fields: &mut [MaybeUninit<httparse::Header<'a>>],
    ) -> Result<Option<(Self, usize)>, Error> {
        let mut response = httparse::Response::new(&mut []);
        let parsed =
            ParserConfig::default().parse_response_with_uninit_headers(&mut response, unread, fields)?;
        let length = match parsed {
            Status::Complete(length) if length <= MAX_RESPONSE_HEAD => length,
            Status::Partial if unread.len() < MAX_RESPONSE_HEAD => return Ok(None),
            Status::Complete(_) | Status::Partial => return Err(Error::HeadTooLong),
        };
        let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.ok_or(Error::Malformed("a status that is no number between 100 and 999"))?;
        let version = if response.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
        let source = Source::of(unread, length);
        let told =
            response.reason.filter(|told| !told.is_empty() && Some(*told) != status.canonical_reason());
        let reason = told.map(|told| Reason(source.part(told.as_bytes())));
        let mut headers = framing::fields(&source, response.headers)?;
        let seen = Seen::of(&headers);
        let (framing, clear) = Framing::of_response(&mut headers, seen, version, status, method)?;
        let keeps = clear && framing != Framing::UntilClose && framing::keeps(&headers, seen, version);
        let challenges = challenges(&headers, seen);
        Ok(Some((Self { status, version, headers, reason, framing, keeps, challenges }, length)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunks::Chunks;
    use super::*;

    fn of(fields: &str, method: &Method) -> Result<ResponseHead, Error> {
        let mut unread = Bytes::from(format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
        Ok(ResponseHead::take(&mut unread, method)?.expect("all of it is there"))
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
    fn a_length_is_written_anew() {
        for (fields, length) in [
            ("content-length: 2, 2\r\n", Some("2")),
            ("content-length: 2,002\r\ncontent-length: 2\r\n", Some("2")),
            ("content-length: 0000000000000000000000002\r\n", Some("2")),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let headers = of(fields, &method).unwrap().headers;
                assert_eq!(
                    headers.get_all("content-length").iter().collect::<Vec<_>>(),
                    length.as_slice(),
                    "{fields:?}"
                );
            }
        }
        assert!(of("content-length: x\r\n", &Method::HEAD).unwrap().headers.is_empty());
    }

    #[test]
    fn many_fields_are_taken_while_they_are_short_together() {
        let many = |count: usize| (0..count).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
        assert_eq!(of(&many(4000), &Method::GET).unwrap().headers.len(), 4000);
        assert!(of(&many(40_000), &Method::GET).is_err());
    }

    #[test]
    fn old_servers_close_unless_they_say_otherwise() {
        let keeps = |head: &'static str| {
            let mut unread = Bytes::from_static(head.as_bytes());
            ResponseHead::take(&mut unread, &Method::GET).unwrap().unwrap().keeps
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
            assert!(ResponseHead::take(&mut part, &Method::GET).unwrap().is_none(), "{end}");
            assert_eq!(part.len(), end);
        }
        let mut all = Bytes::from_static(text);
        let head = ResponseHead::take(&mut all, &Method::GET).unwrap().unwrap();
        assert_eq!((head.status, &all[..]), (StatusCode::NOT_FOUND, &b"hi"[..]));
        assert_eq!(head.reason.unwrap().0, "Gone Fishing");
        assert_eq!(head.headers.get_all("a").iter().collect::<Vec<_>>(), ["b", "c"]);
        let endless = [b"HTTP/1.1 200 OK\r\na: ".to_vec(), vec![b'x'; MAX_RESPONSE_HEAD]].concat();
        assert!(ResponseHead::take(&mut endless.into(), &Method::GET).is_err());
    }
}
