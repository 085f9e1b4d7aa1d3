//! Against servers and callers that are played frame by frame over real sockets.

mod bodies;
mod strangers;
mod trailers;

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use h2::Reason;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, LocalSet, spawn_blocking, spawn_local, yield_now};
use tokio::time::{Instant, advance, pause, timeout};

use super::sending::Pump;
use super::{Connection, Failed, Found, Goaways, Incoming, Pinged, Pool, serve};
use crate::http::farewell::Farewell;
use crate::http::{Body, Upload, WireError};
use crate::test_util::frame;

/// Of the time that tests move on.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` in the static table of HPACK.
const OK: [u8; 1] = [0x88];

/// SETTINGS_MAX_CONCURRENT_STREAMS = 2.
const TWO_STREAMS: [u8; 6] = [0, 3, 0, 0, 0, 2];
/// SETTINGS_INITIAL_WINDOW_SIZE = 0.
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

/// A server or a caller that says what it is told to.
struct Played {
    tcp: TcpStream,
    /// What the other side has said that its streams, and all of them together, may be sent to begin with.
    stream_window: usize,
    connection_window: usize,
}

impl Played {
    fn new(tcp: TcpStream) -> Self {
        Self { tcp, stream_window: 65_535, connection_window: 65_535 }
    }

    /// Waits for SETTINGS, takes their window and says so.
    async fn acknowledge_settings(&mut self) {
        loop {
            let (flags, _, settings) = self.next(SETTINGS).await;
            if flags & ACK == 0 {
                for setting in settings.chunks(6).filter(|setting| setting[..2] == [0, 4]) {
                    self.stream_window = u32::from_be_bytes(setting[2..].try_into().unwrap()) as usize;
                }
                return self.send(SETTINGS, ACK, 0, &[]).await;
            }
        }
    }

    /// The next frame of this kind: its flags, its stream and what it holds.
    async fn next(&mut self, wanted: u8) -> (u8, u32, Vec<u8>) {
        loop {
            let mut head = [0; 9];
            self.tcp.read_exact(&mut head).await.unwrap();
            let mut payload = vec![0; usize::from(head[1]) * 256 + usize::from(head[2])];
            self.tcp.read_exact(&mut payload).await.unwrap();
            if head[3] == WINDOW_UPDATE && head[5..] == [0; 4] {
                self.connection_window += u32::from_be_bytes(payload[..].try_into().unwrap()) as usize;
            }
            if head[3] == wanted {
                return (head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload);
            }
        }
    }

    /// Whether such a frame is there already.
    async fn has_got(&mut self, wanted: u8) -> bool {
        tokio::select! {
            biased;
            _ = self.next(wanted) => true,
            () = std::future::ready(()) => false,
        }
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.tcp.write_all(&frame(kind, flags, stream, payload)).await.unwrap();
    }
}

/// A connection to a server that has said hello.
async fn connected(pinged: Pinged) -> (Connection, Played) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialled = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut server = Played::new(listener.accept().await.unwrap().0);
    let connection = Connection::open(dialled.into(), pinged, Goaways::default()).await.unwrap();
    connection.count(1); // as its pool does for a request
    server.tcp.read_exact(&mut [0; 24]).await.unwrap(); // the preface
    server.send(SETTINGS, 0, 0, &[]).await;
    (connection, server)
}

/// A caller that has said hello, of a server that answers with `respond`.
async fn called<F>(
    respond: impl Fn(Request<Upload>) -> F + 'static,
    asked_to_end: impl Future<Output = Farewell> + 'static,
) -> (Played, JoinHandle<Result<(), h2::Error>>)
where
    F: Future<Output = Response<Body>> + 'static,
{
    called_and_counted(respond, asked_to_end, Goaways::default()).await
}

async fn called_and_counted<F>(
    respond: impl Fn(Request<Upload>) -> F + 'static,
    asked_to_end: impl Future<Output = Farewell> + 'static,
    goaways: Goaways,
) -> (Played, JoinHandle<Result<(), h2::Error>>)
where
    F: Future<Output = Response<Body>> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut caller = Played::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
    let accepted = listener.accept().await.unwrap().0;
    let served = spawn_local(async move { serve(accepted.into(), respond, asked_to_end, &goaways).await });
    caller.tcp.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    caller.send(SETTINGS, 0, 0, &[]).await;
    (caller, served)
}

/// `GET http://a/`, as HPACK has it.
const GET: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];

fn get() -> Request<Upload> {
    Request::get("http://a/").body(Upload::default()).unwrap()
}

