//! `grpc` probes: one call of the standard health service over HTTP/2 in plain text, as the kubelet makes it.

use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use serde::Deserialize;

use super::{Asker, Destination, ProbeFailure};

/// An answer is two bytes, and a status message is a sentence.
const MAX_ANSWER: usize = 64 * 1024;
const OK: &str = "0";
const UNIMPLEMENTED: &str = "12";

/// A call of the health service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct GrpcProbe {
    port: u16,
    #[serde(default)]
    service: Option<String>,
}

/// grpc.health.v1.HealthCheckRequest
#[derive(Clone, PartialEq, Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// grpc.health.v1.HealthCheckResponse
#[derive(Clone, PartialEq, Message)]
struct HealthCheckResponse {
    #[prost(enumeration = "ServingStatus", tag = "1")]
    status: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum ServingStatus {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

// === impl GrpcProbe ===

impl GrpcProbe {
    pub(super) async fn run(&self, pod_ip: IpAddr, asker: &Asker) -> Result<String, ProbeFailure> {
        let destination = Destination::new(None, pod_ip, self.port);
        let stream = destination.connect().await?;
        let broken = |error: hyper::Error| destination.broken(error);
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(broken)?;
        let exchange = async {
            let answer = sender.send_request(self.request(&destination, asker)?).await.map_err(broken)?;
            judge(&destination, answer).await
        };
        tokio::pin!(connection);
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            result = &mut exchange => result,
            _ = &mut connection => exchange.await,
        }
    }

    fn request(&self, to: &Destination, asker: &Asker) -> Result<Request<Full<Bytes>>, ProbeFailure> {
        let uri = Uri::builder()
            .scheme("http")
            .authority(to.to_string())
            .path_and_query("/grpc.health.v1.Health/Check")
            .build()
            .map_err(|_| ProbeFailure::Invalid(format!("`{to}` is no host")))?;
        let message = HealthCheckRequest { service: self.service.clone().unwrap_or_default() };
        let mut request = Request::post(uri)
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(Full::new(framed(&message)))
            .expect("the parts are valid");
        request.headers_mut().insert(header::USER_AGENT, asker.user_agent.clone());
        Ok(request)
    }
}

async fn judge(from: &Destination, answer: Response<Incoming>) -> Result<String, ProbeFailure> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| from.broken(error))?;
    // An answer without a message carries its status in the head.
    let trailers = body.trailers().unwrap_or(&head.headers).clone();
    let Some(status) = trailers.get("grpc-status").and_then(|status| status.to_str().ok()) else {
        return Err(from.broken(format!("HTTP status {} without a gRPC status", head.status)));
    };
    match status {
        OK => serving(from, body.to_bytes()),
        UNIMPLEMENTED => Err(ProbeFailure::NoHealthService),
        // Its message is the application's, and not for strangers.
        code => Err(ProbeFailure::Unhealthy(match code.parse::<u8>() {
            Ok(code) => format!("status {code}"),
            Err(_) => "a status that is not a number".to_owned(),
        })),
    }
}

fn serving(from: &Destination, body: Bytes) -> Result<String, ProbeFailure> {
    let message = unframed(&body).ok_or_else(|| from.broken("the message is not whole"))?;
    let answer = HealthCheckResponse::decode(message).map_err(|error| from.broken(error))?;
    match answer.status() {
        ServingStatus::Serving => Ok("serving".to_owned()),
        other => Err(ProbeFailure::Unhealthy(format!("the service answers {other:?}"))),
    }
}

/// A gRPC message on the wire: not compressed, its length, itself.
fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(5 + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).expect("a service name is short"));
    message.encode(&mut frame).expect("the buffer grows");
    frame.freeze()
}

fn unframed(body: &[u8]) -> Option<&[u8]> {
    let (head, message) = body.split_first_chunk::<5>()?;
    let [compressed, length @ ..] = *head;
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    (compressed == 0 && message.len() == length).then_some(message)
}
