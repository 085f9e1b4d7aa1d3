//! What can go wrong between a request and the end of its response.

use std::io;

use thiserror::Error;

/// The connection serves no other request after any of these.
#[derive(Debug, Error)]
pub enum Error {
    #[error("the connection was closed before the response was complete")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the response is malformed: {0}")]
    Malformed(&'static str),
    #[error("the response is not HTTP/1.1: {0}")]
    Head(#[from] httparse::Error),
    #[error("the body of the request failed: {0}")]
    Body(#[source] hyper::Error),
    #[error("the body of the request has not the length that its head says")]
    Length,
}

// === impl Error ===

impl Error {
    /// Whether the connection ended, rather than that something was wrong on it.
    pub fn connection_ended(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected, UnexpectedEof};
        match self {
            Self::Closed => true,
            Self::Io(error) => {
                matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected | UnexpectedEof)
            }
            _ => false,
        }
    }

    /// Whether the fault is with who sent the request.
    pub fn caller_failed(&self) -> bool {
        matches!(self, Self::Body(_) | Self::Length)
    }
}
