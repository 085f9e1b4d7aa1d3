use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn out_until(health: &Health) -> Option<Duration> {
    health.out_until().map(|(until, _)| until)
}

fn limits() -> Outliers {
    Outliers {
        consecutive_failures: Some(5),
        base: 30 * SECOND,
        max: 100 * SECOND,
        max_percent: 50,
        panic_percent: 50,
        ..Outliers::default()
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![Just(Outcome::Success), Just(Outcome::Failure), Just(Outcome::Gateway), Just(Outcome::Local),]
}

#[test]
fn answers_are_told_apart_by_who_is_to_blame() {
    for (status, grpc_status, expected) in [
        (200, None, Outcome::Success),
        (429, None, Outcome::Success),
        (500, None, Outcome::Failure),
        (501, None, Outcome::Failure),
        (503, None, Outcome::Gateway),
        (200, Some(0), Outcome::Success),
        (200, Some(5), Outcome::Success),
        (200, Some(8), Outcome::Success),
        (200, Some(13), Outcome::Failure),
        (200, Some(14), Outcome::Gateway),
        (503, Some(13), Outcome::Failure),
    ] {
        assert_eq!(Outcome::of(status, grpc_status), expected, "{status} {grpc_status:?}");
    }
}

#[test]
fn five_in_a_row_eject_and_one_success_between_them_does_not() {
    let (limits, mut health) = (limits(), Health::default());
    for _ in 0..4 {
        assert_eq!(health.observe(&limits, SECOND, Outcome::Failure), None);
    }
    assert_eq!(health.observe(&limits, SECOND, Outcome::Success), None);
    for _ in 0..4 {
        assert_eq!(health.observe(&limits, SECOND, Outcome::Local), None);
    }
    assert_eq!(health.observe(&limits, SECOND, Outcome::Gateway), Some(Reason::ConsecutiveFailures));
}

#[test]
fn each_kind_of_failure_has_a_row_of_its_own() {
    let limits = Outliers {
        consecutive_failures: None,
        consecutive_gateway_errors: Some(2),
        consecutive_local_errors: Some(3),
        ..limits()
    };
    let row = |outcomes: &[Outcome]| {
        let mut health = Health::default();
        outcomes.iter().fold(None, |_, outcome| health.observe(&limits, SECOND, *outcome))
    };
    assert_eq!(row(&[Outcome::Gateway; 2]), Some(Reason::ConsecutiveGatewayErrors));
    assert_eq!(row(&[Outcome::Local; 3]), Some(Reason::ConsecutiveLocalErrors));
    assert_eq!(row(&[Outcome::Failure; 9]), None);
    assert_eq!(row(&[Outcome::Gateway, Outcome::Local, Outcome::Gateway, Outcome::Local]), None);
}

#[test]
fn a_low_success_rate_ejects_once_there_are_enough_requests_and_old_ones_are_forgotten() {
    let rate = SuccessRate { below: 80, window: 10 * SECOND, min_requests: 10 };
    let limits = Outliers { consecutive_failures: None, success_rate: Some(rate), ..limits() };
    let mut health = Health::default();
    let one_in_four = |index: u32| if index % 4 == 3 { Outcome::Failure } else { Outcome::Success };
    let reasons: Vec<_> =
        (0..12).filter_map(|index| health.observe(&limits, SECOND, one_in_four(index))).collect();
    assert_eq!(reasons, [Reason::SuccessRate], "9 good of 12; of 8 there were too few");
    let mut health = Health::default();
    for index in 0..8 {
        health.observe(&limits, SECOND, one_in_four(index));
    }
    for index in 0..3 {
        assert_eq!(health.observe(&limits, 12 * SECOND, one_in_four(index + 1)), None, "the old are gone");
    }
}

#[test]
fn ejections_grow_are_capped_and_forgotten_after_good_service() {
    let (limits, mut health) = (limits(), Health::default());
    let mut now = SECOND;
    for expected in [30, 60, 90, 100, 100] {
        health.eject(&limits, now, Reason::Probe);
        assert_eq!(out_until(&health), Some(now + expected * SECOND));
        now += expected * SECOND;
        assert_eq!(health.standing(now - SECOND), Standing::Out);
        assert_eq!(health.standing(now), Standing::OnTrial);
        health.probe();
        assert_eq!(health.standing(now), Standing::Out, "one at a time");
        assert!(health.proved(&limits, now, Outcome::Success));
    }
    now += 200 * SECOND;
    health.eject(&limits, now, Reason::Probe);
    assert_eq!(out_until(&health), Some(now + 30 * SECOND));
}

#[test]
fn a_probe_that_fails_ejects_again_and_one_that_is_given_up_is_repeated() {
    let (limits, mut health) = (limits(), Health::default());
    health.eject(&limits, SECOND, Reason::Probe);
    health.probe();
    assert!(!health.proved(&limits, 31 * SECOND, Outcome::Local));
    assert_eq!(out_until(&health), Some(91 * SECOND));
    health.probe();
    health.unproved(92 * SECOND);
    assert_eq!(health.standing(92 * SECOND), Standing::OnTrial);
}

proptest! {
    /// Whatever happens whenever: no ejection is longer than the cap, time and counts never overflow, an endpoint
    /// that only succeeds is never ejected, and one that is out always gets its trial.
    #[test]
    fn any_history_keeps_the_promises(
        events in proptest::collection::vec((0u64..200_000, outcome(), any::<bool>()), 1..400),
        base in 0u64..1_000_000, max in 0u64..1_000_000, row in 1u32..10, below in 0u32..=100,
    ) {
        let ms = Duration::from_millis;
        let limits = Outliers {
            consecutive_failures: Some(row),
            success_rate: Some(SuccessRate { below, window: ms(base), min_requests: row }),
            base: ms(base),
            max: ms(max),
            ..limits()
        };
        let (mut health, mut now) = (Health::default(), Duration::ZERO);
        for (passed, outcome, given_up) in events {
            now += ms(passed);
            match health.standing(now) {
                Standing::OnTrial if given_up => {
                    health.probe();
                    health.unproved(now);
                    prop_assert_eq!(health.standing(now), Standing::OnTrial);
                }
                Standing::OnTrial => {
                    health.probe();
                    let back = health.proved(&limits, now, outcome);
                    prop_assert_eq!(back, outcome == Outcome::Success);
                }
                Standing::In | Standing::Out => {
                    if let Some(_reason) = health.observe(&limits, now, outcome) {
                        prop_assert_ne!(outcome, Outcome::Success);
                        health.eject(&limits, now, Reason::Probe);
                    }
                }
            }
            if let Some(until) = out_until(&health) {
                prop_assert!(until <= now + ms(max.max(base)));
                prop_assert_ne!(health.standing(until), Standing::Out);
            }
        }
    }

    #[test]
    fn the_end_of_time_overflows_nothing(outcomes in proptest::collection::vec(outcome(), 1..50)) {
        let limits = Outliers { base: Duration::MAX, max: Duration::MAX, ..limits() };
        let mut health = Health { times: u32::MAX, ..Health::default() };
        for outcome in outcomes {
            health.observe(&limits, Duration::MAX, outcome);
            health.eject(&limits, Duration::MAX, Reason::Probe);
            health.probe();
            health.proved(&limits, Duration::MAX, outcome);
        }
    }
}
