//! Long bodies stream: through both proxies, up and down, in flat memory; and who does not read holds the sender back.
//! The size is small here; `docs/protocols.md` has the figures of 5 GB:
//!
//!     WEFT_PROGRAM=$(proxy/build.sh) WEFT_STREAM_MB=5120 cargo test --test netns_streams -- --nocapture
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use support::mesh::{Member, Mesh, Setup, service};
use support::netns::{APPLICATION, Pod, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weft_proxy::socket;
use weft_proxy::wire::weft::v1::Protocol;

const MB: u64 = 1 << 20;
/// What a proxy may take for streams, whatever their length: windows, buffers, and pages that its allocator keeps.
const GROWTH: u64 = 12 * MB;
/// What passes on behalf of a reader that reads nothing: buffers of six sockets, and windows.
const UNREAD: u64 = 64 * MB;
const CHUNK: usize = 64 * 1024;

#[test]
fn long_bodies_pass_in_flat_memory_and_an_idle_reader_stops_the_sender() {
    #[allow(clippy::disallowed_methods, reason = "a setting of the test, not of the proxy")]
    let size = std::env::var("WEFT_STREAM_MB").map_or(32, |mb| mb.parse().unwrap()) * MB;
    let mesh = Mesh::new();
    let member = |account| mesh.member_with(Setup { log: "info", ..Setup::new(account) });
    let (client, server) = (member("web"), member("store"));
    let _application = store(&server.pod);
    let at = |ip: &str, protocol| {
        let address = SocketAddr::new(ip.parse().unwrap(), 8080);
        let endpoint = SocketAddr::new(server.pod.ipv4.into(), 8080);
        client.knows(address, &service("store", protocol, &[(&server, endpoint)]));
        address
    };
    let (http, bytes) = (at("10.96.0.5", Protocol::Http1), at("10.96.0.6", Protocol::Opaque));
    for (what, address) in [("HTTP", http), ("bytes", bytes)] {
        // The pages of the program that streams need come back into memory now, and are not counted as growth.
        client.pod.run(APPLICATION, || exchange(address, MB, MB));
        for (direction, up, down) in [("up", size, 0), ("down", 0, size)] {
            let before = [&client, &server].map(reset_peak);
            let started = Instant::now();
            client.pod.run(APPLICATION, || exchange(address, up, down));
            let rate = size as f64 / MB as f64 / started.elapsed().as_secs_f64();
            let after = [&client, &server].map(|member| field(member, "VmHWM:"));
            let grown = [after[0].saturating_sub(before[0]), after[1].saturating_sub(before[1])];
            let kib = |bytes: u64| bytes / 1024;
            println!(
                "{what} {direction} {} MB at {rate:.0} MB/s: caller {} -> {} kB, receiver {} -> {} kB at most",
                size / MB,
                kib(before[0]),
                kib(after[0]),
                kib(before[1]),
                kib(after[1])
            );
            assert!(grown.iter().all(|grown| *grown <= GROWTH), "{what} {direction}: {grown:?} more");
        }
    }
    for address in [http, bytes] {
        let before = [&client, &server].map(reset_peak);
        let passed = client.pod.run(APPLICATION, || send_to_nobody(address));
        let after = [&client, &server].map(|member| field(member, "VmHWM:"));
        println!("a reader that reads nothing: {} kB were taken from the sender", passed / 1024);
        assert!(passed < UNREAD, "{passed} bytes passed");
        assert!(after[0].saturating_sub(before[0]).max(after[1].saturating_sub(before[1])) <= GROWTH);
    }
}

/// Takes a PUT of any length, answers a GET with as many bytes as its path says, and never reads what is sent to `/idle`.
fn store(pod: &Pod) -> Running {
    pod.start(APPLICATION, |started| async move {
        let listener = TcpListener::from_std(socket::listen_everywhere(8080).unwrap()).unwrap();
        started.send(()).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream));
        }
    })
}

async fn serve(mut stream: TcpStream) {
    let Some((head, begun)) = read_head(&mut stream).await else { return };
    let path = head.split(' ').nth(1).unwrap().to_owned();
    if path == "/idle" {
        return std::future::pending().await;
    }
    let down: u64 = path.trim_start_matches('/').parse().unwrap();
    let length =
        head.split("content-length: ").nth(1).map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
    drain(&mut stream, length - begun).await;
    // Said, since the next request might come just when it closes.
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {down}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    fill(&mut stream, down).await;
}

async fn exchange(address: SocketAddr, up: u64, down: u64) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("PUT /{down} HTTP/1.1\r\nhost: store\r\ncontent-length: {up}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    fill(&mut stream, up).await;
    let (head, begun) = read_head(&mut stream).await.expect("an answer");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    drain(&mut stream, down - begun).await;
}

/// Sends until nothing more is taken for half a second; gives how much was.
async fn send_to_nobody(address: SocketAddr) -> u64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"PUT /idle HTTP/1.1\r\nhost: store\r\ncontent-length: 10000000000\r\n\r\n")
        .await
        .unwrap();
    let (chunk, mut passed) = (vec![7; CHUNK], 0);
    let patience = Duration::from_millis(500);
    while let Ok(taken) = tokio::time::timeout(patience, stream.write(&chunk)).await {
        passed += taken.unwrap() as u64;
        assert!(passed < 10 * UNREAD, "nothing holds the sender back");
    }
    passed
}

/// The head in lower case, and how much of the body came with it.
async fn read_head(stream: &mut TcpStream) -> Option<(String, u64)> {
    let mut seen = Vec::new();
    loop {
        if let Some(end) = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..end + 2]).to_ascii_lowercase();
            return Some((head, (seen.len() - end - 4) as u64));
        }
        if stream.read_buf(&mut seen).await.ok()? == 0 {
            return None;
        }
    }
}

async fn drain(stream: &mut TcpStream, mut left: u64) {
    let mut chunk = vec![0; CHUNK];
    while left > 0 {
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "{left} bytes are missing");
        assert!(chunk[..read].iter().all(|byte| *byte == 7), "other bytes than were sent");
        left = left.checked_sub(read as u64).expect("more bytes than were sent");
    }
}

async fn fill(stream: &mut TcpStream, mut left: u64) {
    let chunk = vec![7; CHUNK];
    while left > 0 {
        let some = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        stream.write_all(&chunk[..some]).await.unwrap();
        left -= some as u64;
    }
}

/// Makes the kernel count the peak from here on; gives the one until now, in bytes. What is resident now may be much less:
/// a proxy drops pages of its program now and then, and those of a debug build that come back are no growth.
fn reset_peak(member: &Member) -> u64 {
    let peak = field(member, "VmHWM:");
    fs::write(format!("/proc/{}/clear_refs", member.pid()), "5").unwrap();
    peak
}

fn field(member: &Member, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", member.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
