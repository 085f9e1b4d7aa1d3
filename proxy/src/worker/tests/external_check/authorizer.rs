//! A server of `envoy.service.auth.v3.Authorization` that answers as a test wants.

use std::net::SocketAddr;

use prost::Message;

use super::super::grpc_server::{GrpcServer, Method, Say};
use crate::wire::envoy::service::auth::v3 as auth;
use crate::wire::google::rpc;
use auth::check_response::HttpResponse;

/// A running server.
pub struct Authorizer {
    pub addr: SocketAddr,
    server: GrpcServer,
}

pub fn allowed(ok: auth::OkHttpResponse) -> Say {
    let status = Some(rpc::Status::default());
    say(auth::CheckResponse { status, http_response: Some(HttpResponse::OkResponse(ok)) })
}

pub fn denied(code: i32) -> Say {
    denied_with(code, "", &[])
}

pub fn denied_with(code: i32, body: &str, headers: &[(&str, &str)]) -> Say {
    let denied = auth::DeniedHttpResponse {
        status: Some(auth::HttpStatus { code }),
        headers: headers.iter().map(|(name, value)| header(name, value)).collect(),
        body: body.to_owned(),
    };
    let status = Some(rpc::Status { code: 7, ..Default::default() });
    say(auth::CheckResponse { status, http_response: Some(HttpResponse::DeniedResponse(denied)) })
}

pub fn header(key: &str, value: &str) -> auth::HeaderValueOption {
    let header = auth::HeaderValue { key: key.into(), value: value.into(), raw_value: Vec::new() };
    auth::HeaderValueOption { header: Some(header), ..Default::default() }
}

fn say(answer: auth::CheckResponse) -> Say {
    Say::Answer(answer.encode_to_vec())
}

// === impl Authorizer ===

impl Authorizer {
    /// `say` is asked with the number of each question, from zero.
    pub async fn start(say: impl Fn(usize) -> Say + Send + Sync + 'static) -> Self {
        let Say::Answer(good) = allowed(auth::OkHttpResponse::default()) else { unreachable!() };
        let method = Method { path: "/envoy.service.auth.v3.Authorization/Check", good };
        let server = GrpcServer::start(method, move |index, _| say(index)).await;
        Self { addr: server.addr, server }
    }

    /// Every question so far.
    pub fn questions(&self) -> Vec<auth::CheckRequest> {
        self.server.questions()
    }
}
