//! What an application is told of its deadline beside the time that is left.
//!
//! Applications copy `x-weft-deadline` from the request they got to those they send, as it is, however long they took in
//! between. So the proxy adds when the deadline is by its own clock, as a parameter (RFC 8941): `120;by=w<process>.<µs>`.
//! What the application sends comes back to this very proxy, which needs no other clock to know the rest of the time. For
//! any other proxy the mark says nothing.

use std::sync::LazyLock;
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

/// The clock of this process. Another process has another name, so that none reads the other's clock.
struct Clock {
    name: u64,
    started: Instant,
}

static CLOCK: LazyLock<Clock> = LazyLock::new(|| Clock { name: fastrand::u64(..), started: Instant::now() });

const BY: &str = "by=w";

/// `left` milliseconds, and that this is at `at`.
pub fn value(left: u64, at: Instant) -> HeaderValue {
    let micros = at.saturating_duration_since(CLOCK.started).as_micros();
    let text = format!("{left};{BY}{:016x}.{micros}", CLOCK.name);
    HeaderValue::try_from(text).expect("digits and a token are a header value")
}

/// When the deadline is, where the parameters behind the number were written by this process.
pub fn read(parameters: &[u8]) -> Option<Instant> {
    let text = std::str::from_utf8(parameters).ok()?;
    let (name, micros) = text.trim_ascii().strip_prefix(BY)?.split_once('.')?;
    if u64::from_str_radix(name, 16).ok()? != CLOCK.name {
        return None;
    }
    CLOCK.started.checked_add(Duration::from_micros(micros.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_by_the_process_that_wrote_it_and_by_no_other() {
        let at = Instant::now() + Duration::from_millis(120);
        let value = value(120, at);
        let (number, parameters) = value.to_str().unwrap().split_once(';').unwrap();
        assert_eq!(number, "120");
        let told = read(parameters.as_bytes()).expect("our own mark");
        assert!(at.saturating_duration_since(told) < Duration::from_millis(1), "{told:?} {at:?}");
        let foreign = format!("{BY}{:016x}.5", CLOCK.name ^ 1);
        let endless = format!("{BY}{:016x}.{}0", CLOCK.name, u64::MAX);
        for other in [&foreign, &endless, "by=w", "by=w.", "by=wzz.1", "", "q=1"] {
            assert_eq!(read(other.as_bytes()), None, "{other}");
        }
    }
}
