//! What gRPC asks of HTTP/2, through both proxies: streams that answer each other, trailers without a body, large metadata,
//! and ends that come early. Frames are written and read with `h2` itself.

use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::harness::{LIMIT, Proxy, World, connect};
use crate::state::Protocol;

type Client = h2::client::SendRequest<Bytes>;

/// Both proxies, and an application that tells of streams that were reset.
async fn start() -> (World, Proxy, Proxy, mpsc::Receiver<Reason>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::new();
    let (caller, receiver) = world.pair(listener.local_addr().unwrap(), Protocol::Http2);
    let (told, resets) = mpsc::channel(8);
    tokio::spawn(async move {
        loop {
            let (io, _) = listener.accept().await.unwrap();
            let told = told.clone();
            tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                builder.max_header_list_size(1 << 20);
                let mut connection = builder.handshake::<_, Bytes>(io).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(answer(request, respond, told.clone()));
                }
            });
        }
    });
    (world, caller, receiver, resets)
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    told: mpsc::Sender<Reason>,
) {
    let (head, mut body) = request.into_parts();
    let ok = |status: Option<&'static str>| {
        let mut response = Response::new(());
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        if let Some(status) = status {
            response.headers_mut().insert("grpc-status", HeaderValue::from_static(status));
        }
        response
    };
    match head.uri.path() {
        "/TrailersOnly" => drop(respond.send_response(ok(Some("7")), true).unwrap()),
        "/Metadata" => {
            let size: usize = head.headers.iter().map(|(_, value)| value.len()).sum();
            let mut response = ok(Some("0"));
            response.headers_mut().insert("x-size", HeaderValue::from(size));
            respond.send_response(response, true).unwrap();
        }
        "/Reset" => {
            let mut sending = respond.send_response(ok(None), false).unwrap();
            sending.send_data(Bytes::from_static(b"half"), false).unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            sending.send_reset(Reason::ENHANCE_YOUR_CALM);
        }
        "/Hang" => {
            let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
            told.send(reason).await.unwrap();
        }
        _ => {
            let mut sending = respond.send_response(ok(None), false).unwrap();
            while let Some(Ok(data)) = body.data().await {
                body.flow_control().release_capacity(data.len()).unwrap();
                sending.send_data(data, false).unwrap();
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            trailers.append("x-many", HeaderValue::from_static("1"));
            trailers.append("x-many", HeaderValue::from_static("2"));
            sending.send_trailers(trailers).unwrap();
        }
    }
}

async fn client(proxy: &Proxy) -> Client {
    let mut builder = h2::client::Builder::new();
    builder.max_header_list_size(1 << 20);
    let (client, connection) = builder.handshake(connect(proxy.outbound).await).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

fn call(method: &str) -> Request<()> {
    Request::post(format!("http://reviews:8080/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

async fn message(body: &mut RecvStream) -> Bytes {
    let data = tokio::time::timeout(LIMIT, body.data()).await.expect("a message in time").unwrap().unwrap();
    body.flow_control().release_capacity(data.len()).unwrap();
    data
}

#[tokio::test]
async fn messages_of_both_sides_take_turns_and_trailers_end_them() {
    let (_world, caller, _receiver, _resets) = start().await;
    let (response, mut sending): (_, SendStream<Bytes>) =
        client(&caller).await.send_request(call("Bidi"), false).unwrap();
    let mut body = response.await.unwrap().into_body();
    for turn in 0..20 {
        // The next message is sent only after the answer to this one: nothing may wait for more.
        let text = Bytes::from(format!("message {turn}"));
        sending.send_data(text.clone(), false).unwrap();
        assert_eq!(message(&mut body).await, text);
    }
    sending.send_data(Bytes::new(), true).unwrap();
    assert!(body.data().await.is_none());
    let trailers = body.trailers().await.unwrap().expect("trailers");
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(trailers.get_all("x-many").iter().collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test]
async fn trailers_only_stay_a_head_without_a_body() {
    let (_world, caller, _receiver, _resets) = start().await;
    let (response, _) = client(&caller).await.send_request(call("TrailersOnly"), true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "7");
    assert!(response.body().is_end_stream(), "the stream ends with its head");
}

#[tokio::test]
async fn metadata_of_60_kb_pass_and_more_than_64_are_431() {
    let (_world, caller, _receiver, _resets) = start().await;
    for (size, status) in [(60_000, 200), (70_000, 431)] {
        let mut request = call("Metadata");
        for part in 0..size / 5_000 {
            let name = http::HeaderName::try_from(format!("x-part-{part}")).unwrap();
            request.headers_mut().insert(name, HeaderValue::try_from("m".repeat(5_000)).unwrap());
        }
        let (response, _) = client(&caller).await.send_request(request, true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), status, "{size}");
        if status == 200 {
            let arrived: usize = response.headers()["x-size"].to_str().unwrap().parse().unwrap();
            assert!(arrived >= size, "{arrived}");
        }
    }
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_at_the_application() {
    let (_world, caller, _receiver, mut resets) = start().await;
    let (response, mut sending) = client(&caller).await.send_request(call("Hang"), false).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    sending.send_reset(Reason::CANCEL);
    drop(response);
    let reason = tokio::time::timeout(LIMIT, resets.recv()).await.expect("the application is told");
    assert_eq!(reason, Some(Reason::CANCEL));
}

#[tokio::test]
async fn a_stream_that_the_application_resets_is_reset_at_the_caller_with_its_reason() {
    let (_world, caller, _receiver, _resets) = start().await;
    let (response, _) = client(&caller).await.send_request(call("Reset"), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    assert_eq!(message(&mut body).await, "half");
    let error = tokio::time::timeout(LIMIT, body.data()).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn an_authority_that_host_contradicts_and_connect_are_refused() {
    let (_world, caller, _receiver, _resets) = start().await;
    let mut two = call("Metadata");
    two.headers_mut().insert("host", HeaderValue::from_static("elsewhere:8080"));
    let connect = Request::connect("reviews:8080").body(()).unwrap();
    for (request, status, reason) in [(two, 200, "bad-host"), (connect, 501, "connect-not-supported")] {
        let (response, _) = client(&caller).await.send_request(request, true).unwrap();
        let response = response.await.unwrap();
        // A gRPC caller is told in its own terms.
        assert_eq!(
            (response.status().as_u16(), &response.headers()["x-weft-reason"]),
            (status, &HeaderValue::from_static(reason))
        );
    }
}
