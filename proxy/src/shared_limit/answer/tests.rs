use super::*;

fn answer(code: i32) -> rls::RateLimitResponse {
    rls::RateLimitResponse { overall_code: code, ..Default::default() }
}

fn status(code: Code) -> DescriptorStatus {
    DescriptorStatus { code: code.into(), ..Default::default() }
}

fn added_header(key: &str, value: &str) -> rls::HeaderValue {
    rls::HeaderValue { key: key.into(), value: value.into(), raw_value: Vec::new() }
}

#[test]
fn only_a_code_that_says_yes_or_no_is_an_answer() {
    assert!(!understand(answer(1), 1).unwrap().over);
    assert!(understand(answer(2), 1).unwrap().over);
    for code in [0, 3, -1] {
        assert_eq!(understand(answer(code), 1).unwrap_err(), Unusable::Code(code));
    }
}

#[test]
fn the_limit_that_refuses_is_the_one_that_is_over_where_each_is_told_of() {
    let said = |codes: &[Code]| rls::RateLimitResponse {
        statuses: codes.iter().map(|code| status(*code)).collect(),
        ..answer(2)
    };
    let refusing = |codes: &[Code]| understand(said(codes), 2).unwrap().refusing();
    assert_eq!(refusing(&[Code::Ok, Code::OverLimit]).0, 1);
    assert_eq!(refusing(&[Code::OverLimit, Code::OverLimit]).0, 0);
    assert_eq!(refusing(&[]), (0, Standing::default()));
    let other_number = [Code::Ok, Code::Ok, Code::OverLimit];
    assert_eq!(refusing(&other_number), (0, Standing::default()), "which one is meant is not known");
}

#[test]
fn what_a_limit_says_of_itself_has_bounds() {
    use rls::rate_limit_response::RateLimit as Amount;

    let limit = RateLimit::new(
        ("shop/limits".into(), "all".into()),
        (5, Duration::from_secs(60), 5, 1),
        [].into(),
        false,
    );
    let reset = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
    let fields = |status: DescriptorStatus| standing(&status).fields(&limit);
    assert_eq!(fields(status(Code::Ok)), None, "without a time nothing is told");
    let own = fields(DescriptorStatus { duration_until_reset: reset(9, 1), ..status(Code::Ok) }).unwrap();
    assert_eq!((own.requests, own.per.as_secs(), own.reset), (5, 60, Duration::new(9, 1)));
    for (duration, known) in [(reset(-1, 0), None), (reset(i64::MAX, 0), Some(LONGEST_WAIT))] {
        let told = fields(DescriptorStatus { duration_until_reset: duration, ..status(Code::Ok) });
        assert_eq!(told.map(|fields| fields.reset), known);
    }
    for (unit, multiplier, seconds) in [
        (Unit::Second, None, 1),
        (Unit::Week, None, 604_800),
        (Unit::Year, Some(u32::MAX), 31_536_000 * u64::from(u32::MAX)),
    ] {
        let amount = Amount { requests_per_unit: 7, unit: unit.into(), unit_multiplier: multiplier };
        let status = DescriptorStatus {
            current_limit: Some(amount),
            duration_until_reset: reset(1, 0),
            ..status(Code::Ok)
        };
        let told = fields(status).unwrap();
        assert_eq!((told.requests, told.per.as_secs()), (7, seconds), "{unit:?}");
    }
}

#[test]
fn a_yes_whose_headers_cannot_be_added_is_none_and_a_no_stays_one() {
    let bad = |name: &str| Unusable::Edits(BadEdits::BadHeader(name.into()));
    for (headers, expected) in [
        (vec![added_header("x-a", "b\r\nhost: evil")], bad("x-a")),
        (vec![added_header("x a", "b")], bad("x a")),
        (vec![added_header("x-a", "b"); 65], Unusable::Edits(BadEdits::TooMuch)),
        (vec![added_header("x-a", &"b".repeat(17_000))], Unusable::Edits(BadEdits::TooMuch)),
    ] {
        let with = |code| rls::RateLimitResponse { response_headers_to_add: headers.clone(), ..answer(code) };
        assert_eq!(understand(with(1), 1).unwrap_err(), expected);
        let no = understand(with(2), 1).unwrap();
        assert!(no.over && no.response.is_empty());
    }
}
