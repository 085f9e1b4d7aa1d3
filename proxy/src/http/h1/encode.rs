//! The bytes of a request's head, chunks and trailers.

use std::io::Write;

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Request};

/// How the body of a request is told apart from what follows it (RFC 9112 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// There is none.
    None,
    Length(u64),
    Chunked,
}

/// The last chunk and the end of its trailers.
pub const END: &[u8] = b"0\r\n\r\n";

/// Most heads are shorter, so that writing one allocates once.
const USUAL_HEAD: usize = 768;

/// Never in trailers: they would tell who reads them late how to read what is past, or who it is for (RFC 9110 6.5.1).
const NO_TRAILERS: [HeaderName; 8] =
    [CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// The head of `request`. What its headers say of the framing is replaced by what `coding` says.
pub fn head<B>(request: &Request<B>, coding: Coding) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL_HEAD);
    out.extend_from_slice(request.method().as_str().as_bytes());
    out.push(b' ');
    let uri = request.uri();
    match (uri.authority(), uri.path_and_query()) {
        (None, Some(target)) => out.extend_from_slice(target.as_str().as_bytes()),
        // An absolute target stays one.
        _ => put(&mut out, format_args!("{uri}")),
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let (mut length, headers) = (false, request.headers());
    for (name, value) in headers {
        match *name {
            TRANSFER_ENCODING => {}
            CONTENT_LENGTH => length = true,
            _ => field(&mut out, name, value.as_bytes()),
        }
    }
    match coding {
        Coding::None if length => out.extend_from_slice(b"content-length: 0\r\n"),
        Coding::None => {}
        Coding::Length(length) => put(&mut out, format_args!("content-length: {length}\r\n")),
        Coding::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// What stands in front of a chunk of so many bytes; behind it stands CR LF.
pub fn chunk(out: &mut Vec<u8>, length: usize) {
    put(out, format_args!("{length:x}\r\n"));
}

/// The last chunk with `trailers`.
pub fn trailers(out: &mut Vec<u8>, trailers: &HeaderMap) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        if !NO_TRAILERS.contains(name) {
            field(out, name, value.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
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
    use super::*;

    fn written(request: http::request::Builder, coding: Coding) -> String {
        String::from_utf8(head(&request.body(()).unwrap(), coding)).unwrap()
    }

    #[test]
    fn a_head_says_one_thing_of_its_body() {
        let post = || Request::post("/a?b=c").header("host", "x").header("content-length", "7");
        let first = "POST /a?b=c HTTP/1.1\r\nhost: x\r\n";
        assert_eq!(written(post(), Coding::Length(5)), format!("{first}content-length: 5\r\n\r\n"));
        assert_eq!(written(post(), Coding::None), format!("{first}content-length: 0\r\n\r\n"));
        let chunked = post().header("transfer-encoding", "gzip");
        assert_eq!(written(chunked, Coding::Chunked), format!("{first}transfer-encoding: chunked\r\n\r\n"));
        assert_eq!(
            written(Request::get("http://x:80/a"), Coding::None),
            "GET http://x:80/a HTTP/1.1\r\n\r\n"
        );
        assert_eq!(written(Request::options("*"), Coding::None), "OPTIONS * HTTP/1.1\r\n\r\n");
    }

    #[test]
    fn trailers_do_not_frame() {
        let map = [("grpc-status", "0"), ("content-length", "40"), ("host", "b")]
            .map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)));
        let mut out = Vec::new();
        trailers(&mut out, &HeaderMap::from_iter(map));
        assert_eq!(out, b"0\r\ngrpc-status: 0\r\n\r\n");
    }
}
