//! What a destination does about failures and overload.

use std::time::Duration;

use super::Reject;
use crate::state::{Adaptive, Limits, Outliers, SuccessRate};
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

fn ms(number: u32) -> Duration {
    Duration::from_millis(number.into())
}
