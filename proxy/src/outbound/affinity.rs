//! A pod that keeps to one endpoint of a Service (`sessionAffinity: ClientIP`), as kube-proxy would have it: until that endpoint
//! leaves, or the pod has sent nothing for the Service's time. All workers of the pod keep to the same one.
//!
//! The first is chosen by rendezvous hashing (Thaler and Ravishankar, 1998) of the pod's address, so that a proxy that starts
//! again finds the same. Who joins later takes nobody away.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::balance::hash;
use crate::state::Endpoint;
use crate::worker::affinities::{Affinities, Kept};

/// The affinity of one backend, with its endpoints.
#[derive(Debug)]
pub struct Affinity {
    kept: Arc<Kept>,
    lasts: Duration,
    /// Of the endpoints, in their order.
    numbers: Vec<u64>,
    weights: Vec<u32>,
    /// The index of each that may be had, by its number.
    places: HashMap<u64, usize>,
    /// Of the pod at this backend.
    caller: u64,
}

// === impl Affinity ===

impl Affinity {
    /// Of the backend of this name, whose endpoints `members` lists that may be had at all. `caller` is the pod's address.
    pub fn new(
        affinities: &Affinities,
        (destination, backend): (&Arc<str>, &Arc<str>),
        endpoints: &[Arc<Endpoint>],
        members: impl Iterator<Item = usize>,
        (caller, lasts): (Option<IpAddr>, Duration),
    ) -> Self {
        let number = |endpoint: &Arc<Endpoint>| hash::hash(endpoint.addr.to_string().as_bytes()).max(1);
        let numbers: Vec<_> = endpoints.iter().map(number).collect();
        let caller = caller.map_or_else(String::new, |ip| ip.to_string());
        Self {
            kept: affinities.kept(destination, backend, lasts),
            lasts,
            weights: endpoints.iter().map(|endpoint| endpoint.weight.max(1)).collect(),
            places: members.map(|index| (numbers[index], index)).collect(),
            numbers,
            caller: hash::hash(format!("{caller} {backend}").as_bytes()),
        }
    }

