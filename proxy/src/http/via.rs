//! Who forwarded a message and who sent it, for those who want to read it in headers.

use std::net::IpAddr;

use http::header::{FORWARDED, VIA};
use http::{HeaderMap, HeaderValue, Version};

/// Names this proxy in `Via` of a message that it received in `version` (RFC 9110 7.6.3), by a pseudonym: addresses of
/// pods are nobody's business.
pub fn add_via(headers: &mut HeaderMap, version: Version) {
    headers.append(
        VIA,
        HeaderValue::from_static(match version {
            Version::HTTP_10 => "1.0 weft",
            Version::HTTP_2 => "2 weft",
            _ => "1.1 weft",
        }),
    );
}

/// Tells that `caller` sent the request, for `host` (RFC 7239). What callers say themselves stays before it, so it is the
/// last element that can be believed.
pub fn add_forwarded(headers: &mut HeaderMap, caller: IpAddr, host: Option<&str>) {
    let node = match caller.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    let host = host.filter(|host| !host.contains(['"', '\\'])).map(|host| format!(";host=\"{host}\""));
    let element = format!("for={node}{};proto=http", host.unwrap_or_default());
    if let Ok(value) = HeaderValue::try_from(element) {
        headers.append(FORWARDED, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_hosts_are_written_as_the_rfc_wants() {
        for (caller, host, expected) in [
            ("10.0.0.1", Some("a:80"), "for=10.0.0.1;host=\"a:80\";proto=http"),
            ("::ffff:10.0.0.1", None, "for=10.0.0.1;proto=http"),
            ("fd00::1", Some("a"), "for=\"[fd00::1]\";host=\"a\";proto=http"),
            ("10.0.0.1", Some("a\";for=\"x"), "for=10.0.0.1;proto=http"),
        ] {
            let mut headers = HeaderMap::new();
            add_forwarded(&mut headers, caller.parse().unwrap(), host);
            assert_eq!(headers[FORWARDED], expected);
        }
    }
}
