//! What a destination does about failures and overload.

use std::num::NonZeroU32;
use std::time::Duration;

use http::{Method, StatusCode};

use super::{Reject, each};
use crate::state::{
    Abort, Adaptive, BudgetLimits, Delay, Fault, HedgeAfter, Hedging, Limits, Outliers, Share, SlowBody,
    SuccessRate,
};
use crate::wire::weft::v1 as wire;

/// When endpoints are ejected.
pub(super) fn outliers(wire: &wire::Outliers) -> Result<Outliers, Reject> {
    let condition = |number: u32| (number > 0).then_some(number);
    let outliers = Outliers {
        consecutive_failures: condition(wire.consecutive_failures),
        consecutive_gateway_errors: condition(wire.consecutive_gateway_errors),
        consecutive_local_errors: condition(wire.consecutive_local_errors),
        success_rate: wire.success_rate.map(|wire| SuccessRate {
            below: wire.below,
            window: ms(wire.window_ms),
            min_requests: wire.min_requests,
        }),
        base: ms(wire.base_ms),
        max: ms(wire.max_ms),
        max_percent: wire.max_percent,
        panic_percent: wire.panic_percent,
    };
    let Outliers { consecutive_failures, consecutive_gateway_errors, consecutive_local_errors, .. } =
        outliers;
    let in_a_row = consecutive_failures.or(consecutive_gateway_errors).or(consecutive_local_errors);
    if in_a_row.is_none() && outliers.success_rate.is_none() {
        return Err(reject!("outliers: nothing says when an endpoint is ejected"));
    }
    if wire.base_ms == 0 {
        return Err(reject!("outliers: an ejection of no length"));
    }
    Ok(outliers)
}

/// How much may be under way at once.
pub(super) fn limits(wire: &wire::Limits) -> Result<Limits, Reject> {
    let limit = |number: u32| (number > 0).then_some(number);
    let adaptive = wire.adaptive.map(|wire| Adaptive { min: wire.min, max: wire.max });
    if adaptive.is_some_and(|Adaptive { min, max }| min == 0 || max < min) {
        return Err(reject!(
            "limits: an adaptive limit that is never below 1 nor above the highest is needed"
        ));
    }
    Ok(Limits {
        max_connections: limit(wire.max_connections),
        max_requests: limit(wire.max_requests),
        max_pending: wire.max_pending,
        adaptive,
    })
}

/// When a copy is sent of what is slow.
pub(super) fn hedging(wire: &wire::Hedging) -> Result<Hedging, Reject> {
    let after = match (wire.delay_ms, wire.percentile) {
        (delay @ 1.., 0) => HedgeAfter::Delay(ms(delay)),
        (0, percent @ 1..=100) => HedgeAfter::Percentile(percent),
        _ => return Err(reject!("hedging: either a delay or a percentile is needed")),
    };
    let method = |name: &String| {
        Method::from_bytes(name.as_bytes()).map_err(|_| reject!("`{}` is no method", name.escape_default()))
    };
    Ok(Hedging {
        after,
        attempts: wire.attempts,
        methods: each("methods", &wire.methods, method)?,
        budget: BudgetLimits {
            percent: wire.budget_percent,
            interval: ms(wire.budget_interval_ms),
            min_per_second: wire.budget_min_per_second,
        },
    })
}

/// Which requests fail on purpose.
pub(super) fn fault(wire: &wire::Fault) -> Result<Fault, Reject> {
    let abort = |wire: wire::FaultAbort| {
        let status = u16::try_from(wire.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.filter(|status| status.as_u16() >= 200);
        let grpc_status = u16::try_from(wire.grpc_status).ok().filter(|status| (1..=16).contains(status));
        Ok(Abort {
            share: share(wire.numerator, wire.denominator)?,
            status: status.ok_or_else(|| reject!("fault: {} is no status of an answer", wire.status))?,
            grpc_status: grpc_status
                .ok_or_else(|| reject!("fault: {} is no gRPC status of a failure", wire.grpc_status))?,
        })
    };
    let delay = |wire: wire::FaultDelay| {
        Ok(Delay { share: share(wire.numerator, wire.denominator)?, time: ms(wire.duration_ms) })
    };
    let slow_body = |wire: wire::FaultSlowBody| {
        let rate = NonZeroU32::new(wire.bytes_per_second);
        Ok(SlowBody {
            share: share(wire.numerator, wire.denominator)?,
            bytes_per_second: rate.ok_or_else(|| reject!("fault: a body of 0 bytes a second never ends"))?,
        })
    };
    if wire.abort.is_none() && wire.delay.is_none() && wire.slow_body.is_none() {
        return Err(reject!("fault: nothing says what is done"));
    }
    Ok(Fault {
        abort: wire.abort.map(abort).transpose()?,
        delay: wire.delay.map(delay).transpose()?,
        slow_body: wire.slow_body.map(slow_body).transpose()?,
        max_active: wire.max_active,
    })
}

fn share(hit: u32, of: u32) -> Result<Share, Reject> {
    let of = NonZeroU32::new(of).filter(|of| hit <= of.get());
    let of = of.ok_or_else(|| reject!("fault: the denominator is 0 or less than the numerator, {hit}"))?;
    Ok(Share { hit, of })
}

fn ms(number: u32) -> Duration {
    Duration::from_millis(number.into())
}
