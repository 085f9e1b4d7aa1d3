//! TLS to servers outside the mesh. Nothing in it rejects a destination or a workload: the version before it could let plain text
//! through, and what cannot be verified opens no connection.

use std::sync::Arc;

use crate::egress::Originate;
use crate::tls::{Asked, Demand, Origin};
use crate::wire::weft::v1 as wire;

pub(super) fn origin(wire: wire::BackendTls) -> Origin {
    const KIND: &str = "BackendTLSPolicy";
    let asked = Asked {
        kind: KIND,
        policy: &wire.policy,
        dns_names: &wire.dns_names,
        uris: &wire.uris,
        authorities: &wire.authorities,
    };
    let demand = match &*wire.refused {
        "" => Demand::new(asked),
        refused => Demand::refused(KIND, &wire.policy, refused),
    };
    Origin::new(Arc::new(demand), &wire.server_name)
}

/// What an ExternalService, `service`, demands at a port.
pub(super) fn originate(
    service: &str,
    ports: (u16, u16),
    wire: &wire::ExternalTls,
    all: &[wire::Authorities],
) -> Originate {
    const KIND: &str = "ExternalService";
    let authorities = (wire.authorities as usize).checked_sub(1).and_then(|place| all.get(place));
    let demand = match (&*wire.refused, authorities) {
        ("", Some(wire::Authorities { certificates })) => Demand::new(Asked {
            kind: KIND,
            policy: service,
            dns_names: &wire.dns_names,
            uris: &wire.uris,
            authorities: certificates,
        }),
        ("", None) => Demand::refused(KIND, service, "it came without certificate authorities"),
        (refused, _) => Demand::refused(KIND, service, refused),
    };
    Originate { port: ports.0, to: ports.1, demand: Arc::new(demand) }
}
