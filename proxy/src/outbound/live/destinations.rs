//! The live destinations of a worker, each in the newest version that is ready.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::prepared::Prepared;
use super::{Ground, Live};
use crate::state::Destination;

/// A destination nobody used this long is taken apart; its next use builds it again.
const FORGET_AFTER: Duration = Duration::from_secs(30);

/// A next version has so many endpoints that it is built beside the requests, which go by the last one meanwhile. For fewer that
/// would take longer than it does, and one request waits for it: some 0.1 ms.
const MANY: usize = 512;
/// What this worker's connections were dialled to, by [`Destination::key`].
#[derive(Debug, Default)]
pub struct Destinations {
    known: RefCell<HashMap<Arc<str>, Rc<Live>>>,
    /// Those of which a next version is being built.
    building: RefCell<HashSet<Arc<str>>>,
}

// === impl Destinations ===

impl Destinations {
    /// The live form of `destination`; where it is a next version that is large, for a moment that of the last one.
    pub fn get(self: &Rc<Self>, destination: &Arc<Destination>, ground: &Rc<Ground>) -> Rc<Live> {
        let mut known = self.known.borrow_mut();
        let previous = known.get(&destination.key);
        if let Some(live) = previous {
            live.used.set(Instant::now());
            if Arc::ptr_eq(&live.destination, destination) {
                return live.clone();
            }
            let count: usize = destination.backends.iter().map(|backend| backend.endpoints.len()).sum();
            let mut building = self.building.borrow_mut();
            if building.contains(&destination.key) {
                return live.clone();
            }
            if count >= MANY {
                building.insert(destination.key.clone());
                let (all, live) = (self.clone(), live.clone());
                tokio::task::spawn_local(all.build(destination.clone(), ground.clone(), live.clone()));
                return live;
            }
        }
        let prepared = Prepared::new(destination, ground, previous.map(Rc::as_ref));
        let live = Rc::new(Live::new(destination.clone(), ground, previous.map(Rc::as_ref), prepared));
        known.insert(destination.key.clone(), live.clone());
        live
    }

    async fn build(self: Rc<Self>, destination: Arc<Destination>, ground: Rc<Ground>, previous: Rc<Live>) {
        let prepared = Prepared::beside(&destination, &ground, &previous).await;
        let key = destination.key.clone();
        let live = Rc::new(Live::new(destination, &ground, Some(&previous), prepared));
        self.known.borrow_mut().insert(key.clone(), live);
        self.building.borrow_mut().remove(&key);
    }

    /// All of them, by their keys.
    pub fn each<T>(&self, see: impl Fn(&str, &Live) -> T) -> Vec<T> {
        self.known.borrow().iter().map(|(key, live)| see(key, live)).collect()
    }

    /// Forgets what nobody uses, and looks after the rest: `elapsed` after last time.
    pub fn sweep(&self, elapsed: Duration) {
        self.known.borrow_mut().retain(|_, live| {
            live.look(elapsed);
            Rc::strong_count(live) > 1 || live.used.get().elapsed() < FORGET_AFTER
        });
    }
}
