//! What breaks off, beside the table of [`super::truncation`]: who learns of it, and how.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue, Request, Response};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::harness::{LIMIT, Proxy, World, connect, destination, nobody, plain, read_response};
use super::script::{Act, OK, Script};
use crate::http::{Carry, Goaways, UpstreamKey, Upstreams};
use crate::state::{Endpoint, Protocol, Retries, RetryOn, Timeouts};
use crate::tcp::Stream;
use crate::tls;

const MS: Duration = Duration::from_millis(1);

/// Callers straight to `app`, and through the proxy in front of it, which must live as long.
fn both(world: &World, app: SocketAddr, protocol: Protocol) -> [(Proxy, Option<Proxy>); 2] {
    let (mesh, receiver) = world.pair(app, protocol);
    [(world.caller(destination(protocol, vec![plain(app)])), None), (mesh, Some(receiver))]
}

#[tokio::test]
async fn a_caller_that_leaves_after_a_body_of_chunks_is_noticed_while_the_application_is_silent() {
    let (world, mut app) = (World::new(), Script::start(|_| Act::Hang("")).await);
    for (caller, _receiver) in both(&world, app.addr, Protocol::Http1) {
        let mut client = connect(caller.outbound).await;
        client
            .write_all(b"POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
            .await
            .unwrap();
        let before = app.requests().len();
        while app.requests().len() == before {
            sleep(MS).await;
        }
        client.write_all(b"0\r\n\r\n").await.unwrap();
        sleep(20 * MS).await;
        drop(client);
        app.given_up().await;
    }
}

#[tokio::test]
async fn who_ends_its_side_after_its_requests_still_gets_their_answers() {
    let late = Act::SayLate(100 * MS, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let (world, app) = (World::new(), Script::start(move |_| late).await);
    for (caller, _receiver) in both(&world, app.addr, Protocol::Http1) {
        let mut client = connect(caller.outbound).await;
        client.write_all(&b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2)).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answers = String::new();
        timeout(LIMIT, client.read_to_string(&mut answers)).await.unwrap().unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    }
}

/// Sends without end, as curl does, until the answer is there and says that the connection ends; what it was.
async fn upload(proxy: &Proxy, length: usize) -> Result<String, String> {
    let (mut reading, mut writing) = connect(proxy.outbound).await.into_split();
    let head = format!("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    writing.write_all(head.as_bytes()).await.unwrap();
    let sending = async move {
        let (chunk, mut left) = (vec![7; 64 * 1024], length);
        while left > 0 {
            let written = writing.write(&chunk[..left.min(chunk.len())]).await;
            match written {
                Ok(written) => left -= written,
                Err(error) => return (writing, Some(error)),
            }
        }
        (writing, None)
    };
    tokio::pin!(sending);
    let mut answer = Vec::new();
    loop {
        tokio::select! {
            biased;
            read = reading.read_buf(&mut answer) => {
                let ended = read.map_err(|error| format!("reading: {error}"))? == 0;
                let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
                if text.contains("connection: close") && text.ends_with("\r\n\r\nno") {
                    return Ok(text);
                }
                if ended {
                    return Err(format!("an end after {text:?}"));
                }
            }
            (writing, error) = &mut sending => {
                let _open = writing;
                return Err(format!("sending: {error:?}, after {:?}", String::from_utf8_lossy(&answer)));
            }
        }
    }
}

#[tokio::test]
async fn an_upload_whose_server_answers_early_and_closes_is_told_to_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (world, app) = (World::new(), listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut some = [0; 1000];
                let _ = io.read(&mut some).await;
                let _ = io
                    .write_all(b"HTTP/1.1 413 No\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno")
                    .await;
                // As servers do that know RFC 9112 9.6.
                let _ = io.shutdown().await;
                sleep(200 * MS).await;
            });
        }
    });
    for (caller, _receiver) in both(&world, app, Protocol::Http1) {
        for _ in 0..3 {
            let answer = timeout(LIMIT, upload(&caller, 20_000_000)).await.expect("an end").unwrap();
            assert!(answer.starts_with("http/1.1 413"), "{answer}");
        }
    }
}

async fn ends_with_a_reset(client: &mut TcpStream) -> Vec<u8> {
    let mut got = Vec::new();
    let end = timeout(LIMIT, client.read_to_end(&mut got)).await.expect("an end");
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset, "{got:?}");
    got
}

