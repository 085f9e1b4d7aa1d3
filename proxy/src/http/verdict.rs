//! What an answer says about the endpoint that gave it: whether to go on sending there.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::RETRY_AFTER};

/// How long an endpoint that asks for less is spared when it does not say. Linkerd's value.
const SPARED: Duration = Duration::from_secs(5);
/// And at most, whatever it says: it may recover sooner, and nobody would notice.
const MOST: Duration = Duration::from_secs(60);
/// gRFC A6.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did its work, if only by saying no.
    Served,
    /// It could not.
    Failed,
    /// It asks to be left alone this long.
    PushedBack(Duration),
}

// === impl Verdict ===

impl Verdict {
    /// By the head of a response; `grpc` where the request was gRPC.
    pub fn of_head(status: StatusCode, headers: &HeaderMap, grpc: bool) -> Self {
        if grpc && status == StatusCode::OK {
            return Self::of_trailers(headers);
        }
        match status.as_u16() {
            429 => Self::PushedBack(retry_after(headers).unwrap_or(SPARED).min(MOST)),
            503 => retry_after(headers).map_or(Self::Failed, |time| Self::PushedBack(time.min(MOST))),
            500.. => Self::Failed,
            _ => Self::Served,
        }
    }

    /// By the status of gRPC, where there is one.
    pub fn of_trailers(trailers: &HeaderMap) -> Self {
        match trailers.get("grpc-status").map(HeaderValue::as_bytes) {
            // RESOURCE_EXHAUSTED
            Some(b"8") => Self::PushedBack(match pushback(trailers) {
                Some(Pushback::After(time)) => time.min(MOST),
                Some(Pushback::Never) | None => SPARED,
            }),
            // DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS: not what the caller did wrong.
            Some(b"4" | b"13" | b"14" | b"15") => Self::Failed,
            _ => Self::Served,
        }
    }
}

/// What `Retry-After` asks for, in seconds (RFC 9110 10.2.3); a date is not read, since it would need clocks that agree.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    number(headers.get(RETRY_AFTER)?).map(Duration::from_secs)
}

/// What a server wants of retries (gRFC A6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushback {
    /// The next try no sooner than this.
    After(Duration),
    /// None: it said something negative, or what nobody can read.
    Never,
}

/// What `grpc-retry-pushback-ms` asks for, where it is there.
pub fn pushback(headers: &HeaderMap) -> Option<Pushback> {
    let time = number(headers.get(PUSHBACK)?).map(Duration::from_millis);
    Some(time.map_or(Pushback::Never, Pushback::After))
}

fn number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn of(status: u16, pairs: &[(&'static str, &'static str)], grpc: bool) -> Verdict {
        Verdict::of_head(StatusCode::from_u16(status).unwrap(), &headers(pairs), grpc)
    }

    fn pushed(seconds: u64) -> Verdict {
        Verdict::PushedBack(Duration::from_secs(seconds))
    }

    #[test]
    fn http_is_judged_by_its_status_and_retry_after() {
        for (status, pairs, expected) in [
            (200, &[][..], Verdict::Served),
            (404, &[], Verdict::Served),
            (429, &[], pushed(5)),
            (429, &[("retry-after", "7")], pushed(7)),
            (429, &[("retry-after", "0")], pushed(0)),
            (429, &[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], pushed(5)),
            (429, &[("retry-after", "99999999999999999999")], pushed(5)),
            (503, &[("retry-after", "18446744073709551615")], pushed(60)),
            (503, &[], Verdict::Failed),
            (500, &[("retry-after", "7")], Verdict::Failed),
            (200, &[("grpc-status", "14")], Verdict::Served),
        ] {
            assert_eq!(of(status, pairs, false), expected, "{status} {pairs:?}");
        }
    }

    #[test]
    fn grpc_is_judged_by_its_own_status() {
        for (pairs, expected) in [
            (&[("grpc-status", "0")][..], Verdict::Served),
            (&[("grpc-status", "5")], Verdict::Served),
            (&[("grpc-status", "14")], Verdict::Failed),
            (&[("grpc-status", "8")], pushed(5)),
            (&[("grpc-status", "8"), ("grpc-retry-pushback-ms", "2000")], pushed(2)),
            (&[("grpc-status", "8"), ("grpc-retry-pushback-ms", "-1")], pushed(5)),
            (&[], Verdict::Served),
        ] {
            assert_eq!(of(200, pairs, true), expected, "{pairs:?}");
        }
        assert_eq!(of(503, &[], true), Verdict::Failed);
    }
}
