//! A gRPC server for one unary method, frame by frame, that answers as a test wants: one that proxies ask about requests.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};

use crate::asking::LONGEST_ANSWER;

/// What becomes of a question.
#[derive(Clone, Debug)]
pub enum Say {
    Answer(Vec<u8>),
    /// Nothing, and nothing ends.
    Hang,
    /// A good answer up to its last byte, and nothing ends.
    Stop,
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

/// What a server does that gives no usable answer, and the cause that is counted.
pub const FAILURES: [(Say, &str); 10] = [
    (Say::Reset, "unreachable"),
    (Say::Close, "unreachable"),
    (Say::Garbage, "bad-answer"),
    (Say::Huge, "bad-answer"),
    (Say::Nothing, "bad-answer"),
    (Say::NoTrailers, "bad-answer"),
    (Say::Grpc("14"), "bad-answer"),
    (Say::Http(503), "bad-answer"),
    (Say::Hang, "timeout"),
    (Say::Stop, "timeout"),
];

/// What is asked, and what a good answer is.
#[derive(Clone, Debug)]
pub struct Method {
    pub path: &'static str,
    pub good: Vec<u8>,
}

/// What came, in its order.
type Kept<T> = Arc<Mutex<Vec<T>>>;

/// A running server.
pub struct GrpcServer {
    pub addr: SocketAddr,
    questions: Kept<Bytes>,
    heads: Kept<HeaderMap>,
}

// === impl GrpcServer ===

impl GrpcServer {
    /// `say` is asked with the number of each question, from zero, and with its message.
    pub async fn start(method: Method, say: impl Fn(usize, Bytes) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let questions = Kept::<Bytes>::default();
        let heads = Kept::<HeaderMap>::default();
        let (say, asked, seen) = (Arc::new(say), questions.clone(), heads.clone());
        tokio::spawn(async move {
            loop {
                let (io, _) = listener.accept().await.unwrap();
                let kept = (asked.clone(), seen.clone());
                tokio::spawn(serve(io, method.clone(), say.clone(), kept));
            }
        });
        Self { addr, questions, heads }
    }

    /// The header of that name of every question that had it.
    pub fn headers(&self, name: &str) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        heads.iter().filter_map(|head| Some(head.get(name)?.to_str().unwrap().to_owned())).collect()
    }

    /// Every question so far.
    pub fn questions<M: Message + Default>(&self) -> Vec<M> {
        let questions = self.questions.lock().unwrap();
        questions.iter().map(|question| M::decode(question.clone()).unwrap()).collect()
    }
}

async fn serve(
    io: TcpStream,
    method: Method,
    say: Arc<impl Fn(usize, Bytes) -> Say>,
    (questions, heads): (Kept<Bytes>, Kept<HeaderMap>),
) {
    let Ok(mut connection) = h2::server::handshake(io).await else { return };
    let (mut unanswered, mut unfinished) = (Vec::new(), Vec::new());
    while let Some(Ok((request, respond))) = connection.accept().await {
        heads.lock().unwrap().push(request.headers().clone());
        let question = {
            let mut reading = std::pin::pin!(read(method.path, request));
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
            questions.push(question.clone());
            questions.len() - 1
        };
        match say(index, question) {
            Say::Close => return,
            Say::Hang => unanswered.push(respond),
            said => unfinished.extend(answer(said, &method, respond)),
        }
    }
}

async fn read(path: &str, request: Request<RecvStream>) -> Bytes {
    let (head, mut body) = request.into_parts();
    assert_eq!(head.uri.path(), path);
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
    Bytes::from(all).slice(5..)
}

/// Gives what has to be kept open.
fn answer(said: Say, method: &Method, mut respond: SendResponse<Bytes>) -> Option<SendStream<Bytes>> {
    let good = || method.good.clone();
    let (mut code, mut status, mut ends) = (200, Some("0"), true);
    let message = match said {
        Say::Answer(answer) => answer,
        Say::Garbage => b"\xff\xff\xff".to_vec(),
        Say::Huge => vec![0; LONGEST_ANSWER],
        Say::Nothing => Vec::new(),
        Say::NoTrailers => {
            status = None;
            good()
        }
        Say::Stop => {
            (status, ends) = (None, false);
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
        Say::Reset => {
            respond.send_reset(Reason::INTERNAL_ERROR);
            return None;
        }
        Say::Hang | Say::Close => unreachable!("decided before"),
    };
    let framed = [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), &message].concat();
    let mut response = Response::new(());
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap();
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    // Who asks may have left, or reads no further.
    let mut sending = respond.send_response(response, false).ok()?;
    let _ = sending.send_data(framed.into(), ends && status.is_none());
    if let Some(status) = status {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(status));
        let _ = sending.send_trailers(trailers);
    }
    (!ends).then_some(sending)
}
