//! Everything that passes the bridge, as an eavesdropper on the node sees it.

use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::netns::Network;

/// Captures until [`Capture::finish`].
pub struct Capture {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<u8>>,
}

const EVERY_PROTOCOL: i32 = 0x0003_u16.to_be() as i32;
const BUFFER: usize = 8 << 20;

// === impl Capture ===

impl Capture {
    /// Returns once it sees every packet.
    pub fn start(network: &Network) -> Self {
        let socket = network.on_node(|| {
            let socket =
                Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(EVERY_PROTOCOL))).unwrap();
            socket.set_recv_buffer_size(BUFFER).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            socket
        });
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let stop = stop.clone();
            move || read_all(socket, &stop)
        });
        Self { stop, thread }
    }

    /// Every byte that passed, packet after packet.
    pub fn finish(self) -> Vec<u8> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

fn read_all(mut socket: Socket, stop: &AtomicBool) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut packet = vec![0; 1 << 16];
    loop {
        match socket.read(&mut packet) {
            Ok(length) => seen.extend(&packet[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if stop.load(Ordering::SeqCst) {
                    return seen;
                }
            }
            Err(error) => panic!("cannot capture: {error}"),
        }
    }
}

/// Whether `marker` is anywhere in `bytes`.
pub fn contains(bytes: &[u8], marker: &str) -> bool {
    bytes.windows(marker.len()).any(|window| window == marker.as_bytes())
}
