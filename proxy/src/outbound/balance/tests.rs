use super::group::tests::Fake;
use super::*;
use crate::state::Algorithm;

/// Whether `count` of `draws` is what a chance of `part` gives: within four standard deviations, which one run in
/// 16,000 leaves.
pub fn near(count: u32, draws: u32, part: f64) -> bool {
    let mean = f64::from(draws) * part;
    (f64::from(count) - mean).abs() <= 4.0 * (mean * (1.0 - part)).sqrt() + 1.0
}

fn endpoints(zones: &[&str]) -> Vec<Arc<Endpoint>> {
    let endpoint = |(index, zone): (usize, &&str)| {
        Arc::new(Endpoint {
            addr: format!("10.0.0.{}:80", index + 1).parse().unwrap(),
            peer: None,
            network: None,
            zone: (!zone.is_empty()).then(|| (*zone).into()),
            node: None,
            opaque: false,
            weight: Endpoint::USUAL_WEIGHT,
        })
    };
    zones.iter().enumerate().map(endpoint).collect()
}

fn of(endpoints: &[Arc<Endpoint>]) -> Backend {
    Backend { endpoints: endpoints.to_vec(), ..Backend::default() }
}

fn in_zone(zone: &str) -> Here<'_> {
    Here { zone: Some(zone), node: None }
}

fn policy(zone: ZonePolicy) -> LoadBalancer {
    LoadBalancer { algorithm: Algorithm::Random, zone, ..LoadBalancer::default() }
}

