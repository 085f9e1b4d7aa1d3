//! `h2spec` (strict) against each place where the proxy serves HTTP/2. The program is a Go module, pinned in
//! `e2e/tools/h2spec`, and built by the first run.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;

use super::app::App;
use super::harness::{Proxy, World, connect};
use crate::http::Wire;
use crate::state::Protocol;
use crate::tcp::Prefixed;
use crate::tls::{self, Alpn};

/// All cases of the pinned version.
const CASES: usize = 146;
/// h2spec leaves a case out where the answer has less than five bytes.
const ANSWER: &str = "long enough";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applications_are_served_http2_as_the_standard_says() {
    let (world, app) = (World::new(), App::named(Wire::H2, ANSWER).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Http2);
    judge(caller.outbound).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_proxies_are_served_http2_as_the_standard_says() {
    let (world, app) = (World::new(), App::named(Wire::H2, ANSWER).await);
    let receiver = world.receiver(app.addr);
    judge(as_a_peer(&world, &receiver).await).await;
}

async fn judge(server: SocketAddr) {
    let said = tokio::task::spawn_blocking(move || {
        let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        Command::new("bash")
            .args(["-ec", "cd e2e/tools/h2spec && exec ../../cluster/go.sh tool h2spec \"$@\"", "h2spec"])
            // An answer before the end of the request would now and then be quicker than the frames of a case.
            .args(["--strict", "--timeout", "5", "--path", "/read", "--port", &server.port().to_string()])
            .current_dir(repository)
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    let expected = format!("{CASES} tests, {CASES} passed, 0 skipped, 0 failed");
    let complaint = || format!("{text}\n{}", String::from_utf8_lossy(&said.stderr));
    assert!(text.contains(&expected) && said.status.success(), "{}", complaint());
}

/// An address whose connections go on to `receiver` with the identity of a proxy, as HTTP/2 between proxies does.
async fn as_a_peer(world: &World, receiver: &Proxy) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = tls::Client::new(world.ca.certs("shop", "web"));
    let (peer, inbound) = (world.id("reviews"), receiver.inbound);
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let (client, peer) = (client.clone(), peer.clone());
            tokio::spawn(async move {
                let tcp = connect(inbound).await;
                let (mut far, _) = client.connect(Prefixed::from(tcp), &peer, &[Alpn::H2]).await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    address
}
