//! What every room of this half stands on: the live destinations, and who chooses among their endpoints. It knows no request.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::balance::group::BalanceQuery;
use super::balance::two_choices;
use super::live::{self, Ground, Live};
use super::outliers::Advice;
use crate::http::Active;
use crate::state::Destination;
use crate::worker::ground::Worker;

/// See the module. Belongs to one worker.
#[derive(Debug)]
pub(super) struct Choosing {
    pub worker: Rc<Worker>,
    pub destinations: Rc<live::Destinations>,
    pub rng: RefCell<fastrand::Rng>,
    /// Copies of requests that are under way beside them.
    pub mirrors: Active,
    ground: Rc<Ground>,
}

// === impl Choosing ===

impl Choosing {
    pub fn new(worker: Rc<Worker>) -> Self {
        let (upstreams, started) = (worker.upstreams(), Instant::now());
        Self {
            ground: Rc::new(Ground { upstreams, worker: worker.clone(), started }),
            worker,
            destinations: Rc::default(),
            rng: RefCell::new(fastrand::Rng::new()),
            mirrors: Active::default(),
        }
    }

    /// The endpoint of `backend` for the next request or connection; what `asked` has tried is avoided where there is
    /// another, and so is what is ejected, as far as is known `now`.
    pub fn pick(&self, live: &Live, backend: usize, asked: BalanceQuery<'_>, now: Instant) -> usize {
        match live.advice(backend, asked.failed) {
            None => self.balance(live, backend, asked, now),
            Some(Advice::Take(index)) => index,
            Some(Advice::Avoid(indexes)) => {
                self.balance(live, backend, BalanceQuery { failed: &indexes, ..asked }, now)
            }
        }
    }

    /// The endpoint that balancing chooses. Where it chose one that cannot be reached, since it looked at no other that
    /// can, it chooses among those that can.
    fn balance(&self, live: &Live, backend: usize, asked: BalanceQuery<'_>, now: Instant) -> usize {
        let index = self.choose(live, backend, asked, now);
        let endpoints = &live.backends[backend];
        let is_gone = |index: usize| endpoints[index].upstream.load.is_unreachable(now);
        if !is_gone(index)
            || (0..endpoints.len()).all(|index| is_gone(index) || asked.failed.contains(&index))
        {
            return index;
        }
        let gone = (0..endpoints.len()).filter(|index| is_gone(*index) && !asked.failed.contains(index));
        let failed: Vec<_> = gone.chain(asked.failed.iter().copied()).collect();
        self.choose(live, backend, BalanceQuery { failed: &failed, ..asked }, now)
    }

    fn choose(&self, live: &Live, backend: usize, asked: BalanceQuery<'_>, now: Instant) -> usize {
        let endpoints = &live.backends[backend];
        let rng = &mut self.rng.borrow_mut();
        let index = match &live.balanced[backend] {
            None => {
                let cost = |index: usize| {
                    let load = &endpoints[index].upstream.load;
                    two_choices::Cost { cost: load.cost(now), idle: load.pending() == 0 }
                };
                two_choices::pick(endpoints.len(), asked.failed, cost, rng)
            }
            Some(balanced) => balanced.pick(endpoints, asked, now, rng),
        };
        index.expect("a backend without endpoints was refused before")
    }

    /// The live form of a destination.
    pub fn live(&self, destination: &Arc<Destination>) -> Rc<Live> {
        self.destinations.get(destination, &self.ground)
    }

    /// The address of the pod that calls: this proxy's own.
    pub fn caller(&self) -> Option<IpAddr> {
        self.worker.own_ips().first().copied()
    }

    /// Time since this worker began.
    pub fn clock(&self) -> Duration {
        self.ground.started.elapsed()
    }

    /// Forgets what nobody uses, and looks after the rest; called about once a second, `elapsed` after last time.
    pub fn sweep(&self, elapsed: Duration) {
        self.destinations.sweep(elapsed);
        self.ground.upstreams.sweep();
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::task::{LocalSet, yield_now};

    use super::*;
    use crate::capacity::Share;
    use crate::state::{Backend, Endpoint, Mesh, Workload};
    use crate::test_util::{TestCa, a_destination, a_worker};
    use crate::worker::ground::OriginalDst;

    fn choosing() -> Choosing {
        let ca = TestCa::new("cluster.local");
        let workload = Workload::unconfigured("cluster/net/shop/web-1", ca.id("shop", "web"));
        let mesh = Mesh::fixed(workload, std::iter::empty::<(SocketAddr, _)>());
        Choosing::new(Rc::new(a_worker(&ca, mesh, OriginalDst::Socket, Share::default())))
    }

    fn with(endpoints: u16) -> Arc<Destination> {
        let endpoint = |port: u16| {
            let addr = ([10, 0, 0, 1], port).into();
            let (peer, network, zone, node) = (None, None, None, None);
            Arc::new(Endpoint { addr, peer, network, zone, node, opaque: false, weight: 100 })
        };
        let endpoints = (1..=endpoints).map(endpoint).collect();
        let mut destination = a_destination("key");
        let made = Arc::get_mut(&mut destination).unwrap();
        made.backends = vec![Arc::new(Backend { endpoints, ..Backend::default() })];
        destination
    }

    #[tokio::test]
    async fn a_next_version_with_many_endpoints_is_built_beside_the_requests() {
        let built = async {
            let choosing = choosing();
            let count = |live: &Rc<Live>| live.backends[0].len();
            assert_eq!(count(&choosing.live(&with(5000))), 5000, "the first is waited for");
            assert_eq!(count(&choosing.live(&with(10))), 10, "and so is a small one");
            let next = with(5001);
            let before = choosing.live(&next);
            assert_eq!(count(&before), 10, "no request waits");
            let mut turns = 0;
            while !Arc::ptr_eq(&choosing.live(&next).destination, &next) {
                turns += 1;
                assert!(turns < 1_000, "it is never there");
                yield_now().await;
            }
            assert!(turns >= 5001 / 128, "others have their turn meanwhile, not after {turns}");
            // What is replaced while it is built is not there for a moment, and then the newest is.
            let (older, newest) = (with(5002), with(20));
            choosing.live(&older);
            yield_now().await;
            let mut seen = vec![count(&choosing.live(&newest))];
            while seen.last() != Some(&20) {
                assert!(seen.len() < 1_000, "{seen:?}");
                yield_now().await;
                seen.push(count(&choosing.live(&newest)));
            }
            assert!(
                seen.is_sorted_by_key(|count| [5001, 5002, 20].iter().position(|one| one == count)),
                "{seen:?}"
            );
        };
        LocalSet::new().run_until(built).await;
    }
}
