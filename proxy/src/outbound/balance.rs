//! Which endpoint takes a request. Without a policy: the cheaper of two taken at random ([`two_choices`]), and nothing
//! is kept for it. What a policy asks for beside that, weights and ejections are a [`Balancer`].

pub mod alias;
pub mod group;
pub mod hash;
pub mod key;
pub mod maglev;
pub mod ring;
pub mod stride;
pub mod table;
pub mod two_choices;
pub mod warmup;
pub mod zone;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use group::{BalanceQuery, Endpoints, Group};
use table::Member;
use zone::{Seen, Spill};

use crate::state::{Backend, Endpoint, LoadBalancer, NodePolicy, ZonePolicy};

/// Answers in a look at the zones below which their mean says nothing.
const ENOUGH_ANSWERS: u64 = 10;

/// How the endpoints of one backend share its requests, as one worker sees it.
#[derive(Debug)]
pub struct Balancer {
    /// Those of this proxy's node, where they come first; they are among the others, too.
    home: Option<Group>,
    /// All endpoints, or those of this proxy's zone.
    near: Group,
    /// The others, where zones are told apart and may help each other.
    far: Option<Box<Far>>,
}

/// Where this proxy is, as far as it knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Here<'a> {
    pub zone: Option<&'a str>,
    pub node: Option<&'a str>,
}

/// Endpoints of other zones, and how much goes there.
#[derive(Debug)]
struct Far {
    group: Group,
    /// How many zones have endpoints, this one included.
    zones: f64,
    spill: RefCell<Spill>,
    /// What `spill` says, at hand.
    part: Cell<f64>,
    /// Near and far since the last look.
    answers: [Answers; 2],
}

#[derive(Debug, Default)]
struct Answers {
    count: Cell<u64>,
    seconds: Cell<f64>,
}

// === impl Here ===

impl Here<'_> {
    /// Whether the endpoint is on this node. A proxy that does not know its node treats all alike.
    fn is_node_of(&self, endpoint: &Endpoint) -> bool {
        self.node.is_none() || endpoint.node.as_deref() == self.node
    }

    fn is_zone_of(&self, endpoint: &Endpoint) -> bool {
        self.zone.is_none() || endpoint.zone.as_deref() == self.zone
    }

    /// Whether an endpoint of the backend may get traffic from here at all.
    pub fn reaches(&self, endpoint: &Endpoint, backend: &Backend, policy: &LoadBalancer) -> bool {
        (backend.node != NodePolicy::Only || self.is_node_of(endpoint))
            && (policy.zone != ZonePolicy::Strict || self.is_zone_of(endpoint))
    }
}

// === impl Balancer ===

impl Balancer {
    /// None where the cheaper of two, taken alike, is all that is asked for. `here` is where this proxy is, `previous` the
    /// balancer of the same backend before a change.
    pub fn new(
        policy: &LoadBalancer,
        backend: &Backend,
        here: Here<'_>,
        previous: Option<&Self>,
    ) -> Option<Self> {
        let endpoints = &backend.endpoints;
        let weighted = endpoints.windows(2).any(|pair| pair[0].weight != pair[1].weight);
        let usual = backend.node == NodePolicy::Any && backend.affinity.is_none();
        if *policy == LoadBalancer::default() && usual && !weighted {
            return None;
        }
        let zone = here.zone;
        // Without a zone of its own the proxy cannot tell near from far.
        let zone = zone.filter(|_| policy.zone != ZonePolicy::Any);
        let is_near = |endpoint: &Endpoint| zone.is_none() || endpoint.zone.as_deref() == zone;
        let max_load = policy.max_load_percent.map(|percent| f64::from(percent) / 100.0);
        let group_of = |wanted: &dyn Fn(&Endpoint) -> bool| {
            let of_group = endpoints.iter().enumerate().filter(|(_, endpoint)| wanted(endpoint));
            let members = of_group.map(|(index, endpoint)| (index, member(endpoint))).collect();
            Group::new(members, policy.algorithm, max_load, fastrand::u64(..))
        };
        let only = backend.node == NodePolicy::Only;
        let group = |near: bool| {
            group_of(&|endpoint| is_near(endpoint) == near && (!only || here.is_node_of(endpoint)))
        };
        let home = (backend.node == NodePolicy::Prefer && here.node.is_some())
            .then(|| group_of(&|endpoint| here.is_node_of(endpoint)));
        let tells_apart = zone.is_some() && policy.zone == ZonePolicy::Prefer;
        let far = tells_apart.then(|| Box::new(Far::new(group(false), zones(endpoints), previous)));
        Some(Self { home, near: group(true), far })
    }

    /// Endpoints that may be chosen, by their indexes, in the order in which they come.
    pub fn groups(&self) -> impl Iterator<Item = &[usize]> {
        let far = self.far.as_ref().map(|far| &far.group);
        self.home.iter().chain([&self.near]).chain(far).map(Group::members)
    }

