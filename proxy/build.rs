//! Compiles the wire contract, which the control plane owns, into prost types and tonic clients, and tells the linker which
//! functions to put side by side.

use std::env::var;
use std::path::Path;

/// Functions that run in an idle proxy, then in a busy one; `proxy/train.sh` writes it. Of a program of 6 MB of code a busy
/// proxy needs a quarter, and as the compiler leaves it, that quarter is spread over all of it. Names the program does not have are left
/// out, so the list may be older than the code; what is not on it comes after. See docs/memory.md.
const ORDER: &str = "proxy/trained/order.ld";

#[allow(clippy::disallowed_methods, reason = "cargo speaks to build scripts through the environment")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo runs this in the package's folder. Nothing of a checkout's own path is compiled in: checkouts that share a
    // target folder share this program too.
    let root = Path::new("../src/wire/proto");
    let files = [
        "weft/v1/destination.proto",
        "weft/v1/access.proto",
        "weft/v1/workload.proto",
        "weft/v1/reject.proto",
        "weft/v1/tunnel.proto",
        "weft/identity/v1/identity.proto",
        "weft/telemetry/v1/telemetry.proto",
        "envoy/service/discovery/v3/ads.proto",
        "envoy/service/auth/v3/external_auth.proto",
        "envoy/service/ratelimit/v3/rls.proto",
        "google/rpc/error_details.proto",
        "opentelemetry/proto/collector/trace/v1/trace_service.proto",
    ];
    let descriptors = protox::compile(files, [root])?;
    // Servers are generated for the tests, which stand in for a control plane over a real socket.
    tonic_prost_build::configure().build_server(true).compile_fds(descriptors)?;
    println!("cargo:rerun-if-changed={}", root.display());
    println!("cargo:rerun-if-changed=trained/order.ld");
    // As lld reads it, which is Rust's linker on this target only. The linker runs in the workspace's folder.
    if var("TARGET")? == "x86_64-unknown-linux-gnu" && var("PROFILE")? == "release" {
        println!("cargo:rustc-link-arg-bins=-Wl,--script={ORDER}");
    }
    Ok(())
}
