//! Which fields may follow a body.

use http::HeaderMap;
use http::header::HeaderName;

/// Takes out of `trailers` what may not be among them: whoever reads them late, or merges them into the headers as frameworks do,
/// would be told how to read what is past, for whom it was, or who sent it (RFC 9110 6.5.1). A rule that looked at the headers has not
/// seen them. The fields of a connection may be in none (RFC 9113 8.2.2). The rest goes on.
pub fn keep_permitted(trailers: &mut HeaderMap) {
    let forbidden: Vec<HeaderName> =
        trailers.keys().filter(|name| is_forbidden(name.as_str())).cloned().collect();
    for name in forbidden {
        trailers.remove(name);
    }
}

fn is_forbidden(name: &str) -> bool {
    match name {
        // Of the connection, and of framing.
        "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding"
        | "upgrade" | "content-length" => true,
        // Whom it is for, and what is done with it.
        "host" | "cache-control" | "expect" | "max-forwards" | "pragma" | "range" => true,
        // Who sends it.
        "authorization"
        | "cookie"
        | "proxy-authenticate"
        | "proxy-authorization"
        | "set-cookie"
        | "www-authenticate"
        | "forwarded"
        | "via" => true,
        // What it is.
        "content-encoding" | "content-range" | "content-type" => true,
        name => name.starts_with("x-weft-") || name.starts_with("x-forwarded-"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_a_receiver_would_have_to_know_before_goes_and_the_rest_stays() {
        let gone = [
            "connection",
            "keep-alive",
            "transfer-encoding",
            "content-length",
            "host",
            "te",
            "trailer",
            "upgrade",
            "proxy-connection",
            "authorization",
            "proxy-authorization",
            "cookie",
            "set-cookie",
            "content-encoding",
            "content-range",
            "content-type",
            "forwarded",
            "x-forwarded-for",
            "x-weft-elsewhere",
            "x-weft-deadline",
        ];
        let stays =
            ["grpc-status", "grpc-message", "x-checksum", "etag", "digest", "server-timing", "x-weftless"];
        let mut trailers: HeaderMap = gone
            .into_iter()
            .chain(stays)
            .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1")))
            .collect();
        keep_permitted(&mut trailers);
        let mut left: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        let mut stays = stays;
        stays.sort_unstable();
        assert_eq!(left, stays);
    }
}