/// A request with `body`, that of another message.
fn post(body: Incoming) -> Request<Upload> {
    let body = Upload::from(crate::http::Incoming::H2(body));
    Request::post("http://a/").body(body).unwrap()
}

/// A connection to a server that takes no byte of a body before it opens a window.
async fn connected_without_window() -> (Connection, Played) {
    let (connection, mut server) = connected(Pinged::No).await;
    server.send(SETTINGS, 0, 0, &NO_WINDOW).await;
    server.next(SETTINGS).await;
    settle().await;
    (connection, server)
}

/// An answer whose body goes on for as long as its server, which comes with it, likes.
async fn endless() -> (Incoming, Played, Connection) {
    let (connection, mut server) = connected(Pinged::No).await;
    let answered = async {
        let (_, stream, _) = server.next(HEADERS).await;
        server.send(HEADERS, END_HEADERS, stream, &OK).await;
    };
    let (answer, ()) = tokio::join!(connection.exchange(get()), answered);
    (answer.unwrap().into_body(), server, connection)
}

async fn run(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(async { timeout(LIMIT, test).await.expect("nothing hangs") }).await
}

/// Lets what the sockets hold arrive, while time stands still.
async fn settle() {
    let end = std::time::Instant::now() + Duration::from_millis(50);
    while std::time::Instant::now() < end {
        yield_now().await;
    }
}

