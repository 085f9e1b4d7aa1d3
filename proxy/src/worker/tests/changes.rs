//! What changes while connections are open reaches them.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::app::App;
use super::harness::*;
use crate::http::Wire;
use crate::state::{MtlsMode, Protocol};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: reviews\r\n\r\n";

#[tokio::test]
async fn a_port_that_becomes_strict_ends_the_plain_connections_it_has_once_they_pause() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let receiver = world.receiver(app.addr);
    let mut plain = connect(receiver.inbound).await;
    plain.write_all(GET).await.unwrap();
    assert_eq!(read_response(&mut plain).await.1, b"app");
    let caller = world.caller(destination(Protocol::Http1, vec![world.meshed(&receiver)]));
    let mut meshed = connect(caller.outbound).await;
    meshed.write_all(GET).await.unwrap();
    assert_eq!(read_response(&mut meshed).await.1, b"app");

    receiver.change_workload(|workload| {
        workload.mtls_mode = MtlsMode::Strict;
        workload.inbound_ports[0].mtls_mode = MtlsMode::Strict;
    });
    let ended = tokio::time::timeout(LIMIT, plain.read(&mut [0; 1])).await.expect("it ends");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    receiver.counted("weft_errors_total", &["mtls-required"], 1.0).await;
    meshed.write_all(GET).await.unwrap();
    assert_eq!(read_response(&mut meshed).await.1, b"app");
}

#[tokio::test]
async fn a_service_that_is_deleted_is_served_no_more_on_connections_that_were_kept() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Http1);
    let mut kept = connect(caller.outbound).await;
    kept.write_all(GET).await.unwrap();
    assert_eq!(read_response(&mut kept).await.1, b"app");
    caller.remove_destination();
    assert_eq!(tokio::time::timeout(LIMIT, kept.read(&mut [0; 1])).await.expect("it ends").unwrap(), 0);

    let app = App::start(Wire::H2).await;
    let (caller, _receiver) = world.pair(app.addr, Protocol::Http2);
    let io = TokioIo::new(connect(caller.outbound).await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let told = tokio::spawn(connection);
    let request = || Request::get("http://reviews/").body(Empty::<Bytes>::new()).unwrap();
    let answer = sender.send_request(request()).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "app");
    caller.remove_destination();
    tokio::time::timeout(LIMIT, told).await.expect("it ends").unwrap().unwrap();
    caller.counted("weft_http2_goaways_total", &["destination-gone"], 1.0).await;
}

#[tokio::test]
async fn connections_whose_peer_the_bundle_no_longer_accepts_take_no_more() {
    let (world, app) = (World::new(), App::start(Wire::H1).await);
    let (caller, receiver) = world.pair(app.addr, Protocol::Http1);
    let mut client = connect(caller.outbound).await;
    let mut get = async || {
        client.write_all(GET).await.unwrap();
        read_response(&mut client).await.0
    };
    assert!(get().await.contains(" 200 "));
    let other = World::new();
    // A bundle with another root: the certificates of both are of the old one.
    receiver.distrust(&other);
    receiver.counted("weft_http2_goaways_total", &["distrusted", "server"], 1.0).await;
    assert!(get().await.contains(" 503 "), "a new connection is refused too");
    // The same seen by who dialled: it does not wait for the other side to find out.
    let (caller, receiver) = world.pair(app.addr, Protocol::Http1);
    let mut client = connect(caller.outbound).await;
    client.write_all(GET).await.unwrap();
    assert!(read_response(&mut client).await.0.contains(" 200 "));
    caller.distrust(&other);
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        client.write_all(GET).await.unwrap();
        let head = read_response(&mut client).await.0;
        if head.contains(" 503 ") {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{head}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(receiver.count("weft_http2_goaways_total", &["distrusted"]), 0.0);
}
