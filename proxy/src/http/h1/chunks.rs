//! Undoes the transfer coding `chunked` (RFC 9112 7.1).

use bytes::{Buf, Bytes};
use http::HeaderMap;
use httparse::Status;

use super::Error;
use super::framing::{self, Source};

/// A chunk's size with its extensions, which nobody uses.
const MAX_SIZE_LINE: usize = 4 * 1024;
const MAX_TRAILERS: usize = 16 * 1024;

/// Where in a chunked body its reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Ended,
}

/// What the next bytes were.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    /// Not there yet.
    Missing,
}

// === impl Chunks ===

impl Chunks {
    /// Takes the next part from the front of `unread`.
    pub fn next(&mut self, unread: &mut Bytes) -> Result<Part, Error> {
        loop {
            match *self {
                Self::Size => match httparse::parse_chunk_size(unread) {
                    // httparse takes a line without a digit for a size of zero.
                    _ if unread.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) => {
                        return Err(Error::Malformed("a chunk without a size"));
                    }
                    Err(_) => return Err(Error::Malformed("a chunk without a valid size")),
                    Ok(Status::Partial) if unread.len() <= MAX_SIZE_LINE => return Ok(Part::Missing),
                    Ok(Status::Complete((line, _))) if has_bare_line_feed(&unread[..line]) => {
                        return Err(Error::Malformed("a chunk's extension with LF alone"));
                    }
                    Ok(Status::Complete((line, size))) if line <= MAX_SIZE_LINE => {
                        unread.advance(line);
                        *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                    }
                    Ok(_) => return Err(Error::Malformed("a chunk with too long an extension")),
                },
                Self::Data(left) => {
                    if unread.is_empty() {
                        return Ok(Part::Missing);
                    }
                    let data = take(unread, left);
                    let left = left - data.len() as u64;
                    *self = if left == 0 { Self::DataEnd } else { Self::Data(left) };
                    if self.is_before_end(unread) {
                        unread.advance(BEFORE_END.len());
                        *self = Self::Ended;
                    }
                    return Ok(Part::Data(data));
                }
                Self::DataEnd => match unread.get(..2) {
                    None => return Ok(Part::Missing),
                    Some(b"\r\n") => {
                        unread.advance(2);
                        *self = Self::Size;
                    }
                    Some(_) => return Err(Error::Malformed("a chunk longer than its size")),
                },
                Self::Trailers => {
                    let mut fields = [httparse::EMPTY_HEADER; framing::MAX_TRAILER_FIELDS];
                    return match httparse::parse_headers(unread, &mut fields)? {
                        Status::Partial if unread.len() <= MAX_TRAILERS => Ok(Part::Missing),
                        Status::Complete((length, _)) if length > MAX_TRAILERS => {
                            Err(Error::Malformed("trailers that are too long"))
                        }
                        Status::Partial => Err(Error::Malformed("trailers that are too long")),
                        Status::Complete((length, _)) if has_bare_line_feed(&unread[..length]) => {
                            Err(Error::Malformed("a trailer with LF alone"))
                        }
                        Status::Complete((length, fields)) => {
                            let trailers = framing::fields(&Source::of(unread, length), fields)?;
                            unread.advance(length);
                            *self = Self::Ended;
                            Ok(if trailers.is_empty() { Part::End } else { Part::Trailers(trailers) })
                        }
                    };
                }
                Self::Ended => return Ok(Part::End),
            }
        }
    }

    /// Whether the usual end stands next: then the last data can be told as the last, and go on as one frame.
    fn is_before_end(self, unread: &[u8]) -> bool {
        self == Self::DataEnd && unread.starts_with(BEFORE_END)
    }
}

/// The end of a chunk, and the last chunk without trailers.
const BEFORE_END: &[u8] = b"\r\n0\r\n\r\n";

/// Which heads may have, and chunked bodies may not.
fn has_bare_line_feed(text: &[u8]) -> bool {
    text.first() == Some(&b'\n') || text.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
}

/// At most `limit` bytes from the front.
pub fn take(unread: &mut Bytes, limit: u64) -> Bytes {
    let length = usize::try_from(limit).unwrap_or(usize::MAX).min(unread.len());
    unread.split_to(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of `body` when it comes in pieces of `step` bytes.
    fn read(body: &[u8], step: usize) -> Result<(Vec<u8>, Option<HeaderMap>), Error> {
        let (mut chunks, mut unread) = (Chunks::Size, Bytes::new());
        let (mut data, mut trailers) = (Vec::new(), None);
        let mut pieces = body.chunks(step);
        loop {
            match chunks.next(&mut unread)? {
                Part::Data(more) => data.extend_from_slice(&more),
                Part::Trailers(map) => trailers = Some(map),
                Part::End => return Ok((data, trailers)),
                Part::Missing => {
                    let piece = pieces.next().ok_or(Error::Closed)?;
                    unread = [&unread, piece].concat().into();
                }
            }
        }
    }

    #[test]
    fn chunks_are_read_the_same_in_whatever_pieces_they_come() {
        let plain = b"3\r\nabc\r\n00A;x=y\r\n0123456789\r\n0\r\n\r\n";
        let trailed = b"3\r\nabc\r\n0\r\nGrpc-Status: 5\r\n\r\n";
        for step in 1..40 {
            assert_eq!(read(plain, step).unwrap(), (b"abc0123456789".to_vec(), None), "{step}");
            let (data, trailers) = read(trailed, step).unwrap();
            assert_eq!(data, b"abc", "{step}");
            assert_eq!(trailers.unwrap()["grpc-status"], "5", "{step}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_an_error() {
        let endless = [b"1;".to_vec(), vec![b'x'; 5000]].concat();
        let long = [b"0\r\na: ".to_vec(), vec![b'x'; 20_000], b"\r\n\r\n".to_vec()].concat();
        let sizes = [
            &b"zz\r\n"[..],
            b"+1\r\na\r\n",
            b"fffffffffffffffff\r\n",
            b";\r\n\r\n",
            b"\r\n\r\n",
            b" 0\r\n\r\n",
            b"0\r\n\n",
        ];
        for bad in [&sizes[..], &[b"2\r\nabc\r\n", &endless, &long]].concat() {
            for step in [1, 7, bad.len()] {
                let error = read(bad, step).unwrap_err();
                assert!(!error.connection_ended(), "{:?}: {error}", &bad[..bad.len().min(20)]);
            }
        }
        assert!(read(b"3\r\nab", 2).unwrap_err().connection_ended());
    }

    #[test]
    fn the_last_data_is_known_as_the_last() {
        let (mut chunks, mut unread) = (Chunks::Size, Bytes::from_static(b"2\r\nhi\r\n0\r\n\r\n"));
        assert_eq!(chunks.next(&mut unread).unwrap(), Part::Data(Bytes::from_static(b"hi")));
        assert_eq!((chunks, unread.len()), (Chunks::Ended, 0));
    }
}
