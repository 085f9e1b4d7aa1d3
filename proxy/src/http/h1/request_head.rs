//! The head of a request, as it comes from a caller.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes};
use http::header::{EXPECT, TE};
use http::uri::InvalidUri;
use http::{HeaderMap, Method, Uri, Version};
use httparse::{ParserConfig, Status};

use super::Error;
use super::framing::{self, Framing, Source};
use super::lenient;
use crate::http::raw_target;
use crate::http::{MAX_HEAD, RawTarget, Seen};

/// See the module.
#[derive(Debug)]
pub struct RequestHead {
    pub method: Method,
    pub uri: Uri,
    /// The target, where it is written otherwise.
    pub raw_target: Option<RawTarget>,
    pub version: Version,
    pub headers: HeaderMap,
    pub framing: Framing,
    /// Whether the connection stays open for another request.
    pub keeps: bool,
    /// The caller waits for a word before it sends the body.
    pub expects: bool,
    /// The caller reads trailers.
    pub trailers: bool,
    /// The caller would leave HTTP.
    pub upgrades: bool,
}

// === impl RequestHead ===

impl RequestHead {
    /// Takes a head from the front of `unread`; `None`: it is not all there yet. Boxed: it is handed on often, and large.
    pub fn take(unread: &mut Bytes) -> Result<Option<Box<Self>>, Error> {
        match framing::with_room(unread, |fields| Self::parse(unread, unread, fields)) {
            Ok(Some((head, length))) => {
                unread.advance(length);
                Ok(Some(head))
            }
            Ok(None) => Ok(None),
            Err(Error::Head(error)) => match lenient::request(unread) {
                lenient::Read::Otherwise(text) => {
                    let parsed = framing::with_room(&text, |fields| Self::parse(&text, unread, fields))?;
                    Ok(parsed.map(|(head, length)| {
                        unread.advance(length);
                        head
                    }))
                }
                lenient::Read::Missing => Ok(None),
                lenient::Read::Same => Err(error.into()),
            },
            Err(error) => Err(error),
        }
    }

    /// The head at the front of `text`, and its length. Its target stands at the same place in `source`.
    fn parse<'a>(
        text: &'a Bytes,
        source: &Bytes,
        fields: &mut [MaybeUninit<httparse::Header<'a>>],
    ) -> Result<Option<(Box<Self>, usize)>, Error> {
        let mut request = httparse::Request::new(&mut []);
        let parsed = ParserConfig::default().parse_request_with_uninit_headers(&mut request, text, fields)?;
        let length = match parsed {
            Status::Complete(length) if length <= MAX_HEAD => length,
            Status::Partial if text.len() < MAX_HEAD => return Ok(None),
            Status::Complete(_) | Status::Partial => return Err(too_long(text)),
        };
        let method = request.method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
        let method = method.ok_or(Error::Malformed("a method of invalid characters"))?;
        let path = request.path.ok_or(Error::Malformed("no target"))?.as_bytes();
        let at = path.as_ptr().addr() - text.as_ptr().addr();
        let target = &source[at..at + path.len()];
        let target = Source::of(source, length).part(target);
        let (uri, raw_target) = raw_target::read(target).map_err(|error| invalid(&error))?;
        let version = if request.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
        let mut headers = framing::fields(&Source::of(text, length), request.headers)?;
        let seen = Seen::of(&headers);
        let (framing, clear) = Framing::of_request(&mut headers, seen, version)?;
        let keeps = clear && framing::keeps(&headers, seen, version);
        let expects = seen.any(Seen::EXPECT) && framing::lists(&headers, &EXPECT, b"100-continue");
        let trailers = seen.any(Seen::TE) && framing::lists(&headers, &TE, b"trailers");
        let upgrades = seen.any(Seen::UPGRADE);
        let head =
            Self { method, uri, raw_target, version, headers, framing, keeps, expects, trailers, upgrades };
        Ok(Some((Box::new(head), length)))
    }
}

fn too_long(head: &[u8]) -> Error {
    let line = head.iter().position(|byte| *byte == b'\n').unwrap_or(head.len());
    if line < MAX_HEAD { Error::HeadTooLong } else { Error::TargetTooLong }
}

