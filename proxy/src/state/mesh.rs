//! The handle through which the data path asks what it may send where.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    Destination, Subscription, Workload,
    table::{SharedTable, Slot},
};

/// Everything the proxy knows about the mesh. Clones share one state.
#[derive(Debug, Clone)]
pub struct Mesh {
    workload: watch::Receiver<Arc<Workload>>,
    table: SharedTable,
}

/// What the mesh says about a dialled address.
#[derive(Debug)]
pub enum Resolution {
    /// A destination of the mesh; the view follows its changes.
    Known(DestinationView),
    /// The control plane answered: the mesh does not know it.
    Unknown,
    /// The control plane gave no answer in time and the address was never seen before.
    Unreachable,
    /// The mesh knows it, and what it says cannot be honoured by this proxy, which holds no earlier version either.
    /// Traffic must fail with this reason: passing it through could break a rule the proxy does not understand.
    Rejected(Arc<str>),
}

/// A destination that stays current for as long as a connection holds it. While any view exists its
/// subscription is not evicted. One request takes one [`DestinationView::current`] and keeps that `Arc`.
#[derive(Debug, Clone)]
pub struct DestinationView {
    current: Arc<Destination>,
    updates: watch::Receiver<Slot>,
}

/// Says what a destination is, to all who view it.
#[derive(Debug)]
pub(crate) struct DestinationSender(watch::Sender<Slot>);

/// Who replaces an object deletes and creates it.
const GONE_AFTER: Duration = Duration::from_secs(2);
/// How long a first request waits for the control plane.
const FIRST_ANSWER: Duration = Duration::from_secs(1);

// === impl Mesh ===

impl Mesh {
    pub(crate) fn new(workload: watch::Receiver<Arc<Workload>>, table: SharedTable) -> Self {
        Self { workload, table }
    }

    /// A mesh that knows these destinations, no others, and never changes.
    pub fn fixed<K: Into<Subscription>>(
        workload: Workload,
        destinations: impl IntoIterator<Item = (K, Arc<Destination>)>,
    ) -> Self {
        let table = SharedTable::complete(destinations);
        Self::new(watch::channel(Arc::new(workload)).1, table)
    }

    /// What the mesh says about, say, the address a connection was made to. Waits up to a second for the first answer;
    /// known destinations are answered at once, and so is what an earlier connection waited for in vain.
    pub async fn destination(&self, wanted: impl Into<Subscription>) -> Resolution {
        let (mut slot, asked) = self.table.ask(wanted.into().canonical());
        let answered = slot.wait_for(|slot| !matches!(slot, Slot::Pending));
        let answer = match timeout_at(asked + FIRST_ANSWER, answered).await {
            Ok(Ok(slot)) => slot.clone(),
            Ok(Err(_)) | Err(_) => Slot::Pending,
        };
        match answer {
            Slot::Known(current) => Resolution::Known(DestinationView { current, updates: slot }),
            Slot::Absent => Resolution::Unknown,
            Slot::Pending => Resolution::Unreachable,
            Slot::Rejected(reason) => Resolution::Rejected(reason),
        }
    }

    /// Everything subscribed to, for people; `None` where there is no destination.
    pub fn destinations(&self) -> Vec<(Subscription, Option<Arc<Destination>>)> {
        self.table.list()
    }

    /// This proxy's own pod.
    pub fn workload(&self) -> watch::Receiver<Arc<Workload>> {
        self.workload.clone()
    }
}

// === impl DestinationSender ===

impl DestinationSender {
    /// It is this from now on.
    pub fn is_now(&self, destination: Arc<Destination>) {
        self.0.send_replace(Slot::Known(destination));
    }
}

// === impl DestinationView ===

impl DestinationView {
    /// A view of one destination that never changes.
    pub fn fixed(destination: Arc<Destination>) -> Self {
        let (_, updates) = watch::channel(Slot::Pending);
        Self { current: destination, updates }
    }

    /// A view of `destination` that becomes what the sender says.
    pub(crate) fn told(destination: Arc<Destination>) -> (Self, DestinationSender) {
        let (sender, updates) = watch::channel(Slot::Known(destination.clone()));
        (Self { current: destination, updates }, DestinationSender(sender))
    }

    /// Whether `other` is told the same, now and from now on.
    pub fn is_told_as(&self, other: &Self) -> bool {
        self.updates.same_channel(&other.updates)
    }

    /// The destination as it is now. One that the mesh has dropped since stays as it last was.
    pub fn current(&mut self) -> &Arc<Destination> {
        if self.updates.has_changed().unwrap_or(false)
            && let Slot::Known(destination) = &*self.updates.borrow_and_update()
        {
            self.current = destination.clone();
        }
        &self.current
    }

    /// Ends once the mesh has dropped the destination, and not taken it up again for a moment.
    pub async fn gone(mut self) {
        let is_gone = |slot: &Slot| matches!(slot, Slot::Absent);
        loop {
            if self.updates.wait_for(is_gone).await.is_err() {
                // Nobody follows it any more.
                std::future::pending::<()>().await;
            }
            let back = self.updates.wait_for(|slot| !is_gone(slot));
            match timeout_at(now() + GONE_AFTER, back).await {
                Err(_) => return,
                Ok(Ok(_)) => {}
                Ok(Err(_)) => std::future::pending().await,
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn updates_pending(&self) -> bool {
        self.updates.has_changed().unwrap_or(false)
    }

    /// Resolves when the destination may have changed; never, once its subscription has ended.
    pub async fn changed(&mut self) {
        if self.updates.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.updates.mark_changed();
    }
}

/// Now, on the clock the tests can stop.
pub(super) fn now() -> Instant {
    Instant::now()
}
