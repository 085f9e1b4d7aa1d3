//! What the proxy knows, as JSON for a person: `GET /config` on the admin port. It holds no key and no token.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    asking::Asks,
    egress::ExternalService,
    external_check::ExternalCheck,
    identity::Certs,
    rate_limit::RateLimit,
    request::plan::Plan,
    shared_limit::{SharedLimit, SharedLimits},
    state::{Backend, CallerLimit, Destination, Endpoint, Mesh, Route, Workload},
    tls::Origin,
    xds::Link,
};

/// Everything the dump reads.
pub(super) struct Dump {
    pub(super) certs: Certs,
    pub(super) mesh: Mesh,
    pub(super) link: watch::Receiver<Link>,
}

// === impl Dump ===

impl Dump {
    pub(super) fn json(&self) -> String {
        let certs = self.certs.current();
        let link = self.link.borrow().clone();
        let workload = self.mesh.workload().borrow().clone();
        let destinations: serde_json::Map<String, Value> = self
            .mesh
            .destinations()
            .into_iter()
            .map(|(name, destination)| {
                (
                    name.to_string(),
                    destination.as_deref().map_or(Value::Null, |one| destination_json(one, &workload)),
                )
            })
            .collect();
        let value = json!({
            "identity": {
                "id": certs.identity.as_str(),
                "notBefore": unix(certs.not_before),
                "notAfter": unix(certs.not_after),
            },
            "controlPlane": {
                "connected": link.connected,
                "lastError": link.last_error,
                "rejected": link.rejected,
            },
            "workload": workload_json(&workload),
            "destinations": destinations,
        });
        format!("{value:#}")
    }
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn workload_json(workload: &Workload) -> Value {
    let port = |inbound: &crate::state::InboundPort| {
        json!({
            "port": inbound.port,
            "protocol": format!("{:?}", inbound.protocol),
            "mtlsMode": format!("{:?}", inbound.mtls_mode),
            "services": inbound.services.iter().map(|service| &**service).collect::<Vec<_>>(),
            "rateLimits": inbound.rate_limits.iter().map(rate_limit_json).collect::<Vec<_>>(),
            "sharedLimits": inbound.shared_limits.iter().map(shared_limits_json).collect::<Vec<_>>(),
            "externalChecks": inbound.external_checks.iter().map(external_check_json).collect::<Vec<_>>(),
            "accessLog": inbound.access_log.as_ref().map(|choice| format!("{choice:?}")),
            "stages": stages(&Plan::of_port(workload, inbound.port)),
        })
    };
    json!({
        "key": &*workload.key,
        "zone": workload.zone.as_deref(),
        "node": workload.node.as_deref(),
        "mtlsMode": format!("{:?}", workload.mtls_mode),
        // Of ports that are not among those below.
        "stages": stages(&Plan::of_port(workload, 0)),
        "access": workload.access.as_ref().map(|access| {
            json!({ "default": format!("{:?}", access.default_verdict()), "rules": access.len() })
        }),
        "outboundPolicy": format!("{:?}", workload.outbound_policy),
        "externalServices": workload.external_services.iter().map(|one| external_service_json(one)).collect::<Vec<_>>(),
        "callerLimits": workload.caller_limits.iter().map(caller_limit_json).collect::<Vec<_>>(),
        "inboundPorts": workload.inbound_ports.iter().map(port).collect::<Vec<_>>(),
        // Of requests in both directions; the stage stands in the plans of ports, and comes before the route is known.
        "tracing": workload.tracing.as_ref().map(|tracing| {
            json!({
                "collector": tracing.collector.asks.as_ref().map(asks_json),
                "protocol": format!("{:?}", tracing.collector.protocol),
                "sampling": format!("{:?}", tracing.sampling),
            })
        }),
        "accessLog": workload.access_log.as_ref().map(|log| {
            json!({
                "choice": format!("{:?}", log.choice),
                "format": format!("{:?}", log.form),
                "collector": log.collector.as_ref().and_then(|collector| collector.asks.as_ref()).map(asks_json),
                "protocol": log.collector.as_ref().map(|collector| format!("{:?}", collector.protocol)),
                "silent": log.silent,
            })
        }),
    })
}

fn external_service_json(service: &ExternalService) -> Value {
    json!({
        "name": &*service.name,
        "hosts": service.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "ports": service.ports.iter().map(|(port, speaks)| format!("{port} {speaks:?}")).collect::<Vec<_>>(),
        "tls": service.tls.iter().map(|tls| json!({ "port": tls.port, "to": tls.to, "refused": tls.demand.refusal() })).collect::<Vec<_>>(),
        "addresses": service.addresses.iter().map(|block| format!("{block:?}")).collect::<Vec<_>>(),
        "privateAddresses": service.private_addresses,
        "permitted": service.permitted,
    })
}

fn caller_limit_json(one: &CallerLimit) -> Value {
    json!({ "kind": format!("{:?}", one.kind), "to": one.callee(), "limit": rate_limit_json(&one.limit) })
}

fn rate_limit_json(limit: &RateLimit) -> Value {
    json!({
        "policy": &*limit.policy,
        "name": &*limit.name,
        "requests": limit.requests,
        "per": format!("{:?}", limit.per),
        "burst": limit.burst,
        "pods": limit.pods,
        "key": limit.key.iter().map(|part| format!("{part:?}")).collect::<Vec<_>>(),
        "dryRun": limit.dry_run,
    })
}

fn shared_limits_json(limits: &SharedLimits) -> Value {
    let limit = |shared: &SharedLimit| json!({ "limit": rate_limit_json(&shared.limit), "onFailure": format!("{:?}", shared.on_failure) });
    json!({
        "service": &*limits.service,
        "asks": limits.asks.as_ref().map(asks_json),
        "domain": &*limits.domain,
        "timeout": format!("{:?}", limits.timeout),
        "limits": limits.limits.iter().map(limit).collect::<Vec<_>>(),
    })
}

fn asks_json(asks: &Asks) -> Value {
    json!({ "service": &*asks.service, "address": asks.addr.to_string() })
}

fn external_check_json(check: &ExternalCheck) -> Value {
    json!({
        "policy": &*check.policy,
        "asks": check.asks.as_ref().map(asks_json),
        "timeout": format!("{:?}", check.timeout),
        "onFailure": if check.allows_on_failure { "Allow" } else { "Deny" },
        "protocol": if check.over_http.is_some() { "HTTP" } else { "GRPC" },
        "http": check.over_http.as_ref().map(|http| json!({
            "path": &*http.prefix,
            "allowedResponseHeaders": http.to_application.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
            "allowedClientHeaders": http.to_caller.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        })),
        "body": check.body.map(|body| json!({
            "maxBytes": body.most,
            "onTooLong": if body.partial { "SendPartial" } else { "Deny" },
        })),
        "allowedHeaders": check.allowed_headers.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "exempt": check.exempt.iter().map(|exemption| format!("{exemption:?}")).collect::<Vec<_>>(),
        "dryRun": check.dry_run,
    })
}

fn destination_json(destination: &Destination, workload: &Workload) -> Value {
    let limited = workload.limits_calls_to(&destination.target);
    json!({
        "key": &*destination.key,
        "protocol": format!("{:?}", destination.protocol),
        "routes": destination.routes.iter().map(|route| route_json(route, destination, limited)).collect::<Vec<_>>(),
        "backends": destination.backends.iter().map(|backend| backend_json(backend)).collect::<Vec<_>>(),
    })
}

fn route_json(route: &Route, destination: &Destination, limited: bool) -> Value {
    let share = |share: &crate::state::WeightedBackend| {
        let backend = destination.backends.get(share.backend).map(|backend| &*backend.name);
        json!({ "backend": backend, "weight": share.weight })
    };
    json!({
        "name": &*route.name,
        "matches": route.matches.iter().map(|condition| format!("{condition:?}")).collect::<Vec<_>>(),
        "split": route.split.iter().map(share).collect::<Vec<_>>(),
        "stages": stages(&Plan::of_route(route, destination, limited)),
    })
}

/// What happens to a request, in this order.
fn stages(plan: &Plan) -> Vec<&'static str> {
    plan.stages().iter().map(|stage| stage.name()).collect()
}

fn backend_json(backend: &Backend) -> Value {
    let endpoint = |endpoint: &Endpoint| {
        json!({
            "address": endpoint.addr.to_string(),
            "peer": endpoint.peer.as_ref().map(|peer| peer.as_str()),
            "opaque": endpoint.opaque,
        })
    };
    json!({
        "name": &*backend.name,
        "invalid": backend.invalid.as_deref(),
        "tls": backend.tls.as_deref().map(Origin::policy),
        "endpoints": backend.endpoints.iter().map(|known| endpoint(known)).collect::<Vec<_>>(),
    })
}
