//! Services that a proxy asks about requests, over gRPC: who that is, how a question and an answer look on the wire, and why there may
//! be no answer. What is asked, and what an answer means, is for `external_check` and `shared_limit` to say.

use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, HeaderValue, TE};
use http::{Request, Response, StatusCode};
use prost::Message;
use thiserror::Error;

use crate::outbound::callout::{CalloutError, Trailers};

/// The longest answer that is read.
pub const LONGEST_ANSWER: usize = 64 * 1024;

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asks {
    /// `<namespace>/<name>`
    pub service: Box<str>,
    /// A cluster IP of it, by which the mesh knows it.
    pub addr: SocketAddr,
}

/// Why what came back is not one message of a gRPC server.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NotAnswer {
    #[error("its HTTP status is {0}")]
    Http(StatusCode),
    #[error("it is not gRPC")]
    NotGrpc,
    #[error("its gRPC status is {0:?}")]
    Grpc(String),
    #[error("it has no gRPC status, so that it may be a part of an answer")]
    NoStatus,
    #[error("it is not one message of the expected type")]
    Malformed,
}

/// Why nobody gave a usable answer.
#[derive(Debug, Error)]
pub enum NoAnswer<Unusable> {
    #[error("there is no service to ask")]
    NoService,
    #[error("{0}")]
    Call(#[from] CalloutError),
    #[error("the answer cannot be used: {0}")]
    Unusable(Unusable),
}

/// The same as metrics name it.
pub const CAUSES: [&str; 5] = ["no-service", "unreachable", "timeout", "too-many", "bad-answer"];

// === impl Asks ===

impl Asks {
    /// The call of `method` with `message`.
    pub fn call(&self, method: &'static str, message: &impl Message) -> Request<Bytes> {
        self.call_of(method, &message.encode_to_vec())
    }

    /// The call of `method` with a message that is bytes already.
    pub fn call_of(&self, method: &'static str, message: &[u8]) -> Request<Bytes> {
        let mut body = BytesMut::with_capacity(5 + message.len());
        body.put_u8(0);
        body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        body.put_slice(message);
        let mut call = self.post(method, HeaderValue::from_static("application/grpc"), body.freeze());
        call.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        call
    }

    /// A POST of `body` to `path`.
    pub fn post(&self, path: &'static str, kind: HeaderValue, body: Bytes) -> Request<Bytes> {
        let mut call = Request::new(body);
        *call.method_mut() = http::Method::POST;
        *call.uri_mut() = http::Uri::from_static(path);
        let host = match self.service.split_once('/') {
            Some((namespace, name)) => format!("{name}.{namespace}:{}", self.addr.port()),
            None => self.addr.to_string(),
        };
        let headers = call.headers_mut();
        headers.insert(HOST, HeaderValue::try_from(host).unwrap_or(HeaderValue::from_static("service")));
        headers.insert(CONTENT_TYPE, kind);
        call
    }
}

/// The one message that came back.
pub fn message<M: Message + Default>(response: &Response<Bytes>) -> Result<M, NotAnswer> {
    if response.status() != StatusCode::OK {
        return Err(NotAnswer::Http(response.status()));
    }
    let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !content_type.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
        return Err(NotAnswer::NotGrpc);
    }
    let trailers = response.extensions().get::<Trailers>().map(|Trailers(trailers)| trailers);
    let status = trailers.unwrap_or(response.headers()).get("grpc-status").ok_or(NotAnswer::NoStatus)?;
    if status != "0" {
        return Err(NotAnswer::Grpc(String::from_utf8_lossy(status.as_bytes()).into_owned()));
    }
    let mut body = response.body().clone();
    // Nothing is compressed, since no compression was offered.
    if body.len() < 5 || body.get_u8() != 0 || body.get_u32() as usize != body.len() {
        return Err(NotAnswer::Malformed);
    }
    M::decode(body).map_err(|_| NotAnswer::Malformed)
}

// === impl NoAnswer ===

impl<Unusable> NoAnswer<Unusable> {
    /// Its place in [`CAUSES`].
    pub fn cause(&self) -> usize {
        let name = match self {
            Self::NoService | Self::Call(CalloutError::NoDestination(_)) => "no-service",
            Self::Call(CalloutError::Failed(_)) => "unreachable",
            Self::Call(CalloutError::TooLate(_)) => "timeout",
            Self::Call(CalloutError::TooMany) => "too-many",
            Self::Call(CalloutError::BadAnswer) | Self::Unusable(_) => "bad-answer",
        };
        CAUSES.iter().position(|cause| *cause == name).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::wire::google::rpc::Status;

    fn framed(message: &Status) -> Vec<u8> {
        let message = message.encode_to_vec();
        [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), &message].concat()
    }

    /// What a gRPC server answers with `body`, and with the trailer `grpc-status`.
    fn response(body: Vec<u8>, grpc_status: Option<&str>) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(body));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc+proto"));
        let mut trailers = HeaderMap::new();
        if let Some(status) = grpc_status {
            trailers.insert("grpc-status", HeaderValue::from_str(status).unwrap());
        }
        response.extensions_mut().insert(Trailers(trailers));
        response
    }

    #[test]
    fn only_a_whole_answer_of_a_grpc_server_is_one() {
        let said = Status { code: 3, message: "yes".into(), ..Default::default() };
        let read = |response: Response<Bytes>| message::<Status>(&response);
        let yes = || framed(&said);
        assert_eq!(read(response(yes(), Some("0"))), Ok(said.clone()));
        let not = |response: Response<Bytes>| read(response).unwrap_err();
        assert_eq!(not(response(yes(), None)), NotAnswer::NoStatus);
        assert_eq!(not(response(yes(), Some("14"))), NotAnswer::Grpc("14".into()));
        assert_eq!(not(response(Vec::new(), Some("0"))), NotAnswer::Malformed);
        let mut twice = yes();
        twice.extend(yes());
        let mut compressed = yes();
        compressed[0] = 1;
        let mut half = yes();
        half.pop();
        let garbage = [&[0, 0, 0, 0, 4][..], b"\xff\xff\xff\xff"].concat();
        for body in [twice, compressed, half, garbage, vec![0, 0, 0]] {
            assert_eq!(not(response(body, Some("0"))), NotAnswer::Malformed);
        }
        let mut html = response(yes(), Some("0"));
        html.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        assert_eq!(not(html), NotAnswer::NotGrpc);
        let mut bad = response(yes(), Some("0"));
        *bad.status_mut() = StatusCode::BAD_GATEWAY;
        assert_eq!(not(bad), NotAnswer::Http(StatusCode::BAD_GATEWAY));
        let mut only_head = response(Vec::new(), None);
        only_head.extensions_mut().remove::<Trailers>();
        only_head.headers_mut().insert("grpc-status", HeaderValue::from_static("12"));
        assert_eq!(not(only_head), NotAnswer::Grpc("12".into()));
    }
}
