use super::*;
use crate::drain;
use crate::telemetry::ExportCounts;
use http::{HeaderName, HeaderValue};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

fn queue() -> Queue {
    Queue::new(drain::channel().1, ExportCounts::default())
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

/// What becomes of a request with `pairs` where so many of a million are told.
fn begun(share: u32, pairs: &[(&str, &str)]) -> (Option<Begun>, HeaderMap) {
    let mut headers = headers(pairs);
    let begun = begin(&Sampling::millionths(share), &queue(), &mut headers);
    let named = trace_id(&headers);
    assert_eq!(named, Some(begun.context.trace_id), "what goes on names the same trace: {headers:?}");
    (Some(begun).filter(|begun| begun.context.sampled), headers)
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map_or("", |value| value.to_str().unwrap());
    assert!(values.next().is_none(), "{name} is there once");
    value
}

#[test]
fn a_trace_goes_on_as_its_parent_says_whatever_is_sampled_here() {
    for (share, parent, told) in
        [(0, SAMPLED, true), (1_000_000, UNSAMPLED, false), (1_000_000, SAMPLED, true), (0, UNSAMPLED, false)]
    {
        let (begun, headers) = begun(share, &[("traceparent", parent), ("tracestate", "a=b")]);
        assert_eq!(begun.is_some(), told, "{share} {parent}");
        assert_eq!(value(&headers, "tracestate"), "a=b");
        let written = value(&headers, "traceparent");
        match begun {
            None => assert_eq!(written, parent, "as it came"),
            Some(begun) => {
                assert_eq!(
                    (begun.parent, begun.state.as_deref()),
                    (Some(0x00f0_67aa_0ba9_02b7), Some("a=b"))
                );
                assert_eq!(written, format!("00-{TRACE}-{:016x}-01", begun.context.span_id));
                assert!(!written.contains(SPAN), "a span of its own");
            }
        }
    }
}

#[test]
fn a_trace_begins_where_there_is_none_and_says_whether_it_is_told() {
    let (one, headers) = begun(1_000_000, &[]);
    let one = one.unwrap();
    assert_eq!(one.parent, None);
    let context = one.context;
    let expected = format!("00-{:032x}-{:016x}-03", context.trace_id, context.span_id);
    assert_eq!((value(&headers, "traceparent"), value(&headers, "tracestate")), (&*expected, "ot=th:0"));
    assert_ne!(begun(1_000_000, &[]).0.unwrap().context.trace_id, context.trace_id);
    let (none, headers) = begun(0, &[]);
    assert!(none.is_none());
    assert!(
        value(&headers, "traceparent").ends_with("-02"),
        "whoever comes next need not decide: {headers:?}"
    );
    assert_eq!(value(&headers, "tracestate"), "");
}

#[test]
fn w3c_holds_where_b3_says_something_else_and_both_are_written_again() {
    const OTHER: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    let single = format!("{OTHER}-e457b5a2e4d86bd1-0-05e3ac9a4f6e3b90");
    let pairs = [
        ("traceparent", SAMPLED),
        ("b3", &*single),
        ("x-b3-traceid", OTHER),
        ("x-b3-spanid", "e457b5a2e4d86bd1"),
        ("x-b3-parentspanid", "05e3ac9a4f6e3b90"),
        ("x-b3-sampled", "0"),
    ];
    let (begun, headers) = begun(0, &pairs);
    let span = format!("{:016x}", begun.unwrap().context.span_id);
    assert_eq!(value(&headers, "traceparent"), format!("00-{TRACE}-{span}-01"));
    assert_eq!(value(&headers, "b3"), format!("{TRACE}-{span}-1"));
    assert_eq!((value(&headers, "x-b3-traceid"), value(&headers, "x-b3-spanid")), (TRACE, &*span));
    assert_eq!((value(&headers, "x-b3-sampled"), value(&headers, "x-b3-parentspanid")), ("1", ""));
}

#[test]
fn b3_alone_is_understood_in_each_of_its_forms() {
    let ids = format!("{TRACE}-{SPAN}");
    let short = format!("{}-{SPAN}-1", &TRACE[16..]);
    let with = |state: &str| format!("{ids}-{state}");
    // The share, the headers, and whether it is told: as they say, or by the share where they do not.
    for (share, pairs, told) in [
        (0, vec![("b3", with("1"))], true),
        (0, vec![("b3", with("d"))], true),
        (1_000_000, vec![("b3", with("0"))], false),
        (1_000_000, vec![("b3", ids.clone())], true),
        (0, vec![("b3", ids.clone())], false),
        (1_000_000, vec![("b3", "0".into())], false),
        (0, vec![("b3", "1".into())], true),
        (0, vec![("b3", short)], true),
        (
            0,
            vec![("x-b3-traceid", TRACE.into()), ("x-b3-spanid", SPAN.into()), ("x-b3-sampled", "1".into())],
            true,
        ),
        (
            0,
            vec![("x-b3-traceid", TRACE.into()), ("x-b3-spanid", SPAN.into()), ("x-b3-flags", "1".into())],
            true,
        ),
        (1_000_000, vec![("x-b3-sampled", "0".into())], false),
        (1_000_000, vec![("x-b3-traceid", TRACE.into()), ("x-b3-spanid", SPAN.into())], true),
    ] {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (begun, headers) = begun(share, &pairs);
        assert_eq!(begun.is_some(), told, "{pairs:?}");
        let flags = if told { "-0[13]$" } else { "-0[02]$" };
        let written = value(&headers, "traceparent");
        assert!(regex::Regex::new(flags).unwrap().is_match(written), "{pairs:?}: {written}");
        if headers.contains_key("b3") {
            let state = if pairs[0].1.ends_with('d') {
                "d"
            } else if told {
                "1"
            } else {
                "0"
            };
            assert!(value(&headers, "b3").ends_with(&format!("-{state}")), "{headers:?}");
        }
    }
    let (_, headers) = begun(0, &[("b3", &format!("a3ce929d0e0e4736-{SPAN}-1"))]);
    assert!(value(&headers, "b3").starts_with("a3ce929d0e0e4736-"), "short ids stay short: {headers:?}");
    assert!(value(&headers, "traceparent").starts_with("00-0000000000000000a3ce929d0e0e4736-"));
}

#[test]
fn debug_goes_on_only_where_the_b3_that_says_so_holds() {
    let debug = format!("{TRACE}-{SPAN}-d");
    let (malformed, other) = (format!("{debug}-zz"), format!("{TRACE}-{SPAN}-1"));
    for (pairs, state) in [
        (vec![("b3", &*debug)], "d"),
        (vec![("b3", &*malformed)], "1"),
        (vec![("traceparent", SAMPLED), ("b3", &*debug)], "1"),
        (vec![("b3", &*other), ("x-b3-flags", "1")], "1"),
        (vec![("b3", &*malformed), ("x-b3-flags", "1")], "d"),
    ] {
        let (_, headers) = begun(1_000_000, &pairs);
        assert!(value(&headers, "b3").ends_with(&format!("-{state}")), "{pairs:?}: {headers:?}");
    }
    let several = [("traceparent", SAMPLED), ("x-b3-flags", "1")];
    let (_, headers) = begun(1_000_000, &several);
    assert_eq!((value(&headers, "x-b3-flags"), value(&headers, "x-b3-sampled")), ("", "1"));
}

#[test]
fn what_is_malformed_says_nothing_and_a_new_trace_begins() {
    let long = "a".repeat(64 * 1024);
    let traceparents = [
        "",
        "garbage",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47-36f067aa0ba902b700-01",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
        "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        &long,
    ];
    for text in traceparents {
        let (begun, headers) = begun(1_000_000, &[("traceparent", text), ("tracestate", "a=b")]);
        let begun = begun.unwrap();
        assert_eq!(begun.parent, None, "{text}");
        assert!(!value(&headers, "traceparent").contains(SPAN), "{text}");
        assert_eq!(value(&headers, "tracestate"), "ot=th:0", "it belonged to what was not one");
    }
    let b3 = [
        format!("{TRACE}-{SPAN}-2"),
        format!("{TRACE}-{SPAN}-1-short"),
        format!("{TRACE}-{SPAN}-1-{SPAN}-more"),
        format!("{TRACE}-"),
        format!("{}-{SPAN}-1", &TRACE[1..]),
        long,
    ];
    for text in b3 {
        let (begun, _) = begun(1_000_000, &[("b3", &text)]);
        assert_eq!(begun.unwrap().parent, None, "{text}");
    }
    let (two, headers) = begun(1_000_000, &[("traceparent", SAMPLED), ("traceparent", UNSAMPLED)]);
    assert_eq!(two.unwrap().parent, None);
    assert_eq!(headers.get_all("traceparent").iter().count(), 1);
    // Of a version that is not known yet, what it has in common.
    let newer = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
    assert!(begun(0, &[("traceparent", newer)]).0.unwrap().parent.is_some());
}