#[tokio::test]
async fn bytes_that_are_reset_are_reset_at_the_other_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (world, app) = (World::new(), listener.local_addr().unwrap());
    for (caller, _receiver) in both(&world, app, Protocol::Opaque) {
        // By the application.
        let mut client = connect(caller.outbound).await;
        client.write_all(b"hello").await.unwrap();
        let mut server = listener.accept().await.unwrap().0;
        let mut got = [0; 5];
        server.read_exact(&mut got).await.unwrap();
        server.write_all(b"half").await.unwrap();
        let mut half = [0; 4];
        timeout(LIMIT, client.read_exact(&mut half)).await.unwrap().unwrap();
        server.set_zero_linger().unwrap();
        drop(server);
        ends_with_a_reset(&mut client).await;
        // By the caller.
        let mut client = connect(caller.outbound).await;
        client.write_all(b"hello").await.unwrap();
        let mut server = listener.accept().await.unwrap().0;
        server.read_exact(&mut got).await.unwrap();
        client.set_zero_linger().unwrap();
        drop(client);
        ends_with_a_reset(&mut server).await;
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_a_reset_behind_bytes() {
    /// As soon as it is connected, or before that is known.
    async fn resets(addr: SocketAddr, said: &[u8]) {
        let Ok(mut client) = TcpStream::connect(addr).await else { return };
        if client.write_all(said).await.is_ok() {
            ends_with_a_reset(&mut client).await;
        }
    }
    let world = World::new();
    for (caller, _receiver) in both(&world, nobody(), Protocol::Opaque) {
        resets(caller.outbound, b"").await;
    }
    // And for somebody without a proxy, whether it speaks first or not.
    let receiver = world.receiver(nobody());
    resets(receiver.inbound, b"").await;
    resets(receiver.inbound, b"\x01\x02 hello").await;
}

/// An HTTP/2 application whose streams are answered by `answer`.
async fn h2_app<F>(
    answer: impl Fn(Request<h2::RecvStream>, h2::server::SendResponse<Bytes>) -> F + Clone + Send + 'static,
) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(io).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(answer(request, respond));
                }
            });
        }
    });
    addr
}

/// The gRPC status of a call, its message and its other metadata; an error where there is none.
async fn grpc(proxy: &Proxy, path: &str, timeout_header: Option<&str>) -> Result<HeaderMap, h2::Error> {
    let mut builder = h2::client::Builder::new();
    builder.max_header_list_size(1 << 20);
    let (client, connection) = builder.handshake::<_, Bytes>(connect(proxy.outbound).await).await?;
    tokio::spawn(connection);
    let mut request =
        Request::post(format!("http://reviews:8080/{path}")).header("content-type", "application/grpc");
    if let Some(timeout) = timeout_header {
        request = request.header("grpc-timeout", timeout);
    }
    let (answer, mut sending) = client.ready().await?.send_request(request.body(()).unwrap(), false)?;
    sending.send_data(Bytes::from_static(&[0, 0, 0, 0, 1, 7]), true)?;
    let (head, mut body) = timeout(LIMIT, answer).await.expect("an answer")?.into_parts();
    while let Some(data) = timeout(LIMIT, body.data()).await.expect("an end") {
        data?;
    }
    Ok(body.trailers().await?.unwrap_or(head.headers))
}

