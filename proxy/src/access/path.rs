//! The one form of a path in which it is judged, routed and sent on.
//!
//! Two parties that read one path differently are how rules are evaded: `/a/../admin`, `/a//admin`, `/%61dmin`, `/a;x/admin`. Nothing is
//! rewritten here: what an application might read as another path than the rules do is refused where a rule asks about paths.

use thiserror::Error;

/// Why a path could be read in more than one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotNormal {
    #[error("it has an empty segment (//)")]
    EmptySegment,
    #[error("it has a dot segment (. or ..)")]
    DotSegment,
    #[error("a byte stands in it that a path may have only percent-encoded")]
    RawByte,
    #[error("it has a semicolon, behind which some applications read parameters and others a name")]
    Semicolon,
    #[error("a percent sign is not followed by two hexadecimal digits")]
    BadEncoding,
    #[error(
        "it percent-encodes what some applications decode before they look for the end of a segment, and others after"
    )]
    EncodedDelimiter,
    #[error("it percent-encodes a character that needs no encoding")]
    NeedlessEncoding,
    #[error("what it percent-encodes is no UTF-8")]
    NotUtf8,
}

/// Whether `path`, without its query, has only one reading.
pub fn normal(path: &str) -> Result<(), NotNormal> {
    let Some(rest) = path.strip_prefix('/') else {
        // The asterisk of OPTIONS, which no pattern matches.
        return if path == "*" { Ok(()) } else { Err(NotNormal::RawByte) };
    };
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            // The last one may be empty: `/a/` is another path than `/a`.
            "" if segments.peek().is_some() => return Err(NotNormal::EmptySegment),
            "." | ".." => return Err(NotNormal::DotSegment),
            _ => characters(segment)?,
        }
    }
    Ok(())
}

fn characters(segment: &str) -> Result<(), NotNormal> {
    let mut bytes = segment.bytes();
    let mut utf8 = Utf8::default();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (Some(high), Some(low)) = (bytes.next().and_then(hex), bytes.next().and_then(hex)) else {
                return Err(NotNormal::BadEncoding);
            };
            let encoded = high << 4 | low;
            match encoded {
                0..=0x1f | 0x7f | b'/' | b'\\' | b'%' | b';' | b'?' | b'#' => {
                    return Err(NotNormal::EncodedDelimiter);
                }
                _ if is_unreserved(encoded) => return Err(NotNormal::NeedlessEncoding),
                _ => utf8.next(encoded)?,
            }
            continue;
        }
        utf8.next(byte)?;
        match byte {
            b';' => return Err(NotNormal::Semicolon),
            _ if is_unreserved(byte) || b"!$&'()*+,=:@".contains(&byte) => {}
            _ => return Err(NotNormal::RawByte),
        }
    }
    utf8.end()
}

/// RFC 3986 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

/// The bytes of a segment as an application reads them. Only for what is [`normal`], or else a percent sign may stay.
pub(super) fn decoded(segment: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut left = segment;
    std::iter::from_fn(move || {
        let (byte, rest) = left.split_first()?;
        left = rest;
        let (b'%', [high, low, behind @ ..]) = (*byte, rest) else { return Some(*byte) };
        let (Some(high), Some(low)) = (hex(*high), hex(*low)) else { return Some(*byte) };
        left = behind;
        Some(high << 4 | low)
    })
}

/// Follows whether bytes are UTF-8, in the shortest form (RFC 3629).
#[derive(Default)]
struct Utf8 {
    /// How many bytes must still follow, and between which the next one must be.
    missing: u8,
    between: (u8, u8),
}

