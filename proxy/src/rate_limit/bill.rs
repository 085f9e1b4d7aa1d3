//! What requests cost that is known only from their responses.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use http_body::Frame;
use tokio::time::Instant;

use super::buckets::Buckets;
use super::events::EventReader;
use super::field::{FieldPath, FieldReader};
use super::{Cost, Kept, Rate, Receipt};
use crate::http::End;
use crate::request::Watcher;

/// What one response can cost. More is this much.
pub const LARGEST_COST: u32 = 1_000_000_000;

/// What a request has to pay when its response says how much: so long, and where that does not say it, it has paid what it paid
/// when it came. The requests that come meanwhile are judged by that, too.
#[derive(Debug, Default)]
pub struct Bill {
    items: Vec<Item>,
    /// What was counted, until it is known that the request goes on.
    kept: Vec<Kept>,
}

/// A service that counts what requests cost.
pub(crate) trait Creditor: fmt::Debug {
    /// So much more than it knows of.
    fn charge(&self, more: u32);
}

/// At one limit.
#[derive(Debug)]
struct Item {
    to: Payee,
    /// So far.
    paid: u32,
    told: Told,
}

/// Who is paid.
#[derive(Debug)]
enum Payee {
    Bucket { buckets: Arc<Buckets>, key: u64, rate: Rate },
    Service(Box<dyn Creditor>),
}

/// What says how much it is.
#[derive(Debug)]
enum Told {
    Header(HeaderName),
    Field(FieldPath),
    /// The body has come so far.
    Json(FieldReader),
    Events(EventReader),
}

// === impl Bill ===

impl Bill {
    /// Notes what is to be paid for a request that was counted, where its response will say.
    pub fn add(&mut self, receipt: &Receipt<'_>) {
        let Receipt { limit, key, .. } = *receipt;
        if let Some(told) = Told::of(&limit.cost) {
            let to = Payee::Bucket { buckets: limit.buckets.clone(), key, rate: limit.rate };
            self.items.push(Item { to, paid: limit.cost.amount, told });
        }
    }

    /// The same for what a service has counted, which gives nothing back.
    pub(crate) fn owe(&mut self, cost: &Cost, creditor: impl FnOnce() -> Box<dyn Creditor>) {
        if let Some(told) = Told::of(cost) {
            self.items.push(Item { to: Payee::Service(creditor()), paid: cost.amount, told });
        }
    }

    /// Keeps in mind that a request was counted, until it is known that it goes on.
    pub fn keep(&mut self, receipt: &Receipt<'_>) {
        self.kept.push(receipt.kept());
    }

    /// The request goes nowhere: what was counted of it is taken back.
    pub fn give_back(self) {
        self.kept.iter().for_each(Kept::give_back);
    }

    /// The request goes on; gives whether its response has something to pay.
    pub fn settle(&mut self) -> bool {
        self.kept = Vec::new();
        !self.items.is_empty()
    }

    /// Whether there is nothing to pay, and nothing to give back.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.kept.is_empty()
    }
}

impl Watcher for Bill {
    fn head(&mut self, head: &Parts) {
        self.items.retain_mut(|item| item.head(&head.headers));
    }

    fn frame(&mut self, frame: &Frame<Bytes>) {
        if let Some(trailers) = frame.trailers_ref() {
            self.items.iter_mut().for_each(|item| item.trailers(trailers));
        }
        if let Some(data) = frame.data_ref() {
            self.items.iter_mut().for_each(|item| item.data(data));
        }
    }

    /// What there was to pay has been paid as it became known: whoever leaves before the end does not get away with it.
    fn ended(self: Box<Self>, _end: End, _grpc_status: Option<u16>) -> Option<&'static str> {
        None
    }
}

// === impl Told ===

impl Told {
    fn of(cost: &Cost) -> Option<Self> {
        let header = cost.header.clone().map(Self::Header);
        header.or_else(|| cost.field.clone().map(Self::Field))
    }
}

// === impl Item ===

impl Item {
    /// Gives whether there is more to know.
    fn head(&mut self, headers: &HeaderMap) -> bool {
        match &self.told {
            Told::Header(name) => {
                let cost = cost_in(headers, name);
                self.pay(cost);
                return cost.is_none();
            }
            Told::Field(path) => match Form::of(headers) {
                Some(Form::Json) => self.told = Told::Json(FieldReader::new(path.clone())),
                Some(Form::Events) => self.told = Told::Events(EventReader::new(path.clone())),
                None => return false,
            },
            Told::Json(_) | Told::Events(_) => {}
        }
        true
    }

    fn data(&mut self, data: &[u8]) {
        let cost = match &mut self.told {
            Told::Json(reader) => {
                reader.read(data);
                reader.found()
            }
            Told::Events(reader) => {
                reader.read(data);
                reader.found()
            }
            Told::Header(_) | Told::Field(_) => None,
        };
        self.pay(cost);
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        if let Told::Header(name) = &self.told {
            let cost = cost_in(trailers, name);
            self.pay(cost);
        }
    }

    fn pay(&mut self, cost: Option<u32>) {
        let Some(cost) = cost.filter(|cost| *cost != self.paid) else { return };
        match &self.to {
            Payee::Bucket { buckets, key, rate } => {
                buckets.settle(*key, *rate, (self.paid, cost), Instant::now());
            }
            Payee::Service(_) if cost < self.paid => return,
            Payee::Service(creditor) => creditor.charge(cost - self.paid),
        }
        self.paid = cost;
    }
}

/// What a body consists of in which a member can be looked for.
enum Form {
    /// One JSON text, or one on each line.
    Json,
    /// One in each event.
    Events,
}

impl Form {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
        if !headers.get_all(CONTENT_ENCODING).iter().all(plain) {
            return None;
        }
        let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim().to_ascii_lowercase();
        match kind.as_str() {
            "text/event-stream" => Some(Self::Events),
            "application/json" | "application/x-ndjson" | "application/jsonl" => Some(Self::Json),
            other => other.ends_with("+json").then_some(Self::Json),
        }
    }
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
