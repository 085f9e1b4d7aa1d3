//! What a caller is told of the limits on its requests: `RateLimit-Policy` and `RateLimit` of
//! draft-ietf-httpapi-ratelimit-headers-10, and `Retry-After` (RFC 9110 10.2.3) where one refused.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use crate::digits::decimal;

/// One limit, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitFields {
    /// Letters, digits, `-` and `.`.
    pub name: Arc<str>,
    /// So many requests...
    pub requests: u32,
    /// ...in this time.
    pub per: Duration,
    /// So many more would be let in at once.
    pub left: u32,
    /// Where none is left until the next one would be; else until it is as if nothing had come.
    pub reset: Duration,
}

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
/// Room for the numbers of a field.
const NUMBERS: usize = 48;
/// How gRPC's own retries are told to wait (gRFC A6).
const GRPC_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

// === impl RateLimitFields ===

impl RateLimitFields {
    /// Adds them to a response. One of the application's own, which knows its limits better, stays.
    pub fn write(&self, headers: &mut HeaderMap) {
        let Self { name, requests, per, left, reset } = self;
        let mut text = Vec::with_capacity(name.len() + NUMBERS);
        let mut write = |field: HeaderName, numbers: [Option<(&[u8], u64)>; 2]| {
            text.clear();
            text.push(b'"');
            text.extend_from_slice(name.as_bytes());
            text.push(b'"');
            for (parameter, number) in numbers.into_iter().flatten() {
                text.extend_from_slice(parameter);
                decimal(number, &mut text);
            }
            if let Ok(mut value) = HeaderValue::from_bytes(&text) {
                // No two responses have the same: in the table of HTTP/2 it would push out what comes again.
                value.set_sensitive(field == STATE);
                headers.entry(field).or_insert(value);
            }
        };
        // The draft knows whole seconds only.
        let window = (per.subsec_nanos() == 0).then(|| (b";w=".as_slice(), per.as_secs()));
        write(POLICY, [Some((b";q=".as_slice(), u64::from(*requests))), window]);
        write(
            STATE,
            [Some((b";r=".as_slice(), u64::from(*left))), Some((b";t=".as_slice(), whole_seconds(*reset)))],
        );
    }

    /// Adds them to the answer to a request that was one too many.
    pub fn write_refusal(&self, headers: &mut HeaderMap, grpc: bool) {
        self.write(headers);
        write_wait(self.reset, headers, grpc);
    }
}

/// Tells when to come back.
pub fn write_wait(wait: Duration, headers: &mut HeaderMap, grpc: bool) {
    headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    if grpc {
        let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        headers.insert(GRPC_PUSHBACK, HeaderValue::from(millis));
    }
}

/// Rounded up: who waits so long finds the door open.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(per: Duration, left: u32, reset: Duration) -> RateLimitFields {
        RateLimitFields { name: "per-caller".into(), requests: 100, per, left, reset }
    }

    #[test]
    fn a_caller_learns_what_is_left_and_how_long_to_wait() {
        let mut headers = HeaderMap::new();
        fields(Duration::from_secs(60), 3, Duration::from_millis(1500)).write(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"per-caller\";q=100;w=60");
        assert_eq!(headers["ratelimit"], "\"per-caller\";r=3;t=2");
        assert!(!headers.contains_key("retry-after"));
    }

    #[test]
    fn a_refusal_says_when_to_come_back_in_whole_seconds_and_to_grpc_in_its_own_words() {
        let mut headers = HeaderMap::new();
        fields(Duration::from_millis(500), 0, Duration::from_micros(10_500))
            .write_refusal(&mut headers, true);
        assert_eq!(headers["ratelimit-policy"], "\"per-caller\";q=100", "half seconds have no place in it");
        assert_eq!(headers["retry-after"], "1");
        assert_eq!(headers["grpc-retry-pushback-ms"], "11");
    }

    #[test]
    fn what_the_application_says_of_its_own_limits_stays() {
        let mut headers = HeaderMap::new();
        headers.insert("ratelimit", HeaderValue::from_static("\"own\";r=1;t=1"));
        fields(Duration::from_secs(1), 3, Duration::ZERO).write(&mut headers);
        assert_eq!(headers["ratelimit"], "\"own\";r=1;t=1");
    }
}
