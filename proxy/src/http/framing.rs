//! What a message must be before it is forwarded: framed and addressed in one way only.
//!
//! Two parties that read one message differently are how requests are smuggled. Who reads it refuses what is malformed; this
//! refuses what is well formed and would not be the same message behind the proxy (RFC 9112 3.2, 6.1 and 7; RFC 9113 8.3.1).
//! Both halves of the proxy ask this of either HTTP: what another proxy has judged is not believed.

use std::net::SocketAddr;

use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use thiserror::Error;

use super::authority::is_authority;
use super::upgrade::Leaving;
use super::{MAX_HEAD, Seen};

/// Why a request is answered and not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    #[error(
        "a request needs exactly one valid host: in HTTP/1.1 one Host header, in HTTP/2 :authority or one Host header"
    )]
    Host,
    #[error("the Host header and the authority of the request differ")]
    TwoHosts,
    #[error("the target of the request is neither a path nor an absolute URI, nor * for OPTIONS")]
    Target,
    #[error("the request says its length more than once")]
    Lengths,
    #[error("of the transfer codings only chunked is carried")]
    TransferCoding,
    #[error(
        "CONNECT is not carried on a port that speaks HTTP; declare the port as bytes (appProtocol: tcp) to tunnel"
    )]
    Connect,
}

/// Why a request is answered whose head could not be read. Nothing is read after it.
#[derive(Clone, Debug, Error)]
pub enum BadHead {
    #[error("the request is malformed: {0}")]
    Malformed(String),
    #[error("the head of the request is longer than {MAX_HEAD} bytes")]
    TooLong,
    #[error("the target of the request is too long")]
    TargetTooLong,
    #[error("the head of the request did not come in time")]
    TooSlow,
}

/// Why a response is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    #[error("it switches to a protocol that nobody asked for")]
    Switches,
    #[error("its transfer coding is not chunked alone")]
    TransferCoding,
}

// === impl BadHead ===

impl BadHead {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TooLong => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// For the header `x-weft-reason` and the metric.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "bad-request",
            Self::TooLong => "head-too-long",
            Self::TargetTooLong => "target-too-long",
            Self::TooSlow => "head-too-slow",
        }
    }

    /// What the access log says of such a request: no method, authority or path.
    pub fn request() -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = Uri::from_static("-");
        if let Ok(none) = Method::from_bytes(b"-") {
            *request.method_mut() = none;
        }
        request
    }
}

// === impl Refused ===

impl Refused {
    pub fn status(self) -> StatusCode {
        match self {
            Self::Host | Self::TwoHosts | Self::Target | Self::Lengths => StatusCode::BAD_REQUEST,
            Self::TransferCoding | Self::Connect => StatusCode::NOT_IMPLEMENTED,
        }
    }

    /// For the header `x-weft-reason` and the metric.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Host | Self::TwoHosts => "bad-host",
            Self::Target => "bad-target",
            Self::Lengths => "bad-request",
            Self::TransferCoding => "transfer-coding-not-supported",
            Self::Connect => "connect-not-supported",
        }
    }
}

/// Judges a request as it came from its caller, with the headers `seen`, and gives it the one Host it is for: that of an absolute
/// target (RFC 9112 3.2.2), and `dialled` for HTTP/1.0 without one, which is forwarded as HTTP/1.1 and needs it there.
pub fn admit<B: Body>(request: &mut Request<B>, seen: Seen, dialled: SocketAddr) -> Result<(), Refused> {
    if request.method() == Method::CONNECT {
        return Err(Refused::Connect);
    }
    if !is_target(request.method(), request.uri()) {
        return Err(Refused::Target);
    }
    if request.version() > Version::HTTP_11 {
        // The first was looked at where the frames were read, and no other.
        if seen.any(Seen::CONTENT_LENGTH) && matches!(said(request.headers(), &CONTENT_LENGTH), Said::Often) {
            return Err(Refused::Lengths);
        }
        return one_authority(request);
    }
    // Only a body of unknown length has a transfer coding.
    if seen.any(Seen::TRANSFER_ENCODING)
        && request.body().size_hint().exact().is_none()
        && !only_chunked(request.headers())
    {
        return Err(Refused::TransferCoding);
    }
    let missing = match said(request.headers(), &HOST) {
        Said::Once(host) if is_host(host) => false,
        Said::Never if request.version() == Version::HTTP_10 => true,
        _ => return Err(Refused::Host),
    };
    let host = match request.uri().authority() {
        Some(authority) => valid(authority)?.parse(),
        None if missing => HeaderValue::try_from(dialled.to_string()),
        None => return Ok(()),
    };
    request.headers_mut().insert(HOST, host.map_err(|_| Refused::Host)?);
    Ok(())
}

