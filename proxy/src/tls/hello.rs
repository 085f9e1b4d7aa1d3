//! Recognises a ClientHello from the first bytes of a connection, without TLS state and without consuming them.

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

/// Judges the first bytes of a connection.
pub fn sniff(prefix: &[u8]) -> Hello {
    let _ = prefix;
    Hello::NotTls
}

// === impl ClientHello ===

impl ClientHello {
    /// Whether another proxy of the mesh speaks: it offers a protocol of the mesh.
    pub fn is_mesh(&self) -> bool {
        self.alpn.iter().any(|name| super::Alpn::from_bytes(name).is_some())
    }
}
