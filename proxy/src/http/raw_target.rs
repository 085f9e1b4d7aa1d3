//! Targets of HTTP/1.1 requests that say in other bytes what a `Uri` can hold.
//!
//! Clients send what RFC 3986 would have escaped (`curl -g` with a Prometheus query, old browsers with Latin-1), fragments, and
//! absolute targets without a path, and servers take them. So the bytes go on as they came, and the `Uri` beside them is for those
//! who look at paths: what may stand in none is escaped in it.

use bytes::Bytes;
use http::uri::InvalidUri;
use http::{Request, Uri};

/// Goes with a request, among its extensions, where its target is written otherwise than its `Uri`.
#[derive(Clone, Debug)]
pub struct RawTarget {
    bytes: Bytes,
    /// As it was read; a route may give the request another one, and then the bytes hold no more.
    uri: Uri,
}

/// Reads the target of a request.
pub fn read(target: Bytes) -> Result<(Uri, Option<RawTarget>), InvalidUri> {
    let uri = match Uri::from_maybe_shared(target.clone()) {
        Ok(uri) if is_written(&uri, &target) => return Ok((uri, None)),
        Ok(uri) => uri,
        Err(error) => Uri::try_from(escaped(&target).ok_or(error)?)?,
    };
    Ok((uri.clone(), Some(RawTarget { bytes: target, uri })))
}

/// Whether `uri` would be written as `target`, from which it was read.
fn is_written(uri: &Uri, target: &[u8]) -> bool {
    match (uri.scheme(), uri.path_and_query()) {
        // It can only have lost its end.
        (None, Some(path)) => path.as_str().len() == target.len(),
        _ => uri.to_string().as_bytes() == target,
    }
}

/// With `%` and two digits in place of the bytes that a `Uri` refuses; `None`: it has none of them.
fn escaped(target: &[u8]) -> Option<String> {
    let refused = |byte: &u8| matches!(byte, b'"' | b'<' | b'>' | b'^' | b'`' | 0x80..);
    target.iter().any(refused).then(|| {
        target.iter().fold(String::with_capacity(2 * target.len()), |mut text, byte| {
            match refused(byte) {
                true => text.push_str(&format!("%{byte:02X}")),
                false => text.push(char::from(*byte)),
            }
            text
        })
    })
}

// === impl RawTarget ===

impl RawTarget {
    /// The target of `request` as its caller wrote it, where that differs.
    pub fn of<B>(request: &Request<B>) -> Option<&[u8]> {
        let raw = request.extensions().get::<Self>()?;
        (raw.uri == *request.uri()).then_some(&raw.bytes)
    }

    /// Whether who reads the bytes finds the path of the `Uri`: nothing in it had to be escaped, and no fragment stands behind it, which
    /// some applications take for a part of the path.
    pub fn has_path_of_uri<B>(request: &Request<B>) -> bool {
        let Some(raw) = Self::of(request) else { return true };
        let before_query = raw.split(|byte| *byte == b'?').next().unwrap_or_default();
        let path = match before_query.windows(3).position(|three| three == b"://") {
            Some(at) if !before_query.starts_with(b"/") => {
                let authority = &before_query[at + 3..];
                authority.iter().position(|byte| *byte == b'/').map_or(&b"/"[..], |slash| &authority[slash..])
            }
            _ => before_query,
        };
        path == request.uri().path().as_bytes() && !before_query.contains(&b'#')
    }

    /// Gives `to` that of `from`.
    pub fn copy<A, B>(from: &Request<A>, to: &mut Request<B>) {
        if let Some(raw) = from.extensions().get::<Self>() {
            to.extensions_mut().insert(raw.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_uri_cannot_hold_stays_beside_it() {
        for (target, uri, raw) in [
            (&b"/a?b=c%20d"[..], "/a?b=c%20d", false),
            (b"*", "*", false),
            (b"http://a/b?c", "http://a/b?c", false),
            ("/caf\u{e9}".as_bytes(), "/caf\u{e9}", false),
            (b"/caf\xe9?\xff", "/caf%E9?%FF", true),
            (b"/q?query=sum(x{a=\"b\"})", "/q?query=sum(x{a=%22b%22})", true),
            (b"/<a>^`", "/%3Ca%3E%5E%60", true),
            (b"/a#b", "/a", true),
            (b"/a?b#c", "/a?b", true),
            (b"http://a", "http://a/", true),
            (b"http://a/b#c", "http://a/b", true),
        ] {
            let (read, written) = read(Bytes::copy_from_slice(target)).unwrap();
            let mut request = Request::new(());
            *request.uri_mut() = read;
            assert_eq!(
                (request.uri().to_string().as_str(), written.is_some()),
                (uri, raw),
                "{}",
                target.escape_ascii()
            );
            request.extensions_mut().extend(
                written
                    .map(|raw| {
                        let mut extensions = http::Extensions::new();
                        extensions.insert(raw);
                        extensions
                    })
                    .unwrap_or_default(),
            );
            assert_eq!(RawTarget::of(&request), raw.then_some(target));
            *request.uri_mut() = Uri::from_static("/rewritten");
            assert_eq!(RawTarget::of(&request), None, "a route's path is what counts");
        }
    }

    #[test]
    fn a_path_is_read_alike_where_only_what_follows_it_is_written_otherwise() {
        for (target, alike) in [
            (&b"/a?b=\"c\""[..], true),
            (b"/a?b#c", true),
            (b"/a?b://c/d\"", true),
            (b"http://a", true),
            (b"http://a?b/c", true),
            (b"http://a/b?c\"", true),
            (b"/a#b", false),
            (b"/a#/../b", false),
            (b"/a#?b", false),
            (b"http://a#b", false),
            (b"http://a#/b", false),
            (b"http://a/b#/../c", false),
            (b"/caf\xe9", false),
            (b"/a<b", false),
        ] {
            let (read, written) = read(Bytes::copy_from_slice(target)).unwrap();
            let mut request = Request::new(());
            *request.uri_mut() = read;
            if let Some(written) = written {
                request.extensions_mut().insert(written);
            }
            assert_eq!(RawTarget::has_path_of_uri(&request), alike, "{}", target.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_target_at_all_is_refused() {
        for target in [&b"a/b"[..], b"/a\x7f", b"http:///a"] {
            assert!(read(Bytes::copy_from_slice(target)).is_err(), "{}", target.escape_ascii());
        }
    }
}
