use prost::Message as _;

use super::{golden, wire, workload};
use crate::otlp::Protocol;
use crate::trace::Sampling;

#[test]
fn golden_tracing_is_what_it_was_written_as() {
    let decoded = workload(&golden("workload-tracing")).unwrap();
    let tracing = decoded.tracing.as_ref().unwrap();
    let collector = tracing.collector.asks.as_ref().unwrap();
    assert_eq!(
        (&*collector.service, collector.addr),
        ("observability/collector", ([10, 96, 0, 7], 4317).into())
    );
    assert_eq!(
        (tracing.collector.protocol, &tracing.sampling),
        (Protocol::Grpc, &Sampling::millionths(1_000))
    );
    let own = decoded.inbound_ports[0].sampling.as_deref();
    assert_eq!(own, Some(&Sampling::millionths(500_000)));
}

#[test]
fn tracing_whose_words_got_lost_or_are_not_known_is_rejected_and_a_collector_that_is_not_there_is_none() {
    let golden = wire::Workload::decode(golden("workload-tracing").as_slice()).unwrap();
    let changed = |change: fn(&mut wire::Tracing)| {
        let mut wire = golden.clone();
        change(wire.tracing.as_mut().unwrap());
        workload(&wire.encode_to_vec())
    };
    for change in [
        |tracing| tracing.protocol = 0,
        |tracing| tracing.protocol = 99,
        |tracing| tracing.port = 0,
        |tracing| tracing.address = vec![1],
    ] as [fn(&mut wire::Tracing); 4]
    {
        changed(change).unwrap_err();
    }
    let nobody = changed(|tracing| tracing.address = Vec::new()).unwrap();
    assert!(nobody.tracing.as_ref().unwrap().collector.asks.is_none());
}