/// Judges a response of an upstream; `leaving`: to a request that asked to leave HTTP.
pub fn usable<B: Body>(response: &Response<B>, leaving: Option<&Leaving>) -> Result<(), Unusable> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let agreed = leaving.is_some_and(|leaving| leaving.offers(response.headers()));
        return if agreed { Ok(()) } else { Err(Unusable::Switches) };
    }
    let unknown = response.body().size_hint().exact().is_none();
    if unknown && response.headers().contains_key(TRANSFER_ENCODING) && !only_chunked(response.headers()) {
        return Err(Unusable::TransferCoding);
    }
    Ok(())
}

/// `chunked` is undone where the message is read; another coding would stay in the body with nothing to tell of it.
fn only_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let first = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    first && codings.next().is_none()
}

/// How often a message has a header that it may have once.
enum Said<'a> {
    Never,
    Once(&'a HeaderValue),
    Often,
}

/// Nearly all heads have each header once, which costs no second look.
fn said<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Said<'a> {
    match headers.get(name) {
        None => Said::Never,
        Some(value) if headers.len() == headers.keys_len() => Said::Once(value),
        Some(value) => match headers.get_all(name).iter().nth(1) {
            None => Said::Once(value),
            Some(_) => Said::Often,
        },
    }
}

/// Of HTTP/2, where the authority stands in a field of its own or, for requests that were HTTP/1.1, in Host.
fn one_authority<B>(request: &Request<B>) -> Result<(), Refused> {
    match (request.uri().authority(), said(request.headers(), &HOST)) {
        (_, Said::Often) | (None, Said::Never) => Err(Refused::Host),
        (Some(authority), Said::Never) => valid(authority).map(drop),
        (None, Said::Once(host)) => {
            if is_host(host) {
                Ok(())
            } else {
                Err(Refused::Host)
            }
        }
        (Some(authority), Said::Once(host)) => {
            let same = host.as_bytes().eq_ignore_ascii_case(valid(authority)?.as_bytes());
            if same { Ok(()) } else { Err(Refused::TwoHosts) }
        }
    }
}

/// A path, an absolute URI, or the asterisk of OPTIONS (RFC 9112 3.2); that of CONNECT was refused before.
fn is_target(method: &Method, uri: &Uri) -> bool {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let whole = match uri.authority() {
        None => uri.scheme().is_none(),
        Some(_) => uri.scheme_str().is_some_and(|scheme| !scheme.is_empty()),
    };
    whole && (path.starts_with('/') || path == "*" && *method == Method::OPTIONS)
}

fn valid(authority: &Authority) -> Result<&str, Refused> {
    let text = authority.as_str();
    if is_authority(text.as_bytes()) { Ok(text) } else { Err(Refused::Host) }
}

