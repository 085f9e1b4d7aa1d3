//! Two answers to one request, compared while they pass: neither is kept, of bodies a hash is.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;

use crate::http::End;
use crate::request::Watcher;
use crate::state::Compared;
use crate::telemetry::MirrorSeries;

/// What is looked at of a body at most; what lies behind may differ and is not noticed.
pub const COMPARED_BYTES: u64 = 1024 * 1024;

/// The answers of a destination and of its mirror. Dropping the last handle compares and counts them.
#[derive(Debug)]
pub struct Comparison {
    compared: Arc<Compared>,
    series: MirrorSeries,
    sides: RefCell<[Seen; 2]>,
}

/// Whose answer.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    Destination = 0,
    Mirror = 1,
}

/// What is known of one answer.
#[derive(Debug, Default)]
struct Seen {
    status: u16,
    grpc_status: Option<HeaderValue>,
    headers: Vec<Vec<HeaderValue>>,
    body: Sum,
    ended: bool,
}

/// Takes note of one answer for all who compare it.
#[derive(Debug)]
pub struct Witness {
    side: Side,
    told: Vec<Rc<Comparison>>,
    body: Sum,
}

/// Length and FNV-1a hash (Fowler, Noll, Vo; 64 bits) of the first [`COMPARED_BYTES`] of a body. Both sides are answers
/// of the user's own services, so nobody is fooled by a collision made on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum {
    length: u64,
    hash: u64,
}

// === impl Comparison ===

impl Comparison {
    pub fn new(compared: Arc<Compared>, series: MirrorSeries) -> Rc<Self> {
        Rc::new(Self { compared, series, sides: RefCell::default() })
    }

    fn note(&self, side: Side, note: impl FnOnce(&mut Seen)) {
        note(&mut self.sides.borrow_mut()[side as usize]);
    }
}

impl Drop for Comparison {
    fn drop(&mut self) {
        let [one, other] = &*self.sides.borrow();
        if !one.ended || !other.ended {
            return self.series.compared("incomplete");
        }
        let mut same = true;
        let mut check = |equal: bool, kind: &str| {
            if !equal {
                same = false;
                self.series.differs(kind);
            }
        };
        check((one.status, &one.grpc_status) == (other.status, &other.grpc_status), "status");
        for (index, name) in self.compared.headers.iter().enumerate() {
            check(one.headers.get(index) == other.headers.get(index), &format!("header:{name}"));
        }
        check(!self.compared.body || one.body == other.body, "body");
        self.series.compared(if same { "same" } else { "different" });
    }
}

// === impl Witness ===

impl Witness {
    pub fn new(side: Side, told: Vec<Rc<Comparison>>) -> Self {
        Self { side, told, body: Sum::default() }
    }

    /// The head, before anything changes it.
    pub fn see_head(&self, head: &Parts) {
        for comparison in &self.told {
            let values = |name| head.headers.get_all(name).iter().cloned().collect();
            let headers = comparison.compared.headers.iter().map(values).collect();
            comparison.note(self.side, |seen| {
                seen.status = head.status.as_u16();
                seen.headers = headers;
            });
        }
        self.grpc_status(&head.headers);
    }

    /// A part of the body, or the trailers.
    pub fn see(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.body.add(data);
        }
        if let Some(trailers) = frame.trailers_ref() {
            self.grpc_status(trailers);
        }
    }

    /// Whether no more of the body is looked at.
    pub fn is_full(&self) -> bool {
        self.body.length >= COMPARED_BYTES
    }

    /// The answer came to its end, or as far as it is looked at.
    pub fn note_end(&self) {
        for comparison in &self.told {
            comparison.note(self.side, |seen| {
                seen.body = self.body;
                seen.ended = true;
            });
        }
    }

    fn grpc_status(&self, headers: &HeaderMap) {
        let Some(status) = headers.get("grpc-status") else { return };
        for comparison in &self.told {
            comparison.note(self.side, |seen| seen.grpc_status = Some(status.clone()));
        }
    }
}

impl Watcher for Witness {
    fn head(&mut self, head: &Parts) {
        self.see_head(head);
    }

    fn frame(&mut self, frame: &Frame<Bytes>) {
        self.see(frame);
    }

    fn ended(self: Box<Self>, end: End, _grpc_status: Option<u16>) -> Option<&'static str> {
        if end == End::Whole {
            self.note_end();
        }
        None
    }
}

// === impl Sum ===

impl Default for Sum {
    fn default() -> Self {
        Self { length: 0, hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Sum {
    fn add(&mut self, data: &[u8]) {
        let left = usize::try_from(COMPARED_BYTES - self.length).unwrap_or(usize::MAX);
        let data = &data[..data.len().min(left)];
        self.length += data.len() as u64;
        self.hash = data
            .iter()
            .fold(self.hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_does_not_depend_on_how_a_body_is_cut_and_ends_at_its_bound() {
        let sum = |parts: &[&[u8]]| {
            parts.iter().fold(Sum::default(), |mut sum, part| {
                sum.add(part);
                sum
            })
        };
        assert_eq!(sum(&[b"abc", b"", b"def"]), sum(&[b"a", b"bcdef"]));
        assert_ne!(sum(&[b"abc"]), sum(&[b"abd"]));
        assert_ne!(sum(&[b"\0"]), sum(&[b"\0\0"]));
        // A known value of FNV-1a, from the authors' test vectors.
        assert_eq!(sum(&[b"foobar"]).hash, 0x8594_4171_f739_67e8);
        let long = vec![b'x'; COMPARED_BYTES as usize];
        assert_eq!(sum(&[&long, b"y"]), sum(&[&long, b"z"]));
    }
}
