//! The load that Debian's tools do not make: an open loop without coordinated omission, connections that idle, single
//! downloads, and raw TCP. Only the standard library, so that `rustc` alone builds it. Prints one line of JSON.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const PATIENCE: Duration = Duration::from_secs(20);
const USAGE: &str = "load get ADDRESS PATH COUNT
load rate ADDRESS PATH PER_SECOND CONNECTIONS SECONDS
load idle ADDRESS PATH CONNECTIONS       (holds them until its input ends)
load pause ADDRESS PATH CONNECTIONS      (asks, reads none of the answers but their heads, until its input ends)
load ping ADDRESS SECONDS                (1-byte round trips)
load pour ADDRESS MEGABYTES
load dial ADDRESS CONNECTIONS SECONDS    (a new connection for each byte that comes back)
load ws ADDRESS SECONDS                  (round trips of a frame on a WebSocket)
load serve PORT                          (the other end of ping, pour, dial and ws; events without end at /events)";

const ECHO: u8 = b'e';
const SINK: u8 = b's';

/// One keep-alive connection.
struct Client {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
    line: Vec<u8>,
    body: Vec<u8>,
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["get", address, path, count] => get(address, path, count.parse()?),
        ["rate", address, path, rate, connections, seconds] => {
            open_loop(address, path, rate.parse()?, connections.parse()?, seconds.parse()?)
        }
        ["idle", address, path, connections] => idle(address, path, connections.parse()?),
        ["pause", address, path, connections] => pause(address, path, connections.parse()?),
        ["ping", address, seconds] => ping(address, seconds.parse()?),
        ["ws", address, seconds] => web_socket(address, seconds.parse()?),
        ["pour", address, megabytes] => pour(address, megabytes.parse()?),
        ["dial", address, connections, seconds] => dial(address, connections.parse()?, seconds.parse()?),
        ["serve", port] => serve(port.parse()?),
        _ => Err(USAGE.into()),
    }
}