/// Empty is valid: the request is for no host in particular (RFC 9112 3.2).
fn is_host(host: &HeaderValue) -> bool {
    host.is_empty() || is_authority(host.as_bytes())
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;

    use super::*;

    const DIALLED: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 96, 0, 5)), 8080);

    fn admitted(version: Version, uri: &str, hosts: &[&str]) -> Result<Vec<String>, Refused> {
        let mut request = Request::new(Empty::<bytes::Bytes>::new());
        *request.version_mut() = version;
        *request.uri_mut() = uri.parse().unwrap();
        for host in hosts {
            request.headers_mut().append(HOST, HeaderValue::try_from(*host).unwrap());
        }
        let seen = Seen::of(request.headers());
        admit(&mut request, seen, DIALLED)?;
        let hosts = request.headers().get_all(HOST).iter();
        Ok(hosts.map(|host| host.to_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn a_request_is_for_exactly_one_host() {
        let to = |hosts: &[&str]| Ok(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>());
        let (one, ten, two) = (Version::HTTP_11, Version::HTTP_10, Version::HTTP_2);
        for (version, uri, hosts, expected) in [
            (one, "/", &["a:80"][..], to(&["a:80"])),
            (one, "/", &["[fd00::1]:80"], to(&["[fd00::1]:80"])),
            (one, "/", &[""], to(&[""])),
            (one, "/", &[], Err(Refused::Host)),
            (one, "/", &["a", "a"], Err(Refused::Host)),
            (one, "/", &["a/b"], Err(Refused::Host)),
            (one, "/", &["u@a"], Err(Refused::Host)),
            (one, "/", &["a, b"], Err(Refused::Host)),
            (one, "http://b/", &["a"], to(&["b"])),
            (one, "http://b:81/", &["a"], to(&["b:81"])),
            (one, "http://b:81/", &[], Err(Refused::Host)),
            (one, "http://b/", &["a", "a"], Err(Refused::Host)),
            (one, "http://b/", &["a/b"], Err(Refused::Host)),
            (one, "http://u@b/", &["b"], Err(Refused::Host)),
            (one, "http://b:x/", &["b"], Err(Refused::Host)),
            (one, "f", &["f"], Err(Refused::Target)),
            (one, "a:80", &["a"], Err(Refused::Target)),
            (one, "*", &["a"], Err(Refused::Target)),
            (one, "/", &["a:xy"], Err(Refused::Host)),
            (one, "/", &["::1"], Err(Refused::Host)),
            (ten, "http://b/", &[], to(&["b"])),
            (ten, "/", &[], to(&["10.96.0.5:8080"])),
            (ten, "/", &["a"], to(&["a"])),
            (ten, "/", &["a", "b"], Err(Refused::Host)),
            (two, "http://a/", &[], to(&[])),
            (two, "http://a/", &["A"], to(&["A"])),
            (two, "http://a/", &["b"], Err(Refused::TwoHosts)),
            (two, "/", &["b"], to(&["b"])),
            (two, "/", &[""], to(&[""])),
            (two, "/", &[], Err(Refused::Host)),
            (two, "/", &["a", "a"], Err(Refused::Host)),
            (two, "http://a/", &["a", "a"], Err(Refused::Host)),
            (two, "/", &["a/b"], Err(Refused::Host)),
            (two, "/", &["u@a"], Err(Refused::Host)),
            (two, "/", &["a, b"], Err(Refused::Host)),
            (two, "http://u@a/", &[], Err(Refused::Host)),
            (two, "http://u@a/", &["u@a"], Err(Refused::Host)),
            (two, "http://a/?a", &[], to(&[])),
        ] {
            assert_eq!(admitted(version, uri, hosts), expected, "{version:?} {uri} {hosts:?}");
        }
    }

    #[test]
    fn a_target_is_one_of_three_forms() {
        let of_parts = |scheme: &'static str, authority: &'static str, path: &'static str| {
            let mut parts = http::uri::Parts::default();
            parts.scheme = Some(scheme.parse().unwrap()).filter(|_| !authority.is_empty());
            parts.authority =
                Some(authority).filter(|text| !text.is_empty()).map(|text| text.parse().unwrap());
            parts.path_and_query = Some(path.parse().unwrap());
            Uri::from_parts(parts).unwrap()
        };
        for (method, uri, valid) in [
            (Method::GET, of_parts("http", "a", "/f"), true),
            (Method::GET, of_parts("http", "a", "/"), true),
            (Method::OPTIONS, of_parts("http", "a", "*"), true),
            (Method::OPTIONS, of_parts("http", "", "*"), true),
            (Method::GET, of_parts("http", "a", "*"), false),
            (Method::GET, of_parts("http", "", "*"), false),
            (Method::GET, of_parts("http", "a", "?f"), false),
            (Method::GET, of_parts("http", "", "?f"), false),
            (Method::GET, Uri::from_static("f"), false),
        ] {
            assert_eq!(is_target(&method, &uri), valid, "{method} {uri:?}");
        }
    }

    #[test]
    fn http2_says_a_length_once() {
        let mut request = Request::new(Empty::<bytes::Bytes>::new());
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_static("http://a/");
        for (length, expected) in [("2", Ok(())), ("2", Err(Refused::Lengths))] {
            request.headers_mut().append(CONTENT_LENGTH, HeaderValue::from_static(length));
            let seen = Seen::of(request.headers());
            assert_eq!(admit(&mut request, seen, DIALLED), expected);
        }
    }

    #[test]
    fn chunked_is_the_only_transfer_coding() {
        for (codings, carried) in [
            (&["chunked"][..], true),
            (&["Chunked"], true),
            (&["gzip, chunked"], false),
            (&["gzip", "chunked"], false),
            (&["chunked", "chunked"], false),
        ] {
            let mut headers = HeaderMap::new();
            for coding in codings {
                headers.append(TRANSFER_ENCODING, HeaderValue::try_from(*coding).unwrap());
            }
            assert_eq!(only_chunked(&headers), carried, "{codings:?}");
        }
    }
}