/// How often each of the endpoints is chosen.
fn counts(balancer: &Balancer, fake: &Fake, draws: u32) -> Vec<u32> {
    let mut rng = fastrand::Rng::with_seed(3);
    let mut counts = vec![0; fake.shares.len()];
    for _ in 0..draws {
        counts[balancer.pick(fake, BalanceQuery { failed: &[], key: None }, &mut rng).unwrap()] += 1;
    }
    counts
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_default_needs_no_balancer_and_a_weight_does() {
    let mut endpoints = endpoints(&["a", "b"]);
    assert!(Balancer::new(&LoadBalancer::default(), &of(&endpoints), in_zone("a"), None).is_none());
    Arc::get_mut(&mut endpoints[0]).unwrap().weight = 300;
    assert!(Balancer::new(&LoadBalancer::default(), &of(&endpoints), in_zone("a"), None).is_some());
}

#[test]
fn a_zone_that_is_preferred_keeps_its_traffic_until_it_is_short_of_endpoints() {
    let zones = ["a", "a", "b", "b", "c", "c"];
    let all = endpoints(&zones);
    let balancer = Balancer::new(&policy(ZonePolicy::Prefer), &of(&all), in_zone("a"), None).unwrap();
    let mut fake = Fake::new(6);
    balancer.look(Duration::ZERO, &fake);
    assert_eq!(counts(&balancer, &fake, 1_000)[2..], [0, 0, 0, 0]);

    // One of the two is ejected: 5 are left, an even part is 5/3, and 0.6 of it is here.
    fake.shares[0] = 0.0;
    balancer.look(SECOND, &fake);
    assert!((balancer.spilled().unwrap() - 0.4).abs() < 1e-9);
    let spilt = counts(&balancer, &fake, 10_000);
    assert_eq!(spilt[0], 0);
    assert!(near(spilt[1], 10_000, 0.6), "{spilt:?}");
    assert!(near(spilt[2], 10_000, 0.1), "{spilt:?}");

    fake.shares[0] = 1.0;
    balancer.look(SECOND, &fake);
    assert_eq!(counts(&balancer, &fake, 1_000)[2..], [0, 0, 0, 0], "back");
}

#[test]
fn what_spills_survives_a_change_of_the_endpoints() {
    let slow = |balancer: &Balancer, fake: &Fake, near_ms, seconds| {
        for _ in 0..seconds {
            (0..20).for_each(|_| balancer.answered(false, Duration::from_millis(near_ms)));
            balancer.look(SECOND, fake);
        }
    };
    let all = endpoints(&["a", "a", "b", "b"]);
    let (policy, fake) = (policy(ZonePolicy::Prefer), Fake::new(4));
    let before = Balancer::new(&policy, &of(&all), in_zone("a"), None).unwrap();
    slow(&before, &fake, 10, 5);
    slow(&before, &fake, 100, 3);
    assert!((before.spilled().unwrap() - 0.3).abs() < 1e-9, "{before:?}");
    let after = Balancer::new(&policy, &of(&all[1..]), in_zone("a"), Some(&before)).unwrap();
    slow(&after, &Fake::new(3), 100, 1);
    assert!(after.spilled().unwrap() > 0.39, "{after:?}");
}

#[test]
fn a_zone_without_endpoints_sends_everything_away_unless_it_must_not() {
    let all = endpoints(&["b", "c", ""]);
    let preferred = Balancer::new(&policy(ZonePolicy::Prefer), &of(&all), in_zone("a"), None).unwrap();
    assert!(!preferred.is_empty());
    assert_eq!(counts(&preferred, &Fake::new(3), 300).iter().sum::<u32>(), 300);
    let strict = Balancer::new(&policy(ZonePolicy::Strict), &of(&all), in_zone("a"), None).unwrap();
    assert!(strict.is_empty());
    let unknown = Balancer::new(&policy(ZonePolicy::Strict), &of(&all), Here::default(), None).unwrap();
    assert!(!unknown.is_empty(), "a proxy that does not know its zone cannot keep to it");
}

#[test]
fn a_strict_zone_never_lets_anything_out() {
    let all = endpoints(&["a", "b", "b"]);
    let strict = Balancer::new(&policy(ZonePolicy::Strict), &of(&all), in_zone("a"), None).unwrap();
    let mut fake = Fake::new(3);
    fake.shares[0] = 0.0;
    strict.look(SECOND, &fake);
    assert_eq!(counts(&strict, &fake, 100), [100, 0, 0]);
}

#[test]
fn what_has_failed_is_left_alone_across_zones_and_the_last_failure_longest() {
    let all = endpoints(&["a", "b"]);
    let balancer = Balancer::new(&policy(ZonePolicy::Prefer), &of(&all), in_zone("a"), None).unwrap();
    let fake = Fake::new(2);
    let mut rng = fastrand::Rng::with_seed(5);
    let mut pick = |failed| balancer.pick(&fake, BalanceQuery { failed, key: None }, &mut rng).unwrap();
    assert_eq!(pick(&[0]), 1);
    assert_eq!(pick(&[0, 1]), 0);
    assert_eq!(pick(&[1, 0]), 1);
}

#[test]
fn requests_of_one_key_leave_the_zone_together() {
    let all = endpoints(&["a", "b", "b", "b"]);
    let by_key =
        LoadBalancer { algorithm: Algorithm::Maglev, zone: ZonePolicy::Prefer, ..policy(ZonePolicy::Any) };
    let balancer = Balancer::new(&by_key, &of(&all), in_zone("a"), None).unwrap();
    let fake = Fake::new(4);
    balancer.look(Duration::ZERO, &fake);
    let mut rng = fastrand::Rng::with_seed(5);
    let mut far = 0u32;
    for number in 0..2_000u32 {
        let key = Some(hash::hash(&number.to_be_bytes()));
        let mut pick = || balancer.pick(&fake, BalanceQuery { failed: &[], key }, &mut rng).unwrap();
        let first = pick();
        assert!((0..5).all(|_| pick() == first));
        far += u32::from(first > 0);
    }
    // One of four, where an even part is two.
    assert!(near(far, 2_000, 0.5), "{far}");
}

/// Endpoints on these nodes, of which this proxy's is `n1`.
fn on_nodes(policy: NodePolicy, nodes: &[&str]) -> (Backend, Balancer) {
    let mut endpoints = endpoints(&vec!["a"; nodes.len()]);
    for (endpoint, node) in endpoints.iter_mut().zip(nodes) {
        Arc::get_mut(endpoint).unwrap().node = Some((*node).into());
    }
    let backend = Backend { node: policy, ..of(&endpoints) };
    let here = Here { zone: Some("a"), node: Some("n1") };
    let balancer = Balancer::new(&LoadBalancer::default(), &backend, here, None).unwrap();
    (backend, balancer)
}

#[test]
fn a_node_that_is_preferred_gets_all_while_one_endpoint_there_can_be_had() {
    let (_, balancer) = on_nodes(NodePolicy::Prefer, &["n1", "n2", "n1", "n3"]);
    let mut fake = Fake::new(4);
    assert_eq!(counts(&balancer, &fake, 100).iter().step_by(2).sum::<u32>(), 100);
    fake.shares[0] = 0.0;
    assert_eq!(counts(&balancer, &fake, 100), [0, 0, 100, 0]);
    fake.shares[2] = 0.0;
    let elsewhere = counts(&balancer, &fake, 100);
    assert_eq!(elsewhere[1] + elsewhere[3], 100);
    let (_, nobody) = on_nodes(NodePolicy::Prefer, &["n2", "n3"]);
    assert!(!nobody.is_empty());
    assert_eq!(counts(&nobody, &Fake::new(2), 100).iter().sum::<u32>(), 100);
}

#[test]
fn a_node_that_is_the_only_one_lets_nothing_out() {
    let (backend, balancer) = on_nodes(NodePolicy::Only, &["n2", "n1"]);
    let mut fake = Fake::new(2);
    fake.shares[1] = 0.0;
    assert_eq!(counts(&balancer, &fake, 100), [0, 100], "not even where its endpoint is ejected");
    let here = Here { zone: None, node: Some("n1") };
    let reach: Vec<_> =
        backend.endpoints.iter().map(|one| here.reaches(one, &backend, &LoadBalancer::default())).collect();
    assert_eq!(reach, [false, true]);
    assert!(on_nodes(NodePolicy::Only, &["n2", "n3"]).1.is_empty());
}
