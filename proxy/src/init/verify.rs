//! Whether this network namespace is captured, seen as an application would see it: a connection to somewhere else arrives
//! here. Needs no capability, so a pod whose rules the node programs can look for itself.

#![allow(clippy::disallowed_methods, reason = "a program of its own that ends, without workers")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use super::{Error, Options};

/// Addresses for documentation (RFC 5737, RFC 3849): nobody answers there, where nothing is captured.
const ELSEWHERE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// How long a captured connection may take, on a node that is busy.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);
/// IPv6 addresses count only when the kernel has found no double.
const SETTLING: Duration = Duration::from_secs(3);

/// Looks whether what the pod sends arrives at the proxy's port, for each family that the pod has a way out by.
pub fn captured(options: &Options) -> Result<(), Error> {
    let mut reachable: Vec<IpAddr> = ELSEWHERE.into_iter().filter(has_a_way_out).collect();
    if reachable.is_empty() {
        // No way to everywhere, and one to the Services, without which a pod of the mesh cannot be.
        reachable.extend(api_server().filter(has_a_way_out));
    }
    if reachable.is_empty() {
        return Err(Error::NotCaptured("the pod has no route to anywhere".to_owned()));
    }
    let Some(port) = (1..=u16::MAX).find(|port| !options.skip_outbound.contains(*port)) else {
        return Ok(());
    };
    reachable
        .into_iter()
        .try_for_each(|address| arrives(SocketAddr::new(address, port), options.outbound_port))
}

/// Whether the addresses that the runtime gave the pod are in this namespace: otherwise it is another pod's.
pub fn has_addresses(addresses: &[IpAddr]) -> Result<(), Error> {
    let until = Instant::now() + SETTLING;
    addresses.iter().try_for_each(|address| {
        while UdpSocket::bind((*address, 0)).is_err() {
            if address.is_ipv4() || Instant::now() >= until {
                return Err(Error::OtherPod(*address));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    })
}

/// The Service of the API server, which the kubelet names to every container.
fn api_server() -> Option<IpAddr> {
    std::env::var("KUBERNETES_SERVICE_HOST").ok()?.parse().ok()
}

/// Connecting a datagram socket asks for the route and sends nothing.
fn has_a_way_out(address: &IpAddr) -> bool {
    UdpSocket::bind((any_like(*address), 0)).and_then(|socket| socket.connect((*address, 9))).is_ok()
}

/// Every address of the family of this one.
fn any_like(address: IpAddr) -> IpAddr {
    if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

fn arrives(elsewhere: SocketAddr, port: u16) -> Result<(), Error> {
    let not_captured = |why: String| {
        Error::NotCaptured(format!("a connection to {elsewhere} did not arrive at port {port}: {why}"))
    };
    let listener = TcpListener::bind((any_like(elsewhere.ip()), port))
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|error| not_captured(format!("nobody can listen there: {error}")))?;
    let stream =
        TcpStream::connect_timeout(&elsewhere, PATIENCE).map_err(|error| not_captured(error.to_string()))?;
    let own = stream.local_addr().map_err(|error| not_captured(error.to_string()))?;
    let until = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            // Somebody else's connection may come in between; ours is known by where it came from.
            Ok((_, peer)) if peer == own => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {
                thread::sleep(LOOK)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(not_captured("somebody else answered it".to_owned()));
            }
            Err(error) => return Err(not_captured(error.to_string())),
        }
    }
}
