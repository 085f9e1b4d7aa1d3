//! When a request must have ended, read from what its caller says and told to whom it goes.
//!
//! Callers say it in `x-weft-deadline`, in milliseconds, and gRPC callers in `grpc-timeout`; both count from the moment
//! the request arrives, so that no clocks need to agree. What is forwarded is what is left. The smaller one holds.

mod idle;
mod mark;

pub use idle::{Activity, Idle};

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::WireError;
use crate::names::DEADLINE_HEADER;

const WEFT: HeaderName = HeaderName::from_static(DEADLINE_HEADER);
const GRPC: HeaderName = HeaderName::from_static("grpc-timeout");
/// No request is limited to more: longer ones are cut to this, which keeps every sum in range.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// A server counts from when it got the request, in whole milliseconds, so it may give up this much before we do.
const NEAR: Duration = Duration::from_millis(10);

/// When a request must have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    at: Instant,
    grpc: bool,
}

/// What bounds a request, with its timers; goes with it from its first try to the end of its response.
#[derive(Debug)]
pub struct Limit {
    deadline: Option<Timed>,
    idle: Option<Idle>,
    grpc: bool,
}

#[derive(Debug)]
struct Timed {
    deadline: Deadline,
    timer: Pin<Box<Sleep>>,
    /// Responses that it ended half-way.
    cut: Counter,
}

/// What has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The deadline of the request.
    Deadline,
    /// The time of one try.
    Try,
    /// The time for which it may be silent.
    Idle,
}

// === impl Deadline ===

impl Deadline {
    /// The earliest of what the headers say and of `own`; all count from `started`.
    pub fn read(headers: &HeaderMap, started: Instant, own: Option<Duration>, grpc: bool) -> Option<Self> {
        let (weft, marked) = headers.get(WEFT).map_or((None, None), |value| weft_deadline(value.as_bytes()));
        let timeout = headers.get(GRPC).filter(|_| grpc).and_then(|value| grpc_timeout(value.as_bytes()));
        let least = [weft, timeout, own].into_iter().flatten().min()?;
        let at = started + least.min(LONGEST);
        Some(Self { at: marked.map_or(at, |marked| marked.min(at)), grpc })
    }

    /// What a caller of gRPC says, who is no proxy.
    pub fn read_grpc(headers: &HeaderMap, started: Instant) -> Option<Self> {
        let timeout = headers.get(GRPC).and_then(|value| grpc_timeout(value.as_bytes()))?;
        Some(Self { at: started + timeout.min(LONGEST), grpc: true })
    }

    /// The moment itself.
    pub fn at(&self) -> Instant {
        self.at
    }

    /// What is left at `now`.
    pub fn left(&self, now: Instant) -> Duration {
        self.at.saturating_duration_since(now)
    }

    /// Tells the next hop what is left, in whole milliseconds, one at least.
    pub fn write(&self, headers: &mut HeaderMap, now: Instant) {
        let left = self.whole_milliseconds(now);
        self.insert(headers, left, HeaderValue::from(left));
    }

    /// Tells the application of this pod, so that what it copies to its own requests is read rightly: see [`mark`].
    pub fn write_marked(&self, headers: &mut HeaderMap, now: Instant) {
        let left = self.whole_milliseconds(now);
        self.insert(headers, left, mark::value(left, self.at));
    }

