//! What requests cost that is known only from their responses.

use std::sync::Arc;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName};
use http_body::Frame;
use tokio::time::Instant;

use super::buckets::Buckets;
use super::{Rate, Receipt};
use crate::http::End;
use crate::request::Watcher;

/// What one response can cost. More is this much.
pub const LARGEST_COST: u32 = 1_000_000_000;

/// What a request has to pay when its response says how much: so long, and where that does not say it, it has paid what it paid
/// when it came. The requests that come meanwhile are judged by that, too.
#[derive(Debug, Default)]
pub struct Bill(Vec<Item>);

/// At one limit.
#[derive(Debug)]
struct Item {
    buckets: Arc<Buckets>,
    key: u64,
    rate: Rate,
    header: HeaderName,
}

// === impl Bill ===

impl Bill {
    /// Notes what is to be paid for a request that was counted, where its response will say.
    pub fn add(&mut self, receipt: &Receipt<'_>) {
        let Receipt { limit, key, .. } = *receipt;
        if let Some(header) = limit.cost.header.clone() {
            self.0.push(Item { buckets: limit.buckets.clone(), key, rate: limit.rate, header });
        }
    }

    /// Whether there is nothing to pay.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Pays what these fields of the response say.
    fn read(&mut self, fields: &HeaderMap) {
        self.0.retain(|Item { buckets, key, rate, header }| match cost_in(fields, header) {
            Some(cost) => {
                buckets.settle(*key, *rate, cost, Instant::now());
                false
            }
            None => true,
        });
    }
}

impl Watcher for Bill {
    fn head(&mut self, head: &Parts) {
        self.read(&head.headers);
    }

    fn frame(&mut self, frame: &Frame<Bytes>) {
        if let Some(trailers) = frame.trailers_ref() {
            self.read(trailers);
        }
    }

    fn ended(self: Box<Self>, _end: End, _grpc_status: Option<u16>) {}
}

/// The one whole number that the field is.
fn cost_in(fields: &HeaderMap, name: &HeaderName) -> Option<u32> {
    let mut values = fields.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let digits = value.to_str().ok()?.trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Nothing but too many digits can be wrong by now.
    Some(digits.parse().unwrap_or(LARGEST_COST).min(LARGEST_COST))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_cost_is_one_whole_number_or_not_known() {
        let name = HeaderName::from_static("x-cost");
        for (values, cost) in [
            (&["0"][..], Some(0)),
            (&["17"], Some(17)),
            (&["0017"], Some(17)),
            (&["1000000001"], Some(LARGEST_COST)),
            (&["99999999999999999999999999"], Some(LARGEST_COST)),
            (&[], None),
            (&[""], None),
            (&["-1"], None),
            (&["+1"], None),
            (&["1.5"], None),
            (&["1,2"], None),
            (&["1", "2"], None),
            (&["\u{fc}"], None),
        ] {
            let mut fields = HeaderMap::new();
            for value in values {
                fields.append(&name, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(cost_in(&fields, &name), cost, "{values:?}");
        }
    }
}
