//! The subscriptions of this proxy: one slot for everything its pod talked to, capped, least recently used out first.
//!
//! A worker takes the lock once per accepted connection, for a look-up; never for a request and never across an await.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{Destination, Subscription};

/// Where one subscription stands.
#[derive(Debug, Clone)]
pub(crate) enum Slot {
    /// Asked, not answered.
    Pending,
    /// Answered.
    Known(Arc<Destination>),
    /// Answered: there is nothing.
    Absent,
    /// Answered with something this proxy cannot honour, and nothing good came before.
    Rejected(Arc<str>),
}

/// Subscriptions to send: first those to end, then those to begin.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) unsubscribe: Vec<Subscription>,
    pub(crate) subscribe: Vec<Subscription>,
}

/// The table, shared by the workers, who ask, and the configuration client, who answers.
#[derive(Debug, Clone)]
pub(crate) struct SharedTable {
    table: Arc<Mutex<Table>>,
    wake: Arc<Notify>,
}

#[derive(Debug)]
struct Table {
    entries: HashMap<Subscription, Entry>,
    /// Subscriptions the control plane has not been told about.
    begun: HashSet<Subscription>,
    /// Subscriptions the control plane still has to end.
    ended: HashSet<Subscription>,
    cap: usize,
    uses: u64,
    /// Everything that is not there is absent: a table without a control plane behind it.
    complete: bool,
}

#[derive(Debug)]
struct Entry {
    slot: watch::Sender<Slot>,
    version: Option<Box<str>>,
    asked: Instant,
    used: u64,
    used_at: Instant,
}

/// How long the answer "there is nothing" is kept after its last use. While it is kept, the control plane says when
/// something appears.
pub(crate) const ABSENT_KEPT: Duration = Duration::from_secs(10);

// === impl SharedTable ===

impl SharedTable {
    /// An empty table for at most `cap` subscriptions; more only while connections hold on to them.
    pub(crate) fn new(cap: usize) -> Self {
        Self::with(Table { cap, ..Table::default() })
    }

    /// A table that knows exactly these.
    pub(crate) fn complete<K: Into<Subscription>>(
        destinations: impl IntoIterator<Item = (K, Arc<Destination>)>,
    ) -> Self {
        let shared = Self::with(Table { complete: true, ..Table::default() });
        for (name, destination) in destinations {
            shared.load(name.into(), "", destination);
        }
        shared
    }

