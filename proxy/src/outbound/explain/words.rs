//! What a route does to requests beside choosing where they go, for people.

use std::time::Duration;

use serde_json::{Value, json};

use crate::outbound::chosen::Chosen;
use crate::state::{Algorithm, Fault, HedgeAfter, Protocol, RetryOn, Share};

pub(super) fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Unknown => "detected",
        Protocol::Http1 => "http/1.1",
        Protocol::Http2 => "http/2",
        Protocol::Opaque => "tcp",
    }
}

pub(super) fn algorithm(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::PeakEwma => "peakEwma",
        Algorithm::LeastRequest => "leastRequest",
        Algorithm::RoundRobin => "roundRobin",
        Algorithm::Random => "random",
        Algorithm::RingHash => "ringHash",
        Algorithm::Maglev => "maglev",
    }
}

/// Timeouts, retries and the like of the chosen route.
pub(super) fn policies(chosen: &Chosen) -> Value {
    let route = chosen.route();
    let timeouts = &route.timeouts;
    let said = |time: Option<Duration>| time.map(|time| format!("{time:?}"));
    let retries = route.retries.as_ref().map(|retries| {
        json!({
            "attempts": retries.attempts,
            "on": retries.on.iter().map(|on| condition(*on)).collect::<Vec<_>>(),
            "statuses": retries.statuses,
            "methods": retries.methods.iter().map(http::Method::as_str).collect::<Vec<_>>(),
            "budgetPercent": retries.budget.percent,
            "budgetLeft": chosen.budget().map(|budget| budget.borrow_mut().left(chosen.live.clock())),
        })
    });
    let hedging = route.hedging.as_ref().map(|hedging| {
        let after = match hedging.after {
            HedgeAfter::Delay(delay) => format!("{delay:?}"),
            HedgeAfter::Percentile(percent) => format!("the {percent}th percentile of its latency"),
        };
        json!({ "attempts": hedging.attempts, "after": after })
    });
    let mirrors = route.actions.iter().flat_map(|actions| &actions.mirrors).map(|mirror| {
        json!({
            "backend": &*chosen.live.destination.backends[mirror.backend].name,
            "percent": f64::from(mirror.numerator) * 100.0 / f64::from(mirror.denominator.get()),
        })
    });
    json!({
        "timeouts": {
            "request": said(timeouts.request),
            "perTry": said(timeouts.per_try),
            "connect": said(timeouts.connect),
            "idle": said(timeouts.idle),
        },
        "retries": retries,
        "hedging": hedging,
        "mirrors": mirrors.collect::<Vec<_>>(),
        "session": route.session.is_some(),
    })
}

pub(super) fn attempts(chosen: &Chosen) -> String {
    let again = chosen.route().retries.as_ref().map_or(0, |retries| retries.attempts);
    match again {
        0 => "sent once; only what never arrived is sent again".to_owned(),
        1 => "sent, and once more where it fails and its budget allows".to_owned(),
        again => format!("sent, and up to {again} times more where it fails and its budget allows"),
    }
}

pub(super) fn deadline(left: Option<Duration>, own: Option<Duration>) -> String {
    match (left, own) {
        (None, _) => "none: it may take as long as it likes".to_owned(),
        (Some(left), Some(own)) if left == own => {
            format!("it must end within {left:?}, as its route says")
        }
        (Some(left), _) => format!("it must end within {left:?}, as its caller says"),
    }
}

pub(super) fn fault(fault: &Fault) -> String {
    let mut parts = Vec::new();
    let percent = |share: Share| f64::from(share.hit) * 100.0 / f64::from(share.of.get());
    parts.extend(
        fault.delay.map(|delay| format!("{} % of requests wait {:?}", percent(delay.share), delay.time)),
    );
    let abort = |abort: crate::state::Abort| {
        format!("{} % of requests are answered with {}", percent(abort.share), abort.status.as_u16())
    };
    parts.extend(fault.abort.map(abort));
    let slow = |slow: crate::state::SlowBody| {
        format!("{} % of the answers come at {} bytes/s", percent(slow.share), slow.bytes_per_second)
    };
    parts.extend(fault.slow_body.map(slow));
    format!("on purpose: {}", parts.join(", "))
}

pub(super) fn mirrors(chosen: &Chosen) -> String {
    let mirrors = chosen.route().actions.iter().flat_map(|actions| &actions.mirrors);
    let said = mirrors.map(|mirror| {
        let percent = f64::from(mirror.numerator) * 100.0 / f64::from(mirror.denominator.get());
        format!("a copy of {percent} % to {}", chosen.live.destination.backends[mirror.backend].name)
    });
    said.collect::<Vec<_>>().join(", ")
}

fn condition(on: RetryOn) -> String {
    match on {
        RetryOn::ConnectFailure => "connect-failure".to_owned(),
        RetryOn::Reset => "reset".to_owned(),
        RetryOn::RefusedStream => "refused-stream".to_owned(),
        RetryOn::ServerError => "5xx".to_owned(),
        RetryOn::GatewayError => "gateway-error".to_owned(),
        RetryOn::Grpc(status) => format!("grpc {status}"),
    }
}