impl Utf8 {
    fn next(&mut self, byte: u8) -> Result<(), NotNormal> {
        if self.missing > 0 {
            let (low, high) = self.between;
            if !(low..=high).contains(&byte) {
                return Err(NotNormal::NotUtf8);
            }
            (self.missing, self.between) = (self.missing - 1, (0x80, 0xbf));
            return Ok(());
        }
        (self.missing, self.between) = match byte {
            0..=0x7f => return Ok(()),
            0xc2..=0xdf => (1, (0x80, 0xbf)),
            0xe0 => (2, (0xa0, 0xbf)),
            0xed => (2, (0x80, 0x9f)),
            0xe1..=0xef => (2, (0x80, 0xbf)),
            0xf0 => (3, (0x90, 0xbf)),
            0xf4 => (3, (0x80, 0x8f)),
            0xf1..=0xf3 => (3, (0x80, 0xbf)),
            _ => return Err(NotNormal::NotUtf8),
        };
        Ok(())
    }

    fn end(&self) -> Result<(), NotNormal> {
        if self.missing == 0 { Ok(()) } else { Err(NotNormal::NotUtf8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_one_reading_pass() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a/b.html",
            "/.well-known/x",
            "/a/..b/...",
            "/~u/a-b_c.d",
            "/a%20b",
            "/caf%C3%A9",
            "/caf%c3%a9",
            "/a@b:c,d=e+f!$&'()*",
            "/shop.Reviews/Get",
            "/%F0%9F%98%80",
            "*",
        ] {
            assert_eq!(normal(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn paths_with_two_readings_do_not() {
        for (path, why) in [
            ("//", NotNormal::EmptySegment),
            ("//admin", NotNormal::EmptySegment),
            ("/a//b", NotNormal::EmptySegment),
            ("/a//", NotNormal::EmptySegment),
            ("/./a", NotNormal::DotSegment),
            ("/a/.", NotNormal::DotSegment),
            ("/a/../b", NotNormal::DotSegment),
            ("/..", NotNormal::DotSegment),
            ("/%2e%2e/admin", NotNormal::NeedlessEncoding),
            ("/.%2E/admin", NotNormal::NeedlessEncoding),
            ("/%61dmin", NotNormal::NeedlessEncoding),
            ("/a%2fb", NotNormal::EncodedDelimiter),
            ("/a%2Fb", NotNormal::EncodedDelimiter),
            ("/a%5cb", NotNormal::EncodedDelimiter),
            ("/a%00", NotNormal::EncodedDelimiter),
            ("/a%0d%0a", NotNormal::EncodedDelimiter),
            ("/%252e", NotNormal::EncodedDelimiter),
            ("/a%3bx", NotNormal::EncodedDelimiter),
            ("/a%3f", NotNormal::EncodedDelimiter),
            ("/a%23", NotNormal::EncodedDelimiter),
            ("/a;x", NotNormal::Semicolon),
            ("/a\\b", NotNormal::RawByte),
            ("/a b", NotNormal::RawByte),
            ("/a\"b", NotNormal::RawByte),
            ("/a{b}", NotNormal::RawByte),
            ("/café", NotNormal::RawByte),
            ("/a%", NotNormal::BadEncoding),
            ("/a%2", NotNormal::BadEncoding),
            ("/a%zz", NotNormal::BadEncoding),
            ("/a%+1", NotNormal::BadEncoding),
            ("/%c0%ae", NotNormal::NotUtf8),
            ("/%c0%af", NotNormal::NotUtf8),
            ("/%e0%80%af", NotNormal::NotUtf8),
            ("/%ed%a0%80", NotNormal::NotUtf8),
            ("/%c3", NotNormal::NotUtf8),
            ("/%c3a", NotNormal::NotUtf8),
            ("/%ff", NotNormal::NotUtf8),
            ("a", NotNormal::RawByte),
            ("", NotNormal::RawByte),
        ] {
            assert_eq!(normal(path), Err(why), "{path}");
        }
    }

    #[test]
    fn a_segment_is_compared_as_it_is_read() {
        let text = |segment: &str| String::from_utf8(decoded(segment.as_bytes()).collect()).unwrap();
        assert_eq!(text("caf%c3%A9"), "café");
        assert_eq!(text("a%2"), "a%2");
    }
}
