//! What this process may hold, and how near it is to that. `docs/limits.md` has the numbers and what happens at each.
//!
//! A proxy that takes whatever comes is ended by the kernel, with every connection of its pod. So it takes its memory limit for a
//! budget: it lets idle connections go first, then accepts no more, each with a reason that is counted.

mod limit;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// What counts as the limit where there is none, or it cannot be read.
pub const USUAL_MEMORY: u64 = 512 * 1024 * 1024;
/// What a connection is reckoned to cost that idles, here and in the kernel, for both of its sockets.
pub const CONNECTION_COST: u64 = 16 * 1024;
/// The part of the memory that bytes on their way may take whose reader pauses: a fourth.
pub const BYTES_PART: u64 = 4;
/// Files that are not sockets of connections, and room for what is being dialled.
pub const FILES_KEPT: u64 = 256;
/// Connections that a proxy may always have, however small its limits are.
pub const LEAST_CONNECTIONS: usize = 256;
/// Percent of the limit from which on idle connections are let go.
pub const HIGH_PERCENT: u64 = 75;
/// Percent of the limit from which on no connection is accepted.
pub const CRITICAL_PERCENT: u64 = 90;
/// How often the memory in use is looked at.
const PAUSE: Duration = Duration::from_millis(500);

/// What the whole process may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Bytes of memory.
    pub memory: u64,
    /// Connections that were accepted and are open.
    pub connections: usize,
}

/// What one worker may hold.
#[derive(Clone, Debug)]
pub struct Share {
    /// Connections that were accepted and are open.
    pub connections: usize,
    /// Bytes on their way whose reader pauses.
    pub bytes: usize,
    /// Of the whole process.
    pub pressure: Pressure,
}

/// How near the process is to its memory limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Calm,
    /// Idle connections are let go, and reads are small.
    High,
    /// No connection is accepted.
    Critical,
}

/// The level of the process, as it was seen last. Workers look at it once a second and when a connection comes.
#[derive(Clone, Debug, Default)]
pub struct Pressure(Arc<AtomicU8>);

/// Follows the memory in use.
#[derive(Debug)]
pub struct Watch {
    capacity: Capacity,
    pressure: Pressure,
    used: Gauge<i64, AtomicI64>,
}

// === impl Capacity ===

impl Capacity {
    /// By the memory limit of its cgroup and the number of files it may open.
    pub fn of_this_process() -> Self {
        Self::of(limit::memory(), limit::files())
    }

    fn of(memory: Option<u64>, files: Option<u64>) -> Self {
        let memory = memory.unwrap_or(USUAL_MEMORY);
        let files = files.unwrap_or(u64::MAX).saturating_sub(FILES_KEPT) / 2;
        let connections = usize::try_from((memory / CONNECTION_COST).min(files)).unwrap_or(usize::MAX);
        Self { memory, connections: connections.max(LEAST_CONNECTIONS) }
    }

    /// What each of so many workers may hold. Connections are spread over them evenly, so each has the same.
    pub fn share(self, workers: usize, pressure: Pressure) -> Share {
        let bytes = usize::try_from(self.memory / BYTES_PART).unwrap_or(usize::MAX);
        Share { connections: self.connections.div_ceil(workers), bytes: bytes / workers, pressure }
    }
}

impl Default for Share {
    /// That of the only worker of a process that has no limits.
    fn default() -> Self {
        Capacity::of(None, None).share(1, Pressure::default())
    }
}

// === impl Pressure ===

impl Pressure {
    /// As it was seen last.
    pub fn level(&self) -> Level {
        match self.0.load(Ordering::Relaxed) {
            0 => Level::Calm,
            1 => Level::High,
            _ => Level::Critical,
        }
    }

    /// It is this now.
    pub fn set(&self, level: Level) {
        self.0.store(level as u8, Ordering::Relaxed);
    }
}

impl Level {
    fn of(used: u64, limit: u64) -> Self {
        let percent = used.saturating_mul(100) / limit.max(1);
        match percent {
            CRITICAL_PERCENT.. => Self::Critical,
            HIGH_PERCENT.. => Self::High,
            _ => Self::Calm,
        }
    }
}

// === impl Watch ===

impl Watch {
    /// Registers what it knows, and begins calm.
    pub fn register(capacity: Capacity, registry: &mut Registry) -> Self {
        let gauge = |value: u64| {
            let gauge = Gauge::<i64, AtomicI64>::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            gauge
        };
        let help = "What the proxy takes for its memory limit";
        registry.register_with_unit("weft_memory_limit", help, Unit::Bytes, gauge(capacity.memory));
        let help = "Connections that the proxy accepts at once, see docs/limits.md";
        registry.register("weft_connections_limit", help, gauge(capacity.connections as u64));
        let used = gauge(0);
        let help = "Memory that the proxy uses, pages of files apart";
        registry.register_with_unit("weft_memory_used", help, Unit::Bytes, used.clone());
        Self { capacity, pressure: Pressure::default(), used }
    }

    /// What it finds.
    pub fn pressure(&self) -> &Pressure {
        &self.pressure
    }

    /// Looks, for ever.
    pub async fn run(self) {
        loop {
            if let Some(used) = limit::used() {
                self.used.set(i64::try_from(used).unwrap_or(i64::MAX));
                let (before, now) = (self.pressure.level(), Level::of(used, self.capacity.memory));
                if now > before {
                    tracing::warn!(used, limit = self.capacity.memory, level = ?now, "memory runs short");
                }
                self.pressure.set(now);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1024 * 1024;

    #[test]
    fn what_is_scarcest_decides_how_many_connections_there_may_be() {
        for (memory, files, connections) in [
            (Some(128 * MB), Some(1 << 20), 8192),
            (Some(1024 * MB), Some(1 << 20), 65_536),
            (Some(128 * MB), Some(1024), 384),
            (None, None, 32_768),
            (Some(MB), Some(16), LEAST_CONNECTIONS),
        ] {
            assert_eq!(Capacity::of(memory, files).connections, connections, "{memory:?} {files:?}");
        }
        let share = Capacity::of(Some(128 * MB), None).share(2, Pressure::default());
        assert_eq!((share.connections, share.bytes), (4096, 16 << 20));
    }

    #[test]
    fn the_nearer_the_limit_the_higher_the_level() {
        let pressure = Pressure::default();
        assert_eq!(pressure.level(), Level::Calm);
        for (used, level) in [
            (74, Level::Calm),
            (75, Level::High),
            (89, Level::High),
            (90, Level::Critical),
            (200, Level::Critical),
        ] {
            assert_eq!(Level::of(used, 100), level, "{used}");
            pressure.set(level);
            assert_eq!(pressure.level(), level);
        }
    }
}
