//! Types generated from the wire contract in `src/wire/proto`, in modules that mirror its packages.
#![allow(unused_qualifications, clippy::all, missing_docs)]

/// `weft.v1`: destinations, workloads, rejects and the tunnel header; `weft.identity.v1`: the identity authority;
/// `weft.telemetry.v1`: what proxies tell of their traffic.
pub mod weft {
    pub mod v1 {
        tonic::include_proto!("weft.v1");
    }
    pub mod identity {
        pub mod v1 {
            tonic::include_proto!("weft.identity.v1");
        }
    }
    pub mod telemetry {
        pub mod v1 {
            tonic::include_proto!("weft.telemetry.v1");
        }
    }
}

/// Envoy's delta discovery transport, its external authorization and its rate limit service.
pub mod envoy {
    pub mod service {
        pub mod auth {
            pub mod v3 {
                tonic::include_proto!("envoy.service.auth.v3");
            }
        }
        pub mod discovery {
            pub mod v3 {
                tonic::include_proto!("envoy.service.discovery.v3");
            }
        }
        pub mod ratelimit {
            pub mod v3 {
                tonic::include_proto!("envoy.service.ratelimit.v3");
            }
        }
    }
}

/// OpenTelemetry's collector of spans.
pub mod opentelemetry {
    pub mod trace {
        tonic::include_proto!("opentelemetry.proto.collector.trace.v1");
    }
}

/// `google.rpc.Status`, the carrier of a NACK, and what may be among its details.
pub mod google {
    pub mod rpc {
        tonic::include_proto!("google.rpc");
    }
}
