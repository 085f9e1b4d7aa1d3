//! What a collector may answer, and what it means for what it was told (OTLP's rules for clients). The answer about logs has the
//! shape of that about spans.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use prost::Message;

use super::Protocol;
use crate::asking::{NotAnswer, message};
use crate::http::retry_after;
use crate::jwt::decode_base64url;
use crate::outbound::callout::{CalloutError, Trailers};
use crate::wire::google::rpc;
use crate::wire::opentelemetry::trace::ExportTraceServiceResponse;

/// A collector that wants to be left alone for longer is asked after so long all the same.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// RESOURCE_EXHAUSTED: to be asked again only where the collector says when.
const EXHAUSTED: &str = "8";
/// CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS.
const PASSING: [&str; 6] = ["1", "4", "10", "11", "14", "15"];

/// What becomes of what was told.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// All but so many are kept.
    Taken { rejected: u64 },
    /// They may be sent again, no sooner than after this.
    Later(Duration),
    /// They are wanted by nobody.
    Never,
}

// === impl Answer ===

impl Answer {
    pub fn read(protocol: Protocol, answer: Result<Response<Bytes>, CalloutError>) -> Self {
        match (answer, protocol) {
            (Ok(response), Protocol::Grpc) => Self::of_grpc(&response),
            (Ok(response), Protocol::Http) if response.status() == StatusCode::OK => {
                Self::taken(&ExportTraceServiceResponse::decode(response.into_body()).unwrap_or_default())
            }
            (Ok(response), Protocol::Http) => Self::of_status(response.status(), response.headers()),
            (Err(CalloutError::BadAnswer), _) => Self::Never,
            // Nobody was told, as far as is known; who hears of a span twice knows it by its id, and a record twice does little harm.
            (Err(_), _) => Self::Later(Duration::ZERO),
        }
    }

    fn taken(said: &ExportTraceServiceResponse) -> Self {
        let rejected = said.partial_success.as_ref().map_or(0, |part| part.rejected_spans);
        Self::Taken { rejected: u64::try_from(rejected).unwrap_or(0) }
    }

    fn of_grpc(response: &Response<Bytes>) -> Self {
        match message::<ExportTraceServiceResponse>(response) {
            Ok(said) => Self::taken(&said),
            Err(NotAnswer::Grpc(status)) => {
                let pause = asked_pause(response);
                match &*status {
                    EXHAUSTED => pause.map_or(Self::Never, Self::Later),
                    status if PASSING.contains(&status) => Self::Later(pause.unwrap_or_default()),
                    _ => Self::Never,
                }
            }
            Err(NotAnswer::Http(status)) => Self::of_status(status, response.headers()),
            Err(NotAnswer::NoStatus) => Self::Later(Duration::ZERO),
            Err(NotAnswer::NotGrpc | NotAnswer::Malformed) => Self::Never,
        }
    }

    fn of_status(status: StatusCode, headers: &HeaderMap) -> Self {
        match status.as_u16() {
            429 | 502 | 503 | 504 => Self::Later(retry_after(headers).unwrap_or_default().min(LONGEST_PAUSE)),
            _ => Self::Never,
        }
    }
}

/// What `RetryInfo` among the details of a status asks for.
fn asked_pause(response: &Response<Bytes>) -> Option<Duration> {
    const KIND: &str = "google.rpc.RetryInfo";
    let trailers = response.extensions().get::<Trailers>().map(|Trailers(trailers)| trailers);
    let details = trailers.unwrap_or(response.headers()).get("grpc-status-details-bin")?;
    let in_urls = |byte: &u8| match byte {
        b'+' => b'-',
        b'/' => b'_',
        byte => *byte,
    };
    let details: Vec<_> = details.as_bytes().iter().filter(|byte| **byte != b'=').map(in_urls).collect();
    let status = rpc::Status::decode(&*decode_base64url(&details)?).ok()?;
    let detail = status.details.iter().find(|detail| detail.type_url.ends_with(KIND))?;
    let pause = rpc::RetryInfo::decode(&*detail.value).ok()?.retry_delay.unwrap_or_default();
    Some(Duration::try_from(pause).unwrap_or_default().min(LONGEST_PAUSE))
}
