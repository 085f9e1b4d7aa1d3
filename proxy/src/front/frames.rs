//! What the front and the control plane say to each other over their socket. The other end is `src/proxies/front/frames.ts`, and
//! `src/wire/front.json` has bytes of each kind that both are tested with.
//!
//! A frame is the number of a stream (u32, 0 for what is of none), its kind (u8), a length (u32), and so many bytes; numbers are
//! big-endian. Of a message everything from the kind on is what gRPC writes for it: a flag that is 0, the length, the message.
//!
//! | kind | from | of a stream | bytes |
//! |---|---|---|---|
//! | 0 message | both | yes | a message |
//! | 1 opened | front | yes | the method's place among the paths (u8), the address (u8 of length, text), the leaf certificate in DER |
//! | 2 half-closed | front | yes | none: the proxy sends no more |
//! | 3 ended | front | yes | none: nothing comes or goes any more |
//! | 3 ended | control plane | yes | gRPC's code (u8), a text: what was sent before still goes out |
//! | 4 credit | front | yes | how many bytes of messages have gone out (u32) |
//! | 4 credit | control plane | yes | read on, messages of at most so many bytes (u32) |
//! | 5 draining | front | yes | none: the stream should end soon |
//! | 5 draining | control plane | no | none: every connection should end soon, and then the front |
//! | 6 hello | both | no | the version, as text: the first frame of either side |
//! | 7 settings | control plane | no | JSON, [`Settings`], once |
//! | 8 certificates | control plane | no | JSON, [`Certificates`], first behind the settings, then whenever they change |
//! | 9 listening | front | no | the port (u16), once |
//! | 10 counts | front | no | JSON, [`Counts`], once a second |
//! | 11 untrusted | front | no | JSON, [`Untrusted`]: handshakes that failed for the client's certificate |
//! | 12 beat | control plane | no | none, once a second |
//! | 13 taken | front | no | what cannot be used of certificates that changed, as text; none: all of it is in use |
//!
//! A stream is over when each side has said that it ended, and each says so once. Until the first credit of the control plane the
//! front hands it one message of a stream, of at most [`FIRST_MESSAGE`] bytes; the control plane sends while less than
//! [`CREDIT`] bytes of a stream wait in the front. Whoever gets what is not in this table ends the socket.

use std::net::IpAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// What both sides begin with.
pub const HELLO: &[u8] = b"weft-front 1";
/// Bytes of one stream that may wait in the front, and the message that went over it.
pub const CREDIT: usize = 16 * 1024;
/// The largest message before the control plane has said that it reads on.
pub const FIRST_MESSAGE: usize = 16 * 1024;
/// The largest that the control plane sends: the largest response that a proxy takes.
const MOST: usize = 32 * 1024 * 1024;

const HEAD: usize = 9;
const MESSAGE: u8 = 0;
const OPENED: u8 = 1;
const HALF_CLOSED: u8 = 2;
const ENDED: u8 = 3;
const CREDITS: u8 = 4;
const DRAINING: u8 = 5;
const HELLOS: u8 = 6;
const SETTINGS: u8 = 7;
const CERTIFICATES: u8 = 8;
const LISTENING: u8 = 9;
const COUNTS: u8 = 10;
const UNTRUSTED: u8 = 11;
const BEAT: u8 = 12;
const TAKEN: u8 = 13;

/// What the control plane says.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// As gRPC writes it, with what stands before a message.
    Message(u32, Bytes),
    Ended(u32, Status),
    ReadOn(u32, usize),
    Drain,
    Hello,
    Settings(Box<Settings>),
    Certificates(Box<Certificates>),
    Beat,
}

/// How a stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub code: u8,
    pub text: String,
}

/// Codes of gRPC that the front ends streams with by itself.
impl Status {
    pub const DEADLINE_EXCEEDED: u8 = 4;
    pub const RESOURCE_EXHAUSTED: u8 = 8;
    pub const UNIMPLEMENTED: u8 = 12;
    pub const INTERNAL: u8 = 13;
}

/// How the front listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// Absent: every address.
    pub host: Option<IpAddr>,
    /// 0 takes any that is free.
    pub port: u16,
    pub trust_domain: String,
    /// Many pods share an address, so that its limits are those of all.
    pub shared_addresses: bool,
    /// Of the methods that are served.
    pub paths: Vec<String>,
    /// From which level on the front writes lines of its own.
    pub log_level: LogLevel,
}

/// As the control plane calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
    Silent,
}

/// All in PEM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Certificates {
    /// The front's own, leaf first.
    pub chain: String,
    /// PKCS#8.
    pub private_key: String,
    /// What proxies must chain to.
    pub roots: String,
}

/// Of the connections to the port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// At present, those that wait for their handshake included.
    pub connections: u64,
    /// This and what follows were refused since the front began.
    pub total: u64,
    pub per_address: u64,
    pub rate: u64,
    pub silent: u64,
    pub too_much: u64,
    pub waited_too_long: u64,
    /// Handshakes that failed, without those of which [`Untrusted`] tells.
    pub failed: u64,
}

