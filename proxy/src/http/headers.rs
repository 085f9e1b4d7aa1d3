//! Headers that belong to one hop, and the one that proxies send each other.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{Request, Version};

use super::Seen;
use super::seen::is_grpc_type;

/// Says that a request that arrives over h2 was HTTP/1.1 where it began, and shall be again. Set and removed by proxies.
pub const PROTO_HEADER: HeaderName = HeaderName::from_static("x-weft-proto");
const HTTP1: HeaderValue = HeaderValue::from_static("http/1.1");

/// A receiving proxy says with it that its application did not process the request, or that processing it once more
/// does no harm, so that another endpoint may take it. This is how a callee that is being replaced costs no request.
/// Set and removed by proxies.
const ELSEWHERE_HEADER: HeaderName = HeaderName::from_static("x-weft-elsewhere");

/// A receiving proxy says with it that its application answered before the request was there, and takes no more of it: the
/// caller is to stop. Set and removed by proxies.
const CLOSING_HEADER: HeaderName = HeaderName::from_static("x-weft-closing");

/// Tells the server which try of a request this is, from the second on.
pub const ATTEMPT_HEADER: HeaderName = HeaderName::from_static("x-weft-attempt");

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Whether an application may take a header of one name for one of the other. WSGI, CGI and what is like them hand headers on as
/// variables, `HTTP_X_GROUP` for `x-group` and for `x_group`, and some make an underscore of whatever is no letter and no digit.
pub fn look_alike(one: &HeaderName, other: &HeaderName) -> bool {
    let (one, other) = (one.as_str().as_bytes(), other.as_str().as_bytes());
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(a, b)| a == b || !(a.is_ascii_alphanumeric() || b.is_ascii_alphanumeric()))
}

/// Removes headers that an application may take for those of `name`, and leaves these.
pub fn strip_look_alikes(headers: &mut HeaderMap, name: &HeaderName) {
    let others = |other: &&HeaderName| *other != name && look_alike(other, name);
    let found: Vec<_> = headers.keys().filter(others).cloned().collect();
    for other in found {
        headers.remove(other);
    }
}

/// Removes what RFC 9110 7.6.1 says must not be forwarded. `TE: trailers` stays: gRPC wants it, and trailers do pass.
/// `seen` is what the message has; it may name headers that have gone since.
pub fn strip_hop_by_hop(headers: &mut HeaderMap, seen: Seen) {
    if !seen.any(Seen::HOP_BY_HOP) {
        return;
    }
    if seen.any(Seen::CONNECTION) {
        strip_nominated(headers);
    }
    for (header, name) in
        [(Seen::KEEP_ALIVE, KEEP_ALIVE), (Seen::PROXY_CONNECTION, PROXY_CONNECTION), (Seen::UPGRADE, UPGRADE)]
    {
        if seen.any(header) {
            headers.remove(name);
        }
    }
    if seen.any(Seen::TRANSFER_ENCODING) && headers.remove(TRANSFER_ENCODING).is_some() {
        // Where both were sent the length is a lie (RFC 9112 6.3); forwarding it would let requests be smuggled.
        headers.remove(CONTENT_LENGTH);
    }
    if seen.any(Seen::TE) && headers.get(TE).is_some_and(|te| te != "trailers") {
        let trailers = headers.get_all(TE).iter().any(mentions_trailers);
        headers.remove(TE);
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
}

/// Removes `Connection` and the headers it names, except those that frame or address the message.
fn strip_nominated(headers: &mut HeaderMap) {
    // Nearly always it is there once, and says one thing.
    let once = headers.len() == headers.keys_len();
    if once && headers.get(CONNECTION).is_some_and(|line| is_of_connection(line.as_bytes())) {
        headers.remove(CONNECTION);
        return;
    }
    let nominated: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(str::trim))
        .filter(|name| !is_of_connection(name.as_bytes()))
        .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
        .filter(|name| *name != HOST && *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING && *name != TE)
        .collect();
    headers.remove(CONNECTION);
    for name in nominated {
        headers.remove(name);
    }
}

