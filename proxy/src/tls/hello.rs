//! Recognises a ClientHello from the first bytes of a connection, without TLS state and without consuming them.
//!
//! A hello with a post-quantum key share is longer than a segment, so it arrives in pieces; a peer may also split it
//! over several records. [`sniff`] is therefore asked again with every longer prefix, and gives up at [`MAX_HELLO`].

/// Bytes a ClientHello may take, with all that frames it, before it is taken for the application's own business.
pub const MAX_HELLO: usize = 32 * 1024;

/// What the first bytes of a connection say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// Could still become a ClientHello: read more and ask again with the longer prefix.
    NeedMore,
    /// Not TLS, or no ClientHello that this parser follows: the application's own bytes.
    NotTls,
    /// A whole ClientHello.
    Tls(ClientHello),
}

/// The parts of a ClientHello that decide who handles the connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// Protocols offered, in order.
    pub alpn: Vec<Vec<u8>>,
    /// Server name asked for.
    pub sni: Option<String>,
}

/// Why parsing stopped early.
enum Stop {
    Short,
    Foreign,
}

/// Reads forward over bytes; every read can run short.
struct Cursor<'a> {
    rest: &'a [u8],
}

/// The first byte of a ClientHello.
pub const TLS_HANDSHAKE: u8 = 22;
const RECORD_MAX: usize = 1 << 14;
const CLIENT_HELLO: u8 = 1;
const EXTENSION_SNI: u16 = 0;
const EXTENSION_ALPN: u16 = 16;

/// Judges the first bytes of a connection.
pub fn sniff(prefix: &[u8]) -> Hello {
    let judged = handshake(prefix).and_then(|body| {
        // The message is whole: what is missing inside it will not arrive.
        client_hello(&body).map_err(|_| Stop::Foreign)
    });
    match judged {
        Ok(hello) => Hello::Tls(hello),
        Err(Stop::Short) if prefix.len() < MAX_HELLO => Hello::NeedMore,
        Err(Stop::Short) => Hello::NotTls,
        Err(Stop::Foreign) => Hello::NotTls,
    }
}

/// Joins records until the first handshake message is whole; gives its body.
fn handshake(prefix: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut records = Cursor { rest: prefix };
    let mut message = Vec::new();
    loop {
        message.extend_from_slice(record(&mut records)?);
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(Stop::Foreign);
        }
        let mut header = Cursor { rest: message.get(1..).unwrap_or_default() };
        let Ok(len) = header.length(3) else {
            if records.rest.is_empty() {
                return Err(Stop::Short);
            }
            continue;
        };
        if len > MAX_HELLO {
            return Err(Stop::Foreign);
        }
        if let Ok(body) = header.take(len) {
            return Ok(body.to_vec());
        }
        if records.rest.is_empty() {
            return Err(Stop::Short);
        }
    }
}

/// The payload of one record, as much of it as there is; the header is judged as early as its bytes allow.
fn record<'a>(records: &mut Cursor<'a>) -> Result<&'a [u8], Stop> {
    let kind = records.byte()?;
    if kind != TLS_HANDSHAKE {
        return Err(Stop::Foreign);
    }
    if records.byte()? != 3 || records.byte()? > 4 {
        return Err(Stop::Foreign);
    }
    let len = records.length(2)?;
    if len == 0 || len > RECORD_MAX {
        return Err(Stop::Foreign);
    }
    let available = len.min(records.rest.len());
    records.take(available)
}

fn client_hello(body: &[u8]) -> Result<ClientHello, Stop> {
    let mut body = Cursor { rest: body };
    body.take(2 + 32)?; // legacy version, random
    body.vector(1)?; // session id
    body.vector(2)?; // cipher suites
    body.vector(1)?; // compression methods
    let mut hello = ClientHello::default();
    if body.rest.is_empty() {
        return Ok(hello); // before TLS 1.2 a hello may have no extensions
    }
    let mut extensions = body.vector(2)?;
    while !extensions.rest.is_empty() {
        let kind = extensions.length(2)? as u16;
        let mut extension = extensions.vector(2)?;
        match kind {
            // RFC 8446 4.2: once. Of two names a server might take the one that nobody looked at.
            EXTENSION_SNI if hello.sni.is_some() => return Err(Stop::Foreign),
            EXTENSION_SNI => hello.sni = server_name(extension.vector(2)?)?,
            EXTENSION_ALPN => hello.alpn = protocols(extension.vector(2)?)?,
            _ => {}
        }
    }
    Ok(hello)
}

fn server_name(mut names: Cursor<'_>) -> Result<Option<String>, Stop> {
    while !names.rest.is_empty() {
        let is_host = names.byte()? == 0;
        let name = names.vector(2)?;
        if is_host {
            // RFC 6066 3: no more than one.
            if !names.rest.is_empty() {
                return Err(Stop::Foreign);
            }
            return Ok(std::str::from_utf8(name.rest).ok().map(str::to_ascii_lowercase));
        }
    }
    Ok(None)
}

fn protocols(mut names: Cursor<'_>) -> Result<Vec<Vec<u8>>, Stop> {
    let mut protocols = Vec::new();
    while !names.rest.is_empty() {
        protocols.push(names.vector(1)?.rest.to_vec());
    }
    Ok(protocols)
}

// === impl ClientHello ===

impl ClientHello {
    /// Whether another proxy of the mesh speaks: it offers a protocol of the mesh.
    pub fn is_mesh(&self) -> bool {
        self.alpn.iter().any(|name| super::Alpn::from_bytes(name).is_some())
    }
}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Stop> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Stop::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// A big-endian number of `width` bytes.
    fn length(&mut self, width: usize) -> Result<usize, Stop> {
        Ok(self.take(width)?.iter().fold(0, |value, byte| value << 8 | usize::from(*byte)))
    }

    /// Bytes with their length, a number of `width` bytes, before them.
    fn vector(&mut self, width: usize) -> Result<Self, Stop> {
        let len = self.length(width)?;
        Ok(Self { rest: self.take(len)? })
    }
}

#[cfg(test)]
mod tests;
