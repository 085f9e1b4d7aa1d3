//! A server of `envoy.service.ratelimit.v3.RateLimitService` that counts, or answers as a test wants.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use prost::Message;

use super::super::grpc_server::{GrpcServer, Method, Say};
use crate::wire::envoy::service::ratelimit::v3 as rls;
use rls::rate_limit_response::{Code, DescriptorStatus, RateLimit, rate_limit::Unit};

/// A running server.
pub struct Counter {
    pub addr: SocketAddr,
    server: GrpcServer,
}

/// An answer of `code` about limits that stand so.
pub fn said(code: Code, statuses: Vec<DescriptorStatus>) -> rls::RateLimitResponse {
    rls::RateLimitResponse { overall_code: code.into(), statuses, ..Default::default() }
}

pub fn say(answer: rls::RateLimitResponse) -> Say {
    Say::Answer(answer.encode_to_vec())
}

/// A limit of 100 an hour of which so much is left, and which is whole again in 30 seconds.
pub fn status(code: Code, left: u32) -> DescriptorStatus {
    DescriptorStatus {
        code: code.into(),
        current_limit: Some(RateLimit {
            requests_per_unit: 100,
            unit: Unit::Hour.into(),
            unit_multiplier: None,
        }),
        limit_remaining: left,
        duration_until_reset: Some(prost_types::Duration { seconds: 29, nanos: 500_000_000 }),
    }
}

pub fn header(key: &str, value: &str) -> rls::HeaderValue {
    rls::HeaderValue { key: key.into(), value: value.into(), raw_value: Vec::new() }
}

// === impl Counter ===

impl Counter {
    /// `say` is asked with the number of each question, from zero.
    pub async fn start(say: impl Fn(usize) -> Say + Send + Sync + 'static) -> Self {
        Self::hearing(move |index, _| say(index)).await
    }

    /// One that lets in what each descriptor asks for, as the reference implementation counts: by its entries, all that is asked about, for
    /// a time that does not end.
    pub async fn counting() -> Self {
        let counted = Mutex::<HashMap<String, u64>>::default();
        Self::hearing(move |_, question| {
            let mut counted = counted.lock().unwrap();
            let statuses: Vec<_> = question
                .descriptors
                .iter()
                .map(|descriptor| {
                    let hits = descriptor.hits_addend.unwrap_or(question.hits_addend.max(1).into());
                    let limit = u64::from(descriptor.limit.as_ref().unwrap().requests_per_unit);
                    let count = counted.entry(format!("{:?}", descriptor.entries)).or_default();
                    *count += hits;
                    let code = if *count > limit { Code::OverLimit } else { Code::Ok };
                    status(code, u32::try_from(limit.saturating_sub(*count)).unwrap())
                })
                .collect();
            let over = statuses.iter().any(|status| status.code() == Code::OverLimit);
            say(said(if over { Code::OverLimit } else { Code::Ok }, statuses))
        })
        .await
    }

    async fn hearing(say: impl Fn(usize, rls::RateLimitRequest) -> Say + Send + Sync + 'static) -> Self {
        let path = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
        let method = Method { path, good: said(Code::Ok, Vec::new()).encode_to_vec() };
        let server = GrpcServer::start(method, move |index, question| {
            say(index, rls::RateLimitRequest::decode(question).unwrap())
        })
        .await;
        Self { addr: server.addr, server }
    }

    /// Every question so far.
    pub fn questions(&self) -> Vec<rls::RateLimitRequest> {
        self.server.questions()
    }
}