/// Why certificates were refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Untrusted {
    /// Of the last.
    pub address: IpAddr,
    pub why: String,
    /// Since it was said last.
    pub times: u64,
}

/// Bytes that are no frame of the control plane's.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of kind {kind} for stream {stream}, of {length} bytes, is none of the control plane's")]
    Unknown { kind: u8, stream: u32, length: usize },
    #[error("a frame of kind {kind} cannot be read: {source}")]
    Json { kind: u8, source: serde_json::Error },
}

/// Takes the next frame out of what has arrived; `None`: more has to arrive.
pub fn next(arrived: &mut BytesMut) -> Result<Option<Heard>, FrameError> {
    let Some(mut head) = arrived.get(..HEAD) else { return Ok(None) };
    let (stream, kind, length) = (head.get_u32(), head.get_u8(), head.get_u32() as usize);
    let unknown = || FrameError::Unknown { kind, stream, length };
    let fits = match kind {
        MESSAGE => length <= MOST,
        SETTINGS | CERTIFICATES => length <= 1024 * 1024,
        ENDED => (1..=4096).contains(&length),
        CREDITS => length == 4,
        HELLOS => length == HELLO.len(),
        DRAINING | BEAT => length == 0,
        _ => false,
    };
    if !fits || (stream == 0) != matches!(kind, DRAINING | HELLOS | SETTINGS | CERTIFICATES | BEAT) {
        return Err(unknown());
    }
    let Some(frame) = arrived.get(..HEAD + length) else { return Ok(None) };
    let mut body = &frame[HEAD..];
    let json = |source| FrameError::Json { kind, source };
    let heard = match kind {
        // A copy: what is cut out of the buffer would keep all of it.
        MESSAGE => Heard::Message(stream, Bytes::copy_from_slice(&frame[4..])),
        ENDED => {
            let code = body.get_u8();
            Heard::Ended(stream, Status { code, text: String::from_utf8_lossy(body).into_owned() })
        }
        CREDITS => Heard::ReadOn(stream, body.get_u32() as usize),
        DRAINING => Heard::Drain,
        HELLOS if body == HELLO => Heard::Hello,
        SETTINGS => Heard::Settings(serde_json::from_slice(body).map_err(json)?),
        CERTIFICATES => Heard::Certificates(serde_json::from_slice(body).map_err(json)?),
        BEAT => Heard::Beat,
        _ => return Err(unknown()),
    };
    arrived.advance(HEAD + length);
    Ok(Some(heard))
}

/// A message as it came: `grpc` begins with what gRPC writes before it.
pub fn message(stream: u32, grpc: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(4 + grpc.len());
    frame.put_u32(stream);
    frame.put_slice(grpc);
    frame.freeze()
}

/// A stream of `address`, which showed `leaf`.
pub fn opened(stream: u32, path: u8, address: IpAddr, leaf: &[u8]) -> Bytes {
    let address = address.to_string();
    let mut body = BytesMut::with_capacity(2 + address.len() + leaf.len());
    body.put_u8(path);
    body.put_u8(address.len() as u8);
    body.put_slice(address.as_bytes());
    body.put_slice(leaf);
    frame(stream, OPENED, &body)
}

pub fn half_closed(stream: u32) -> Bytes {
    frame(stream, HALF_CLOSED, &[])
}

pub fn ended(stream: u32) -> Bytes {
    frame(stream, ENDED, &[])
}

pub fn credit(stream: u32, bytes: usize) -> Bytes {
    frame(stream, CREDITS, &u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes())
}

pub fn draining(stream: u32) -> Bytes {
    frame(stream, DRAINING, &[])
}

pub fn hello() -> Bytes {
    frame(0, HELLOS, HELLO)
}

pub fn listening(port: u16) -> Bytes {
    frame(0, LISTENING, &port.to_be_bytes())
}

pub fn counts(counts: &Counts) -> Bytes {
    json(COUNTS, counts)
}

pub fn untrusted(untrusted: &Untrusted) -> Bytes {
    json(UNTRUSTED, untrusted)
}

/// What became of certificates that changed.
pub fn taken(problem: &str) -> Bytes {
    frame(0, TAKEN, problem.as_bytes())
}

fn json(kind: u8, value: &impl Serialize) -> Bytes {
    frame(0, kind, &serde_json::to_vec(value).expect("these have no maps and no failing fields"))
}

fn frame(stream: u32, kind: u8, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEAD + body.len());
    frame.put_u32(stream);
    frame.put_u8(kind);
    frame.put_u32(body.len() as u32);
    frame.put_slice(body);
    frame.freeze()
}

// === impl Certificates ===

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive() // there is a key in it
    }
}

#[cfg(test)]
mod tests;
