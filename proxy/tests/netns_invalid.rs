//! A segment that connection tracking cannot place must not cost the connection it belongs to.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::ErrorKind;
use std::net::SocketAddrV4;

use support::netns::{Network, PROXY, Pod, Running};
use support::peers::PATIENCE;
use support::segment::{Segment, Wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weft_proxy::socket;

/// Further ahead than any window: what a retransmission may look like to a tracker that missed the window's growth.
const OUT_OF_WINDOW: u32 = 1 << 30;

/// An inbound listener that echoes.
fn echo(pod: &Pod) -> Running {
    pod.start(PROXY, |started| async move {
        let listener = TcpListener::from_std(socket::listen_everywhere(15106).unwrap()).unwrap();
        started.send(()).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
}

async fn echoed(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"x").await?;
    tokio::time::timeout(PATIENCE, stream.read_u8()).await??;
    Ok(())
}

/// Sends a segment out of the window into a captured connection, and says how the connection fares.
fn disturb(client: &Pod, server: &Pod) -> std::io::Result<()> {
    let address = SocketAddrV4::new(server.ipv4, 8080);
    client.run(0, || async move {
        let mut wire = Wire::open();
        let mut stream = TcpStream::connect(address).await?;
        let opening = wire.receive_from(address);
        wire.send(Segment {
            source: opening.destination,
            destination: opening.source,
            sequence: opening.acknowledgement.wrapping_add(OUT_OF_WINDOW),
            acknowledgement: opening.sequence.wrapping_add(opening.length),
            ..opening
        });
        // Whatever answers the segment has answered when this echo is back: the link keeps the order.
        echoed(&mut stream).await?;
        echoed(&mut stream).await
    })
}

#[test]
fn a_segment_out_of_the_window_does_not_reset_the_connection() {
    let network = Network::new();
    let (client, server) = (network.pod(), network.pod());
    server.init(&[]);
    let _echo = echo(&server);
    disturb(&client, &server).expect("the connection lives on");
}

#[test]
fn without_the_rule_it_would() {
    let network = Network::new();
    let (client, server) = (network.pod(), network.pod());
    server.init(&[]);
    server.shell("iptables-nft -F WEFT_INPUT");
    let _echo = echo(&server);
    let error = disturb(&client, &server).expect_err("the kernel finds no socket for the segment and resets");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}
