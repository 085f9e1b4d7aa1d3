//! Names both halves of Weft agree on. Their twin is `src/base/names.ts`.

/// Where captured outbound connections arrive.
pub const OUTBOUND_PORT: u16 = 15101;
/// Where captured inbound connections arrive.
pub const INBOUND_PORT: u16 = 15106;
/// Where the kubelet's rewritten probes arrive.
pub const PROBE_PORT: u16 = 15120;
/// Prometheus metrics and readiness, on all interfaces.
pub const METRICS_PORT: u16 = 15121;
/// The user the proxy runs as; traffic of this user is not captured.
pub const PROXY_UID: u32 = 2112;
/// How `init --verify` ends where nobody has captured the pod, by which the control plane knows it from other failures.
pub const UNCAPTURED_EXIT_CODE: u8 = 3;

/// HTTP over h2 between proxies.
pub const ALPN_H2: &[u8] = b"weft1-h2";
/// HTTP over HTTP/1.1 between proxies.
pub const ALPN_H1: &[u8] = b"weft1-h1";
/// Opaque bytes between proxies, behind a `TunnelHeader`.
pub const ALPN_TCP: &[u8] = b"weft1-tcp";

/// Type URL of `weft.v1.Destination`.
pub const DESTINATION_TYPE: &str = "type.weft.dev/weft.v1.Destination";
/// Type URL of `weft.v1.Workload`.
pub const WORKLOAD_TYPE: &str = "type.weft.dev/weft.v1.Workload";
/// Type URL of `weft.v1.Rejects`.
pub const REJECTS_TYPE: &str = "type.weft.dev/weft.v1.Rejects";

/// Response header that says why the proxy, and not the application, answered.
pub const REASON_HEADER: &str = "x-weft-reason";
/// Request header that marks a copy of a request.
pub const MIRROR_HEADER: &str = "x-weft-mirror";
/// Milliseconds a request may still take.
pub const DEADLINE_HEADER: &str = "x-weft-deadline";

/// Where certificates are issued: server TLS and a token.
pub const CSR_PORT: u16 = 15110;
/// Where configuration is served: mutual TLS.
pub const CONFIG_PORT: u16 = 15112;
/// Service account of the control plane, part of its identity.
pub const CONTROL_PLANE_SERVICE_ACCOUNT: &str = "weft";

/// The pod's projected token, audience `weft`.
pub const TOKEN_PATH: &str = "/var/run/weft/token/token";
/// The mesh's roots, PEM.
pub const TRUST_BUNDLE_PATH: &str = "/var/run/weft/trust/bundle.pem";
/// A pod certificate: key and chain in one file, which the kubelet writes.
pub const CREDENTIALS_PATH: &str = "/var/run/weft/identity/credentials.pem";
/// Memory-backed directory for key, chain and last good configuration.
pub const STATE_DIR: &str = "/var/run/weft/state";
/// In that directory: the socket for drain, config dump and log level.
pub const ADMIN_SOCKET: &str = "admin.sock";
