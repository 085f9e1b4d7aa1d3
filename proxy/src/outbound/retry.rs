//! What is tried again: the decision, as a pure function of what happened.

use std::time::Duration;

use http::Method;

use crate::http::Pushback;
use crate::state::{Retries, RetryOn};

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing of the request was sent, or nothing of it reached the application.
    Unsent,
    /// The server said that it did not look at the request.
    Refused,
    /// The connection or stream ended before a response.
    Reset,
    /// No response came within the time of a try.
    TimedOut,
    /// A response; with its gRPC status where that is known with the head, and what it asks of the next try.
    Answered { status: u16, grpc_status: Option<u16>, pushback: Option<Pushback> },
}

/// Whether `retries` wants a request that ended so tried again.
pub fn wanted(retries: &Retries, method: &Method, grpc: bool, ended: Ended) -> bool {
    let harmless = matches!(ended, Ended::Unsent | Ended::Refused);
    let repeatable = harmless || retries.methods.contains(method);
    let grpc_status = grpc.then(|| ended.grpc_status()).flatten();
    retries.on.iter().any(|on| match on {
        RetryOn::ConnectFailure => ended == Ended::Unsent,
        RetryOn::RefusedStream => ended == Ended::Refused,
        RetryOn::Reset => repeatable && matches!(ended, Ended::Reset | Ended::Refused | Ended::Unsent),
        RetryOn::ServerError => repeatable && ended.status() >= 500,
        RetryOn::GatewayError => repeatable && (502..=504).contains(&ended.status()),
        // Whoever names a gRPC code means gRPC, whose requests are all POST. What broke off before its server said so is not
        // meant: it may have been acted on.
        RetryOn::Grpc(code) => grpc_status == Some(*code) && (repeatable || ended != Ended::Reset),
    }) || (repeatable && retries.statuses.contains(&ended.status()))
}

/// Before the second try, twice as much before the next. `backoff` is the least, up to ten times (GEP-1731 allows a
/// cap), and a quarter more at most. Without one it is anything up to 25 ms, growing to 250 ms (Envoy's values). `jitter`
/// is a random part of one: it spreads the callers of a server that failed them all at once.
pub fn pause_before(tries: u32, backoff: Option<Duration>, jitter: f64) -> Duration {
    let times = (1 << tries.saturating_sub(1).min(4)).min(10);
    match backoff {
        None => Duration::from_millis(25).saturating_mul(times).mul_f64(jitter),
        Some(least) => {
            let pause = least.saturating_mul(times);
            pause.saturating_add((pause / 4).mul_f64(jitter))
        }
    }
}

// === impl Ended ===

impl Ended {
    /// The status the caller would get.
    fn status(self) -> u16 {
        match self {
            Self::Unsent => 503,
            Self::Refused | Self::Reset => 502,
            Self::TimedOut => 504,
            Self::Answered { status, .. } => status,
        }
    }

    fn grpc_status(self) -> Option<u16> {
        match self {
            Self::Unsent | Self::Refused | Self::Reset => Some(14),
            Self::TimedOut => Some(4),
            Self::Answered { grpc_status, .. } => grpc_status,
        }
    }

    /// What the server asks of the next try.
    pub fn pushback(self) -> Option<Pushback> {
        match self {
            Self::Answered { pushback, .. } => pushback,
            Self::Unsent | Self::Refused | Self::Reset | Self::TimedOut => None,
        }
    }

    /// For the metric.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unsent => "unsent",
            Self::Refused => "refused-stream",
            Self::Reset => "reset",
            Self::TimedOut => "try-timeout",
            Self::Answered { .. } => "status",
        }
    }

    /// For who watches.
    pub fn said(self) -> String {
        match self {
            Self::Answered { grpc_status: Some(grpc_status), .. } if grpc_status != 0 => {
                format!("grpc-status {grpc_status}")
            }
            Self::Answered { status, .. } => status.to_string(),
            _ => self.reason().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> Ended {
        Ended::Answered { status, grpc_status: None, pushback: None }
    }

    #[test]
    fn what_may_have_been_acted_on_is_repeated_only_by_methods_that_may() {
        use RetryOn::{ConnectFailure, GatewayError, RefusedStream, Reset, ServerError};
        let with = |on: RetryOn| Retries { on: vec![on], methods: vec![Method::GET], ..Retries::default() };
        for (on, ended, get, post) in [
            (ConnectFailure, Ended::Unsent, true, true),
            (ConnectFailure, Ended::Reset, false, false),
            (RefusedStream, Ended::Refused, true, true),
            (Reset, Ended::Reset, true, false),
            (Reset, status(503), false, false),
            (ServerError, status(500), true, false),
            (ServerError, Ended::TimedOut, true, false),
            (ServerError, status(499), false, false),
            (GatewayError, status(503), true, false),
            (GatewayError, status(501), false, false),
        ] {
            assert_eq!(wanted(&with(on), &Method::GET, false, ended), get, "GET {on:?} {ended:?}");
            assert_eq!(wanted(&with(on), &Method::POST, false, ended), post, "POST {on:?} {ended:?}");
        }
    }

    #[test]
    fn a_grpc_call_that_broke_off_is_repeated_only_where_its_method_may_be() {
        let usual = vec![RetryOn::ConnectFailure, RetryOn::Reset, RetryOn::RefusedStream, RetryOn::Grpc(14)];
        let with = |methods| Retries { on: usual.clone(), methods, ..Retries::default() };
        for (ended, usual, with_post) in [
            (Ended::Unsent, true, true),
            (Ended::Refused, true, true),
            (Ended::Reset, false, true),
            (Ended::Answered { status: 200, grpc_status: Some(14), pushback: None }, true, true),
            (Ended::TimedOut, false, false),
        ] {
            assert_eq!(wanted(&with(vec![Method::GET]), &Method::POST, true, ended), usual, "{ended:?}");
            assert_eq!(wanted(&with(vec![Method::POST]), &Method::POST, true, ended), with_post, "{ended:?}");
        }
    }

    #[test]
    fn pauses_grow_to_ten_times_and_are_never_shorter_than_asked() {
        let ms = Duration::from_millis;
        let own = |tries| (pause_before(tries, None, 0.0), pause_before(tries, None, 1.0));
        assert_eq!([own(1), own(2), own(9)], [(ms(0), ms(25)), (ms(0), ms(50)), (ms(0), ms(250))]);
        let asked = |tries| {
            let backoff = Some(ms(100));
            (pause_before(tries, backoff, 0.0), pause_before(tries, backoff, 1.0))
        };
        let expected = [(ms(100), ms(125)), (ms(200), ms(250)), (ms(1000), ms(1250))];
        assert_eq!([asked(1), asked(2), asked(9)], expected);
        pause_before(u32::MAX, Some(Duration::MAX), 1.0);
    }

    #[test]
    fn a_grpc_code_and_a_listed_status_are_repeated() {
        let retries = Retries { on: vec![RetryOn::Grpc(14)], statuses: vec![429], ..Retries::default() };
        let unavailable = Ended::Answered { status: 200, grpc_status: Some(14), pushback: None };
        assert!(wanted(&retries, &Method::POST, true, unavailable));
        assert!(!wanted(&retries, &Method::POST, false, unavailable));
        assert!(!wanted(&retries, &Method::GET, false, status(429)));
        let get = Retries { methods: vec![Method::GET], ..retries };
        assert!(wanted(&get, &Method::GET, false, status(429)));
    }
}
