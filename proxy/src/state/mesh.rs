//! The handle through which the data path asks what it may send where.

use std::{net::SocketAddr, sync::Arc};

use tokio::sync::watch;

use super::{Destination, Workload};

/// Everything the proxy knows about the mesh. Clones share one state.
#[derive(Debug, Clone)]
pub struct Mesh {
    workload: watch::Receiver<Arc<Workload>>,
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
}

/// A destination that stays current for as long as a connection holds it. While any view exists its
/// subscription is not evicted. One request takes one [`DestinationView::current`] and keeps that `Arc`.
#[derive(Debug, Clone)]
pub struct DestinationView {
    current: Arc<Destination>,
    updates: watch::Receiver<Slot>,
}

/// Where one subscription stands.
#[derive(Debug, Clone)]
pub(crate) enum Slot {
    /// Asked, not answered.
    Pending,
    /// Answered.
    Known(Arc<Destination>),
    /// Answered: there is nothing.
    Absent,
}

// === impl Mesh ===

impl Mesh {
    /// What the mesh says about the address a connection was made to. Waits up to a second for the first answer;
    /// known destinations are answered at once.
    pub async fn destination(&self, original: SocketAddr) -> Resolution {
        let _ = original;
        Resolution::Unknown
    }

    /// This proxy's own pod.
    pub fn workload(&self) -> watch::Receiver<Arc<Workload>> {
        self.workload.clone()
    }
}

// === impl DestinationView ===

impl DestinationView {
    /// A view of one destination that never changes.
    pub fn fixed(destination: Arc<Destination>) -> Self {
        let (_, updates) = watch::channel(Slot::Pending);
        Self { current: destination, updates }
    }

    /// The destination as it is now. A destination the mesh has dropped since stays as it last was.
    pub fn current(&mut self) -> &Arc<Destination> {
        if self.updates.has_changed().unwrap_or(false)
            && let Slot::Known(destination) = &*self.updates.borrow_and_update()
        {
            self.current = destination.clone();
        }
        &self.current
    }

    /// Resolves when the destination may have changed; never, once its subscription has ended.
    pub async fn changed(&mut self) {
        if self.updates.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.updates.mark_changed();
    }
}
