//! The clock of HTTP/2's pings. hyper reads it four times for each request, to know when it last heard of the peer. An exact
//! reading costs 20 ns on a virtual machine; pings are seconds apart, so that the last tick of the kernel's own clock will do.

use std::pin::Pin;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;

/// Sleeps as tokio does; says what time it is to within a tick, which is 10 ms at most.
#[derive(Clone, Copy, Debug)]
pub struct PingTimer;

/// One moment on both clocks, since only the exact one makes an `Instant`.
static BEGIN: LazyLock<(Instant, Duration)> = LazyLock::new(|| (Instant::now(), last_tick()));

#[allow(
    unsafe_code,
    reason = "the C library writes a struct of ours, and has no safe wrapper among the dependencies"
)]
fn last_tick() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live struct of the right type; the clock is one that every Linux has.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
    // Never negative: it counts from the boot of the machine.
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

// === impl PingTimer ===

impl Timer for PingTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        TokioTimer::new().sleep(duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        TokioTimer::new().sleep_until(deadline)
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        TokioTimer::new().reset(sleep, deadline);
    }

    fn now(&self) -> Instant {
        let (instant, tick) = *BEGIN;
        instant + last_tick().saturating_sub(tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_never_more_than_a_tick_from_the_exact_time() {
        let _ = PingTimer.now();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(7)).await;
            let (exact, coarse) = (Instant::now(), PingTimer.now());
            let apart = exact.max(coarse) - exact.min(coarse);
            // Another thread may have run between the two readings.
            assert!(apart < Duration::from_millis(100), "{apart:?}");
        }
    }
}