/// Time that passes only as the test says. A task that blocks keeps tokio from moving on by itself.
struct Stopped(#[allow(dead_code, reason = "dropping it lets time go")] mpsc::Sender<()>);

fn stop_time() -> Stopped {
    let (end, ended) = mpsc::channel::<()>();
    spawn_blocking(move || ended.recv());
    pause();
    Stopped(end)
}

#[tokio::test]
async fn a_peer_that_owes_an_answer_and_answers_no_ping_is_gone() {
    run(async {
        let (connection, mut server) = connected(Pinged::Yes).await;
        let asking = spawn_local(async move { connection.exchange(get()).await });
        server.next(HEADERS).await;
        let (_stopped, begin) = (stop_time(), Instant::now());
        advance(Duration::from_millis(9_900)).await;
        settle().await;
        assert!(!server.has_got(PING).await, "pinged too early");
        advance(Duration::from_millis(200)).await;
        server.next(PING).await;
        advance(Duration::from_secs(4)).await;
        settle().await;
        assert!(!asking.is_finished(), "given up too early");
        advance(Duration::from_secs(2)).await;
        let failed = asking.await.unwrap().unwrap_err();
        assert!(matches!(&failed, Failed::Lost(error) if error.is_io()), "{failed:?}");
        assert!(begin.elapsed() < Duration::from_secs(17));
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_answers_pings_may_take_its_time() {
    run(async {
        let (connection, mut server) = connected(Pinged::Yes).await;
        let asking = spawn_local(async move { connection.exchange(get()).await });
        let (_, stream, _) = server.next(HEADERS).await;
        let stopped = stop_time();
        for _ in 0..6 {
            advance(Duration::from_millis(10_100)).await;
            let (_, _, ping) = server.next(PING).await;
            server.send(PING, ACK, 0, &ping).await;
            settle().await;
        }
        drop(stopped);
        server.send(HEADERS, END_HEADERS | END_STREAM, stream, &OK).await;
        assert_eq!(asking.await.unwrap().unwrap().status(), 200);
    })
    .await;
}

#[tokio::test]
async fn a_server_of_any_make_is_never_pinged_and_may_be_silent() {
    run(async {
        let (connection, mut server) = connected(Pinged::No).await;
        let asking = spawn_local(async move { connection.exchange(get()).await });
        let (_, stream, _) = server.next(HEADERS).await;
        let stopped = stop_time();
        for _ in 0..60 {
            advance(Duration::from_secs(10)).await;
        }
        settle().await;
        assert!(!server.has_got(PING).await);
        drop(stopped);
        server.send(HEADERS, END_HEADERS | END_STREAM, stream, &OK).await;
        assert_eq!(asking.await.unwrap().unwrap().status(), 200);
    })
    .await;
}

#[tokio::test]
async fn a_request_after_the_server_said_goodbye_is_handed_back() {
    run(async {
        let (connection, mut server) = connected(Pinged::No).await;
        assert!(connection.is_open());
        server.send(GOAWAY, 0, 0, &[0; 8]).await;
        while connection.is_open() {
            yield_now().await;
        }
        let request = Request::get("http://a/kept").body(Upload::default()).unwrap();
        match connection.exchange(request).await.unwrap_err() {
            Failed::Unsent(_, request) => assert_eq!(request.uri().path(), "/kept"),
            lost => panic!("{lost:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_takes_the_first_connection_until_its_streams_run_out() {
    run(async {
        let pool = Pool::default();
        let mut servers = Vec::new();
        for _ in 0..2 {
            let (connection, mut server) = connected(Pinged::No).await;
            connection.count(-1);
            server.send(SETTINGS, 0, 0, &TWO_STREAMS).await;
            pool.dial_ended(Ok((connection, None)));
            servers.push(server);
        }
        settle().await;
        let taken: Vec<_> = std::iter::from_fn(|| match pool.find() {
            Found::Stream(permit) => Some(permit),
            Found::MustDial | Found::Dialing => None,
        })
        .collect();
        let on: Vec<*const Connection> =
            taken.iter().map(|permit| std::ptr::from_ref(permit.connection())).collect();
        assert_eq!(on, [on[0], on[0], on[2], on[2]]);
        assert_ne!(on[0], on[2]);
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_nobody_holds_any_more_ends() {
    run(async {
        let (connection, mut server) = connected(Pinged::Yes).await;
        let answered = async {
            let (_, stream, _) = server.next(HEADERS).await;
            server.send(HEADERS, END_HEADERS | END_STREAM, stream, &OK).await;
        };
        let (answer, ()) = tokio::join!(connection.exchange(get()), answered);
        drop((connection, answer));
        server.next(GOAWAY).await;
    })
    .await;
}

#[tokio::test]
async fn a_peer_whose_answer_to_a_ping_is_read_late_is_not_gone() {
    run(async {
        let (connection, mut server) = connected(Pinged::Yes).await;
        let asking = spawn_local(async move { connection.exchange(get()).await });
        let (_, stream, _) = server.next(HEADERS).await;
        let stopped = stop_time();
        advance(Duration::from_millis(10_100)).await;
        let (_, _, ping) = server.next(PING).await;
        // Both are there at once when this process could not run for a while.
        server.tcp.try_write(&frame(PING, ACK, 0, &ping)).unwrap();
        std::thread::yield_now();
        advance(Duration::from_secs(6)).await;
        settle().await;
        assert!(!asking.is_finished());
        drop(stopped);
        server.send(HEADERS, END_HEADERS | END_STREAM, stream, &OK).await;
        assert_eq!(asking.await.unwrap().unwrap().status(), 200);
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_work_on_its_answer() {
    run(async {
        let (working, dropped) = oneshot::channel::<()>();
        let working = Cell::new(Some(working));
        let respond = move |_| {
            let working = working.take();
            async move {
                let _working = working;
                pending().await
            }
        };
        let (mut caller, _served) = called(respond, pending()).await;
        caller.send(HEADERS, END_HEADERS | END_STREAM, 1, &GET).await;
        settle().await;
        caller.send(RST_STREAM, 0, 1, &[0, 0, 0, 8]).await;
        assert!(dropped.await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_asked_to_end_answers_what_it_has() {
    run(async {
        let (answer, told) = oneshot::channel::<()>();
        let told = Cell::new(Some(told));
        let respond = move |_| {
            let told = told.take().unwrap();
            async move {
                told.await.unwrap();
                Response::new(Body::text("late"))
            }
        };
        let (end, asked) = oneshot::channel::<()>();
        let (mut caller, served) = called(respond, async {
            asked.await.unwrap();
            Farewell::Drain
        })
        .await;
        caller.send(HEADERS, END_HEADERS | END_STREAM, 1, &GET).await;
        settle().await;
        end.send(()).unwrap();
        caller.next(GOAWAY).await;
        answer.send(()).unwrap();
        let (flags, _, body) = caller.next(DATA).await;
        assert_eq!((flags, &*body), (END_STREAM, &b"late"[..]));
        // The first GOAWAY names no last stream; the second, after a ping is answered, does.
        caller.send(PING, ACK, 0, &[0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54]).await;
        served.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_answers_no_ping_is_gone_though_it_waits_for_nothing() {
    run(async {
        let (mut caller, served) = called(|_| pending(), pending()).await;
        settle().await;
        let _stopped = stop_time();
        advance(Duration::from_millis(29_000)).await;
        settle().await;
        assert!(!caller.has_got(PING).await, "pinged too early");
        advance(Duration::from_secs(2)).await;
        caller.next(PING).await;
        advance(Duration::from_secs(11)).await;
        served.await.unwrap().unwrap();
    })
    .await;
}
