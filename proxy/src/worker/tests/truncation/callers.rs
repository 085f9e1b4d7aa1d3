//! The caller's end of a cell.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::cell::{Cell, How, Speaks, Towards, Who};

/// The time of a request that a deadline breaks off.
const DEADLINE: &str = "600";

/// A request under way.
pub struct Call {
    wire: Wire,
    /// What was read of the answer: with its head in HTTP/1, without in HTTP/2.
    got: Vec<u8>,
}

enum Wire {
    H1(TcpStream),
    H2 { answer: Answer, sending: SendStream<Bytes>, connection: JoinHandle<()> },
}

/// What there is of an answer in HTTP/2.
enum Answer {
    Awaited(ResponseFuture),
    Begun(Response<RecvStream>),
    Read,
}

/// What a caller saw of the answer.
#[derive(Debug)]
pub enum Seen {
    /// No head.
    Nothing,
    /// No end.
    Broken {
        data: Vec<u8>,
    },
    Whole {
        status: u16,
        grpc: Option<u16>,
    },
}

/// Sends what of its request comes before the break.
pub async fn begin(proxy: SocketAddr, cell: &Cell) -> Call {
    let mut io = TcpStream::connect(proxy).await.unwrap();
    if cell.is_h2() {
        return begin_h2(io, cell).await;
    }
    let version = if cell.speaks == Speaks::Http10 { "1.0" } else { "1.1" };
    let deadline = match cell.who {
        Who::Deadline => format!("x-weft-deadline: {DEADLINE}\r\n"),
        _ => String::new(),
    };
    let request = match cell.towards {
        Towards::Caller => {
            format!("GET /{} HTTP/{version}\r\nhost: a\r\n{deadline}\r\n", cell.id).into_bytes()
        }
        Towards::Application => {
            cell.http1(&format!("POST /{} HTTP/{version}\r\nhost: a\r\n{deadline}", cell.id))
        }
    };
    io.write_all(&request).await.unwrap();
    Call { wire: Wire::H1(io), got: Vec::new() }
}

async fn begin_h2(io: TcpStream, cell: &Cell) -> Call {
    let (client, connection) = h2::client::handshake(io).await.unwrap();
    let connection = tokio::spawn(async move { drop(connection.await) });
    let mut request = Request::post(format!("http://reviews:8080/{}", cell.id));
    if cell.is_grpc() {
        request = request.header("content-type", "application/grpc").header("te", "trailers");
    }
    if cell.who == Who::Deadline {
        request = match cell.is_grpc() {
            true => request.header("grpc-timeout", format!("{DEADLINE}m")),
            false => request.header("x-weft-deadline", DEADLINE),
        };
    }
    let request = request.body(()).unwrap();
    let mut client = client.ready().await.unwrap();
    let (answer, mut sending) = client.send_request(request, false).unwrap();
    match cell.towards {
        Towards::Caller => sending.send_data(cell.full().into(), true).unwrap(),
        Towards::Application => sending.send_data(cell.data().into(), false).unwrap(),
    }
    Call { wire: Wire::H2 { answer: Answer::Awaited(answer), sending, connection }, got: Vec::new() }
}

// === impl Call ===

impl Call {
    /// Breaks it off.
    pub async fn leave(self, how: How) {
        match (self.wire, how) {
            (Wire::H1(io), how) => {
                if how == How::Reset {
                    io.set_zero_linger().unwrap();
                }
            }
            (Wire::H2 { mut sending, answer, connection }, How::Code(code)) => {
                sending.send_reset(code);
                // Its connection goes on, as that of a caller would.
                drop((sending, answer));
                tokio::spawn(connection);
            }
            (Wire::H2 { connection, .. }, _) => connection.abort(),
        }
    }

    /// Reads until all of the answer is there that comes before it breaks off.
    pub async fn reach(&mut self, cell: &Cell) {
        let (wanted, got) = (cell.data().len(), &mut self.got);
        match &mut self.wire {
            Wire::H1(io) => {
                while data(got).is_none_or(|data| data.len() < wanted) {
                    assert_ne!(io.read_buf(got).await.unwrap(), 0);
                }
            }
            Wire::H2 { answer, .. } => {
                answer.begin().await;
                let Answer::Begun(response) = answer else { panic!("no answer") };
                while got.len() < wanted {
                    got.extend_from_slice(&response.body_mut().data().await.unwrap().unwrap());
                }
            }
        }
    }