#[tokio::test]
async fn a_server_that_gives_up_at_the_deadline_means_the_deadline() {
    let world = World::new();
    let app = h2_app(|request, mut respond| async move {
        let left = request.headers()["grpc-timeout"].to_str().unwrap().trim_end_matches('m').to_owned();
        let (left, path) = (left.parse::<u64>().unwrap(), request.uri().path().to_owned());
        let deadline = Instant::now() + Duration::from_millis(left);
        let mut stream =
            path.ends_with("begun").then(|| respond.send_response(Response::new(()), false).unwrap());
        tokio::time::sleep_until(deadline - 3 * MS).await;
        let code = match path.split('/').nth(1).unwrap() {
            "cancel" => Reason::CANCEL,
            "none" => Reason::NO_ERROR,
            _ => Reason::REFUSED_STREAM,
        };
        match &mut stream {
            Some(stream) => stream.send_reset(code),
            None => respond.send_reset(code),
        }
    })
    .await;
    for (caller, _receiver) in both(&world, app, Protocol::Http2) {
        for path in ["cancel", "none", "refused", "cancel/begun", "none/begun"] {
            for _ in 0..3 {
                let status = grpc(&caller, path, Some("150m")).await.unwrap();
                assert_eq!(status["grpc-status"], "4", "{path} {status:?}");
            }
        }
        // Long before, it means what it says.
        caller.counted("weft_requests_total", &[r#"grpc_status="4""#], 15.0).await;
    }
}

#[tokio::test]
async fn a_deadline_within_an_answer_ends_the_upload_that_is_open_too() {
    let world = World::new();
    let (told, mut read) = mpsc::channel(8);
    let app = h2_app(move |request, mut respond| {
        let told = told.clone();
        async move {
            let path = request.uri().path().to_owned();
            // On a busy machine the deadline may come first.
            let Ok(mut stream) = respond.send_response(Response::new(()), false) else { return };
            let _ = stream.send_data(Bytes::from_static(&[0, 0, 0, 0, 1, 7]), false);
            let mut body = request.into_body();
            let broken = loop {
                match body.data().await {
                    Some(Ok(_)) => {}
                    Some(Err(_)) => break true,
                    None => break false,
                }
            };
            told.send((path, broken)).await.unwrap();
        }
    })
    .await;
    for (caller, _receiver) in both(&world, app, Protocol::Http2) {
        // Ever later, until the answer has begun by then.
        let mut limits = [300, 1200, 4800].into_iter();
        let path = loop {
            let limit = limits.next().expect("an answer begins before its deadline");
            if let Some(path) = cut_within_its_answer(&caller, limit).await {
                break path;
            }
        };
        let broken = loop {
            let (of, broken) = timeout(LIMIT, read.recv()).await.expect("the application is told").unwrap();
            if of == path {
                break broken;
            }
        };
        assert!(broken, "the application takes the request for whole");
    }
}

/// Keeps the body of a call open for longer than its `limit`, in milliseconds, and gives its path; `None`: its answer had not begun by
/// then.
async fn cut_within_its_answer(proxy: &Proxy, limit: u32) -> Option<String> {
    let (client, connection) = h2::client::handshake(connect(proxy.outbound).await).await.unwrap();
    tokio::spawn(connection);
    let path = format!("/Bidi{limit}");
    let request = Request::post(format!("http://reviews:8080{path}"))
        .header("content-type", "application/grpc")
        .header("grpc-timeout", format!("{limit}m"))
        .body(())
        .unwrap();
    let (answer, mut sending) = client.ready().await.unwrap().send_request(request, false).unwrap();
    // Fails where the answer has come, and ended, meanwhile.
    let _ = sending.send_data(Bytes::from_static(&[0, 0, 0, 0, 1, 7]), false);
    let (head, mut body) = timeout(LIMIT, answer).await.unwrap().unwrap().into_parts();
    if head.headers.contains_key("grpc-status") {
        assert_eq!(head.headers["grpc-status"], "4");
        return None;
    }
    while let Some(data) = timeout(LIMIT, body.data()).await.unwrap() {
        data.unwrap();
    }
    assert_eq!(body.trailers().await.unwrap().unwrap()["grpc-status"], "4");
    // As gRPC for Go does, whose caller hears of the deadline now.
    sending.send_reset(Reason::NO_ERROR);
    Some(path)
}

#[tokio::test]
async fn status_metadata_passes_up_to_its_limit_and_is_told_beyond() {
    let world = World::new();
    let app = h2_app(|request, mut respond| async move {
        let length: usize = request.uri().path()[1..].parse().unwrap();
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("9"));
        trailers.insert("details-bin", HeaderValue::try_from("x".repeat(length)).unwrap());
        stream.send_trailers(trailers).unwrap();
    })
    .await;
    for (caller, _receiver) in both(&world, app, Protocol::Http2) {
        for length in [1000, 70_000, 250_000] {
            let status = grpc(&caller, &length.to_string(), None).await.unwrap();
            assert_eq!(
                (&status["grpc-status"], status["details-bin"].len()),
                (&HeaderValue::from_static("9"), length)
            );
        }
        let status = grpc(&caller, "300000", None).await.unwrap();
        assert_eq!(status["grpc-status"], "8");
        assert!(status["grpc-message"].to_str().unwrap().contains("256 KiB"), "{status:?}");
    }
}

#[tokio::test]
async fn an_informational_response_is_a_sign_of_life() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (world, app) = (World::new(), listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            tokio::spawn(async move {
                for _ in 0..6 {
                    sleep(100 * MS).await;
                    io.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").await.unwrap();
                }
                io.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                sleep(LIMIT).await;
            });
        }
    });
    let receiver = world.receiver(app);
    for endpoint in [plain(app), world.meshed(&receiver)] {
        let mut destination = destination(Protocol::Http1, vec![endpoint]);
        destination.routes[0].timeouts = Timeouts { idle: Some(400 * MS), ..Timeouts::default() };
        let caller = world.caller(destination);
        let mut client = connect(caller.outbound).await;
        client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nok") {
            let read = timeout(LIMIT, client.read_buf(&mut answer)).await.unwrap().unwrap();
            assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains("HTTP/1.1 200 OK") && !answer.contains(" 504 "), "{answer}");
    }
}

