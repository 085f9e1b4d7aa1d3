//! What the proxy asks of a TCP socket beyond reading and writing: where a captured connection was going,
//! how to notice that the other end is gone, and how to dial so that the capture rules do the right thing.
//!
//! The rules that `init` programs leave everything alone that the proxy's user sends, with one exception: a connection
//! *from a loopback address to an address of the pod*. That is how the outbound half reaches its own pod as a meshed
//! peer ([`connect_peer`]), and it lands on the inbound listener. The inbound half and the probes dial the application
//! with an ordinary socket ([`connect_application`]); they are never captured, so there is no loop, and the
//! application sees the pod's own address as its client rather than a loopback address it might trust.

use std::cell::RefCell;
use std::fs;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener as StdTcpListener};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::ReadBuf;
use tokio::net::{TcpSocket, TcpStream};

/// Connections waiting to be accepted. The kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// A silent connection is probed after this long, then every ten seconds; three probes without answer end it.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(45);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;

/// The address a captured connection was dialled to, before the redirect.
///
/// A connection that nothing redirected answers its own local address: callers that dial onward must refuse the
/// ports of the proxy itself.
pub fn original_destination(stream: &TcpStream) -> io::Result<SocketAddr> {
    let local = canonical(stream.local_addr()?);
    let socket = SockRef::from(stream);
    let original = match local {
        SocketAddr::V4(_) => socket.original_dst_v4(),
        SocketAddr::V6(_) => socket.original_dst_v6(),
    };
    match original {
        Ok(address) => Ok(address.as_socket().map_or(local, canonical)),
        // No connection tracking here, or no entry for this connection: nothing can have redirected it.
        Err(error) if is_untracked(&error) => Ok(local),
        Err(error) => Err(error),
    }
}

/// Who is at the other end, as IPv4 when a dual-stack listener accepted it as a v4-mapped address.
pub fn peer_address(stream: &TcpStream) -> io::Result<SocketAddr> {
    stream.peer_addr().map(canonical)
}

/// Turns a v4-mapped IPv6 address into the IPv4 address it stands for.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Sets what every proxied connection needs: no Nagle delay, and keepalive probes that notice a vanished peer
/// within 75 seconds. A peer that is merely slow keeps its connection.
pub fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Ends the connection when bytes stay unacknowledged this long. Linux counts a receiver that keeps its window
/// closed too, so this suits HTTP/2, whose reader always reads, and nothing whose reader may pause for hours.
pub fn set_user_timeout(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
    SockRef::from(stream).set_tcp_user_timeout(Some(timeout))
}

/// Ends both directions, whoever still waits for one of them.
pub fn shut(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).shutdown(Shutdown::Both)
}

/// Has the kernel reset the connection when it is closed, by whatever, instead of ending it as if all had been said; `false`
/// takes that back.
pub fn reset_on_close(stream: &TcpStream, resets: bool) -> io::Result<()> {
    SockRef::from(stream).set_linger(resets.then_some(Duration::ZERO))
}

/// Listens on every address of the pod, IPv4 and IPv6 with one socket where the kernel has both.
/// Several workers may call this with one port: the kernel spreads connections between them (see `worker::Listeners`).
/// The listener is non-blocking, for `tokio::net::TcpListener::from_std` on the worker's own runtime.
pub fn listen_everywhere(port: u16) -> io::Result<StdTcpListener> {
    everywhere(port, listen)
}

/// On every address of either family, or of IPv4 where the kernel has no IPv6.
fn everywhere(
    port: u16,
    open: impl Fn(SocketAddr) -> io::Result<StdTcpListener>,
) -> io::Result<StdTcpListener> {
    match open(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
        Err(error) if lacks_ipv6(&error) => open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
        answer => answer,
    }
}