    /// Waits for the end of the answer.
    pub async fn seen(&mut self) -> Seen {
        let got = std::mem::take(&mut self.got);
        match &mut self.wire {
            Wire::H1(io) => seen_h1(io, got).await,
            Wire::H2 { answer, .. } => {
                answer.begin().await;
                match std::mem::replace(answer, Answer::Read) {
                    Answer::Begun(response) => seen_h2(response, got).await,
                    _ => Seen::Nothing,
                }
            }
        }
    }
}

// === impl Answer ===

impl Answer {
    async fn begin(&mut self) {
        if let Self::Awaited(answer) = self {
            *self = answer.await.map_or(Self::Read, Self::Begun);
        }
    }
}

async fn seen_h1(io: &mut TcpStream, mut got: Vec<u8>) -> Seen {
    loop {
        if let Some(whole) = whole(&got, None) {
            return whole;
        }
        match io.read_buf(&mut got).await {
            Ok(0) => return whole(&got, Some(true)).unwrap_or(Seen::Nothing),
            Err(_) => return whole(&got, Some(false)).unwrap_or(Seen::Nothing),
            Ok(_) => {}
        }
    }
}

/// The data of an answer, once its head is there.
fn data(got: &[u8]) -> Option<Vec<u8>> {
    match whole(got, Some(false))? {
        Seen::Broken { data } => Some(data),
        seen => panic!("{seen:?}"),
    }
}

/// What `got` is, if that can be said; `ended` once the connection has, as it should or not.
fn whole(got: &[u8], ended: Option<bool>) -> Option<Seen> {
    let end = got.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&got[..end]).to_ascii_lowercase();
    let body = &got[end..];
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let (data, complete) = match head.split("content-length: ").nth(1) {
        Some(length) => (body.to_vec(), body.len() >= length.lines().next()?.parse().ok()?),
        None if head.contains("transfer-encoding: chunked") => dechunk(body),
        None => (body.to_vec(), ended == Some(true)),
    };
    match (complete, ended) {
        (true, _) => Some(Seen::Whole { status, grpc: None }),
        (false, Some(_)) => Some(Seen::Broken { data }),
        (false, None) => None,
    }
}

/// The data, and whether the last chunk and the end of its trailers are there.
pub fn dechunk(mut body: &[u8]) -> (Vec<u8>, bool) {
    let mut data = Vec::new();
    loop {
        let Some(line) = body.windows(2).position(|bytes| bytes == b"\r\n") else { return (data, false) };
        let size = usize::from_str_radix(&String::from_utf8_lossy(&body[..line]), 16).unwrap();
        body = &body[line + 2..];
        if size == 0 {
            return (data, body.starts_with(b"\r\n") || body.windows(4).any(|bytes| bytes == b"\r\n\r\n"));
        }
        data.extend_from_slice(&body[..size.min(body.len())]);
        let Some(rest) = body.get(size + 2..) else { return (data, false) };
        body = rest;
    }
}

async fn seen_h2(answer: Response<RecvStream>, got: Vec<u8>) -> Seen {
    let (head, mut body) = answer.into_parts();
    let (data, trailers) = read(&mut body, got).await;
    let Some(trailers) = trailers else { return Seen::Broken { data } };
    let grpc = trailers.get("grpc-status").or(head.headers.get("grpc-status"));
    let grpc = grpc.map(|status| status.to_str().unwrap().parse().unwrap());
    Seen::Whole { status: head.status.as_u16(), grpc }
}

/// All of a body, of which `data` was read, and its trailers if it ends as it should.
async fn read(body: &mut RecvStream, mut data: Vec<u8>) -> (Vec<u8>, Option<HeaderMap>) {
    loop {
        match body.data().await {
            Some(Ok(more)) => data.extend_from_slice(&more),
            Some(Err(_)) => return (data, None),
            None => return (data, body.trailers().await.ok().map(Option::unwrap_or_default)),
        }
    }
}
