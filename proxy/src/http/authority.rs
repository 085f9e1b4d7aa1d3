//! The host and port that a request is for (RFC 3986 3.2, RFC 9110 7.2).

use std::net::Ipv6Addr;

/// The bytes that nearly all names and IPv4 addresses consist of: unreserved ones and sub-delims (RFC 3986 2.2, 2.3), without the comma.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < plain.len() {
        plain[byte] = matches!(
            byte as u8,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9'
                | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'='
        );
        byte += 1;
    }
    plain
};

/// Whether `text` is a host with or without a port, and nothing else: no user information, which HTTP forbids (RFC 9110 4.2.4), no
/// comma, by which some would take it for a list, and no empty host.
pub fn is_authority(text: &[u8]) -> bool {
    let plain = plain_length(text);
    match &text[plain..] {
        [] => plain > 0,
        [b':', port @ ..] if plain > 0 => is_port(port),
        _ => is_unusual_authority(text),
    }
}

/// The same for an authority with an IP literal or with escapes.
fn is_unusual_authority(text: &[u8]) -> bool {
    let (host, port) = match text.iter().position(|byte| *byte == b']') {
        Some(end) => text.split_at(end + 1),
        None => text.split_at(text.iter().position(|byte| *byte == b':').unwrap_or(text.len())),
    };
    let literal = host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    literal.map_or_else(|| is_name(host), is_ipv6)
        && (port.is_empty() || port[0] == b':' && is_port(&port[1..]))
}

fn plain_length(text: &[u8]) -> usize {
    text.iter().position(|byte| !PLAIN[usize::from(*byte)]).unwrap_or(text.len())
}

/// Empty is valid (RFC 3986 3.2.3).
fn is_port(text: &[u8]) -> bool {
    let mut number = 0_u32;
    for byte in text {
        if !byte.is_ascii_digit() {
            return false;
        }
        number = number.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
    }
    number <= u32::from(u16::MAX)
}

/// A registered name or an IPv4 address.
fn is_name(text: &[u8]) -> bool {
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = match (byte, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            _ if PLAIN[usize::from(*byte)] => after,
            _ => return false,
        };
    }
    !text.is_empty()
}

/// With a zone or without (RFC 6874).
fn is_ipv6(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (address, zone) = match text.split_once("%25") {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(|zone| is_name(zone.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_and_nothing_else() {
        for valid in [
            "a",
            "a:80",
            "a:",
            "a:0",
            "a:65535",
            "10.0.0.1:80",
            "[fd00::1]",
            "[fd00::1]:80",
            "[fe80::1%25eth0]:80",
            "reviews.shop.svc.cluster.local:8080",
            "_dns.a",
            "a_b",
            "xn--bcher-kva.example",
            "a%20b",
            "A",
        ] {
            assert!(is_authority(valid.as_bytes()), "{valid}");
        }
        for invalid in [
            "",
            ":80",
            "a:xy",
            "a:-1",
            "a:80:80",
            "a:65536",
            "a:99999999999999999999",
            "[::1",
            "::1",
            "a[b]",
            "[a]",
            "[]",
            "a%",
            "a%2",
            "a%zz",
            "u@a",
            "u:p@a",
            "a,b",
            "a, b",
            "a/b",
            "a?b",
            "a#b",
            "a b",
            "[::1]a",
            "[::1]80",
            "[::1]:x",
            "[fe80::1%eth0]",
            "caf\u{e9}",
            "a\\b",
            "a\"",
            "a]:80",
        ] {
            assert!(!is_authority(invalid.as_bytes()), "{invalid}");
        }
    }
}
