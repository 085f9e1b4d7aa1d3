//! Endpoints that are alike but for load and weight, such as those of one zone, and the tables to choose one by. Built
//! when the set of endpoints changes; choosing only reads.

use super::alias::Alias;
use super::hash::fraction;
use super::maglev::Maglev;
use super::ring::Ring;
use super::stride::Stride;
use super::table::Member;
use super::two_choices::{Cost, is_second};
use crate::state::Algorithm;

/// Draws before all members are looked through for one that can be had.
const DRAWS: usize = 8;
/// Steps along a table of keys before the same.
const STEPS: usize = 512;

/// What is known of each endpoint of the backend, by its index there, at the moment of a choice.
pub trait Endpoints {
    /// What one more request costs by latency and load; `scale` is the weight beside the mean.
    fn cost(&self, endpoint: usize, scale: f64) -> f64;
    /// The same by requests under way alone.
    fn load(&self, endpoint: usize, scale: f64) -> f64;
    /// Requests under way.
    fn pending(&self, endpoint: usize) -> u32;
    /// The part of its share that it may get: 0 where it is ejected, less than 1 while it warms up.
    fn share(&self, endpoint: usize) -> f64;
}

/// A request that needs an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct BalanceQuery<'a> {
    /// Endpoints that failed it before, by index into the backend; the latest last.
    pub failed: &'a [usize],
    /// What it has in common with others that should go the same way.
    pub key: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub struct Group {
    /// Indexes into the backend.
    members: Vec<usize>,
    weights: Vec<u32>,
    mean_weight: f64,
    /// Where the weights differ.
    alias: Option<Alias>,
    order: Order,
}

/// How one is chosen.
#[derive(Debug)]
enum Order {
    /// The better of two by [`Endpoints::cost`].
    Cost,
    /// The better of two by [`Endpoints::load`].
    Load,
    Random,
    Turns(Stride),
    Keyed(Keyed),
}

#[derive(Debug)]
struct Keyed {
    table: KeyTable,
    /// Of the members.
    ids: Vec<u64>,
    /// Most that each may carry, in parts of the mean.
    max_load: Option<f64>,
}

#[derive(Debug)]
enum KeyTable {
    Ring(Ring),
    Maglev(Maglev),
}

// === impl Group ===

impl Group {
    /// `members` are indexes into the backend with what tables need to know; `max_load` bounds the load of each by a
    /// multiple of the mean; `start` differs between callers that start together.
    pub fn new(
        members: Vec<(usize, Member)>,
        algorithm: Algorithm,
        max_load: Option<f64>,
        start: u64,
    ) -> Self {
        let (indexes, members): (Vec<usize>, Vec<Member>) = members.into_iter().unzip();
        let weights: Vec<u32> = members.iter().map(|member| member.weight).collect();
        let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        let keyed = |table| {
            let ids = members.iter().map(|member| member.id).collect();
            Order::Keyed(Keyed { table, ids, max_load })
        };
        Self {
            mean_weight: total / weights.len().max(1) as f64,
            alias: Alias::new(&weights),
            order: match algorithm {
                Algorithm::PeakEwma => Order::Cost,
                Algorithm::LeastRequest => Order::Load,
                Algorithm::Random => Order::Random,
                Algorithm::RoundRobin => Order::Turns(Stride::new(&weights, start)),
                Algorithm::RingHash => keyed(KeyTable::Ring(Ring::new(&members))),
                Algorithm::Maglev => keyed(KeyTable::Maglev(Maglev::new(&members))),
            },
            members: indexes,
            weights,
        }
    }

    /// Indexes into the backend.
    pub fn members(&self) -> &[usize] {
        &self.members
    }

    /// Weight of the members that may get something.
    pub fn usable_weight(&self, endpoints: &impl Endpoints) -> f64 {
        let usable =
            self.members.iter().zip(&self.weights).filter(|(member, _)| endpoints.share(**member) > 0.0);
        usable.map(|(_, weight)| f64::from(*weight)).sum()
    }

    /// The endpoint for a request, by its index into the backend; none where each has failed it or is ejected.
    pub fn pick(
        &self,
        endpoints: &impl Endpoints,
        asked: BalanceQuery<'_>,
        rng: &mut fastrand::Rng,
    ) -> Option<usize> {
        if self.members.is_empty() {
            return None;
        }
        let choice = Choice { group: self, endpoints, asked };
        let place = match (&self.order, asked.key) {
            (Order::Keyed(keyed), Some(key)) => match &keyed.table {
                KeyTable::Ring(ring) => choice.keyed(keyed, key, ring.walk(key)),
                KeyTable::Maglev(maglev) => choice.keyed(keyed, key, maglev.walk(key)),
            },
            // What has no key is balanced by load.
            (Order::Cost | Order::Keyed(_), _) => choice.of_two(rng, |place| {
                let member = self.members[place];
                let cost = endpoints.cost(member, self.scale(place));
                Cost { cost, idle: endpoints.pending(member) == 0 }
            }),
            (Order::Load, _) => choice.of_two(rng, |place| {
                let cost = endpoints.load(self.members[place], self.scale(place));
                Cost { cost, idle: false }
            }),
            (Order::Random, _) => choice.draw(None, rng),
            (Order::Turns(stride), _) => {
                stride.next(|place| choice.admits(place, rng)).or_else(|| choice.any_from(0, None))
            }
        };
        place.map(|place| self.members[place])
    }

