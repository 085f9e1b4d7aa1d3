use std::time::Duration;

use prost::Message as _;

use super::{golden, wire, workload};
use crate::asking::Asks;
use crate::otlp::{Collector, Protocol};
use crate::telemetry::access_log::{Choice, Fields, Form, Mode, Policy, Select};

#[test]
fn a_golden_access_log_is_what_it_was_written_as() {
    let decoded = workload(&golden("workload-access-log")).unwrap();
    let select = Select {
        errors: true,
        denied: false,
        slower_than: Some(Duration::from_millis(500)),
        sampling: Some(10_000),
    };
    let asks = Asks { service: "observability/collector".into(), addr: ([10, 96, 0, 7], 4318).into() };
    let policy = Policy {
        choice: Choice { mode: Mode::Selected(select), remove_query: true },
        form: Form::Text,
        omit: Fields::named(["peer", "tls"]),
        headers: vec!["x-request-id".parse().unwrap()],
        collector: Some(Collector { asks: Some(asks), protocol: Protocol::Http }),
        silent: true,
    };
    assert_eq!(decoded.access_log.as_deref(), Some(&policy));
    let own = Choice { mode: Mode::All, remove_query: false };
    assert_eq!(decoded.inbound_ports[0].access_log.as_deref(), Some(&own));
}

#[test]
fn an_access_log_whose_words_got_lost_or_are_not_known_is_rejected_and_a_field_of_a_newer_version_is_not() {
    let golden = wire::Workload::decode(golden("workload-access-log").as_slice()).unwrap();
    let changed = |change: fn(&mut wire::AccessLog)| {
        let mut wire = golden.clone();
        change(wire.access_log.as_mut().unwrap());
        workload(&wire.encode_to_vec())
    };
    for change in [
        |log| log.format = 0,
        |log| log.format = 99,
        |log| log.choice = None,
        |log| log.choice.as_mut().unwrap().mode = 0,
        |log| log.choice.as_mut().unwrap().mode = 99,
        |log| log.request_headers = vec!["a b".into()],
        |log| log.collector.as_mut().unwrap().protocol = 0,
        |log| log.collector.as_mut().unwrap().port = 0,
    ] as [fn(&mut wire::AccessLog); 8]
    {
        changed(change).unwrap_err();
    }
    let newer = changed(|log| log.omit.push("of_a_newer_version".into())).unwrap();
    assert_eq!(newer.access_log.unwrap().omit, Fields::named(["peer", "tls"]));
}
