//! The response of an endpoint, on its way to the application.

use http::Response;

use super::choosing::Choosing;
use super::chosen::Chosen;
use super::{change, fault};
use crate::http::headers::take_closing_mark;
use crate::http::{Body, Closing, Incoming, Seen};
use crate::request::{Asked, Exchange, Onward, pass_on};
use crate::telemetry::Direction;

/// The response of the endpoint `served_by` as the application sees it; `seen` are its headers.
pub(super) fn answer(
    choosing: &Choosing,
    chosen: &Chosen,
    asked: &mut Asked,
    served_by: usize,
    (response, seen): (Response<Incoming>, Seen),
    exchange: Exchange,
) -> Response<Body> {
    let onward = Onward {
        direction: Direction::Outbound,
        metrics: &choosing.worker.metrics,
        bounds: chosen.route().timeouts.of_bytes(),
        drain: &choosing.worker.drain,
        until: None,
    };
    let rate_limit = asked.rate_limit.take();
    let response = pass_on(asked, response, seen, exchange, onward, |head| {
        if take_closing_mark(&mut head.headers, seen) {
            head.extensions.insert(Closing);
        }
        change::response(&mut head.headers, chosen);
        chosen.tell_session(served_by, &mut head.headers);
        if let Some(fields) = rate_limit {
            fields.write(&mut head.headers);
        }
    });
    match &chosen.route().fault {
        None => response,
        Some(fault) => response.map(|body| fault::slow(choosing, chosen, fault, body)),
    }
}
