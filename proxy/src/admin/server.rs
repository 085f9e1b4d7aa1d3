//! The small HTTP/1.1 server behind probes, metrics and administration. It runs on the control runtime, away from the
//! data path, and bounds what strangers can do to it, since two of its ports are open to the whole cluster.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use crate::places::{Place, Places, Room};
use crate::telemetry::tap::Watch;

/// A client that does not finish its request head in this time is dropped; so is one that idles between requests. A kubelet
/// sends its head at once, and a scraper connects again.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections of each port. The kubelet opens one for each probe, a scraper one.
pub(crate) const ROOM: Room = Room { most: 256, of_one_address: 16, of_loopback: 16 };
/// How long to wait where there is nothing to accept a connection with.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(10);
/// hyper's minimum: heads here are small.
const BUFFER_SIZE: usize = 8 * 1024;

/// What is answered.
pub type Answer = Response<Content>;

/// Known before it is sent, or told as it comes.
#[derive(Debug)]
pub enum Content {
    Whole(Full<Bytes>),
    Watch(Box<Watch>),
}

/// Where clients connect; non-blocking.
#[derive(Debug)]
pub enum Listener {
    /// A port.
    Port(std::net::TcpListener),
    /// A socket in the file system, which only the user of the proxy may open.
    Socket(std::os::unix::net::UnixListener),
}

/// A [`Listener`] of the runtime.
enum Open {
    Port(TcpListener),
    Socket(UnixListener),
}

/// A client's connection.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Marks an answer in whose place the connection is closed without a word.
#[derive(Clone, Copy, Debug)]
struct HangUp;

/// Closes the connection unanswered: for a client that takes any answer, whatever its status, for success.
pub fn hang_up() -> Answer {
    let mut answer = Response::new(Content::Whole(Full::default()));
    answer.extensions_mut().insert(HangUp);
    answer
}

/// Serves `handle` on a non-blocking listener, for ever: no error of `accept` is a reason to stop, since the kernel passes on
/// what befell a single connection, and what it lacks comes back.
pub async fn serve<H, F>(listener: impl Into<Listener>, handle: H) -> io::Result<()>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send,
{
    let listener = listener.into().open()?;
    let places = Places::new(ROOM);
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "the admin server cannot accept; trying again in {ACCEPT_BACKOFF:?}");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
                continue;
            }
        };
        let Some(place) = places.take(from) else {
            tracing::debug!(%from, "refused a client of the admin server: too many are being answered");
            continue;
        };
        let handle = handle.clone();
        tokio::spawn(async move { serve_connection(stream, Arc::new(place), handle).await });
    }
}

// === impl Content ===

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Whole(Full::new(Bytes::from(text)))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(cx),
            Self::Watch(watch) => Pin::new(watch.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Watch(watch) => watch.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Watch(watch) => watch.size_hint(),
        }
    }
}

// === impl Listener ===

impl From<std::net::TcpListener> for Listener {
    fn from(port: std::net::TcpListener) -> Self {
        Self::Port(port)
    }
}

impl From<std::os::unix::net::UnixListener> for Listener {
    fn from(socket: std::os::unix::net::UnixListener) -> Self {
        Self::Socket(socket)
    }
}

impl Listener {
    fn open(self) -> io::Result<Open> {
        Ok(match self {
            Self::Port(listener) => Open::Port(TcpListener::from_std(listener)?),
            Self::Socket(listener) => Open::Socket(UnixListener::from_std(listener)?),
        })
    }
}

impl Open {
    /// The next client, and where it is.
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, IpAddr)> {
        Ok(match self {
            Self::Port(listener) => {
                let (stream, from) = listener.accept().await?;
                (Box::new(stream), from.ip())
            }
            Self::Socket(listener) => (Box::new(listener.accept().await?.0), Ipv4Addr::LOCALHOST.into()),
        })
    }
}

/// Text for a person or a scraper, with a newline at its end.
pub fn text(status: StatusCode, body: impl Into<String>) -> Answer {
    let mut body = body.into();
    if !body.ends_with('\n') {
        body.push('\n');
    }
    let mut answer = Response::new(Content::from(body));
    *answer.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    answer
}

async fn serve_connection<H, F>(stream: Box<dyn Stream>, place: Arc<Place>, handle: H)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Answer>,
{
    let answering = place.clone();
    let service = service_fn(move |request| {
        let asking = answering.asking();
        let answer = handle(request);
        async move {
            let answer = answer.await;
            drop(asking);
            match answer.extensions().get::<HangUp>() {
                Some(HangUp) => Err(io::Error::other("closed unanswered, on purpose")),
                None => Ok(answer),
            }
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_SIZE)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        served = served => if let Err(error) = served {
            tracing::debug!(%error, "a client of the admin server went away");
        },
        () = place.given_up() => tracing::debug!("a silent client of the admin server made room for another"),
    }
}
