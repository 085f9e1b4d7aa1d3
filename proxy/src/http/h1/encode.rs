//! The bytes of heads, chunks and trailers.

use std::io::Write;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, PROXY_AUTHORIZATION, TRANSFER_ENCODING,
};
use http::{HeaderMap, Request, Version, response};

use super::response_head::Reason;
use super::sending::Coding;
use crate::digits::decimal;
use crate::http::{RawTarget, connection_auth};

/// What stands behind the data of a chunk.
pub const DATA_END: &[u8] = b"\r\n";
/// The last chunk and the end of its trailers.
pub const END: &[u8] = b"0\r\n\r\n";
pub const DATA_END_AND_END: &[u8] = b"\r\n0\r\n\r\n";

/// Most heads are shorter, so that writing one allocates once.
const USUAL_HEAD: usize = 768;

/// What a response says of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Of the request.
    pub version: Version,
    pub keeps: bool,
}

/// The bytes of the head of a request.
#[derive(Debug)]
pub struct RequestText {
    pub bytes: Vec<u8>,
    /// It authenticates its connection.
    pub authenticates: bool,
}

/// The head of `request`. What its headers say of the framing is replaced by what `coding` says.
pub fn request_head<B>(request: &Request<B>, coding: Coding) -> RequestText {
    let mut out = Vec::with_capacity(USUAL_HEAD);
    out.extend_from_slice(request.method().as_str().as_bytes());
    out.push(b' ');
    let uri = request.uri();
    match (RawTarget::of(request), uri.authority(), uri.path_and_query()) {
        (Some(raw), ..) => out.extend_from_slice(raw),
        (None, None, Some(target)) => out.extend_from_slice(target.as_str().as_bytes()),
        // HTTP/2 has it beside an authority; here it stands alone (RFC 9112 3.2.4).
        (None, Some(_), Some(target)) if target == "*" => out.push(b'*'),
        // An absolute target stays one.
        _ => put(&mut out, format_args!("{uri}")),
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let told = fields(&mut out, request.headers());
    if let (false, Some(authority)) = (told.host, uri.authority()) {
        field(&mut out, &HOST, authority.as_str().as_bytes());
    }
    // A length of zero that the caller sent stays: where the method would have a body, it must be there.
    let coding = if coding == Coding::None && told.length { Coding::Length(0) } else { coding };
    frame(&mut out, coding);
    out.extend_from_slice(b"\r\n");
    RequestText { bytes: out, authenticates: told.authenticates }
}

/// The head of a response. One without body may tell the length of what another request would be answered with.
pub fn response_head(head: &response::Parts, coding: Coding, keeping: Keeping) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL_HEAD);
    out.extend_from_slice(match keeping.version {
        Version::HTTP_10 => b"HTTP/1.0 ",
        _ => b"HTTP/1.1 ",
    });
    out.extend_from_slice(head.status.as_str().as_bytes());
    out.push(b' ');
    match head.extensions.get::<Reason>() {
        Some(Reason(reason)) => out.extend_from_slice(reason),
        None => out.extend_from_slice(head.status.canonical_reason().unwrap_or_default().as_bytes()),
    }
    out.extend_from_slice(b"\r\n");
    let told = fields(&mut out, &head.headers);
    let length =
        told.length && coding == Coding::None && !head.status.is_informational() && head.status != 204;
    if let Some(length) = head.headers.get(CONTENT_LENGTH).filter(|_| length) {
        field(&mut out, &CONTENT_LENGTH, length.as_bytes());
    }
    frame(&mut out, coding);
    if !told.connection {
        match (keeping.version, keeping.keeps) {
            (Version::HTTP_10, true) => out.extend_from_slice(b"connection: keep-alive\r\n"),
            (Version::HTTP_10, false) | (_, true) => {}
            (_, false) => out.extend_from_slice(b"connection: close\r\n"),
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// What stands in front of a chunk of so many bytes; behind it stands [`DATA_END`].
pub fn chunk(out: &mut Vec<u8>, length: usize) {
    put(out, format_args!("{length:x}\r\n"));
}

/// The last chunk with `trailers`.
pub fn trailers(out: &mut Vec<u8>, trailers: &HeaderMap) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        field(out, name, value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// What was among the fields of a head.
#[derive(Default)]
struct Told {
    length: bool,
    connection: bool,
    authenticates: bool,
    host: bool,
}

/// All but those that frame.
fn fields(out: &mut Vec<u8>, headers: &HeaderMap) -> Told {
    let mut told = Told::default();
    for (name, value) in headers {
        match *name {
            TRANSFER_ENCODING => continue,
            CONTENT_LENGTH => {
                told.length = true;
                continue;
            }
            CONNECTION => told.connection = true,
            HOST => told.host = true,
            AUTHORIZATION | PROXY_AUTHORIZATION => {
                told.authenticates |= connection_auth::names_scheme(value.as_bytes());
            }
            _ => {}
        }
        field(out, name, value.as_bytes());
    }
    told
}

fn frame(out: &mut Vec<u8>, coding: Coding) {
    match coding {
        Coding::None | Coding::UntilClose => {}
        Coding::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            decimal(length, out);
            out.extend_from_slice(b"\r\n");
        }
        Coding::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
}

fn field(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector does not fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn written(request: http::request::Builder, coding: Coding) -> String {
        String::from_utf8(request_head(&request.body(()).unwrap(), coding).bytes).unwrap()
    }

    #[test]
    fn a_request_says_one_thing_of_its_body() {
        let post = || Request::post("/a?b=c").header("host", "x").header("content-length", "7");
        let first = "POST /a?b=c HTTP/1.1\r\nhost: x\r\n";
        assert_eq!(written(post(), Coding::Length(5)), format!("{first}content-length: 5\r\n\r\n"));
        assert_eq!(written(post(), Coding::None), format!("{first}content-length: 0\r\n\r\n"));
        let chunked = post().header("transfer-encoding", "gzip");
        assert_eq!(written(chunked, Coding::Chunked), format!("{first}transfer-encoding: chunked\r\n\r\n"));
        assert_eq!(
            written(Request::get("http://x:80/a"), Coding::None),
            "GET http://x:80/a HTTP/1.1\r\nhost: x:80\r\n\r\n",
            "HTTP/1.1 wants a Host"
        );
        let both = Request::get("http://x/a").header("host", "x");
        assert_eq!(written(both, Coding::None), "GET http://x/a HTTP/1.1\r\nhost: x\r\n\r\n");
        let asterisk = http::uri::Builder::new().scheme("http").authority("x").path_and_query("*");
        let asterisk = Request::options(asterisk.build().unwrap());
        assert_eq!(written(asterisk, Coding::None), "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n");
        assert_eq!(written(Request::options("*"), Coding::None), "OPTIONS * HTTP/1.1\r\n\r\n");
    }

    #[test]
    fn a_response_says_what_becomes_of_its_connection() {
        let told = |status: u16, coding, version, keeps| {
            let response = Response::builder().status(status).header("content-length", "7").body(()).unwrap();
            let head = response.into_parts().0;
            String::from_utf8(response_head(&head, coding, Keeping { version, keeps })).unwrap()
        };
        let (old, new) = (Version::HTTP_10, Version::HTTP_11);
        for (status, coding, version, keeps, says) in [
            (200, Coding::Length(5), new, true, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
            (200, Coding::None, new, true, "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"),
            (204, Coding::None, new, true, "HTTP/1.1 204 No Content\r\n\r\n"),
            (
                200,
                Coding::Chunked,
                new,
                false,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
            ),
            (200, Coding::UntilClose, old, false, "HTTP/1.0 200 OK\r\n\r\n"),
            (
                200,
                Coding::Length(5),
                old,
                true,
                "HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\n",
            ),
            (799, Coding::Length(0), new, true, "HTTP/1.1 799 \r\ncontent-length: 0\r\n\r\n"),
        ] {
            assert_eq!(told(status, coding, version, keeps), says);
        }
    }
}