fn invalid(error: &InvalidUri) -> Error {
    // It says so in no other way.
    if error.to_string().contains("too long") {
        Error::TargetTooLong
    } else {
        Error::Malformed("a target that is no URI")
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunks::Chunks;
    use super::*;

    fn of(fields: &str) -> Result<Box<RequestHead>, Error> {
        let mut unread = Bytes::from(format!("POST /a HTTP/1.1\r\nhost: x\r\n{fields}\r\n"));
        Ok(RequestHead::take(&mut unread)?.expect("all of it is there"))
    }

    #[test]
    fn a_head_keeps_nothing_in_memory_of_the_body_that_was_read_with_it() {
        for (target, more) in [("/a", 200_000), ("/a?{\"b\"}", 200_000), ("/a", 100)] {
            let text =
                format!("POST {target} HTTP/1.1\r\nhost: x\r\nx-id: 7\r\ncontent-length: {more}\r\n\r\n");
            let mut unread = Bytes::from([text.as_bytes(), &vec![7; more]].concat());
            let head = RequestHead::take(&mut unread).unwrap().expect("all of it is there");
            assert_eq!((&head.headers["x-id"], head.uri.path()), (&http::HeaderValue::from(7), "/a"));
            assert_eq!(head.raw_target.is_some(), target != "/a");
            assert_eq!((unread.len(), unread.is_unique()), (more, more > 1000), "{target}");
        }
    }

    #[test]
    fn a_body_ends_where_its_head_says_or_the_request_is_refused() {
        let chunked = Framing::Chunked(Chunks::Size);
        for (fields, framing, keeps) in [
            ("", Framing::Length(0), true),
            ("content-length: 5\r\n", Framing::Length(5), true),
            ("content-length: 5\r\ncontent-length: 5\r\n", Framing::Length(5), true),
            ("connection: close\r\n", Framing::Length(0), false),
            ("transfer-encoding: chunked\r\n", chunked, true),
            ("content-length: 5\r\ntransfer-encoding: chunked\r\n", chunked, false),
        ] {
            let head = of(fields).unwrap();
            assert_eq!((head.framing, head.keeps), (framing, keeps), "{fields:?}");
        }
        for bad in [
            "content-length: 5\r\ncontent-length: 6\r\n",
            "content-length: 5, 5\r\n",
            "content-length: -5\r\n",
            "transfer-encoding: chunked, gzip\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        ] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_a_caller_wishes_is_seen() {
        let head = of("Expect: 100-Continue\r\nTE: gzip, Trailers\r\nupgrade: websocket\r\n").unwrap();
        assert!(head.expects && head.trailers && head.upgrades);
        let head = of("te: gzip\r\nexpect: wonders\r\n").unwrap();
        assert!(!head.expects && !head.trailers && !head.upgrades);
    }

    #[test]
    fn what_other_servers_take_is_taken() {
        let of = |line: &[u8]| {
            let mut unread = Bytes::from([line, b"\r\nhost: x\r\n\r\nrest"].concat());
            let head = RequestHead::take(&mut unread).unwrap().unwrap();
            assert_eq!(&unread[..], b"rest");
            assert_eq!(head.headers["host"], "x");
            let mut request = http::Request::new(());
            *request.uri_mut() = head.uri.clone();
            request.extensions_mut().extend(
                head.raw_target
                    .map(|raw| {
                        let mut extensions = http::Extensions::new();
                        extensions.insert(raw);
                        extensions
                    })
                    .unwrap_or_default(),
            );
            (RawTarget::of(&request).map(<[u8]>::to_vec), head.uri.to_string(), head.version)
        };
        let eleven = Version::HTTP_11;
        for (line, raw, uri) in [
            (&b"GET /a HTTP/1.2"[..], None, "/a"),
            (b"\r\nGET /a HTTP/1.9", None, "/a"),
            (b"\r\nGET /a HTTP/1.1", None, "/a"),
            (b"GET /caf\xe9 HTTP/1.1", Some(&b"/caf\xe9"[..]), "/caf%E9"),
            (b"GET /caf\xe9?\xff HTTP/1.3", Some(b"/caf\xe9?\xff"), "/caf%E9?%FF"),
            (b"GET /\"<>^` HTTP/1.1", Some(b"/\"<>^`"), "/%22%3C%3E%5E%60"),
            (b"GET /a#b HTTP/1.1", Some(b"/a#b"), "/a"),
            (b"OPTIONS http://a HTTP/1.1", Some(b"http://a"), "http://a/"),
        ] {
            assert_eq!(
                of(line),
                (raw.map(<[u8]>::to_vec), uri.to_owned(), eleven),
                "{}",
                line.escape_ascii()
            );
        }
        for line in [
            "GET /a HTTP/2.0",
            "GET /a HTTP/1.",
            "GET /a HTTP/1.10",
            "GET /a http/1.2",
            "GET /a",
            "G\u{e9}T /a HTTP/1.1",
        ] {
            let mut unread = Bytes::from(format!("{line}\r\nhost: x\r\n\r\n"));
            assert!(RequestHead::take(&mut unread).is_err(), "{line}");
        }
        for whole in [&b"GET /caf\xe9 HTTP/1.2\r\n"[..], b"GET / HTTP/1.2\r\n"] {
            for end in 0..=whole.len() {
                let mut unread = Bytes::copy_from_slice(&whole[..end]);
                assert!(RequestHead::take(&mut unread).unwrap().is_none(), "{end}: it is not there yet");
            }
        }
        for bytes in [&b"\0\0\0\x08\x04\xd2\x16\x2f"[..], b"\x16\x03\x01\x02\0 \xff", b"G\xc9T /"] {
            let mut unread = Bytes::copy_from_slice(bytes);
            assert!(RequestHead::take(&mut unread).is_err(), "{}: it never will be", bytes.escape_ascii());
        }
    }

    #[test]
    fn many_fields_are_taken_while_they_are_short_together() {
        let many = |count: usize| (0..count).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
        assert_eq!(of(&many(1000)).unwrap().headers.len(), 1001);
        assert!(matches!(of(&many(10_000)), Err(Error::HeadTooLong)));
    }

    #[test]
    fn a_length_is_written_anew() {
        for (fields, length) in [
            ("content-length: 00000000000000000000000005\r\n", "5"),
            ("content-length: 00\r\n", "0"),
            ("content-length: 5\r\ncontent-length: 05\r\n", "5"),
            ("content-length: 5\r\n", "5"),
        ] {
            let headers = of(fields).unwrap().headers;
            let lengths: Vec<_> = headers.get_all("content-length").iter().collect();
            assert_eq!(lengths, [length], "{fields:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_told_apart() {
        let long = "x".repeat(MAX_HEAD);
        let mut target = Bytes::from(format!("GET /{long}"));
        assert!(matches!(RequestHead::take(&mut target), Err(Error::TargetTooLong)));
        assert!(matches!(of(&format!("a: {long}\r\n")), Err(Error::HeadTooLong)));
    }
}
