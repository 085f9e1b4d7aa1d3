//! `httpGet` with the kubelet's rules: certificates are not checked, 200 to 399 is success, redirects are followed on
//! the same host, and a redirect to another host is a success with a note.

use std::net::IpAddr;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Asker, Destination, ProbeFailure, insecure};

const MAX_REDIRECTS: usize = 10;
/// The kubelet reads this much of an answer; an application may complain if nobody reads it.
const MAX_BODY: usize = 10 * 1024;

/// An HTTP GET.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpGetProbe {
    #[serde(default)]
    path: String,
    port: u16,
    #[serde(default)]
    scheme: Scheme,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    http_headers: Vec<Header>,
}

/// A header that the probe's author wants sent. `Host` sets the request's host.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Header {
    name: String,
    value: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Scheme {
    #[default]
    Http,
    Https,
}

/// One request of the chain that redirects make.
struct Step {
    scheme: Scheme,
    destination: Destination,
    path: PathAndQuery,
}

// === impl HttpGetProbe ===

impl HttpGetProbe {
    pub(super) async fn run(&self, pod_ip: IpAddr, asker: &Asker) -> Result<String, ProbeFailure> {
        let headers = self.headers(asker)?;
        let destination = Destination::new(self.host.as_deref(), pod_ip, self.port);
        let mut step = Step { scheme: self.scheme, path: self.path()?, destination };
        for _ in 0..=MAX_REDIRECTS {
            let answer = step.ask(&headers).await?;
            let status = answer.status();
            let next = match redirect(&answer) {
                Some(location) => step.follow(location)?,
                None => return judge(status),
            };
            if next.destination.host != step.destination.host {
                return Ok(format!("{status}: redirects to another host, which is not probed"));
            }
            step = next;
        }
        Err(ProbeFailure::TooManyRedirects(MAX_REDIRECTS))
    }

    fn path(&self) -> Result<PathAndQuery, ProbeFailure> {
        let path = if self.path.starts_with('/') { self.path.clone() } else { format!("/{}", self.path) };
        path.parse().map_err(|_| ProbeFailure::Invalid(format!("`{}` is no path of a URL", self.path)))
    }

    fn headers(&self, asker: &Asker) -> Result<HeaderMap, ProbeFailure> {
        let mut headers = HeaderMap::new();
        for Header { name, value } in &self.http_headers {
            let invalid = || ProbeFailure::Invalid(format!("`{name}` and its value are not an HTTP header"));
            let name = HeaderName::try_from(name.as_str()).map_err(|_| invalid())?;
            headers.append(name, HeaderValue::try_from(value.as_str()).map_err(|_| invalid())?);
        }
        headers.entry(header::USER_AGENT).or_insert_with(|| asker.user_agent.clone());
        // Absent means anything is welcome, and empty means that the header must not be sent.
        match headers.get(header::ACCEPT) {
            None => drop(headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"))),
            Some(value) if value.is_empty() => drop(headers.remove(header::ACCEPT)),
            Some(_) => {}
        }
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        Ok(headers)
    }
}

fn judge(status: StatusCode) -> Result<String, ProbeFailure> {
    if (200..400).contains(&status.as_u16()) {
        Ok(status.to_string())
    } else {
        Err(ProbeFailure::Status(status))
    }
}

/// Where a redirect that the kubelet follows leads.
fn redirect<B>(answer: &Response<B>) -> Option<&str> {
    let follows = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = answer.headers().get(header::LOCATION)?.to_str().ok()?;
    (follows && !location.is_empty()).then_some(location)
}

// === impl Step ===

impl Step {
    async fn ask(&self, headers: &HeaderMap) -> Result<Response<()>, ProbeFailure> {
        let stream = self.destination.connect().await?;
        match self.scheme {
            Scheme::Http => self.exchange(stream, headers).await,
            Scheme::Https => {
                let stream = insecure::connect(&self.destination.host, stream)
                    .await
                    .map_err(|error| self.destination.broken(error))?;
                self.exchange(stream, headers).await
            }
        }
    }

    async fn exchange<S>(&self, stream: S, headers: &HeaderMap) -> Result<Response<()>, ProbeFailure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let broken = |error: hyper::Error| self.destination.broken(describe(&error));
        let (mut sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let request = self.request(headers)?;
        let exchange = async {
            let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
            read_some(body).await;
            Ok(Response::from_parts(head, ()))
        };
        // The connection lives exactly as long as its one exchange.
        tokio::pin!(connection);
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            _ = &mut connection => exchange.await,
        }
    }

    fn request(&self, headers: &HeaderMap) -> Result<Request<Empty<Bytes>>, ProbeFailure> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::from(self.path.clone());
        *request.headers_mut() = headers.clone();
        if !headers.contains_key(header::HOST) {
            let host = HeaderValue::try_from(self.destination.to_string())
                .map_err(|_| ProbeFailure::Invalid(format!("`{}` is no host", self.destination)))?;
            request.headers_mut().insert(header::HOST, host);
        }
        Ok(request)
    }

    /// The next request; parts that `location` leaves out stay as they are.
    fn follow(&self, location: &str) -> Result<Self, ProbeFailure> {
        let invalid = || self.destination.broken("it redirects to what is not a URL");
        let location = self.absolute(location).parse::<Uri>().map_err(|_| invalid())?;
        let scheme = match location.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(invalid()),
        };
        let host = location.host().ok_or_else(invalid)?.trim_matches(['[', ']']).to_owned();
        let port = location.port_u16().unwrap_or(if scheme == Scheme::Https { 443 } else { 80 });
        let path = location.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        Ok(Self { scheme, destination: Destination { host, port }, path })
    }

    fn absolute(&self, location: &str) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let here = &self.destination;
        if location.contains("://") {
            location.to_owned()
        } else if let Some(rest) = location.strip_prefix("//") {
            format!("{scheme}://{rest}")
        } else if location.starts_with('/') {
            format!("{scheme}://{here}{location}")
        } else {
            let directory = self.path.path().rsplit_once('/').map_or("", |(directory, _)| directory);
            format!("{scheme}://{here}{directory}/{location}")
        }
    }
}

async fn read_some(mut body: Incoming) {
    let mut read = 0;
    while read < MAX_BODY {
        match body.frame().await {
            Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => return,
        }
    }
}

/// hyper names the stage; its source says what happened.
fn describe(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
