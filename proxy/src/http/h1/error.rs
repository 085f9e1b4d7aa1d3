//! What can go wrong between the head of a request and the end of its response.

use std::io;

use thiserror::Error;

use crate::http::framing::BadHead;
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
    #[error("the head did not come within a minute")]
    HeadTooSlow,
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

    /// What is wrong with the head of a request, so that its caller can be told; `None`: it is not there to be told.
    pub fn bad_head(&self) -> Option<BadHead> {
        match self {
            Self::Malformed(what) => Some(BadHead::Malformed((*what).to_owned())),
            Self::HeadTooLong => Some(BadHead::TooLong),
            Self::Head(error) => Some(BadHead::Malformed(error.to_string())),
            Self::TargetTooLong => Some(BadHead::TargetTooLong),
            Self::HeadTooSlow => Some(BadHead::TooSlow),
            Self::Closed | Self::Io(_) | Self::Body(_) | Self::Length => None,
        }
    }
}
