//! Copies of requests.

use std::num::NonZeroU32;
use std::sync::Arc;

use http::HeaderName;

/// Where copies of some requests go. Nobody waits for their answers.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// Index into [`super::Destination::backends`]; checked when decoded.
    pub backend: usize,
    /// So many...
    pub numerator: u32,
    /// ...of so many requests are copied.
    pub denominator: NonZeroU32,
    /// Compare the answers with those of the requests.
    pub compare: Option<Arc<Compared>>,
}

/// What is compared of two answers beside their status.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// The values of these.
    pub headers: Vec<HeaderName>,
    /// The body.
    pub body: bool,
}
