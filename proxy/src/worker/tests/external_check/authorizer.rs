//! A server of `envoy.service.auth.v3.Authorization`, frame by frame, that answers as a test wants.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};

use crate::external_check::LONGEST_ANSWER;
use crate::wire::envoy::service::auth::v3 as auth;
use crate::wire::google::rpc;
use auth::check_response::HttpResponse;

/// What becomes of a question.
#[derive(Clone, Debug)]
pub enum Say {
    Answer(auth::CheckResponse),
    /// Nothing, and nothing ends.
    Hang,
    /// The stream is reset.
    Reset,
    /// The connection ends.
    Close,
    /// A message that is none.
    Garbage,
    /// More than anybody reads.
    Huge,
    /// A message of no bytes.
    Nothing,
    /// A good answer whose end is missing.
    NoTrailers,
    /// A good answer, but for this status of gRPC.
    Grpc(&'static str),
    /// This status of HTTP.
    Http(u16),
}

/// A running server.
pub struct Authorizer {
    pub addr: SocketAddr,
    questions: Arc<Mutex<Vec<auth::CheckRequest>>>,
}

pub fn allowed(ok: auth::OkHttpResponse) -> Say {
    let status = Some(rpc::Status::default());
    Say::Answer(auth::CheckResponse { status, http_response: Some(HttpResponse::OkResponse(ok)) })
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
    Say::Answer(auth::CheckResponse { status, http_response: Some(HttpResponse::DeniedResponse(denied)) })
}

pub fn header(key: &str, value: &str) -> auth::HeaderValueOption {
    let header = auth::HeaderValue { key: key.into(), value: value.into(), raw_value: Vec::new() };
    auth::HeaderValueOption { header: Some(header), ..Default::default() }
}

// === impl Authorizer ===

impl Authorizer {
    /// `say` is asked with the number of each question, from zero.
    pub async fn start(say: impl Fn(usize) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let questions = Arc::<Mutex<Vec<auth::CheckRequest>>>::default();
        let (say, asked) = (Arc::new(say), questions.clone());
        tokio::spawn(async move {
            loop {
                let (io, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(io, say.clone(), asked.clone()));
            }
        });
        Self { addr, questions }
    }

    /// Every question so far.
    pub fn questions(&self) -> Vec<auth::CheckRequest> {
        self.questions.lock().unwrap().clone()
    }
}

async fn serve(
    io: TcpStream,
    say: Arc<impl Fn(usize) -> Say>,
    questions: Arc<Mutex<Vec<auth::CheckRequest>>>,
) {
    let Ok(mut connection) = h2::server::handshake(io).await else { return };
    let mut held = Vec::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let question = {
            let mut reading = std::pin::pin!(read(request));
            // The connection has to go on for the body to arrive.
            std::future::poll_fn(|cx| {
                let read = reading.as_mut().poll(cx);
                if read.is_pending() && connection.poll_closed(cx).is_ready() {
                    return std::task::Poll::Ready(None);
                }
                read.map(Some)
            })
            .await
        };
        let Some(question) = question else { return };
        let index = {
            let mut questions = questions.lock().unwrap();
            questions.push(question);
            questions.len() - 1
        };
        match say(index) {
            Say::Close => return,
            Say::Hang => held.push(respond),
            said => answer(said, respond),
        }
    }
}

async fn read(request: Request<RecvStream>) -> auth::CheckRequest {
    let (head, mut body) = request.into_parts();
    assert_eq!(head.uri.path(), "/envoy.service.auth.v3.Authorization/Check");
    assert_eq!(
        (&head.headers["content-type"], &head.headers["te"]),
        (&HeaderValue::from_static("application/grpc"), &HeaderValue::from_static("trailers"))
    );
    let mut all = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    assert_eq!(all[0], 0, "not compressed");
    assert_eq!(u32::from_be_bytes(all[1..5].try_into().unwrap()) as usize, all.len() - 5);
    auth::CheckRequest::decode(&all[5..]).unwrap()
}

fn answer(said: Say, mut respond: SendResponse<Bytes>) {
    let good = || {
        let Say::Answer(good) = allowed(auth::OkHttpResponse::default()) else { unreachable!() };
        good.encode_to_vec()
    };
    let (mut code, mut status) = (200, Some("0"));
    let message = match said {
        Say::Answer(answer) => answer.encode_to_vec(),
        Say::Garbage => b"\xff\xff\xff".to_vec(),
        Say::Huge => vec![0; LONGEST_ANSWER],
        Say::Nothing => Vec::new(),
        Say::NoTrailers => {
            status = None;
            good()
        }
        Say::Grpc(other) => {
            status = Some(other);
            good()
        }
        Say::Http(other) => {
            code = other;
            good()
        }
        Say::Reset => return respond.send_reset(Reason::INTERNAL_ERROR),
        Say::Hang | Say::Close => unreachable!("decided before"),
    };
    let framed = [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), &message].concat();
    let mut response = Response::new(());
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap();
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    // Who asks may have left, or reads no further.
    let Ok(mut sending) = respond.send_response(response, false) else { return };
    let _ = sending.send_data(framed.into(), status.is_none());
    if let Some(status) = status {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(status));
        let _ = sending.send_trailers(trailers);
    }
}
