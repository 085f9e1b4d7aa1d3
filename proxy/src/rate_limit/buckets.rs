//! What has been counted, shared by the workers of the proxy: a limit is the pod's, not a worker's.
//!
//! A limit without a key has one bucket. One with a key has a table of sets, as a processor's cache has: a key belongs to one
//! set, and takes any of its ways. So there is a bound on memory, no lock, and a look-up touches two cache lines. What makes
//! room is first a bucket that is full, of which nothing is lost, then the one that would be full soonest.
//!
//! Two workers that meet in one way at the same moment may count one request for the wrong key. Nothing worse comes of it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::Rate;

/// Keys that a limit tells apart at a time; 16 bytes each, taken when they are first needed.
pub const KEYS: usize = CHUNKS * SETS * WAYS;
const CHUNKS: usize = 64;
/// In a chunk.
const SETS: usize = 64;
const WAYS: usize = 8;
/// How long responses that cost more than there was can close a bucket.
pub const LONGEST_DEBT: Duration = Duration::from_secs(24 * 3600);

/// Where the requests of one limit are counted.
#[derive(Debug)]
pub struct Buckets {
    /// Time zero.
    epoch: Instant,
    /// Of the requests that have no key, or whose limit has none.
    all: AtomicU64,
    keyed: Option<Keyed>,
    tally: Tally,
}

/// What a limit did.
#[derive(Debug, Default)]
pub struct Tally {
    pub refused: AtomicU64,
    /// It would have been, but for a dry run.
    pub would_refuse: AtomicU64,
    /// Keys that were forgotten before their bucket was full again.
    pub evicted: AtomicU64,
}

#[derive(Debug)]
struct Keyed {
    /// So that nobody can choose values which meet in one set.
    hasher: RandomState,
    chunks: Box<[OnceLock<Box<[Way]>>]>,
}

/// One key and its bucket; a key of 0 is none.
#[derive(Debug, Default)]
struct Way {
    key: AtomicU64,
    /// The theoretical arrival time, in nanoseconds since the epoch.
    arrival: AtomicU64,
}

/// Where a request is counted.
pub type Slot<'a> = &'a AtomicU64;

/// One too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// Until the same request would be let in.
    pub wait: Duration,
}

/// Values that become a key.
pub struct Key<'a>(&'a mut dyn Hasher);

// === impl Key ===

impl Key<'_> {
    /// One more value, or that there is none; values cannot run into each other.
    pub fn part(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => {
                self.0.write_usize(value.len() + 1);
                self.0.write(value);
            }
            None => self.0.write_usize(0),
        }
    }
}

// === impl Buckets ===

impl Buckets {
    pub fn new(keyed: bool) -> Self {
        let keyed = keyed.then(|| Keyed {
            hasher: RandomState::new(),
            chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect(),
        });
        Self { epoch: Instant::now(), all: AtomicU64::new(0), keyed, tally: Tally::default() }
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The key that the values written by `write` make; 0 where the limit has none.
    pub fn key(&self, write: impl FnOnce(&mut Key<'_>)) -> u64 {
        let Some(keyed) = &self.keyed else { return 0 };
        let mut hasher = keyed.hasher.build_hasher();
        write(&mut Key(&mut hasher));
        hasher.finish() | 1
    }

    /// The bucket of `key`, which makes room for it where it has none.
    pub fn slot(&self, key: u64, at: Instant) -> Slot<'_> {
        let Some(keyed) = &self.keyed else { return &self.all };
        let set = (key >> 1) as usize % (CHUNKS * SETS);
        let Some(chunk) = keyed.chunks.get(set / SETS) else { return &self.all };
        let chunk = chunk.get_or_init(|| (0..SETS * WAYS).map(|_| Way::default()).collect());
        let first = set % SETS * WAYS;
        let Some(ways) = chunk.get(first..first + WAYS) else { return &self.all };
        if let Some(way) = ways.iter().find(|way| way.key.load(Ordering::Relaxed) == key) {
            return &way.arrival;
        }
        // Never empty: a set has ways.
        let soonest = ways.iter().min_by_key(|way| way.arrival.load(Ordering::Relaxed));
        let Some(way) = soonest else { return &self.all };
        if way.arrival.load(Ordering::Relaxed) > self.since_epoch(at) {
            self.tally.evicted.fetch_add(1, Ordering::Relaxed);
        }
        way.key.store(key, Ordering::Relaxed);
        way.arrival.store(0, Ordering::Relaxed);
        &way.arrival
    }

    /// Counts a request in `slot`; gives how far ahead of now, in nanoseconds, its bucket lies then.
    pub fn take(&self, slot: Slot<'_>, rate: Rate, at: Instant) -> Result<u64, Exceeded> {
        let now = self.since_epoch(at);
        let next = |arrival: u64| rate.next(arrival, now);
        let moved = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |arrival| next(arrival).ok());
        let (Ok(before) | Err(before)) = moved;
        Ok(next(before)? - now)
    }

    /// What [`Self::take`] would say to a request of `key`, for which it counts nothing and makes no room.
    pub fn look(&self, key: u64, rate: Rate, at: Instant) -> Result<u64, Exceeded> {
        let now = self.since_epoch(at);
        let arrival = self.known(key).map_or(0, |slot| slot.load(Ordering::Relaxed));
        Ok(rate.next(arrival, now)? - now)
    }

    /// The bucket of `key`, if it has one.
    fn known(&self, key: u64) -> Option<Slot<'_>> {
        let Some(keyed) = &self.keyed else { return Some(&self.all) };
        let set = (key >> 1) as usize % (CHUNKS * SETS);
        let ways = keyed.chunks.get(set / SETS)?.get()?;
        let first = set % SETS * WAYS;
        let way = ways.get(first..first + WAYS)?.iter().find(|way| way.key.load(Ordering::Relaxed) == key);
        way.map(|way| &way.arrival)
    }

    /// Takes back what was counted in `slot`.
    pub fn give_back(&self, slot: Slot<'_>, rate: Rate) {
        let back = |arrival: u64| Some(arrival.saturating_sub(rate.step));
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, back);
    }

    /// Corrects what a request took from the bucket of `key`, which was thought to be `paid` and is known to be `due` now. A bucket
    /// may owe more than it holds: nothing is taken from it then until it has made up for that, for [`LONGEST_DEBT`] at most.
    pub fn settle(&self, key: u64, rate: Rate, (paid, due): (u32, u32), at: Instant) {
        let (now, [paid, due]) =
            (self.since_epoch(at), [paid, due].map(|cost| rate.interval.saturating_mul(cost.into())));
        let most = now.saturating_add(rate.depth).saturating_add(LONGEST_DEBT.as_nanos() as u64);
        let settled = |arrival: u64| match due.checked_sub(paid) {
            Some(more) => arrival.max(now).saturating_add(more).min(most).max(arrival),
            None => arrival.saturating_sub(paid - due),
        };
        let slot = self.slot(key, at);
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |arrival| Some(settled(arrival)));
    }

    fn since_epoch(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }
}
