//! The application's end of a cell: it speaks what is spoken to it.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::callers::dechunk;
use super::cell::{Cell, FULL, Form, How, Place, Towards, Who};
use super::lane::ON_ITS_WAY;

/// What the application tells of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// What comes before the break has come, or was sent.
    Stage,
    /// The request was whole.
    Whole,
    /// The request broke off.
    Broken,
    /// Nobody waits for the answer any more.
    GivenUp,
}

#[derive(Clone)]
struct Application {
    cells: Arc<Vec<Cell>>,
    tell: mpsc::Sender<(usize, Told)>,
}

/// Its address.
pub async fn start(cells: Arc<Vec<Cell>>, tell: mpsc::Sender<(usize, Told)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let application = Application { cells, tell };
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            tokio::spawn(application.clone().connection(io));
        }
    });
    addr
}

// === impl Application ===

impl Application {
    fn tell(&self, cell: &Cell, told: Told) {
        // Who asked may have ended.
        let _ = self.tell.try_send((cell.id, told));
    }

    fn cell(&self, path: &str) -> Cell {
        self.cells[path.trim_start_matches('/').parse::<usize>().unwrap()]
    }

    async fn connection(self, mut io: TcpStream) {
        let mut first = [0; 4];
        while matches!(io.peek(&mut first).await, Ok(1..4)) {
            tokio::task::yield_now().await;
        }
        if &first == b"PRI " {
            return self.h2(io).await;
        }
        let mut got = Vec::new();
        while io.read_buf(&mut got).await.is_ok_and(|read| read > 0) {
            let Some(end) = got.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
            let head = String::from_utf8(got[..end].to_vec()).unwrap().to_ascii_lowercase();
            let cell = self.cell(head.split(' ').nth(1).unwrap());
            match cell.towards {
                Towards::Caller => self.answer(io, cell).await,
                Towards::Application => self.read(io, cell, &head, got.split_off(end + 4)).await,
            }
            return;
        }
    }

    async fn answer(self, mut io: TcpStream, cell: Cell) {
        let start = if cell.form == Form::Http10 { "HTTP/1.0 200 OK\r\n" } else { "HTTP/1.1 200 OK\r\n" };
        io.write_all(&cell.http1(start)).await.unwrap();
        if cell.who == Who::Application {
            return end(io, cell.how);
        }
        self.tell(&cell, Told::Stage);
        let mut rest = Vec::new();
        let _ = io.read_to_end(&mut rest).await;
        self.tell(&cell, Told::GivenUp);
    }

    async fn read(self, mut io: TcpStream, cell: Cell, head: &str, mut body: Vec<u8>) {
        let mut staged = false;
        loop {
            let (data, whole) = if head.contains("transfer-encoding: chunked") {
                dechunk(&body)
            } else {
                (body.clone(), body.len() >= FULL.len())
            };
            if whole {
                self.tell(&cell, Told::Whole);
                return io.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
            if !staged && data.len() >= cell.data().len() {
                staged = true;
                self.tell(&cell, Told::Stage);
                if cell.who == Who::Application {
                    return end(io, cell.how);
                }
            }
            if !io.read_buf(&mut body).await.is_ok_and(|read| read > 0) {
                return self.tell(&cell, Told::Broken);
            }
        }
    }

    async fn h2(self, io: TcpStream) {
        let mut connection = h2::server::handshake(io).await.unwrap();
        let (end, mut ended) = mpsc::channel(1);
        loop {
            tokio::select! {
                accepted = connection.accept() => {
                    let Some(Ok((request, respond))) = accepted else { return };
                    tokio::spawn(self.clone().stream(request, respond, end.clone()));
                }
                _ = ended.recv() => return,
            }
        }
    }

    async fn stream(self, request: Request<RecvStream>, respond: SendResponse<Bytes>, end: mpsc::Sender<()>) {
        let cell = self.cell(request.uri().path());
        let mut sending = Sending { respond, stream: None };
        match cell.towards {
            Towards::Caller => {
                if cell.place != Place::Head {
                    sending.begin(&cell);
                }
                if cell.who != Who::Application {
                    self.tell(&cell, Told::Stage);
                    sending.given_up().await;
                    return self.tell(&cell, Told::GivenUp);
                }
            }
            Towards::Application => {
                let mut body = request.into_body();
                let mut data = Vec::new();
                let mut staged = false;
                loop {
                    if !staged && data.len() >= cell.data().len() {
                        staged = true;
                        self.tell(&cell, Told::Stage);
                        if cell.who == Who::Application {
                            break;
                        }
                    }
                    match body.data().await {
                        Some(Ok(more)) => data.extend_from_slice(&more),
                        Some(Err(_)) => return self.tell(&cell, Told::Broken),
                        None => return self.tell(&cell, Told::Whole),
                    }
                }
            }
        }
        // `h2` throws away what has not left.
        sleep(ON_ITS_WAY).await;
        match cell.how {
            How::Code(code) => sending.reset(code),
            _ => end.send(()).await.unwrap(),
        }
    }
}

/// An answer.
struct Sending {
    respond: SendResponse<Bytes>,
    stream: Option<SendStream<Bytes>>,
}

// === impl Sending ===

impl Sending {
    fn begin(&mut self, cell: &Cell) {
        let mut response = Response::builder();
        if cell.is_grpc() {
            response = response.header("content-type", "application/grpc");
        }
        let mut stream = self.respond.send_response(response.body(()).unwrap(), false).unwrap();
        stream.send_data(cell.data().into(), false).unwrap();
        self.stream = Some(stream);
    }

    async fn given_up(&mut self) {
        let _ = poll_fn(|cx| match &mut self.stream {
            Some(stream) => stream.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        })
        .await;
    }

    fn reset(&mut self, code: h2::Reason) {
        match &mut self.stream {
            Some(stream) => stream.send_reset(code),
            None => self.respond.send_reset(code),
        }
    }
}

fn end(io: TcpStream, how: How) {
    if how == How::Reset {
        io.set_zero_linger().unwrap();
    }
}