fn get(address: &str, path: &str, count: u32) -> Result<()> {
    let mut client = Client::connect(address, path)?;
    let begin = Instant::now();
    let mut bytes = 0;
    for _ in 0..count {
        bytes += client.ask()?;
    }
    println!(r#"{{"bytes":{bytes},"seconds":{}}}"#, begin.elapsed().as_secs_f64());
    Ok(())
}

/// Every connection has its own fixed schedule. A latency counts from the moment its request was due, so a stalled
/// answer is charged to all that had to wait behind it.
fn open_loop(address: &str, path: &str, rate: f64, connections: u32, seconds: f64) -> Result<()> {
    let clients: Vec<Client> =
        (0..connections).map(|_| Client::connect(address, path)).collect::<Result<_>>()?;
    let interval = Duration::from_secs_f64(f64::from(connections) / rate);
    let begin = Instant::now() + Duration::from_millis(50);
    let end = begin + Duration::from_secs_f64(seconds);
    let threads: Vec<_> = (0..)
        .zip(clients)
        .map(|(index, mut client)| {
            thread::spawn(move || -> Result<Vec<f64>> {
                let mut due = begin + interval * index / connections;
                let mut latencies = Vec::new();
                while due < end {
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    client.ask()?;
                    latencies.push(micros(due.elapsed()));
                    due += interval;
                }
                Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for thread in threads {
        latencies.extend(thread.join().map_err(|_| "a connection's thread panicked")??);
    }
    print_latencies(latencies);
    Ok(())
}

fn idle(address: &str, path: &str, connections: u32) -> Result<()> {
    let clients: Vec<Client> = (0..connections)
        .map(|_| {
            let mut client = Client::connect(address, path)?;
            client.ask()?;
            Ok(client)
        })
        .collect::<Result<_>>()?;
    println!(r#"{{"connections":{}}}"#, clients.len());
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn pause(address: &str, path: &str, connections: u32) -> Result<()> {
    let clients: Vec<Client> = (0..connections)
        .map(|_| {
            let mut client = Client::connect(address, path)?;
            client.stream.get_mut().write_all(&client.request)?;
            let status = client.read_line()?;
            if !status.starts_with("HTTP/1.1 200") {
                return Err(format!("answered {status:?}").into());
            }
            Ok(client)
        })
        .collect::<Result<_>>()?;
    println!(r#"{{"connections":{}}}"#, clients.len());
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn ping(address: &str, seconds: f64) -> Result<()> {
    round_trips(connect(address)?, &[ECHO], seconds)
}

/// The example of RFC 6455 1.3, and a masked text frame of one byte.
fn web_socket(address: &str, seconds: f64) -> Result<()> {
    let mut stream = connect(address)?;
    stream.write_all(
        b"GET /ws HTTP/1.1\r\nhost: server\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
          sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if !head.starts_with(b"HTTP/1.1 101") {
        return Err(format!("answered {:?}", String::from_utf8_lossy(&head)).into());
    }
    round_trips(stream, &[0x81, 0x81, 0, 0, 0, 0, b'a'], seconds)
}

fn round_trips(mut stream: TcpStream, message: &[u8], seconds: f64) -> Result<()> {
    let mut answer = vec![0; message.len()];
    stream.write_all(message)?;
    stream.read_exact(&mut answer)?;
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let begin = Instant::now();
        stream.write_all(message)?;
        stream.read_exact(&mut answer)?;
        latencies.push(micros(begin.elapsed()));
    }
    print_latencies(latencies);
    Ok(())
}

fn pour(address: &str, megabytes: usize) -> Result<()> {
    let mut stream = connect(address)?;
    let block = vec![SINK; 1 << 18];
    let total = megabytes * 1_000_000;
    let begin = Instant::now();
    let mut left = total;
    while left > 0 {
        let some = left.min(block.len());
        stream.write_all(&block[..some])?;
        left -= some;
    }
    let mut count = [0; 8];
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read_exact(&mut count)?;
    let seconds = begin.elapsed().as_secs_f64();
    let arrived = u64::from_be_bytes(count);
    if usize::try_from(arrived)? != total {
        return Err(format!("{arrived} of {total} bytes arrived").into());
    }
    println!(r#"{{"bytes":{total},"seconds":{seconds}}}"#);
    Ok(())
}

/// So many at a time connect, have one byte returned, and close.
fn dial(address: &str, connections: u32, seconds: f64) -> Result<()> {
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(seconds);
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let address = address.to_owned();
            thread::spawn(move || -> Result<u64> {
                let mut count = 0;
                while Instant::now() < end {
                    let mut stream = connect(&address)?;
                    let mut byte = [ECHO];
                    stream.write_all(&byte)?;
                    stream.read_exact(&mut byte)?;
                    count += 1;
                }
                Ok(count)
            })
        })
        .collect();
    let mut count = 0;
    for thread in threads {
        count += thread.join().map_err(|_| "a connection's thread panicked")??;
    }
    println!(r#"{{"count":{count},"seconds":{}}}"#, begin.elapsed().as_secs_f64());
    Ok(())
}

/// The first byte of a connection says what it is for.
fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    for stream in listener.incoming() {
        let stream = stream?;
        stream.set_nodelay(true)?;
        thread::spawn(move || answer(stream));
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 18];
    let mut total = 0_u64;
    let mut upgraded = false;
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return stream.write_all(&total.to_be_bytes());
        }
        if total == 0 && buffer.starts_with(b"GET /events ") {
            return events(stream);
        }
        if total == 0 && buffer.starts_with(b"GET ") {
            stream.write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                  sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            )?;
            upgraded = true;
            total = 1;
            continue;
        }
        total += length as u64;
        if upgraded || buffer[0] == ECHO {
            stream.write_all(&buffer[..length])?;
        }
    }
}

/// Messages of 25 bytes, each on its own, as many as are taken.
fn events(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    loop {
        stream.write_all(b"19\r\ntwenty-five bytes of data\r\n")?;
    }
}

fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address.parse()?, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn print_latencies(mut latencies: Vec<f64>) {
    latencies.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let last = latencies.len().saturating_sub(1);
        latencies.get((last as f64 * part) as usize).copied().unwrap_or(f64::NAN)
    };
    println!(
        r#"{{"count":{},"p50":{:.1},"p99":{:.1},"p999":{:.1}}}"#,
        latencies.len(),
        at(0.5),
        at(0.99),
        at(0.999)
    );
}

// === impl Client ===

impl Client {
    fn connect(address: &str, path: &str) -> Result<Self> {
        Ok(Self {
            stream: BufReader::with_capacity(1 << 12, connect(address)?),
            request: format!("GET {path} HTTP/1.1\r\nhost: server\r\n\r\n").into_bytes(),
            line: Vec::new(),
            body: vec![0; 1 << 18],
        })
    }

    /// Asks once and reads the whole answer; gives the length of its body.
    fn ask(&mut self) -> Result<usize> {
        self.stream.get_mut().write_all(&self.request)?;
        let length = self.read_head()?;
        let mut left = length;
        while left > 0 {
            let some = left.min(self.body.len());
            let read = self.stream.read(&mut self.body[..some])?;
            if read == 0 {
                return Err("the answer ended early".into());
            }
            left -= read;
        }
        Ok(length)
    }

    fn read_head(&mut self) -> Result<usize> {
        let status = self.read_line()?;
        if !status.starts_with("HTTP/1.1 200") {
            return Err(format!("answered {status:?}").into());
        }
        let mut length = None;
        loop {
            let line = self.read_line()?.to_ascii_lowercase();
            if line.is_empty() {
                return length.ok_or_else(|| "an answer without a content-length".into());
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = Some(value.trim().parse()?);
            }
        }
    }

    fn read_line(&mut self) -> Result<String> {
        self.line.clear();
        if self.stream.read_until(b'\n', &mut self.line)? == 0 {
            return Err("closed before an answer".into());
        }
        Ok(String::from_utf8_lossy(&self.line).trim_end().to_owned())
    }
}
