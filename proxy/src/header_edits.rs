//! Headers that somebody who was asked about a request wants changed: so many of them, and never those by which a proxy speaks
//! for itself.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

use crate::http::headers::strip_look_alikes;

/// Of headers that an answer changes, on each side.
pub const MOST_HEADERS: usize = 64;
pub const MOST_BYTES: usize = 16 * 1024;

/// What a proxy says by itself: what frames a message, belongs to one hop, or says where it goes and where it comes from.
pub const NOT_CHANGED: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// What gRPC tells by headers is told by the proxy, where it answers itself.
pub const OF_GRPC: [&str; 3] = ["grpc-message", "grpc-status", "grpc-status-details-bin"];

/// Changes of headers, in their order; removals come last.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    edits: Vec<(HeaderName, HeaderValue, How)>,
    remove: Vec<HeaderName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Append,
    AddIfAbsent,
    Overwrite,
    OverwriteIfThere,
}

/// A header that somebody wants there.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    pub name: &'a str,
    pub value: &'a [u8],
    /// `None`: in a way that is not known.
    pub how: Option<How>,
}

/// Why changes cannot be carried out.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadEdits {
    #[error("it changes more headers than a message should have")]
    TooMuch,
    #[error("the header {0:?} that it changes is not one")]
    BadHeader(String),
}

/// The header of that name, where it is for others to change; those that are not are left as they are.
pub fn changeable(name: &str) -> Result<Option<HeaderName>, BadEdits> {
    if name.starts_with(':') {
        return Ok(None);
    }
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| BadEdits::BadHeader(name.to_owned()))?;
    let ours = NOT_CHANGED.contains(&parsed.as_str()) || parsed.as_str().starts_with("x-weft-");
    Ok((!ours).then_some(parsed))
}

// === impl HeaderEdits ===

impl HeaderEdits {
    /// All of them, or why that is not possible.
    pub fn read<'a>(wanted: impl ExactSizeIterator<Item = Edit<'a>> + Clone) -> Result<Self, BadEdits> {
        let bytes: usize = wanted.clone().map(|edit| edit.name.len() + edit.value.len()).sum();
        if wanted.len() > MOST_HEADERS || bytes > MOST_BYTES {
            return Err(BadEdits::TooMuch);
        }
        let mut edits = Vec::with_capacity(wanted.len());
        for Edit { name, value, how } in wanted {
            let Some(header) = changeable(name)? else { continue };
            let bad = || BadEdits::BadHeader(name.to_owned());
            edits.push((header, HeaderValue::from_bytes(value).map_err(|_| bad())?, how.ok_or_else(bad)?));
        }
        Ok(Self { edits, remove: Vec::new() })
    }

    /// The same, and these are taken away.
    pub fn removing(mut self, names: &[String]) -> Result<Self, BadEdits> {
        if names.len() > MOST_HEADERS {
            return Err(BadEdits::TooMuch);
        }
        for name in names {
            self.remove.extend(changeable(name)?);
        }
        Ok(self)
    }

    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.remove.is_empty()
    }

    /// What is set or removed is so under each name of which an application may make the same: what a caller says beside it must not be
    /// taken for the answer.
    pub fn apply(self, headers: &mut HeaderMap) {
        for (name, value, how) in self.edits {
            let there = headers.contains_key(&name);
            match how {
                How::Append => {
                    headers.append(name, value);
                }
                How::AddIfAbsent if there => {}
                How::OverwriteIfThere if !there => {}
                How::AddIfAbsent => {
                    headers.insert(name, value);
                }
                How::Overwrite | How::OverwriteIfThere => {
                    strip_look_alikes(headers, &name);
                    headers.insert(name, value);
                }
            }
        }
        for name in self.remove {
            strip_look_alikes(headers, &name);
            headers.remove(name);
        }
    }
}
