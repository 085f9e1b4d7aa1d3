//! An application that answers by path.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use crate::http::Wire;

/// A running application.
pub struct App {
    pub addr: SocketAddr,
    connections: Arc<AtomicUsize>,
}

// === impl App ===

impl App {
    pub async fn start(wire: Wire) -> Self {
        Self::named(wire, "app").await
    }

    /// An application whose `/name` answers `name`.
    pub async fn named(wire: Wire, name: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        tokio::spawn(async move {
            loop {
                let io = TokioIo::new(listener.accept().await.unwrap().0);
                count.fetch_add(1, Ordering::SeqCst);
                let service =
                    service_fn(
                        move |request| async move { Ok::<_, Infallible>(answer(request, name).await) },
                    );
                match wire {
                    Wire::H1 => drop(tokio::spawn(
                        http1::Builder::new().serve_connection(io, service).with_upgrades(),
                    )),
                    Wire::H2 => drop(tokio::spawn(
                        http2::Builder::new(TokioExecutor::new()).serve_connection(io, service),
                    )),
                }
            }
        });
        Self { addr, connections }
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn answer(request: Request<Incoming>, name: &'static str) -> Response<BoxBody<Bytes, hyper::Error>> {
    if request.method() == http::Method::HEAD && request.version() == http::Version::HTTP_2 {
        // hyper sends the body of such a response too.
        return Response::new(text(""));
    }
    match request.uri().path() {
        "/echo" => Response::new(request.into_body().boxed()),
        "/head" => Response::new(text(format!(
            "{} {} {:?}\n{:#?}",
            request.method(),
            request.uri(),
            request.version(),
            request.headers()
        ))),
        "/trailers" => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("5"));
            let body = text("message").with_trailers(async { Some(Ok(trailers)) }).boxed();
            let mut response = Response::new(body);
            if request.version() < http::Version::HTTP_2 {
                response.headers_mut().insert("transfer-encoding", HeaderValue::from_static("chunked"));
            }
            response.headers_mut().insert("trailer", HeaderValue::from_static("grpc-status"));
            response
        }
        "/empty" => {
            let mut response = Response::new(text(""));
            *response.status_mut() = http::StatusCode::NO_CONTENT;
            response
        }
        // Answers when the request has ended.
        "/read" => match request.into_body().collect().await {
            Ok(_) => Response::new(text(name)),
            Err(error) => Response::new(text(error.to_string())),
        },
        _ => Response::new(text(name)),
    }
}

fn text(text: impl Into<Bytes>) -> BoxBody<Bytes, hyper::Error> {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}