    fn with(table: Table) -> Self {
        Self { table: Arc::new(Mutex::new(table)), wake: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing under the lock panics half-way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of `name` and when it was first asked for; subscribes when it is new.
    pub(crate) fn ask(&self, name: Subscription) -> (watch::Receiver<Slot>, Instant) {
        let mut table = self.lock();
        let known = table.entries.contains_key(&name);
        let entry = table.touch(name.clone());
        let answer = (entry.slot.subscribe(), entry.asked);
        if !known && !table.complete {
            table.begun.insert(name);
            table.make_room();
            self.wake.notify_one();
        }
        answer
    }

    /// Puts in what a former life of this proxy knew. It is subscribed to when a stream begins.
    pub(crate) fn load(&self, name: Subscription, version: &str, destination: Arc<Destination>) {
        let mut table = self.lock();
        table.touch(name).answer(Slot::Known(destination), Some(version));
        table.make_room();
    }

    /// A new version arrived. Whether anybody still wants it is the answer.
    pub(crate) fn apply(&self, name: &Subscription, version: &str, destination: Arc<Destination>) -> bool {
        let mut table = self.lock();
        let Some(entry) = table.entries.get_mut(name) else { return false };
        entry.answer(Slot::Known(destination), Some(version));
        true
    }

    /// There is nothing at `name` (any more).
    pub(crate) fn remove(&self, name: &Subscription) {
        if let Some(entry) = self.lock().entries.get_mut(name) {
            entry.answer(Slot::Absent, None);
        }
    }

    /// A version arrived that cannot be honoured: what was there keeps serving.
    pub(crate) fn reject(&self, name: &Subscription, reason: &str) {
        if let Some(entry) = self.lock().entries.get_mut(name) {
            let serving = matches!(*entry.slot.borrow(), Slot::Known(_));
            if !serving {
                entry.answer(Slot::Rejected(reason.into()), None);
            }
        }
    }

    /// Everything subscribed to, with the version held: the beginning of a stream. Nothing remains to be told.
    pub(crate) fn begin_stream(&self) -> Vec<(Subscription, Option<Box<str>>)> {
        let mut table = self.lock();
        table.begun.clear();
        table.ended.clear();
        table.entries.iter().map(|(name, entry)| (name.clone(), entry.version.clone())).collect()
    }

    /// Waits until there are changes to tell the control plane, and takes them.
    pub(crate) async fn changes(&self) -> Changes {
        loop {
            let changes = self.take_changes();
            if changes != Changes::default() {
                return changes;
            }
            self.wake.notified().await;
        }
    }

    /// Takes what there is to tell now.
    pub(crate) fn take_changes(&self) -> Changes {
        self.lock().take_changes()
    }

    /// Ends subscriptions that found nothing and that nobody has asked for in a while. Only while connected: an outage
    /// must not forget anything.
    pub(crate) fn forget_absent(&self) {
        let mut table = self.lock();
        let forgotten: Vec<Subscription> = table
            .entries
            .iter()
            .filter(|(_, entry)| {
                entry.used_at.elapsed() >= ABSENT_KEPT && matches!(*entry.slot.borrow(), Slot::Absent)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in forgotten {
            table.evict(name);
        }
        self.wake.notify_one();
    }

    /// Everything subscribed to, in order of name.
    pub(crate) fn list(&self) -> Vec<(Subscription, Option<Arc<Destination>>)> {
        let known = |entry: &Entry| match &*entry.slot.borrow() {
            Slot::Known(destination) => Some(destination.clone()),
            Slot::Pending | Slot::Absent | Slot::Rejected(_) => None,
        };
        let mut list: Vec<_> =
            self.lock().entries.iter().map(|(name, entry)| (name.clone(), known(entry))).collect();
        list.sort_by(|(a, _), (b, _)| a.cmp(b));
        list
    }

    /// How many subscriptions there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().entries.len()
    }
}

// === impl Table ===

impl Default for Table {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            begun: HashSet::new(),
            ended: HashSet::new(),
            cap: usize::MAX,
            uses: 0,
            complete: false,
        }
    }
}

impl Table {
    fn touch(&mut self, name: Subscription) -> &mut Entry {
        self.uses += 1;
        let (now, used, complete) = (super::mesh::now(), self.uses, self.complete);
        let entry = self.entries.entry(name).or_insert_with(|| Entry {
            slot: watch::channel(if complete { Slot::Absent } else { Slot::Pending }).0,
            version: None,
            asked: now,
            used,
            used_at: now,
        });
        (entry.used, entry.used_at) = (used, now);
        entry
    }

    /// Evicts what no connection holds, down to the cap: first what is no destination, then the least recently used.
    /// So a port scan pushes itself out, and nothing else.
    fn make_room(&mut self) {
        while self.entries.len() > self.cap {
            let idle = self.entries.iter().filter(|(_, entry)| entry.slot.receiver_count() == 0);
            let rank = |entry: &Entry| (matches!(*entry.slot.borrow(), Slot::Known(_)), entry.used);
            let Some(victim) = idle.min_by_key(|(_, entry)| rank(entry)).map(|(name, _)| name.clone()) else {
                return;
            };
            self.evict(victim);
        }
    }

    fn evict(&mut self, name: Subscription) {
        self.entries.remove(&name);
        if !self.begun.remove(&name) {
            self.ended.insert(name);
        }
    }

    fn take_changes(&mut self) -> Changes {
        Changes { unsubscribe: self.ended.drain().collect(), subscribe: self.begun.drain().collect() }
    }
}

// === impl Entry ===

impl Entry {
    fn answer(&mut self, slot: Slot, version: Option<&str>) {
        self.version = version.map(Into::into);
        self.slot.send_replace(slot);
    }
}

#[cfg(test)]
mod tests;
