//! The head of a request, as it comes from a caller.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes};
use http::header::{EXPECT, TE};
use http::uri::InvalidUri;
use http::{HeaderMap, Method, Uri, Version};
use httparse::{ParserConfig, Status};

use super::Error;
use super::framing::{self, Framing, MAX_FIELDS};
use crate::http::{MAX_HEAD, Seen};

/// See the module.
#[derive(Debug)]
pub struct RequestHead {
    pub method: Method,
    pub uri: Uri,
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
    /// Takes a head from the front of `unread`; `None`: it is not all there yet.
    pub fn take(unread: &mut Bytes) -> Result<Option<Self>, Error> {
        let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        let parsed =
            ParserConfig::default().parse_request_with_uninit_headers(&mut request, unread, &mut fields)?;
        let length = match parsed {
            Status::Complete(length) if length <= MAX_HEAD => length,
            Status::Partial if unread.len() < MAX_HEAD => return Ok(None),
            Status::Complete(_) | Status::Partial => return Err(too_long(unread)),
        };
        let method = request.method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
        let method = method.ok_or(Error::Malformed("a method of invalid characters"))?;
        let target = unread.slice_ref(request.path.unwrap_or_default().as_bytes());
        let uri = Uri::from_maybe_shared(target).map_err(|error| invalid(&error))?;
        let version = if request.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
        let mut headers = framing::fields(unread, request.headers)?;
        unread.advance(length);
        let seen = Seen::of(&headers);
        let (framing, clear) = Framing::of_request(&mut headers, seen, version)?;
        let keeps = clear && framing::keeps(&headers, seen, version);
        let expects = seen.any(Seen::EXPECT) && framing::lists(&headers, &EXPECT, b"100-continue");
        let trailers = seen.any(Seen::TE) && framing::lists(&headers, &TE, b"trailers");
        let upgrades = seen.any(Seen::UPGRADE);
        Ok(Some(Self { method, uri, version, headers, framing, keeps, expects, trailers, upgrades }))
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

    fn of(fields: &str) -> Result<RequestHead, Error> {
        let mut unread = Bytes::from(format!("POST /a HTTP/1.1\r\nhost: x\r\n{fields}\r\n"));
        Ok(RequestHead::take(&mut unread)?.expect("all of it is there"))
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
    fn what_is_too_long_is_told_apart() {
        let long = "x".repeat(MAX_HEAD);
        let mut target = Bytes::from(format!("GET /{long}"));
        assert!(matches!(RequestHead::take(&mut target), Err(Error::TargetTooLong)));
        assert!(matches!(of(&format!("a: {long}\r\n")), Err(Error::HeadTooLong)));
    }
}
