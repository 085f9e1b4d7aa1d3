//! Requests that leave HTTP get a connection of their own.

use http::{Request, Response, Version};
use tokio::time::Instant;

use super::attempts::Attempts;
use super::ejection::Outcome;
use super::request::{Chosen, Failed, answer};
use super::{Outbound, admit, change};
use crate::http::headers::PROTO_HEADER;
use crate::http::rescue::Failure;
use crate::http::upgrade::{Answer, agree, ask};
use crate::http::via::add_via;
use crate::http::{Body, Carry, Exchange, Incoming, Lease, Pending, Seen, Upload, Wire};
use crate::telemetry::Direction;

/// Sends `request` over a fresh connection, and ties both connections together when the upstream agrees.
pub(super) async fn carry(
    outbound: &Outbound,
    chosen: &Chosen,
    request: Request<Upload>,
    started: Instant,
) -> Result<Response<Body>, Failed> {
    let timeouts = chosen.route().timeouts;
    let (caller, mut request) = ask(request);
    request.headers_mut().remove(PROTO_HEADER);
    *request.version_mut() = Version::HTTP_11;
    change::request(&mut request, chosen);
    let admitted = admit::request(outbound, chosen, Wire::H1, started, &mut None).await?;
    let mut attempts = Attempts::new(outbound, chosen, admitted, started);
    let (connection, pending) = loop {
        let upstream = &attempts.endpoint().upstream;
        let pending = Pending::new(upstream);
        match upstream.open_h1(Carry::H1, timeouts.connect).await {
            Ok(connection) => break (connection, pending),
            Err(error) => {
                if let Err(failure) = attempts.connect_again(error) {
                    return Err((failure, attempts.record));
                }
            }
        }
    };
    let response = match connection.exchange(&mut request).await {
        Ok(response) => response.map(Incoming::H1),
        Err(failed) => {
            attempts.judge(Outcome::Local);
            let addr = attempts.endpoint().upstream.key.addr;
            let failure =
                Failure::Lost { destination: chosen.live.name.clone(), addr, error: failed.error.into() };
            return Err((failure, attempts.record));
        }
    };
    attempts.judge_answer(&response);
    let served_by = attempts.current();
    let metrics = outbound.worker.metrics.clone();
    let cut = move |reason| metrics.error(Direction::Outbound, reason);
    let mut response =
        match agree(caller, response, connection, &outbound.worker.drain, timeouts.of_bytes(), cut) {
            Answer::Agreed(mut agreed) => {
                attempts.record.answered(agreed.status(), agreed.headers());
                if outbound.names_itself() {
                    add_via(agreed.headers_mut(), Version::HTTP_11);
                }
                change::response(agreed.headers_mut(), chosen);
                agreed
            }
            Answer::Declined(response) => {
                let ending = attempts.ending();
                let (record, lease) = (attempts.record, Lease::Once);
                let exchange = Exchange { record, lease, pending, limit: None, ending, witness: None };
                let seen = Seen::of(response.headers());
                answer(outbound, chosen, response, seen, exchange)
            }
        };
    chosen.tell_session(served_by, response.headers_mut());
    Ok(response)
}
