//! What may be asked of an application, and in which words it arrives: the same at the caller's proxy, at the receiver's, and from a
//! peer that runs neither (RFC 9110, 9112 and 9113). Each half judges for itself.

use http::uri::Parts;
use http::{Method, Request, Uri, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{LIMIT, World, connect, destination, plain, read_response};
use super::peer;
use super::recorder::{Recorder, sorted};
use crate::state::Protocol;
use crate::tls::Alpn;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Who asks whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The caller's proxy straight to the application.
    W1,
    /// Both proxies.
    W2,
    /// A peer of the mesh that does not run our proxy.
    Wi,
}

const WAYS: [Way; 3] = [Way::W1, Way::W2, Way::Wi];

/// HTTP/1.1 that is answered with this status and reason, after which the connection ends, and of which nothing arrives.
const REFUSED: &[(&str, &str, u16, &str)] = &[
    ("a target that is a name", "GET f HTTP/1.1\r\nhost: a\r\n\r\n", 400, "bad-target"),
    ("one that is an authority", "GET a:80 HTTP/1.1\r\nhost: a\r\n\r\n", 400, "bad-target"),
    ("one of another scheme without authority", "GET urn:x HTTP/1.1\r\nhost: a\r\n\r\n", 400, "bad-"),
    ("an asterisk for another method", "GET * HTTP/1.1\r\nhost: a\r\n\r\n", 400, "bad-target"),
    ("an absolute target without host", "GET http:///f HTTP/1.1\r\nhost: a\r\n\r\n", 400, "bad-"),
    ("an absolute target with a user", "GET http://u@a/f HTTP/1.1\r\nhost: a\r\n\r\n", 400, "bad-host"),
    ("an absolute target and no Host", "GET http://a/f HTTP/1.1\r\n\r\n", 400, "bad-host"),
    (
        "an absolute target and two Hosts",
        "GET http://a/f HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
        400,
        "bad-host",
    ),
    (
        "an absolute target and an invalid Host",
        "GET http://a/f HTTP/1.1\r\nhost: a b\r\n\r\n",
        400,
        "bad-host",
    ),
    ("no Host", "GET / HTTP/1.1\r\n\r\n", 400, "bad-host"),
    ("two Hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400, "bad-host"),
    ("a Host with a user", "GET / HTTP/1.1\r\nhost: u@a\r\n\r\n", 400, "bad-host"),
    ("a Host with a path", "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", 400, "bad-host"),
    ("a Host with a comma", "GET / HTTP/1.1\r\nhost: a,b\r\n\r\n", 400, "bad-host"),
    ("a port that is a word", "GET / HTTP/1.1\r\nhost: a:xy\r\n\r\n", 400, "bad-host"),
    ("a port below zero", "GET / HTTP/1.1\r\nhost: a:-1\r\n\r\n", 400, "bad-host"),
    ("a port too high", "GET / HTTP/1.1\r\nhost: a:65536\r\n\r\n", 400, "bad-host"),
    ("two ports", "GET / HTTP/1.1\r\nhost: a:80:80\r\n\r\n", 400, "bad-host"),
    ("half a literal", "GET / HTTP/1.1\r\nhost: [::1\r\n\r\n", 400, "bad-host"),
    ("a literal without brackets", "GET / HTTP/1.1\r\nhost: ::1\r\n\r\n", 400, "bad-host"),
    ("brackets behind a name", "GET / HTTP/1.1\r\nhost: a[b]\r\n\r\n", 400, "bad-host"),
    ("half an escape", "GET / HTTP/1.1\r\nhost: a%\r\n\r\n", 400, "bad-host"),
    ("a tunnel", "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n", 501, "connect-not-supported"),
    ("HTTP/2.0 in a request line", "GET / HTTP/2.0\r\nhost: a\r\n\r\n", 400, "bad-request"),
    (
        "lengths that differ",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        400,
        "bad-request",
    ),
    ("a folded line", "GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n", 400, "bad-request"),
];

/// HTTP/1.1 that arrives, and as what.
const CARRIED: &[(&str, &[u8], &[u8])] = &[
    ("a fragment", b"GET /f?a#x HTTP/1.1\r\nhost: a\r\n\r\n", b"GET /f?a#x HTTP/1.1\r\nhost: a\r\n\r\n"),
    (
        "an absolute target without a path",
        b"OPTIONS http://a HTTP/1.1\r\nhost: a\r\n\r\n",
        b"OPTIONS http://a HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    ("the asterisk", b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n"),
    (
        "a Prometheus query as `curl -g` sends it",
        b"GET /api/v1/query?query=sum(rate(x{a=\"b\",c=~\"d|e\"}[5m]))>1 HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /api/v1/query?query=sum(rate(x{a=\"b\",c=~\"d|e\"}[5m]))>1 HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "what should have been escaped in a path",
        b"GET /\"<>^`{}|\\ HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /\"<>^`{}|\\ HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "bytes that are not UTF-8",
        b"GET /caf\xe9?q=\xfc\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /caf\xe9?q=\xfc\xff HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "a minor version of the future",
        b"GET / HTTP/1.2\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    ("an empty line before", b"\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    (
        "a length with leading zeros",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 000000000000000000000002\r\n\r\nhi",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi",
    ),
    (
        "an offer to go on in HTTP/2, in capitals",
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: H2C\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "in front of one that is tunnelled",
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c, websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    ),
    (
        "and behind it",
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket, h2c\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    ),
    (
        "one of TLS, as Apache's client makes with every GET",
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: TLS/1.2\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "a host with a port of any form",
        b"GET / HTTP/1.1\r\nhost: [fd00::1]:8080\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: [fd00::1]:8080\r\n\r\n",
    ),
];

/// What comes back of `bytes`: one response, and whether the connection ended with it.
async fn exchange(way: Way, app: &Recorder, bytes: &[u8]) -> (String, bool) {
    let world = World::new();
    let receiver = world.receiver(app.addr);
    let endpoint = if way == Way::W1 { plain(app.addr) } else { world.meshed(&receiver) };
    let caller = world.caller(destination(Protocol::Http1, vec![endpoint]));
    match way {
        Way::Wi => one_response(peer::dial(&world, &receiver, Alpn::H1).await, bytes).await,
        Way::W1 | Way::W2 => one_response(connect(caller.outbound).await, bytes).await,
    }
}

async fn one_response<S>(mut io: S, bytes: &[u8]) -> (String, bool)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    io.write_all(bytes).await.unwrap();
    let (head, _) = read_response(&mut io).await;
    let closes = head.contains("connection: close");
    if closes {
        io.shutdown().await.unwrap();
        let mut rest = Vec::new();
        tokio::time::timeout(LIMIT, io.read_to_end(&mut rest)).await.expect("it ends").unwrap();
        assert!(rest.is_empty(), "{}", rest.escape_ascii());
    }
    (head, closes)
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused_wherever_it_comes_from() {
    let mut wrong = Vec::new();
    for way in WAYS {
        for (what, bytes, status, reason) in REFUSED {
            let app = Recorder::start(OK, false).await;
            let (head, closes) = exchange(way, &app, bytes.as_bytes()).await;
            let told = head.starts_with(&format!("http/1.1 {status} "))
                && head.contains(&format!("x-weft-reason: {reason}"))
                && !head.contains("content-length: 0\r\n");
            if !told || !closes || !app.seen().is_empty() {
                wrong.push(format!("{way:?} {what}: {head:?}, arrived {:?}", app.seen()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_servers_take_arrives_as_it_was_meant() {
    let mut wrong = Vec::new();
    for way in WAYS {
        for (what, bytes, expected) in CARRIED {
            let app = Recorder::start(OK, false).await;
            let (head, _) = exchange(way, &app, bytes).await;
            let seen: Vec<String> = app.seen().iter().map(|text| sorted(text)).collect();
            let expected = sorted(&String::from_utf8_lossy(expected));
            if !head.starts_with("http/1.1 200 ") || seen != [expected.clone()] {
                wrong.push(format!("{way:?} {what}: {head:?}, arrived {seen:?} and not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A refusal is counted, and named in the access log's terms, where its head could not even be read.
#[tokio::test]
async fn refusals_of_heads_are_counted_as_requests() {
    for (bytes, code, reason) in [
        ("GET / HTTP/1.1\r\n x: y\r\n\r\n".to_owned(), "400", "bad-request"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\na: {}\r\n\r\n", "x".repeat(70_000)), "431", "head-too-long"),
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(70_000)), "414", "target-too-long"),
    ] {
        let app = Recorder::start(OK, false).await;
        let (world, proxies) = app.behind(super::recorder::Path::Mesh);
        let outbound = one_response(connect(proxies[0].outbound).await, bytes.as_bytes()).await.0;
        let inbound = one_response(peer::dial(&world, &proxies[1], Alpn::H1).await, bytes.as_bytes()).await.0;
        for (proxy, head) in proxies.iter().zip([outbound, inbound]) {
            assert!(head.contains(&format!("x-weft-reason: {reason}")), "{head}");
            proxy.counted("weft_requests_total", &[&format!(r#"code="{code}""#)], 1.0).await;
            proxy.counted("weft_errors_total", &[&format!(r#"reason="{reason}""#)], 1.0).await;
        }
    }
}

/// A request in HTTP/2 with these parts of its target, and these Hosts.
fn request(
    method: Method,
    scheme: &str,
    authority: Option<&str>,
    path: &str,
    hosts: &[&str],
    http1: bool,
) -> Request<()> {
    let mut parts = Parts::default();
    parts.path_and_query = Some(path.parse().unwrap());
    if let Some(authority) = authority {
        parts.authority = Some(authority.parse().unwrap());
        parts.scheme = Some(scheme.parse().unwrap());
    }
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from_parts(parts).unwrap();
    // The client refuses a request without authority otherwise.
    *request.version_mut() = if authority.is_some() { Version::HTTP_2 } else { Version::HTTP_11 };
    for host in hosts {
        request.headers_mut().append("host", host.parse().unwrap());
    }
    if http1 {
        request.headers_mut().insert("x-weft-proto", "http/1.1".parse().unwrap());
    }
    request
}

#[tokio::test]
async fn http2_is_held_to_the_same() {
    let get = || Method::GET;
    let mut wrong = Vec::new();
    for way in WAYS {
        let app = Recorder::start(OK, false).await;
        let world = World::new();
        let receiver = world.receiver(app.addr);
        let endpoint = if way == Way::W1 { plain(app.addr) } else { world.meshed(&receiver) };
        let caller = world.caller(destination(Protocol::Http2, vec![endpoint]));
        let sender = if way == Way::Wi {
            peer::dial_h2(&world, &receiver).await
        } else {
            let (sender, connection) = h2::client::handshake(connect(caller.outbound).await).await.unwrap();
            tokio::spawn(connection);
            sender
        };
        for (what, reason, method, scheme, authority, path, hosts) in [
            ("two Hosts", "bad-host", get(), "", None, "/", &["a", "a"][..]),
            ("two Hosts beside an authority", "bad-host", get(), "http", Some("a"), "/", &["a", "a"]),
            ("a Host with a path", "bad-host", get(), "", None, "/", &["a/b"]),
            ("a Host with a user", "bad-host", get(), "", None, "/", &["u@a"]),
            ("a Host with a comma", "bad-host", get(), "", None, "/", &["a,b"]),
            ("no host at all", "bad-host", get(), "", None, "/", &[]),
            ("an authority with a user", "bad-host", get(), "http", Some("u@a"), "/", &[]),
            ("one that Host contradicts", "bad-host", get(), "http", Some("a"), "/", &["b"]),
            ("a path that is a query", "bad-target", get(), "http", Some("a"), "?a", &[]),
            ("an asterisk for another method", "bad-target", get(), "http", Some("a"), "*", &[]),
            ("an empty scheme", "bad-target", get(), "", Some("a"), "/f", &[]),
            ("a tunnel", "connect-not-supported", Method::CONNECT, "http", Some("a:80"), "/", &[]),
        ] {
            for http1 in [false, true] {
                // Only a peer can say that it was HTTP/1.1; of others the mark is taken away.
                let asked = request(method.clone(), scheme, authority, path, hosts, http1);
                let answer = peer::ask(&sender, asked).await;
                let reason_told = answer.as_ref().and_then(|answer| answer.headers().get("x-weft-reason"));
                let status = if reason == "connect-not-supported" { 501 } else { 400 };
                let fine = answer.as_ref().is_some_and(|answer| answer.status() == status)
                    && reason_told.is_some_and(|told| told == reason);
                if !fine || !app.seen().is_empty() {
                    wrong.push(format!("{way:?} {what} ({http1}): {answer:?}, arrived {:?}", app.seen()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A peer that says its request was HTTP/1.1 gets it there with one Host and a target of one form.
#[tokio::test]
async fn what_a_peer_calls_http1_arrives_as_one_request_for_one_host() {
    for (what, asked, expected) in [
        (
            "an authority and no Host",
            request(Method::GET, "http", Some("a:80"), "/f", &[], true),
            "GET http://a:80/f HTTP/1.1\r\nhost: a:80\r\n\r\n",
        ),
        (
            "both",
            request(Method::GET, "http", Some("a"), "/f", &["A"], true),
            "GET http://a/f HTTP/1.1\r\nhost: A\r\n\r\n",
        ),
        (
            "Host alone",
            request(Method::GET, "", None, "/f", &["a"], true),
            "GET /f HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
        (
            "an asterisk beside an authority",
            request(Method::OPTIONS, "http", Some("a"), "*", &[], true),
            "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
    ] {
        let (world, app) = (World::new(), Recorder::start(OK, false).await);
        let receiver = world.receiver(app.addr);
        let answer = peer::ask(&peer::dial_h2(&world, &receiver).await, asked).await;
        assert_eq!(answer.map(|answer| answer.status().as_u16()), Some(200), "{what}");
        let seen: Vec<String> = app.seen().iter().map(|text| sorted(text)).collect();
        assert_eq!(seen, [sorted(expected)], "{what}");
    }
}

#[tokio::test]
async fn a_long_head_of_a_response_passes_up_to_its_limit_and_is_named_beyond() {
    let many: String = (0..500).map(|n| format!("x-{n}: 1\r\n")).collect();
    let lines = |length: usize| format!("x-long: {}\r\n", "x".repeat(length));
    for (what, fields, passes) in [
        ("500 lines", many, true),
        ("70 KB", lines(70_000), true),
        ("900 KB", lines(900_000), true),
        ("1,100 KB", lines(1_100_000), false),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\nok");
        for way in WAYS {
            let app = Recorder::start(answer.clone().leak().as_bytes(), false).await;
            let (head, _) = exchange(way, &app, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
            let fine = match passes {
                true => head.starts_with("http/1.1 200 ") && head.len() > fields.len(),
                false => head.starts_with("http/1.1 502 ") && head.contains("x-weft-reason: bad-response"),
            };
            assert!(fine, "{way:?} {what}: {}", &head[..head.len().min(300)]);
        }
    }
}

/// An application that agrees to something else than it was offered gets no tunnel.
#[tokio::test]
async fn an_upgrade_to_what_was_not_offered_is_no_answer() {
    const AGREES: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";
    const ASKS: &[u8] =
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c, websocket\r\n\r\n";
    for way in WAYS {
        let app = Recorder::start(AGREES, false).await;
        let (head, _) = exchange(way, &app, ASKS).await;
        assert!(
            head.starts_with("http/1.1 502 ") && head.contains("x-weft-reason: bad-response"),
            "{way:?}: {head}"
        );
    }
}

/// In HTTP/2 from end to end too.
#[tokio::test]
async fn early_hints_pass_in_http2() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::new();
    let (caller, _receiver) = world.pair(listener.local_addr().unwrap(), Protocol::Http2);
    let (told, heard) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let mut connection = h2::server::handshake(listener.accept().await.unwrap().0).await.unwrap();
        let (_, mut reply) = connection.accept().await.unwrap().unwrap();
        let early = http::Response::builder().status(103).header("link", "</a>").body(()).unwrap();
        reply.send_informational(early).unwrap();
        let answering = async {
            heard.await.unwrap();
            reply.send_response(http::Response::new(()), true).unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! { _ = connection.accept() => {}, () = answering => {} }
    });
    let (sender, connection) = h2::client::handshake(connect(caller.outbound).await).await.unwrap();
    tokio::spawn(connection);
    let asked = request(Method::GET, "http", Some("a"), "/", &[], false);
    let (mut answer, _) = sender.ready().await.unwrap().send_request(asked, true).unwrap();
    let early = std::future::poll_fn(|cx| answer.poll_informational(cx));
    let early = tokio::time::timeout(LIMIT, early).await.expect("at once").unwrap().unwrap();
    assert_eq!((early.status().as_u16(), &early.headers()["link"]), (103, &"</a>".parse().unwrap()));
    told.send(()).unwrap();
    assert_eq!(tokio::time::timeout(LIMIT, answer).await.unwrap().unwrap().status(), 200);
}