#[tokio::test]
async fn a_request_with_a_body_goes_elsewhere_where_its_pod_has_no_application_any_more() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let (left, stays) = (world.receiver(nobody()), world.receiver(app.addr));
    let endpoints = vec![world.meshed(&left), world.meshed(&stays)];
    let caller = world.caller(destination(Protocol::Http1, endpoints));
    for number in 1..=20 {
        let mut client = connect(caller.outbound).await;
        client.write_all(b"POST /pay HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nfull").await.unwrap();
        let (head, _) = read_response(&mut client).await;
        assert!(head.starts_with("http/1.1 200"), "{number}: {head}");
    }
    let requests = app.requests();
    assert_eq!(requests.len(), 20);
    assert!(requests.iter().all(|request| request.ends_with("\r\n\r\nfull")), "{requests:?}");
    assert!(caller.count("weft_retries_total", &[r#"reason="application-unreachable""#]) >= 1.0);
}

#[tokio::test]
async fn a_call_whose_server_died_after_it_began_is_not_made_again_by_a_route_that_retries_as_usual() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = listener.local_addr().unwrap();
    let (told, mut calls) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            let told = told.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(io).await.unwrap();
                let Some(Ok((request, _respond))) = connection.accept().await else { return };
                let mut body = request.into_body();
                tokio::spawn(async move { while body.data().await.is_some_and(|data| data.is_ok()) {} });
                let _ = timeout(50 * MS, connection.accept()).await;
                told.send(()).await.unwrap();
            });
        }
    });
    let usual = vec![
        RetryOn::ConnectFailure,
        RetryOn::Reset,
        RetryOn::RefusedStream,
        RetryOn::GatewayError,
        RetryOn::Grpc(14),
    ];
    let methods = vec![http::Method::GET, http::Method::PUT];
    let retries = Retries { attempts: 2, on: usual, methods, ..Retries::default() };
    let receivers = [world.receiver(app), world.receiver(app)];
    let meshed: Vec<Endpoint> = receivers.iter().map(|receiver| world.meshed(receiver)).collect();
    for endpoints in [vec![plain(app), plain(app)], meshed] {
        let mut destination = destination(Protocol::Http2, endpoints);
        destination.routes[0].retries = Some(Box::new(retries.clone()));
        let caller = world.caller(destination);
        let status = grpc(&caller, "Pay", None).await.unwrap();
        assert_eq!(status["grpc-status"], "14", "{status:?}");
        calls.recv().await.unwrap();
        assert!(calls.try_recv().is_err(), "it was made again");
    }
}

#[tokio::test]
async fn the_applications_own_connections_are_told_when_its_proxy_leaves() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let (caller, _receiver) = world.pair(app.addr, Protocol::Http1);
    let mut client = connect(caller.outbound).await;
    let mut idle = connect(caller.outbound).await;
    for io in [&mut client, &mut idle] {
        io.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let (head, _) = read_response(io).await;
        assert!(!head.contains("connection: close"), "{head}");
    }
    client.write_all(b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n").await.unwrap();
    // The idle one ends, so the proxy knows by then.
    caller.drain.start();
    assert_eq!(timeout(LIMIT, idle.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    client.write_all(b"full").await.unwrap();
    let (head, _) = read_response(&mut client).await;
    assert!(head.starts_with("http/1.1 200") && head.contains("connection: close"), "{head}");
}

#[tokio::test]
async fn only_http2_is_cut_off_by_a_reader_that_pauses() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let receiver = world.receiver(app.addr);
    let upstreams =
        Upstreams::new(tls::Client::new(world.ca.certs("shop", "web")), [].into(), Goaways::default());
    let key =
        UpstreamKey { addr: receiver.inbound, peer: Some(world.id("reviews")), tunnel: None, tls: None };
    let upstream = upstreams.get(key);
    for (carry, limit) in
        [(Carry::H1, None), (Carry::Bytes("a"), None), (Carry::H2, Some(Duration::from_secs(15)))]
    {
        let Stream::Tls(stream) = upstream.open(carry, None).await.unwrap() else { panic!("not TLS") };
        let tcp = stream.get_ref().0.get_ref().get_ref();
        let set = SockRef::from(tcp).tcp_user_timeout().unwrap().filter(|set| !set.is_zero());
        assert_eq!(set, limit, "{carry:?}");
    }
}
