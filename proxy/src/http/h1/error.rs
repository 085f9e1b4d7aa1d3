//! What can go wrong between the head of a request and the end of its response.

use std::io;

use http::StatusCode;
use thiserror::Error;

use crate::http::{WireError, wire_error};

/// The connection carries no other message after any of these.
#[derive(Debug, Error)]
pub enum Error {
    #[error("the connection was closed in the middle of an exchange")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("not HTTP/1.1: {0}")]
    Malformed(&'static str),
    #[error("not HTTP/1.1: {0}")]
    Head(#[from] httparse::Error),
    #[error("the head is too long")]
    HeadTooLong,
    #[error("the target of the request is too long")]
    TargetTooLong,
    #[error("the body of the request failed: {0}")]
    Body(#[source] Box<WireError>),
    #[error("a body has not the length that its head says")]
    Length,
}

// === impl Error ===

impl Error {
    /// Whether the connection ended, rather than that something was wrong on it.
    pub fn connection_ended(&self) -> bool {
        match self {
            Self::Closed => true,
            Self::Io(error) => wire_error::is_end(error),
            _ => false,
        }
    }

    /// Whether the fault is with who sent the request.
    pub fn caller_failed(&self) -> bool {
        matches!(self, Self::Body(_) | Self::Length)
    }

    /// How the caller of a request is told that this is wrong with its head; `None`: it is not there to be told.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Malformed(_) => Some(StatusCode::BAD_REQUEST),
            Self::Head(httparse::Error::TooManyHeaders) | Self::HeadTooLong => {
                Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
            }
            Self::Head(_) => Some(StatusCode::BAD_REQUEST),
            Self::TargetTooLong => Some(StatusCode::URI_TOO_LONG),
            Self::Closed | Self::Io(_) | Self::Body(_) | Self::Length => None,
        }
    }
}