/// Listens on 127.0.0.1 and, where the kernel has it, on ::1. Captured outbound connections arrive there, and
/// nobody outside the pod can reach it.
pub fn listen_loopback(port: u16) -> io::Result<Vec<StdTcpListener>> {
    let mut listeners = vec![listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?];
    match listen(SocketAddr::from((Ipv6Addr::LOCALHOST, port))) {
        Ok(listener) => listeners.push(listener),
        Err(error) if lacks_ipv6(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(listeners)
}

/// Listens on a socket in the file system that only the user of this process may open. One that an earlier process left there is
/// replaced. Non-blocking, as [`listen_everywhere`] is.
pub fn listen_privately(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Listens where nobody else does: on `host`, or on every address. What has not been read of a connection stays in the kernel, and is
/// little. Otherwise as [`listen_everywhere`].
pub fn listen_alone(host: Option<IpAddr>, port: u16) -> io::Result<StdTcpListener> {
    /// The kernel takes twice as much, half of it for its own.
    const UNREAD: usize = 32 * 1024;
    let open = |address: SocketAddr| {
        let socket = bound(address, false)?;
        socket.set_recv_buffer_size(UNREAD)?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    match host {
        Some(host) => open(SocketAddr::new(host, port)),
        None => everywhere(port, open),
    }
}

/// How many bytes wait to be read of `stream`, as far as `most`, as soon as there is one; 0: its peer has ended it. They stay there.
pub async fn waiting_bytes(stream: &TcpStream, most: usize) -> io::Result<usize> {
    thread_local! {
        // Of all streams: what is seen is not looked at, and thousands may wait.
        static SEEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    poll_fn(|cx| {
        SEEN.with_borrow_mut(|seen| {
            seen.resize(most.max(seen.len()), 0);
            stream.poll_peek(cx, &mut ReadBuf::new(&mut seen[..most]))
        })
    })
    .await
}

/// The socket that the parent of this process gave it as its fourth file: connected, and of a family that has no network. To be
/// called first.
#[allow(unsafe_code, reason = "there is no other way to a file that was inherited")]
pub fn inherited() -> io::Result<UnixStream> {
    const FILE: i32 = 3;
    // SAFETY: called once, before this process has opened a file that could have this number and another owner. What is no socket, or no
    // file at all, is let go without being closed.
    let socket = unsafe { Socket::from_raw_fd(FILE) };
    let ready = || -> io::Result<bool> {
        socket.set_nonblocking(true)?;
        socket.set_cloexec(true)?;
        socket.peer_addr()?;
        Ok(socket.domain()? == Domain::UNIX && socket.r#type()? == Type::STREAM)
    };
    match ready() {
        Ok(true) => Ok(OwnedFd::from(socket).into()),
        answer => {
            let _: i32 = socket.into_raw_fd();
            Err(answer.err().unwrap_or_else(|| io::ErrorKind::InvalidInput.into()))
        }
    }
}

/// Listens on one address. See [`listen_everywhere`] for what holds for the listener.
pub fn listen(address: SocketAddr) -> io::Result<StdTcpListener> {
    let socket = bound(address, true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bound(address: SocketAddr, is_shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Dials the application in this pod, or any address outside the mesh, past the capture rules.
pub async fn connect_application(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    tune(&stream)?;
    Ok(stream)
}

/// Dials a meshed peer. When the peer is this very pod (`own` holds its address), the connection starts from a
/// loopback address, and the capture rules hand it to this proxy's own inbound listener as if it had come from outside.
pub async fn connect_peer(address: SocketAddr, own: &[IpAddr]) -> io::Result<TcpStream> {
    if !own.contains(&address.ip()) {
        return connect_application(address).await;
    }
    let (socket, source) = match address {
        SocketAddr::V4(_) => (TcpSocket::new_v4()?, IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SocketAddr::V6(_) => (TcpSocket::new_v6()?, IpAddr::V6(Ipv6Addr::LOCALHOST)),
    };
    socket.bind(SocketAddr::new(source, 0))?;
    let stream = socket.connect(address).await?;
    tune(&stream)?;
    Ok(stream)
}

/// Whether this machine, or the pod's part of it, has the address: only then can a socket be bound to it.
pub fn is_local(ip: IpAddr) -> bool {
    let address = SocketAddr::new(ip, 0);
    let bound = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
        .and_then(|socket| socket.bind(&address.into()));
    !ip.is_unspecified() && !ip.is_multicast() && bound.is_ok()
}

fn is_untracked(error: &io::Error) -> bool {
    const ENOENT: i32 = 2;
    const ENOPROTOOPT: i32 = 92;
    const EOPNOTSUPP: i32 = 95;
    matches!(error.raw_os_error(), Some(ENOENT | ENOPROTOOPT | EOPNOTSUPP))
}

fn lacks_ipv6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    const EADDRNOTAVAIL: i32 = 99;
    matches!(error.raw_os_error(), Some(EAFNOSUPPORT | EADDRNOTAVAIL))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn accepted(listener: StdTcpListener, from: SocketAddr) -> (TcpStream, TcpStream) {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let to = SocketAddr::new(from.ip(), listener.local_addr().unwrap().port());
        let client = TcpStream::connect(to).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn a_connection_nobody_redirected_names_its_own_address_in_both_families() {
        for from in ["127.0.0.1:0", "[::1]:0"] {
            let listener = listen_everywhere(0).unwrap();
            let port = listener.local_addr().unwrap().port();
            let (client, server) = accepted(listener, from.parse().unwrap()).await;
            let expected = SocketAddr::new(from.parse::<SocketAddr>().unwrap().ip(), port);
            assert_eq!(original_destination(&server).unwrap(), expected);
            assert_eq!(peer_address(&server).unwrap(), client.local_addr().unwrap());
        }
    }

    #[test]
    fn a_private_socket_is_its_user_s_alone_and_takes_the_place_of_one_that_was_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        drop(listen_privately(&path).unwrap());
        let _again = listen_privately(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        UnixStream::connect(&path).unwrap();
        assert!(listen_privately(&dir.path().join("missing/admin.sock")).is_err());
    }

    #[test]
    fn an_address_is_local_or_not() {
        for (ip, local) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("192.0.2.1", false),
            ("2001:db8::1", false),
            ("0.0.0.0", false),
            ("::", false),
            ("224.0.0.1", false),
        ] {
            assert_eq!(is_local(ip.parse().unwrap()), local, "{ip}");
        }
    }

    #[tokio::test]
    async fn two_workers_listen_on_one_port() {
        let first = listen_everywhere(0).unwrap();
        let port = first.local_addr().unwrap().port();
        listen_everywhere(port).unwrap();
    }

    #[tokio::test]
    async fn a_loopback_listener_serves_both_families_and_nothing_else() {
        let port = listen_everywhere(0).unwrap().local_addr().unwrap().port();
        let listeners = listen_loopback(port).unwrap();
        assert_eq!(listeners.len(), 2);
        assert!(listeners.iter().all(|l| l.local_addr().unwrap().ip().is_loopback()));
    }

    #[tokio::test]
    async fn a_dial_to_the_own_pod_starts_from_loopback_and_others_do_not() {
        let listener = listen("127.0.0.2:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let own = connect_peer(address, &[address.ip()]).await.unwrap();
        assert_eq!(own.local_addr().unwrap().ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        let other = connect_peer(address, &[]).await.unwrap();
        assert!(other.nodelay().unwrap());
    }
}
