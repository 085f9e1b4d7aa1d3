//! TLS to servers outside the mesh. Nothing in it rejects a destination: the version before it could let plain text through, and
//! what cannot be verified opens no connection.

use crate::tls::{Asked, Origin};
use crate::wire::weft::v1 as wire;

pub(super) fn origin(wire: wire::BackendTls) -> Origin {
    let asked = Asked {
        policy: &wire.policy,
        server_name: &wire.server_name,
        dns_names: &wire.dns_names,
        uris: &wire.uris,
        authorities: &wire.authorities,
    };
    if wire.refused.is_empty() { Origin::new(asked) } else { Origin::refused(&wire.policy, &wire.refused) }
}