    /// The endpoint for a request of the pod. Where the one that it keeps to cannot be had, the next in its order for as long
    /// as that lasts: one of the first of `groups` that has any.
    pub fn pick<'a>(
        &self,
        now: Instant,
        groups: impl Iterator<Item = &'a [usize]>,
        can_be_had: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let before = self.kept.endpoint.load(Ordering::Relaxed);
        let own = self.places.get(&before).filter(|_| self.kept.is_fresh(now, self.lasts)).copied();
        self.kept.touch(now);
        if let Some(own) = own.filter(|own| can_be_had(*own)) {
            return Some(own);
        }
        let found = self.first_in_order(groups, &can_be_had)?;
        if own.is_some() {
            return Some(found);
        }
        // Of two workers that choose at the same time one is followed.
        let (order, kept) = (Ordering::Relaxed, &self.kept.endpoint);
        match kept.compare_exchange(before, self.numbers[found], order, order) {
            Ok(_) => Some(found),
            Err(other) => self.places.get(&other).copied().filter(|other| can_be_had(*other)).or(Some(found)),
        }
    }

    fn first_in_order<'a>(
        &self,
        groups: impl Iterator<Item = &'a [usize]>,
        can_be_had: &impl Fn(usize) -> bool,
    ) -> Option<usize> {
        // The least of -ln(u)/weight: each comes first as often as its weight is of all.
        let rank = |index: &usize| {
            let u = hash::fraction(self.caller ^ self.numbers[*index]).max(f64::MIN_POSITIVE);
            -libm::log(u) / f64::from(self.weights[*index])
        };
        let mut groups = groups;
        groups.find_map(|group| {
            let usable = group.iter().copied().filter(|index| can_be_had(*index));
            usable.min_by(|one, other| rank(one).total_cmp(&rank(other)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(60);

    fn endpoints(last: std::ops::Range<u8>) -> Vec<Arc<Endpoint>> {
        let endpoint = |last: u8| {
            let addr = ([10, 0, 0, last], 80).into();
            let weight = Endpoint::USUAL_WEIGHT;
            let (peer, network, zone, node) = (None, None, None, None);
            Arc::new(Endpoint { addr, peer, network, zone, node, opaque: false, weight })
        };
        last.map(endpoint).collect()
    }

    struct Worker {
        affinity: Affinity,
        endpoints: Vec<Arc<Endpoint>>,
        all: Vec<usize>,
    }

    fn worker(affinities: &Affinities, caller: u8, endpoints: Vec<Arc<Endpoint>>) -> Worker {
        let names = (&"key".into(), &"shop/carts:80".into());
        let all: Vec<_> = (0..endpoints.len()).collect();
        let caller = Some(IpAddr::from([10, 1, 0, caller]));
        let affinity = Affinity::new(affinities, names, &endpoints, all.iter().copied(), (caller, LASTS));
        Worker { affinity, endpoints, all }
    }

    impl Worker {
        fn pick(&self, now: Instant, without: &[std::net::SocketAddr]) -> std::net::SocketAddr {
            let can = |index: usize| !without.contains(&self.endpoints[index].addr);
            let index = self.affinity.pick(now, [&self.all[..]].into_iter(), can).unwrap();
            self.endpoints[index].addr
        }
    }

    #[tokio::test]
    async fn all_workers_keep_to_one_endpoint_whoever_joins_and_until_it_leaves() {
        let affinities = Affinities::default();
        let now = Instant::now();
        let few = worker(&affinities, 1, endpoints(1..6));
        let own = few.pick(now, &[]);
        // Another worker, which is asked for the first time after others have joined; and the same after a restart.
        let many = worker(&affinities, 1, endpoints(1..40));
        assert!((0..20).all(|_| few.pick(now, &[]) == own && many.pick(now, &[]) == own));
        assert_eq!(worker(&Affinities::default(), 1, endpoints(1..6)).pick(now, &[]), own);
        // It cannot be had for a while: always the same other one, and then it again.
        let other = many.pick(now, &[own]);
        assert!(other != own && (0..20).all(|_| many.pick(now, &[own]) == other));
        assert_eq!(many.pick(now, &[]), own);
        // It leaves.
        let rest: Vec<_> = endpoints(1..40).into_iter().filter(|endpoint| endpoint.addr != own).collect();
        let without = worker(&affinities, 1, rest);
        let next = without.pick(now, &[]);
        assert!(next != own && (0..20).all(|_| without.pick(now, &[]) == next));
        assert_eq!(many.pick(now, &[]), next, "it came back, and its sessions are elsewhere now");
    }

    #[tokio::test]
    async fn what_is_kept_ends_after_its_time_without_a_request_and_not_before() {
        let affinities = Affinities::default();
        let begin = Instant::now();
        let few = worker(&affinities, 1, endpoints(1..3));
        let own = few.pick(begin, &[]);
        // Somebody whom it would prefer joins.
        let more = (3..250)
            .map(|joins| worker(&affinities, 1, endpoints(1..joins)))
            .find(|more| worker(&Affinities::default(), 1, more.endpoints.clone()).pick(begin, &[]) != own)
            .unwrap();
        assert_eq!(more.pick(begin + LASTS / 2, &[]), own);
        assert_eq!(more.pick(begin + LASTS, &[]), own, "the time counts from the last request");
        assert_ne!(more.pick(begin + 3 * LASTS, &[]), own);
    }

    #[tokio::test]
    async fn callers_spread_over_endpoints() {
        let mut counts = HashMap::new();
        for caller in 0..200 {
            let own = worker(&Affinities::default(), caller, endpoints(1..5)).pick(Instant::now(), &[]);
            *counts.entry(own).or_insert(0) += 1;
        }
        assert!(counts.len() == 4 && counts.values().all(|count| (25..=75).contains(count)), "{counts:?}");
    }
}