    fn whole_milliseconds(&self, now: Instant) -> u64 {
        u64::try_from(self.left(now).as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn insert(&self, headers: &mut HeaderMap, left: u64, value: HeaderValue) {
        headers.insert(WEFT, value);
        if self.grpc {
            headers.insert(GRPC, grpc_value(left));
        }
    }
}

// === impl Limit ===

impl Limit {
    /// Starts the timers, where there is something to bound; `cut` counts responses that the deadline ends half-way.
    pub fn new(
        deadline: Option<Deadline>,
        idle: Option<Idle>,
        grpc: bool,
        cut: impl FnOnce() -> Counter,
    ) -> Option<Box<Self>> {
        if deadline.is_none() && idle.is_none() {
            return None;
        }
        let timed = |deadline: Deadline| {
            let timer = Box::pin(sleep_until(deadline.at));
            Timed { deadline, timer, cut: cut() }
        };
        Some(Box::new(Self { deadline: deadline.map(timed), idle, grpc }))
    }

    /// When the request must have ended, where that is bounded.
    pub fn deadline(&self) -> Option<Deadline> {
        self.deadline.as_ref().map(|timed| timed.deadline)
    }

    /// To be told of each byte, where silence is bounded.
    pub fn activity(&self) -> Option<&Activity> {
        self.idle.as_ref().map(Idle::activity)
    }

    /// Ready when a bound has passed.
    pub fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<Passed> {
        if let Some(timed) = &mut self.deadline
            && timed.timer.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Passed::Deadline);
        }
        match &mut self.idle {
            Some(idle) => idle.poll_passed(cx).map(|()| Passed::Idle),
            None => Poll::Pending,
        }
    }

    /// Whether `error` is the deadline: a server that keeps it too may give the stream up a moment before we do.
    pub fn explains(&self, error: &WireError) -> bool {
        let near = |timed: &Timed| timed.deadline.left(Instant::now()) <= NEAR;
        error.given_up() && self.deadline.as_ref().is_some_and(near)
    }

    /// Counts a response that is ended half-way since `passed`, and says whether to end it in gRPC's terms.
    pub fn cut(&self, passed: Passed) -> bool {
        let deadline = self.deadline.as_ref().map(|timed| &timed.cut);
        let counter = match passed {
            Passed::Idle => self.idle.as_ref().map(Idle::cut),
            Passed::Deadline | Passed::Try => deadline,
        };
        if let Some(counter) = counter {
            counter.inc();
        }
        self.grpc
    }
}

/// Runs `work` until a bound of `limit` or the time of this try passes, where there are such. What is cut off is dropped, and
/// thereby cancelled upstream by who pinned it: by value it would be held twice, and the work is most of what a request holds.
pub async fn within<T>(
    limit: &mut Option<Box<Limit>>,
    per_try: Option<Duration>,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Passed> {
    let mut try_timer = per_try.map(|time| Box::pin(sleep(time)));
    std::future::poll_fn(|cx| {
        if let Some(limit) = limit
            && let Poll::Ready(passed) = limit.poll_passed(cx)
        {
            return Poll::Ready(Err(passed));
        }
        if let Some(timer) = &mut try_timer
            && timer.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(Passed::Try));
        }
        work.as_mut().poll(cx).map(Ok)
    })
    .await
}

/// The time that is left, and the moment that our own mark behind it names.
fn weft_deadline(text: &[u8]) -> (Option<Duration>, Option<Instant>) {
    let mut parts = text.splitn(2, |byte| *byte == b';');
    let left = parts.next().and_then(digits).map(Duration::from_millis);
    (left, left.and_then(|_| mark::read(parts.next()?)))
}

/// Digits only; a number beyond 64 bits is the largest one. Anything else says nothing.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(sum.saturating_mul(10).saturating_add(digit))
    })
}

