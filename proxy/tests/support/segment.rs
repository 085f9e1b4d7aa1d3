//! A TCP segment made by hand, for what no well-behaved kernel would send.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// Sees what arrives for TCP in this network namespace, and sends segments into it. Needs root.
pub struct Wire(Socket);

/// The fields of a segment that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub source: SocketAddrV4,
    pub destination: SocketAddrV4,
    pub sequence: u32,
    pub acknowledgement: u32,
    /// Sequence numbers that data, SYN and FIN take up.
    pub length: u32,
    pub reset: bool,
}

const PUSH_AND_ACK: u8 = 0x18;
const RESET: u8 = 0x04;
const SYN_OR_FIN: u8 = 0x03;

// === impl Wire ===

impl Wire {
    pub fn open() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self(socket)
    }

    /// The next segment that arrives from `source`.
    pub fn receive_from(&mut self, source: SocketAddrV4) -> Segment {
        let mut packet = [0; 65536];
        loop {
            let length = self.0.read(&mut packet).expect("a segment arrives");
            if let Some(segment) = Segment::parse(&packet[..length])
                && segment.source == source
            {
                return segment;
            }
        }
    }

    /// Sends a segment with one byte of data.
    pub fn send(&self, segment: Segment) {
        let bytes = segment.bytes(b"!");
        self.0.send_to(&bytes, &std::net::SocketAddr::from(segment.destination).into()).unwrap();
    }
}

// === impl Segment ===

impl Segment {
    fn parse(packet: &[u8]) -> Option<Self> {
        let ip_length = usize::from(packet.first()? & 0x0f) * 4;
        let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
        let tcp = packet.get(ip_length..)?;
        let port = |at: usize| Some(u16::from_be_bytes(tcp.get(at..at + 2)?.try_into().ok()?));
        let number = |at: usize| Some(u32::from_be_bytes(tcp.get(at..at + 4)?.try_into().ok()?));
        let flags = *tcp.get(13)?;
        let header = usize::from(tcp.get(12)? >> 4) * 4;
        let data = u32::try_from(tcp.len().checked_sub(header)?).ok()?;
        Some(Self {
            source: SocketAddrV4::new(address(12)?, port(0)?),
            destination: SocketAddrV4::new(address(16)?, port(2)?),
            sequence: number(4)?,
            acknowledgement: number(8)?,
            length: data + (flags & SYN_OR_FIN).count_ones(),
            reset: flags & RESET != 0,
        })
    }

    fn bytes(&self, data: &[u8]) -> Vec<u8> {
        const WITHOUT_OPTIONS: u8 = 5 << 4;
        const WINDOW: u16 = 64_000;
        let mut tcp = Vec::new();
        tcp.extend(self.source.port().to_be_bytes());
        tcp.extend(self.destination.port().to_be_bytes());
        tcp.extend(self.sequence.to_be_bytes());
        tcp.extend(self.acknowledgement.to_be_bytes());
        tcp.extend([WITHOUT_OPTIONS, PUSH_AND_ACK]);
        tcp.extend(WINDOW.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(data);
        let checksum = self.checksum(&tcp);
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        tcp
    }

    fn checksum(&self, tcp: &[u8]) -> u16 {
        const TCP: u8 = 6;
        let mut covered = Vec::new();
        covered.extend(self.source.ip().octets());
        covered.extend(self.destination.ip().octets());
        covered.extend([0, TCP]);
        covered.extend(u16::try_from(tcp.len()).unwrap().to_be_bytes());
        covered.extend(tcp);
        covered.resize(covered.len().next_multiple_of(2), 0);
        let words = covered.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap()
    }
}