    /// Whether it may choose none, ever: all endpoints are of other zones and traffic must not leave its own.
    pub fn is_empty(&self) -> bool {
        self.near.members().is_empty() && self.far.as_ref().is_none_or(|far| far.group.members().is_empty())
    }

    /// The endpoint for a request, by its index; where each has failed it or is ejected, one all the same.
    pub fn pick(
        &self,
        endpoints: &impl Endpoints,
        asked: BalanceQuery<'_>,
        rng: &mut fastrand::Rng,
    ) -> Option<usize> {
        if let Some(home) = self.home.as_ref().and_then(|home| home.pick(endpoints, asked, rng)) {
            return Some(home);
        }
        let near = |rng: &mut _| self.near.pick(endpoints, asked, rng);
        let choice = match self.far.as_deref() {
            None => near(rng),
            Some(far) => {
                let beyond = |rng: &mut _| far.group.pick(endpoints, asked, rng);
                if far.takes(asked.key, rng) {
                    beyond(rng).or_else(|| near(rng))
                } else {
                    near(rng).or_else(|| beyond(rng))
                }
            }
        };
        choice.or_else(|| self.least_bad(asked, endpoints))
    }

    /// Better one that is ejected than one that has failed this request; better any than the last that did.
    fn least_bad(
        &self,
        BalanceQuery { failed, .. }: BalanceQuery<'_>,
        endpoints: &impl Endpoints,
    ) -> Option<usize> {
        let beyond = self.far.iter().flat_map(|far| far.group.members());
        let all = || self.near.members().iter().chain(beyond.clone()).copied();
        let rank = |endpoint: &usize| {
            let age = failed.iter().rev().position(|one| one == endpoint);
            let (untried, older) = (age.is_none(), age.unwrap_or_default());
            (untried, older, std::cmp::Reverse(endpoints.pending(*endpoint)))
        };
        all().max_by_key(rank)
    }

    /// Whether [`Balancer::answered`] and [`Balancer::look`] are wanted.
    pub fn tells_zones_apart(&self) -> bool {
        self.far.is_some()
    }

    /// An answer came from `picked` after `latency`.
    pub fn answered(&self, far: bool, latency: Duration) {
        if let Some(state) = &self.far {
            state.answers[usize::from(far)].add(latency);
        }
    }

    /// Looks at the zones again; about once a second, and after a change.
    pub fn look(&self, elapsed: Duration, endpoints: &impl Endpoints) {
        let Some(far) = self.far.as_deref() else { return };
        let (near, beyond) = (self.near.usable_weight(endpoints), far.group.usable_weight(endpoints));
        let even = (near + beyond) / far.zones;
        let [answers_near, answers_far] = &far.answers;
        let seen = Seen {
            capacity: if beyond == 0.0 { 1.0 } else { near / even },
            near: answers_near.take(),
            far: answers_far.take(),
        };
        let mut spill = far.spill.borrow_mut();
        spill.look(elapsed, seen);
        far.part.set(spill.part());
    }

    /// The part of the requests that leaves the zone, where zones are told apart.
    pub fn spilled(&self) -> Option<f64> {
        self.far.as_ref().map(|far| far.part.get())
    }
}

fn member(endpoint: &Endpoint) -> Member {
    Member { id: hash::hash(endpoint.addr.to_string().as_bytes()), weight: endpoint.weight.max(1) }
}

/// How many zones have endpoints.
fn zones(endpoints: &[Arc<Endpoint>]) -> usize {
    let mut zones: Vec<_> = endpoints.iter().filter_map(|endpoint| endpoint.zone.as_deref()).collect();
    zones.sort_unstable();
    zones.dedup();
    zones.len()
}

// === impl Far, Answers ===

impl Far {
    fn new(group: Group, zones: usize, previous: Option<&Balancer>) -> Self {
        let spill = previous.and_then(|previous| previous.far.as_ref()).map(|far| far.spill.borrow().clone());
        Self {
            group,
            zones: zones.max(1) as f64,
            part: Cell::default(),
            spill: RefCell::new(spill.unwrap_or_default()),
            answers: Default::default(),
        }
    }

    /// Whether a request leaves the zone. Requests of one key stay together.
    fn takes(&self, key: Option<u64>, rng: &mut fastrand::Rng) -> bool {
        let part = self.part.get();
        part > 0.0 && key.map_or_else(|| rng.f64(), hash::fraction) < part
    }
}

impl Answers {
    fn add(&self, latency: Duration) {
        self.count.set(self.count.get() + 1);
        self.seconds.set(self.seconds.get() + latency.as_secs_f64());
    }

    /// The mean so far, which begins anew; what is too little is kept for the next time.
    fn take(&self) -> Option<f64> {
        if self.count.get() < ENOUGH_ANSWERS {
            return None;
        }
        Some(self.seconds.take() / self.count.take() as f64)
    }
}

#[cfg(test)]
pub mod tests;
