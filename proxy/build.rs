//! Compiles the wire contract, which the control plane owns, into prost types and tonic clients.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo runs this in the package's folder. Nothing of a checkout's own path is compiled in: checkouts that share a
    // target folder share this program too.
    let root = Path::new("../src/wire/proto");
    let files = [
        "weft/v1/destination.proto",
        "weft/v1/workload.proto",
        "weft/v1/reject.proto",
        "weft/v1/tunnel.proto",
        "weft/identity/v1/identity.proto",
        "envoy/service/discovery/v3/ads.proto",
    ];
    let descriptors = protox::compile(files, [root])?;
    // Servers are generated for the tests, which stand in for a control plane over a real socket.
    tonic_prost_build::configure().build_server(true).compile_fds(descriptors)?;
    println!("cargo:rerun-if-changed={}", root.display());
    Ok(())
}
