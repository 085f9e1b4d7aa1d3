use prost::Message as _;

use super::{golden, wire, workload};
use crate::egress::{HostName, Speaks, judge};
use crate::state::OutboundPolicy;

#[test]
fn golden_external_services_are_what_they_were_written_as() {
    let decoded = workload(&golden("workload-external-services")).unwrap();
    assert_eq!(decoded.outbound_policy, OutboundPolicy::RegistryOnly);
    let services = &decoded.external_services;
    let names: Vec<_> = services.iter().map(|service| (&*service.name, service.permitted)).collect();
    assert_eq!(names, [("shop/stripe", true), ("shop/corp", false), ("shop/warehouse", true)]);
    assert!(services[1].private_addresses && !services[0].private_addresses);
    let lets_out = |speaks, host: Option<&str>, dialled: &str| {
        let host = host.map(|host| HostName::parse(host).unwrap());
        judge(services, speaks, host.as_ref(), dialled.parse().unwrap()).is_ok()
    };
    assert!(lets_out(Speaks::Tls, Some("m.stripe.network"), "1.2.3.4:443"));
    assert!(lets_out(Speaks::Http, Some("api.stripe.com"), "1.2.3.4:80"));
    assert!(!lets_out(Speaks::Tls, Some("ledger.corp.example"), "1.2.3.4:8443"));
    assert!(lets_out(Speaks::Bytes, None, "203.0.113.9:5432"));
    assert!(lets_out(Speaks::Http, Some("warehouse.example"), "[2001:db8::1]:8080"));
    assert!(!lets_out(Speaks::Http, Some("warehouse.example"), "1.2.3.4:8080"));
    let dry_run = workload(&golden("workload-outbound-dry-run")).unwrap();
    assert_eq!(dry_run.outbound_policy, OutboundPolicy::DryRun);
}

#[test]
fn an_external_service_whose_words_got_lost_or_are_not_known_is_rejected() {
    let golden = wire::Workload::decode(golden("workload-external-services").as_slice()).unwrap();
    let changed = |change: fn(&mut [wire::ExternalService])| {
        let mut wire = golden.clone();
        change(&mut wire.external_services);
        workload(&wire.encode_to_vec())
    };
    assert!(changed(|_| {}).is_ok());
    for (change, reason) in [
        ((|all| all[0].ports[0].protocol = 0) as fn(&mut [wire::ExternalService]), "protocol is not set"),
        (|all| all[0].ports[0].protocol = 9, "protocol 9 is unknown"),
        (|all| all[0].ports[0].port = 0, "0 is no port"),
        (|all| all[0].ports.clear(), "there are no ports"),
        (|all| all[0].hosts.clear(), "needs hosts"),
        (|all| all[2].addresses.clear(), "needs addresses"),
        (|all| all[2].addresses[0].length = 33, "more bits than they have"),
        (|all| all[2].addresses[0].address.truncate(3), "an address has 4 or 16 bytes"),
        (|all| all[0].hosts[0] = "*".into(), "\"*\" is not a host"),
        (|all| all[0].hosts[0] = "10.0.0.1".into(), "is not a host"),
    ] {
        let error = changed(change).unwrap_err().to_string();
        assert!(error.contains(reason), "{error} has not {reason}");
    }
}
