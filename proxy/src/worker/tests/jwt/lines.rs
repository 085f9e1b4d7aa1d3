//! Connections of a raw caller, one over each wire.

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::tls::Alpn;
use crate::worker::tests::harness::{Proxy, World, connect, read_response};
use crate::worker::tests::peer::{self, Wire};

/// What a caller is told: status, reason, challenge.
pub type Told = (u16, String, String);

pub type Headers = Vec<(&'static str, String)>;

trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// A connection of a raw caller over each wire.
pub struct Lines {
    h1: Box<dyn Io>,
    h2: SendRequest<Bytes>,
    tunnel: Box<dyn Io>,
    plain: Box<dyn Io>,
}

impl Lines {
    pub async fn open(world: &World, receiver: &Proxy) -> Self {
        Self {
            h1: Box::new(peer::dial(world, receiver, Alpn::H1).await),
            h2: peer::dial_h2(world, receiver).await,
            tunnel: Box::new(peer::dial_tunnel(world, receiver).await),
            plain: Box::new(connect(receiver.inbound).await),
        }
    }

    /// What a request with these headers is told.
    pub async fn told(&mut self, wire: Wire, headers: &Headers) -> Told {
        let io = match wire {
            Wire::H1 => &mut self.h1,
            Wire::Tunnel => &mut self.tunnel,
            Wire::Plain => &mut self.plain,
            Wire::H2 => {
                let request = Request::get("http://a/").header("x-weft-proto", "http/1.1");
                let request =
                    headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
                let answer = peer::ask(&self.h2, request.body(()).unwrap()).await.unwrap();
                let text = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
                let [reason, challenge] = ["x-weft-reason", "www-authenticate"].map(text);
                let challenge = challenge.unwrap_or_default().to_ascii_lowercase();
                return (answer.status().as_u16(), reason.unwrap_or_default(), challenge);
            }
        };
        let lines = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let text = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", lines.collect::<String>());
        io.write_all(text.as_bytes()).await.unwrap();
        let (head, _) = read_response(io).await;
        let field =
            |name: &str| head.split(name).nth(1).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, field("x-weft-reason: ").to_owned(), field("www-authenticate: ").to_owned())
    }
}
