//! A peer with a good certificate that does not run our proxy: what it sends is its own choice.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, Response};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::harness::{LIMIT, Proxy, World, connect};
use crate::tcp::encode_header;
use crate::tls::{self, Alpn};

/// How a raw caller comes to the inbound half of a proxy: over one of a peer's three protocols, or in plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    H1,
    H2,
    Tunnel,
    Plain,
}

pub const WIRES: [Wire; 4] = [Wire::H1, Wire::H2, Wire::Tunnel, Wire::Plain];

/// A connection to the inbound half of `proxy`, as the receivers of these tests are called.
pub async fn dial(world: &World, proxy: &Proxy, alpn: Alpn) -> tls::ClientStream<TcpStream> {
    let client = tls::Client::new(world.ca.certs("shop", "web"));
    let tcp = connect(proxy.inbound).await;
    client.connect(tcp, &world.id("reviews"), &[alpn]).await.unwrap().0
}

/// The same for bytes, with the header that comes before them.
pub async fn dial_tunnel(world: &World, proxy: &Proxy) -> tls::ClientStream<TcpStream> {
    let mut io = dial(world, proxy, Alpn::Tcp).await;
    io.write_all(&encode_header("cluster/net/shop/reviews:8080/-")).await.unwrap();
    io
}

/// The same for HTTP/2.
pub async fn dial_h2(world: &World, proxy: &Proxy) -> SendRequest<Bytes> {
    let (sender, connection) = h2::client::handshake(dial(world, proxy, Alpn::H2).await).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The answer to `request`, which has no body, with what came of its body; `None`: the stream was reset.
pub async fn ask(sender: &SendRequest<Bytes>, request: Request<()>) -> Option<Response<Vec<u8>>> {
    let answered = async {
        let (answer, _) = sender.clone().ready().await.ok()?.send_request(request, true).ok()?;
        let (head, mut body) = answer.await.ok()?.into_parts();
        let mut all = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.ok()?;
            let _ = body.flow_control().release_capacity(data.len());
            all.extend_from_slice(&data);
        }
        Some(Response::from_parts(head, all))
    };
    tokio::time::timeout(LIMIT, answered).await.expect("an answer")
}
