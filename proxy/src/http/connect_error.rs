//! Why no connection to an upstream came about. Shared by every request that waited for it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::tls::TlsError;

/// A connection that could not be opened; nothing of a request was sent.
#[derive(Clone, Debug)]
pub struct ConnectError(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    addr: SocketAddr,
    reason: &'static str,
    message: String,
}

// === impl ConnectError ===

impl ConnectError {
    pub fn tcp(addr: SocketAddr, error: &io::Error) -> Self {
        let reason =
            if error.kind() == io::ErrorKind::TimedOut { "connect-timeout" } else { "connect-failed" };
        Self::new(addr, reason, error.to_string())
    }

    pub fn tls(addr: SocketAddr, error: &TlsError) -> Self {
        Self::new(addr, "tls-failed", error.to_string())
    }

    pub fn tls_timeout(addr: SocketAddr, limit: Duration) -> Self {
        let message = format!("the peer did not finish the TLS handshake within {} ms", limit.as_millis());
        Self::new(addr, "tls-failed", message)
    }

    /// Not opened yet after `limit`: what the route says, or a few times what it took before.
    pub fn slow(addr: SocketAddr, limit: Duration) -> Self {
        Self::new(
            addr,
            "connect-timeout",
            format!(
                "none after {} ms, which is too long for this route or takes less usually",
                limit.as_millis()
            ),
        )
    }

    pub fn http(addr: SocketAddr, error: &h2::Error) -> Self {
        Self::new(addr, "connect-failed", format!("HTTP/2 handshake: {error}"))
    }

    /// The server ended the connection before it said anything.
    pub fn ended(addr: SocketAddr) -> Self {
        Self::new(addr, "connect-failed", "the server ended it before it took a request".to_owned())
    }

    /// Whether it took too long.
    pub fn is_timeout(&self) -> bool {
        self.0.reason == "connect-timeout"
    }

    fn new(addr: SocketAddr, reason: &'static str, message: String) -> Self {
        Self(Rc::new(Inner { addr, reason, message }))
    }

    /// As in the header `x-weft-reason`.
    pub fn reason(&self) -> &'static str {
        self.0.reason
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection to {}: {}", self.0.addr, self.0.message)
    }
}

impl std::error::Error for ConnectError {}
