//! What a message must be before it is forwarded: framed and addressed in one way only.
//!
//! Two parties that read one message differently are how requests are smuggled. Who reads it refuses what is malformed; this
//! refuses what is well formed and would not be the same message behind the proxy (RFC 9112 3.2, 6.1 and 7; RFC 9113 8.3.1).

use std::net::SocketAddr;

use http::header::{HOST, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use thiserror::Error;

/// Why a request is answered and not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    #[error("an HTTP/1.1 request needs exactly one valid Host header")]
    Host,
    #[error("the Host header and the authority of the request differ")]
    TwoHosts,
    #[error("of the transfer codings only chunked is carried")]
    TransferCoding,
    #[error(
        "CONNECT is not carried on a port that speaks HTTP; declare the port as bytes (appProtocol: tcp) to tunnel"
    )]
    Connect,
}

/// Why a response is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    #[error("it switches protocols, which nobody asked for")]
    Switches,
    #[error("its transfer coding is not chunked alone")]
    TransferCoding,
}

// === impl Refused ===

impl Refused {
    pub fn status(self) -> StatusCode {
        match self {
            Self::Host | Self::TwoHosts => StatusCode::BAD_REQUEST,
            Self::TransferCoding | Self::Connect => StatusCode::NOT_IMPLEMENTED,
        }
    }

    /// For the header `x-weft-reason` and the metric.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Host | Self::TwoHosts => "bad-host",
            Self::TransferCoding => "transfer-coding-not-supported",
            Self::Connect => "connect-not-supported",
        }
    }
}

/// Judges a request as it came from its caller, and gives it the one Host it is for: that of an absolute target
/// (RFC 9112 3.2.2), and `dialled` for HTTP/1.0 without one, which is forwarded as HTTP/1.1 and needs it there.
pub fn admit<B: Body>(request: &mut Request<B>, dialled: SocketAddr) -> Result<(), Refused> {
    if request.method() == Method::CONNECT {
        return Err(Refused::Connect);
    }
    if request.version() > Version::HTTP_11 {
        return one_authority(request);
    }
    // Only a body of unknown length has a transfer coding.
    if request.body().size_hint().exact().is_none() && !only_chunked(request.headers()) {
        return Err(Refused::TransferCoding);
    }
    if request.uri().authority().is_some() {
        return host_of_target(request);
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host.as_bytes()) => Ok(()),
        (None, None) if request.version() == Version::HTTP_10 => {
            let host = HeaderValue::try_from(dialled.to_string()).map_err(|_| Refused::Host)?;
            request.headers_mut().insert(HOST, host);
            Ok(())
        }
        _ => Err(Refused::Host),
    }
}

/// Judges a response of an upstream to a request that did not ask to leave HTTP.
pub fn usable<B: Body>(response: &Response<B>) -> Result<(), Unusable> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Unusable::Switches);
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

fn one_authority<B>(request: &Request<B>) -> Result<(), Refused> {
    let Some(authority) = request.uri().authority() else { return Ok(()) };
    let same = |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
    if request.headers().get_all(HOST).iter().all(same) { Ok(()) } else { Err(Refused::TwoHosts) }
}

fn host_of_target<B>(request: &mut Request<B>) -> Result<(), Refused> {
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let host = authority.filter(|host| is_host(host)).ok_or(Refused::Host)?;
    let host = HeaderValue::from_bytes(host).map_err(|_| Refused::Host)?;
    request.headers_mut().insert(HOST, host);
    Ok(())
}

/// Whether these are the characters of a host and port (RFC 3986 3.2), without user information. Empty is valid.
fn is_host(host: &[u8]) -> bool {
    host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:[]%".contains(byte))
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
        admit(&mut request, DIALLED)?;
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
            (one, "http://b:81/", &[], to(&["b:81"])),
            (one, "http://u@b/", &["b"], Err(Refused::Host)),
            (ten, "/", &[], to(&["10.96.0.5:8080"])),
            (ten, "/", &["a"], to(&["a"])),
            (ten, "/", &["a", "b"], Err(Refused::Host)),
            (two, "http://a/", &[], to(&[])),
            (two, "http://a/", &["A"], to(&["A"])),
            (two, "http://a/", &["b"], Err(Refused::TwoHosts)),
            (two, "/", &["b"], to(&["b"])),
        ] {
            assert_eq!(admitted(version, uri, hosts), expected, "{version:?} {uri} {hosts:?}");
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
