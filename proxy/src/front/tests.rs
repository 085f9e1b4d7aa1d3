//! Connections and streams with a clock that stands still unless everybody waits, and the whole of it over TLS.

mod connections;
mod streams;
mod whole;

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::Request;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, DuplexStream, duplex, sink};
use tokio::task::{JoinHandle, spawn_local};

use super::connection;
use super::frames::{Certificates, LogLevel, Settings};
use super::hub::Hub;
use super::intake::{Counted, Intake};
use super::stream::Peer;
use crate::identity::pem;
use crate::test_util::{TestCa, hour_around_now};

const PATH: &str = "/a.B/C";
const HOUR: Duration = Duration::from_secs(3600);
const CONTROL_PLANE: &str = "spiffe://cluster.local/ns/weft-system/sa/weft";

fn settings() -> Settings {
    Settings {
        host: Some("127.0.0.1".parse().unwrap()),
        port: 0,
        trust_domain: "cluster.local".to_owned(),
        shared_addresses: false,
        paths: vec![PATH.to_owned()],
        log_level: LogLevel::Silent,
    }
}

fn certificates(ca: &TestCa) -> Certificates {
    let (chain, key): (Vec<CertificateDer<'_>>, PrivateKeyDer<'_>) =
        ca.issue(&[CONTROL_PLANE], hour_around_now());
    Certificates {
        chain: chain.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect(),
        private_key: pem("PRIVATE KEY", key.secret_der()),
        roots: ca.bundle_pem(),
    }
}

/// What connections share; what it has to say goes nowhere.
fn a_hub() -> Rc<Hub> {
    let hub = Rc::new(Hub::new(&settings(), &certificates(&TestCa::new("cluster.local"))).unwrap());
    let outbox = hub.clone();
    spawn_local(async move { outbox.outbox.write_to(sink()).await });
    hub
}

/// A connection that has its handshake behind it, and the peer's end of it.
fn raw(hub: &Rc<Hub>, left: Duration) -> (DuplexStream, JoinHandle<()>) {
    let (near, far) = duplex(256 * 1024);
    let intake = Intake::new();
    let io = Counted::new(near, intake.clone());
    let peer =
        Peer { address: "10.0.0.1".parse().unwrap(), leaf: CertificateDer::from(vec![48, 1, 0]), intake };
    (far, spawn_local(connection::serve(io, peer, left, hub.clone())))
}

/// A client of HTTP/2 that answers pings, and the connection that serves it.
async fn client(hub: &Rc<Hub>, left: Duration) -> (SendRequest<Bytes>, JoinHandle<()>) {
    let (far, served) = raw(hub, left);
    let (requests, connection) = h2::client::handshake(far).await.unwrap();
    spawn_local(async move { drop(connection.await) });
    (requests, served)
}

fn a_request() -> Request<()> {
    let uri = format!("https://weft{PATH}");
    Request::post(uri).header("content-type", "application/grpc").body(()).unwrap()
}

async fn open(requests: &mut SendRequest<Bytes>) -> (ResponseFuture, SendStream<Bytes>) {
    poll_fn(|cx| requests.poll_ready(cx)).await.unwrap();
    requests.send_request(a_request(), false).unwrap()
}

fn grpc(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put_slice(message);
    framed.freeze()
}

/// Sends as the other end reads.
async fn send(out: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        out.reserve_capacity(bytes.len());
        let Some(capacity) = poll_fn(|cx| out.poll_capacity(cx)).await else { return Ok(()) };
        let room = capacity?.min(bytes.len());
        out.send_data(bytes.split_to(room), false)?;
    }
    Ok(())
}

/// Everything of a body, and the status behind it.
async fn read(body: &mut RecvStream) -> Result<(usize, String), h2::Error> {
    let mut length = 0;
    while let Some(data) = body.data().await {
        let data = data?;
        length += data.len();
        body.flow_control().release_capacity(data.len())?;
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    let status = trailers.get("grpc-status").map(|code| code.to_str().unwrap().to_owned());
    Ok((length, status.unwrap_or_default()))
}

/// A frame that the front has sent: stream, kind, bytes.
async fn heard(from: &mut (impl AsyncReadExt + Unpin)) -> (u32, u8, Vec<u8>) {
    let (stream, kind) = (from.read_u32().await.unwrap(), from.read_u8().await.unwrap());
    let mut bytes = vec![0; from.read_u32().await.unwrap() as usize];
    from.read_exact(&mut bytes).await.unwrap();
    (stream, kind, bytes)
}
