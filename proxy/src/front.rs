//! The front of the control plane: ends TLS and HTTP/2 of the port for proxies, and hands streams to the control plane over one
//! socket, which it has from its parent. Who may have what is for the control plane to judge; that whoever connects has a
//! certificate of the mesh, and how much of everything there may be, is judged here. See ADR 15.

mod budget;
mod certificates;
mod connection;
mod door;
pub mod frames;
mod gate;
mod hub;
mod intake;
mod messages;
mod outbox;
mod partial;
mod per_address;
mod rate;
mod stream;
mod streams;

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use budget::{Budget, OF_NODES, OF_PODS};
use frames::{Certificates, FrameError, Heard, LogLevel, Settings};
use hub::{Course, Hub, HubError};

use crate::log::Log;
use crate::socket;

/// Why the front ends before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// The parent gave no socket.
    #[error(
        "there is no socket of the control plane's: the control plane starts this command, nobody else: {0}"
    )]
    NoSocket(#[source] io::Error),
    /// The port cannot be opened.
    #[error("cannot listen for proxies: {0}")]
    Listen(#[source] io::Error),
    /// The control plane is gone.
    #[error("the control plane has ended the socket{}", .0.as_ref().map(|error| format!(": {error}")).unwrap_or_default())]
    Ended(Option<io::Error>),
    /// It does not begin as it should.
    #[error(
        "whoever has the other end of the socket does not begin as the control plane of this version does"
    )]
    Stranger,
    /// Bytes that are no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame that may not come now.
    #[error(transparent)]
    Hub(#[from] HubError),
}

/// Until the control plane has said how to listen.
const BEGIN: Duration = Duration::from_secs(10);
/// Read at once.
const CHUNK: usize = 64 * 1024;
/// How long the last frames may take at the end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Serves the control plane at the other end of [`socket::inherited`] until it says that it is enough, or is gone. It also says what
/// is logged.
pub async fn run(socket: io::Result<StdUnixStream>, log: &Log) -> Result<(), FrontError> {
    let socket = socket.map_err(FrontError::NoSocket)?;
    let socket = UnixStream::from_std(socket).map_err(FrontError::NoSocket)?;
    LocalSet::new().run_until(serve(socket, log)).await
}

async fn serve(socket: UnixStream, log: &Log) -> Result<(), FrontError> {
    let (mut from, to) = socket.into_split();
    let mut arrived = BytesMut::new();
    let began = timeout(BEGIN, begin(&mut from, &mut arrived)).await.map_err(|_| FrontError::Stranger)?;
    let (settings, certificates) = began?;
    // Every level there is makes a filter.
    drop(log.set(lines(settings.log_level)));
    let hub = Rc::new(Hub::new(&settings, &certificates)?);
    let listener = listen(&settings).map_err(FrontError::Listen)?;
    let port = listener.local_addr().map_err(FrontError::Listen)?.port();
    hub.outbox.send(frames::hello()).await;
    hub.outbox.send(frames::listening(port)).await;
    let budget = Budget::new(if settings.shared_addresses { OF_NODES } else { OF_PODS });
    let open = {
        let budget = budget.clone();
        move || budget.open()
    };
    spawn_local(door::accept(listener, budget.clone(), hub.clone()));
    let mut course = hub.course();
    tokio::select! {
        error = hear(&hub, &mut from, &mut arrived) => Err(error),
        error = hub.outbox.write_to(to) => Err(FrontError::Ended(Some(error))),
        _ = hub.look(&open) => Ok(()),
        _ = hub.tell() => Ok(()),
        _ = drained(&hub, &mut course, &open) => Ok(()),
    }
}

/// What is written of a level: nothing of other crates, which write lines about what peers send, as many as they send.
const fn lines(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace | LogLevel::Debug => "off,weft_proxy=debug",
        LogLevel::Info => "off,weft_proxy=info",
        LogLevel::Warn => "off,weft_proxy=warn",
        LogLevel::Error | LogLevel::Fatal => "off,weft_proxy=error",
        LogLevel::Silent => "off",
    }
}

/// The control plane speaks first.
async fn begin(
    from: &mut (impl AsyncRead + Unpin),
    arrived: &mut BytesMut,
) -> Result<(Settings, Certificates), FrontError> {
    let (first, second, third) =
        (next(from, arrived).await?, next(from, arrived).await?, next(from, arrived).await?);
    match (first, second, third) {
        (Heard::Hello, Heard::Settings(settings), Heard::Certificates(certificates)) => {
            Ok((*settings, *certificates))
        }
        _ => Err(FrontError::Stranger),
    }
}

async fn hear(hub: &Hub, from: &mut (impl AsyncRead + Unpin), arrived: &mut BytesMut) -> FrontError {
    loop {
        match next(from, arrived).await.and_then(|heard| Ok(hub.hear(heard)?)) {
            Ok(()) => {}
            Err(error) => return error,
        }
    }
}

async fn next(from: &mut (impl AsyncRead + Unpin), arrived: &mut BytesMut) -> Result<Heard, FrontError> {
    loop {
        if let Some(heard) = frames::next(arrived)? {
            return Ok(heard);
        }
        arrived.reserve(CHUNK);
        // The room of a large frame is not kept for those that follow, which are small.
        if arrived.is_empty() && arrived.capacity() > 4 * CHUNK {
            *arrived = BytesMut::with_capacity(CHUNK);
        }
        match from.read_buf(arrived).await {
            Ok(0) => return Err(FrontError::Ended(None)),
            Ok(_) => {}
            Err(error) => return Err(FrontError::Ended(Some(error))),
        }
    }
}

fn listen(settings: &Settings) -> io::Result<TcpListener> {
    TcpListener::from_std(socket::listen_alone(settings.host, settings.port)?)
}

/// When the control plane has said that it is enough, and the last connection has gone, or has had its time.
async fn drained(hub: &Hub, course: &mut watch::Receiver<Course>, open: &impl Fn() -> usize) {
    drop(course.wait_for(|course| course.draining).await);
    let gone = async {
        while open() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    drop(timeout(connection::DRAIN + Duration::from_millis(500), gone).await);
    let told = async {
        hub.tell_counts(open()).await;
        hub.outbox.flushed().await;
    };
    drop(timeout(LAST_WORDS, told).await);
}

#[cfg(test)]
mod tests;