/// Takes `names` off the list of headers that `Connection` names: they stay when the others are stripped.
pub fn keep_end_to_end(headers: &mut HeaderMap, names: &[HeaderName]) {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    let options: Vec<&str> = lines.flat_map(|line| line.split(',').map(str::trim)).collect();
    let stays = |option: &&str| names.iter().any(|name| name.as_str().eq_ignore_ascii_case(option));
    if !options.iter().any(stays) {
        return;
    }
    let others: Vec<&str> = options.into_iter().filter(|option| !stays(option)).collect();
    let others = HeaderValue::try_from(others.join(", "));
    headers.remove(CONNECTION);
    if let Ok(others) = others {
        headers.insert(CONNECTION, others);
    }
}

/// Nearly always it is one of these, which say something of the connection and name no header.
fn is_of_connection(option: &[u8]) -> bool {
    option.eq_ignore_ascii_case(b"keep-alive") || option.eq_ignore_ascii_case(b"close")
}

fn mentions_trailers(te: &HeaderValue) -> bool {
    te.to_str().is_ok_and(|te| te.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers")))
}

/// Counts one more try of a request, from what its caller counted.
pub fn count_attempt(headers: &mut HeaderMap) {
    let so_far = headers.get(ATTEMPT_HEADER).and_then(|count| count.to_str().ok()?.parse::<u32>().ok());
    headers.insert(ATTEMPT_HEADER, HeaderValue::from(so_far.unwrap_or(1).saturating_add(1)));
}

/// Protocols to which a connection may leave HTTP: WebSocket, what `kubectl exec` speaks, and what Docker's client does. Any other
/// is left out of what is forwarded, which declines it (RFC 9110 7.8): HTTP/2, since each hop chooses its version by itself and
/// nobody would see the requests in it; TLS, since the mesh has its own, and some clients offer it with every request.
const TUNNELLED: [&str; 3] = ["websocket", "spdy/3.1", "tcp"];

/// Those of the protocols offered, or agreed to, that are tunnelled, in their order.
pub fn tunnelled(headers: &HeaderMap) -> Option<HeaderValue> {
    let values = headers.get_all(UPGRADE);
    let offered = values.iter().filter_map(|value| value.to_str().ok());
    let offered = offered.flat_map(|value| value.split(',').map(str::trim));
    let known = |offered: &&str| TUNNELLED.iter().any(|known| known.eq_ignore_ascii_case(offered));
    let all: Vec<&str> = offered.filter(known).collect();
    if all.is_empty() { None } else { HeaderValue::try_from(all.join(", ")).ok() }
}

/// Whether the caller asks to leave HTTP on this connection, for a protocol that is tunnelled.
/// `seen` are the headers of the request.
pub fn wants_upgrade<B>(request: &Request<B>, seen: Seen) -> bool {
    if request.version() > Version::HTTP_11 {
        return false;
    }
    seen.any(Seen::UPGRADE)
        && tunnelled(request.headers()).is_some()
        && request
            .headers()
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|name| name.trim().eq_ignore_ascii_case("upgrade")))
}

/// Asks for, or agrees to, the upgrade to `protocol`.
pub fn put_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// Marks a request as HTTP/1.1 in origin.
pub fn mark_http1(headers: &mut HeaderMap) {
    headers.insert(PROTO_HEADER, HTTP1);
}

/// Removes the mark and says whether it was there. `seen` are the headers of the message.
pub fn take_http1_mark(headers: &mut HeaderMap, seen: Seen) -> bool {
    seen.any(Seen::PROTO) && headers.remove(PROTO_HEADER).is_some_and(|value| value == HTTP1)
}

/// Marks a response to a request that another endpoint may take.
pub fn mark_elsewhere(headers: &mut HeaderMap) {
    headers.insert(ELSEWHERE_HEADER, HeaderValue::from_static("1"));
}

/// Whether the mark is there.
pub fn is_elsewhere(headers: &HeaderMap) -> bool {
    headers.contains_key(ELSEWHERE_HEADER)
}

/// Removes the mark and says whether it was there. Receivers do so to what applications send.
pub fn take_elsewhere_mark(headers: &mut HeaderMap, seen: Seen) -> bool {
    seen.any(Seen::WEFT) && headers.remove(ELSEWHERE_HEADER).is_some()
}