    fn scale(&self, place: usize) -> f64 {
        if self.alias.is_some() { f64::from(self.weights[place]) / self.mean_weight } else { 1.0 }
    }
}

/// One choice. A place is an index into the group.
struct Choice<'a, E> {
    group: &'a Group,
    endpoints: &'a E,
    asked: BalanceQuery<'a>,
}

impl<E: Endpoints> Choice<'_, E> {
    fn share(&self, place: usize) -> f64 {
        let member = self.group.members[place];
        if self.asked.failed.contains(&member) { 0.0 } else { self.endpoints.share(member) }
    }

    /// Whether this draw may have it; one that warms up gets its part of the draws.
    fn admits(&self, place: usize, rng: &mut fastrand::Rng) -> bool {
        let share = self.share(place);
        share >= 1.0 || share > 0.0 && rng.f64() < share
    }

    /// One by weight, other than `except`.
    fn draw(&self, except: Option<usize>, rng: &mut fastrand::Rng) -> Option<usize> {
        let count = self.group.members.len();
        for _ in 0..DRAWS {
            let place = match &self.group.alias {
                Some(alias) => alias.draw(rng),
                None => rng.usize(..count),
            };
            if Some(place) != except && self.admits(place, rng) {
                return Some(place);
            }
        }
        self.any_from(rng.usize(..count), except)
    }

    /// The first that can be had at all.
    fn any_from(&self, start: usize, except: Option<usize>) -> Option<usize> {
        let count = self.group.members.len();
        let mut places = (0..count).map(|step| (start + step) % count);
        places.find(|place| Some(*place) != except && self.share(*place) > 0.0)
    }

    /// The cheaper of two. Where weights differ both may be the same one: were they always two, the heavier of a pair
    /// would be seen no more often than the lighter.
    fn of_two(&self, rng: &mut fastrand::Rng, cost: impl Fn(usize) -> Cost) -> Option<usize> {
        let first = self.draw(None, rng)?;
        let except = self.group.alias.is_none().then_some(first);
        let second = self.draw(except, rng).filter(|second| *second != first);
        Some(second.filter(|second| is_second(cost(first), cost(*second), rng)).unwrap_or(first))
    }

    /// The first that the key prefers and that can be had. While one warms up, some of its keys stay with who had
    /// them before, each until its own moment. With a bound, one whose load has reached it is passed over ("Consistent
    /// Hashing with Bounded Loads", Mirrokni, Thorup, Zadimoghaddam, 2016).
    fn keyed(&self, keyed: &Keyed, key: u64, walk: impl Iterator<Item = usize>) -> Option<usize> {
        let room = keyed.max_load.map(|factor| self.room(factor));
        let has_room = |place: usize| match room {
            Some(room) => {
                f64::from(self.pending(place)) < (room * f64::from(self.group.weights[place])).ceil()
            }
            None => true,
        };
        let admits = |place: &usize| {
            let share = self.share(*place);
            let ready = share >= 1.0 || share > 0.0 && fraction(key ^ keyed.ids[*place]) < share;
            ready && has_room(*place)
        };
        walk.take(STEPS).find(admits).or_else(|| {
            let usable = (0..self.group.members.len()).filter(|place| self.share(*place) > 0.0);
            usable.min_by(|one, other| self.load(*one).total_cmp(&self.load(*other)))
        })
    }

    /// What each unit of weight may carry with this request, for `factor` of the mean.
    fn room(&self, factor: f64) -> f64 {
        let mut total = (0u64, 0u64);
        for (place, weight) in self.group.weights.iter().enumerate() {
            if self.share(place) > 0.0 {
                total = (total.0 + u64::from(self.pending(place)), total.1 + u64::from(*weight));
            }
        }
        factor * (total.0 + 1) as f64 / total.1.max(1) as f64
    }

    fn pending(&self, place: usize) -> u32 {
        self.endpoints.pending(self.group.members[place])
    }

    fn load(&self, place: usize) -> f64 {
        f64::from(self.pending(place)) / f64::from(self.group.weights[place])
    }
}

#[cfg(test)]
pub mod tests;
