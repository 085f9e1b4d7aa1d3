//! HTTP applications and clients, plain as most are.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use weft_proxy::socket;

use super::netns::{APPLICATION, Pod, Running};
use super::peers::PATIENCE;

/// Which HTTP an application or a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http1,
    Http2,
}

/// A response with its body read.
pub struct Whole {
    pub head: http::response::Parts,
    pub body: String,
    pub trailers: Option<HeaderMap>,
}

/// An application that answers `<name> <method> <path> <body>`, with trailer `x-end: <name>` over HTTP/2.
pub fn application(pod: &Pod, port: u16, name: &'static str, version: Version) -> Running {
    serve(pod, port, version, move |request| async move {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        format!("{name} {} {} {}", head.method, head.uri.path(), String::from_utf8_lossy(&body))
    })
}

/// An application whose answer to `/slow` waits for `finish`; `arrived` says that it was asked.
pub fn slow_application(pod: &Pod, port: u16, arrived: Arc<Notify>, finish: Arc<Notify>) -> Running {
    serve(pod, port, Version::Http1, move |request| {
        let (arrived, finish) = (arrived.clone(), finish.clone());
        async move {
            if request.uri().path() == "/slow" {
                arrived.notify_one();
                finish.notified().await;
            }
            "done".to_owned()
        }
    })
}

/// An application that ends as a good one does at SIGTERM: after `stop` it accepts nothing more, answers what it has
/// begun and closes what is idle.
pub fn ending_application(pod: &Pod, port: u16, name: &'static str, stop: Arc<Notify>) -> Running {
    pod.start(APPLICATION, move |started| async move {
        let listener = TcpListener::from_std(socket::listen_everywhere(port).unwrap()).unwrap();
        started.send(()).unwrap();
        let (ending, ended) = watch::channel(());
        let accept = async {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(until_ended(stream, name, ended.clone()));
            }
        };
        tokio::select! {
            () = accept => {}
            () = stop.notified() => {}
        }
        drop(listener);
        drop(ended);
        ending.send_replace(());
        ending.closed().await;
    })
}

async fn until_ended(stream: TcpStream, name: &'static str, mut ended: watch::Receiver<()>) {
    let service = service_fn(|_| async move {
        // Long enough for an end to fall into it now and then.
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(name.as_bytes()))))
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        _ = ended.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

fn serve<H, F>(pod: &Pod, port: u16, version: Version, answer: H) -> Running
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = String> + 'static,
{
    pod.start(APPLICATION, move |started| async move {
        let listener = TcpListener::from_std(socket::listen_everywhere(port).unwrap()).unwrap();
        started.send(()).unwrap();
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let answer = answer.clone();
                    tokio::task::spawn_local(connection(stream, version, answer));
                }
            })
            .await;
    })
}

async fn connection<H, F>(stream: TcpStream, version: Version, answer: H)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = String> + 'static,
{
    let service = service_fn(|request| {
        let answer = answer(request);
        async move {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-end", HeaderValue::from_static("end"));
            let body = Full::new(Bytes::from(answer.await));
            let body = body.with_trailers(async move { Some(Ok::<_, Infallible>(trailers)) });
            Ok::<_, Infallible>(Response::new(body.boxed_unsync()))
        }
    });
    let io = TokioIo::new(stream);
    let _ = match version {
        Version::Http1 => hyper::server::conn::http1::Builder::new().serve_connection(io, service).await,
        Version::Http2 => {
            hyper::server::conn::http2::Builder::new(LocalExecutor).serve_connection(io, service).await
        }
    };
}

/// Spawns on the thread that serves.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// A connection to `address`, ready to be asked.
pub enum Client {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

// === impl Client ===

impl Client {
    pub async fn connect(address: SocketAddr, version: Version) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let io = TokioIo::new(stream);
        match version {
            Version::Http1 => {
                let (sender, connection) = http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                Self::Http1(sender)
            }
            Version::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
                tokio::spawn(connection);
                Self::Http2(sender)
            }
        }
    }

    /// Sends a request and reads the answer whole.
    pub async fn ask(&mut self, request: Request<&'static str>) -> hyper::Result<Whole> {
        let request = request.map(|body| Full::new(Bytes::from_static(body.as_bytes())));
        let answer = async {
            match self {
                Self::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Self::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        };
        let answer = tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time")?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned();
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Whole { head, body, trailers })
    }
}

/// One request from inside `pod`, over a connection of its own.
pub fn ask(pod: &Pod, address: SocketAddr, version: Version, request: Request<&'static str>) -> Whole {
    pod.run(APPLICATION, || async move {
        Client::connect(address, version).await.ask(request).await.expect("an answer")
    })
}

/// A GET of `path` at `address`.
pub fn get(address: SocketAddr, path: &str) -> Request<&'static str> {
    Request::get(format!("http://{address}{path}")).header("host", address.to_string()).body("").unwrap()
}