/// Marks a response whose server takes no more of its request.
pub fn mark_closing(headers: &mut HeaderMap) {
    headers.insert(CLOSING_HEADER, HeaderValue::from_static("1"));
}

/// Removes the mark and says whether it was there. Receivers do so to what applications send.
pub fn take_closing_mark(headers: &mut HeaderMap, seen: Seen) -> bool {
    seen.any(Seen::WEFT) && headers.remove(CLOSING_HEADER).is_some()
}

/// Whether the caller speaks gRPC, and an error must be told its way.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(http::header::CONTENT_TYPE).is_some_and(is_grpc_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn strip(map: &mut HeaderMap) {
        let seen = Seen::of(map);
        strip_hop_by_hop(map, seen);
    }

    #[test]
    fn hop_by_hop_headers_go_and_the_rest_stays() {
        let mut map = headers(&[
            ("host", "reviews"),
            ("connection", "close, x-private"),
            ("connection", "Keep-Alive"),
            ("keep-alive", "timeout=5"),
            ("x-private", "1"),
            ("x-public", "2"),
            ("proxy-connection", "keep-alive"),
            ("upgrade", "h2c"),
            ("te", "gzip, trailers"),
            ("trailer", "x-checksum"),
        ]);
        strip(&mut map);
        let expected =
            headers(&[("host", "reviews"), ("x-public", "2"), ("te", "trailers"), ("trailer", "x-checksum")]);
        assert_eq!(map, expected);
    }

    #[test]
    fn a_length_beside_a_transfer_coding_is_not_forwarded() {
        let mut map = headers(&[("transfer-encoding", "chunked"), ("content-length", "4")]);
        strip(&mut map);
        assert!(map.is_empty());
    }

    #[test]
    fn connection_cannot_name_what_frames_or_addresses_the_message() {
        let mut map =
            headers(&[("connection", "host, content-length, te"), ("host", "a"), ("content-length", "3")]);
        strip(&mut map);
        assert_eq!(map, headers(&[("host", "a"), ("content-length", "3")]));
    }

    #[test]
    fn only_http1_with_both_headers_asks_for_an_upgrade() {
        let ask = |version, list: &[(&'static str, &'static str)]| {
            let mut request = Request::new(());
            *request.version_mut() = version;
            *request.headers_mut() = headers(list);
            let seen = Seen::of(request.headers());
            wants_upgrade(&request, seen)
        };
        let both = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
        assert!(ask(Version::HTTP_11, &both));
        assert!(!ask(Version::HTTP_2, &both));
        assert!(!ask(Version::HTTP_11, &both[..1]));
        assert!(!ask(Version::HTTP_11, &both[1..]));
        for (protocols, asks) in [
            ("h2c", false),
            ("H2C", false),
            ("TLS/1.2", false),
            ("h2c, HTTP/2.0", false),
            ("", false),
            ("WebSocket", true),
            ("h2c, websocket", true),
            ("SPDY/3.1", true),
            ("tcp", true),
        ] {
            let asked = ask(Version::HTTP_11, &[("connection", "upgrade"), ("upgrade", protocols)]);
            assert_eq!(asked, asks, "{protocols}");
        }
    }

    #[test]
    fn of_the_protocols_offered_only_those_that_are_tunnelled_go_on() {
        for (lines, left) in [
            (&["h2c, websocket"][..], Some("websocket")),
            (&["websocket, h2c"], Some("websocket")),
            (&["H2C", "WebSocket"], Some("WebSocket")),
            (&["tcp", "websocket"], Some("tcp, websocket")),
            (&["h2c"], None),
        ] {
            let mut map = HeaderMap::new();
            for line in lines {
                map.append(UPGRADE, HeaderValue::from_static(line));
            }
            assert_eq!(tunnelled(&map).as_ref().map(|value| value.to_str().unwrap()), left, "{lines:?}");
        }
    }

    #[test]
    fn grpc_is_told_from_grpc_web() {
        for (content_type, grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            assert_eq!(is_grpc(&headers(&[("content-type", content_type)])), grpc, "{content_type}");
        }
    }
}