/// As in gRPC over HTTP/2: at most eight digits and a unit.
fn grpc_timeout(text: &[u8]) -> Option<Duration> {
    let (unit, count) = text.split_last()?;
    if count.len() > 8 {
        return None;
    }
    let count = digits(count)?;
    Some(match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

/// Milliseconds as eight digits allow, else whole seconds; [`LONGEST`] is well below their end.
fn grpc_value(ms: u64) -> HeaderValue {
    let text = if ms < 100_000_000 { format!("{ms}m") } else { format!("{}S", ms / 1000) };
    HeaderValue::try_from(text).expect("digits and a letter are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(weft: Option<&[u8]>, grpc: Option<&[u8]>, own: Option<Duration>) -> Option<Duration> {
        let started = Instant::now();
        let mut headers = HeaderMap::new();
        for (name, value) in [(WEFT, weft), (GRPC, grpc)] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(value).ok()) {
                headers.insert(name, value);
            }
        }
        Deadline::read(&headers, started, own, true).map(|deadline| deadline.left(started))
    }

    #[test]
    fn the_earliest_word_holds_and_what_is_no_number_says_nothing() {
        let ms = Duration::from_millis;
        for (weft, grpc, own, expected) in [
            (None, None, None, None),
            (Some("250"), None, None, Some(ms(250))),
            (None, Some("3S"), None, Some(ms(3000))),
            (Some("250"), Some("3S"), Some(ms(100)), Some(ms(100))),
            (Some("250"), Some("3m"), Some(ms(100)), Some(ms(3))),
            (Some("0"), None, None, Some(ms(0))),
            (Some("-1"), Some("1h"), None, None),
            (Some("1.5"), Some("123456789S"), Some(ms(9)), Some(ms(9))),
            (Some(""), Some("S"), None, None),
            (Some("99999999999999999999999999"), None, None, Some(LONGEST)),
            (None, Some("99999999H"), None, Some(LONGEST)),
        ] {
            assert_eq!(
                read(weft.map(str::as_bytes), grpc.map(str::as_bytes), own),
                expected,
                "{weft:?} {grpc:?} {own:?}"
            );
        }
    }

    #[test]
    fn what_an_application_copies_as_it_got_it_is_less_by_the_time_it_took() {
        let (arrived, ms) = (Instant::now(), Duration::from_millis);
        let mut headers = HeaderMap::new();
        headers.insert(WEFT, HeaderValue::from_static("100"));
        let deadline = Deadline::read(&headers, arrived, None, false).unwrap();
        deadline.write_marked(&mut headers, arrived);
        for (spent, least, most) in [(0, 99, 100), (60, 39, 40), (100, 0, 0), (500, 0, 0)] {
            let sent = arrived + ms(spent);
            let left = Deadline::read(&headers, sent, None, false).unwrap().left(sent);
            assert!((ms(least)..=ms(most)).contains(&left), "{left:?} after {spent} ms");
        }
        // An application may lower the number itself; then that holds.
        let value = headers[WEFT].to_str().unwrap().replace("100;", "7;");
        let lowered = read(Some(value.as_bytes()), None, None);
        assert_eq!(lowered, Some(ms(7)));
        assert_eq!(read(Some(b"7; by=w0123456789abcdef.0"), None, None), Some(ms(7)), "of another process");
    }

    #[test]
    fn a_grpc_timeout_means_nothing_outside_grpc() {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC, HeaderValue::from_static("1S"));
        assert_eq!(Deadline::read(&headers, Instant::now(), None, false), None);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_or_exceed_the_longest(weft: Option<Vec<u8>>, grpc: Option<Vec<u8>>, own: Option<u64>) {
            let own = own.map(Duration::from_millis);
            let left = read(weft.as_deref(), grpc.as_deref(), own);
            prop_assert!(left.is_none_or(|left| left <= LONGEST));
            prop_assert!(own.is_none() || left <= own, "a caller cannot ask for more than the route gives");
        }

        #[test]
        fn any_number_of_any_unit_is_in_range(count in "[0-9]{1,24}", unit in "[HMSmun]") {
            prop_assert!(read(Some(count.as_bytes()), None, None).is_some());
            let grpc = format!("{count}{unit}");
            prop_assert_eq!(read(None, Some(grpc.as_bytes()), None).is_some(), count.len() <= 8);
        }

        #[test]
        fn what_is_sent_on_is_what_is_left_and_never_more(ms in 1u64..4_000_000_000, spent in 0u64..5_000_000_000) {
            let started = Instant::now();
            let mut headers = HeaderMap::new();
            headers.insert(WEFT, HeaderValue::from(ms));
            let deadline = Deadline::read(&headers, started, None, true).unwrap();
            let now = started + Duration::from_millis(spent);
            deadline.write(&mut headers, now);
            let told = Deadline::read(&headers, now, None, true).unwrap().left(now);
            let left = deadline.left(now);
            prop_assert!(told <= left.max(Duration::from_millis(1)), "{told:?} of {left:?}");
            prop_assert!(told + Duration::from_secs(1) > left, "{told:?} of {left:?}");
            let grpc = headers[GRPC].to_str().unwrap();
            prop_assert!(grpc.len() <= 9, "{grpc}");
        }
    }
}
