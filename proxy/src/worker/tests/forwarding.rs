//! Byte for byte: what arrives at the application, and what comes back (RFC 9110, 9112).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::harness::{LIMIT, World, connect, destination, plain};
use super::recorder::{Path, Recorder, exchange, read_all, sorted};
use crate::state::Protocol;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What a caller sends and the application must get. Names of headers travel in lower case, as HTTP/2 wants them.
const REQUESTS: &[(&str, &str, &str)] = &[
    (
        "end-to-end headers stay, repeated ones in their order, empty ones too",
        "GET /a?b=c%20d&e HTTP/1.1\r\nHost: shop:8080\r\nX-One: 1\r\nX-One: 2\r\nAccept: a, b\r\nX-Empty:\r\nCookie: a=1; b=2\r\nX-One: 3\r\n\r\n",
        "GET /a?b=c%20d&e HTTP/1.1\r\nhost: shop:8080\r\nx-one: 1\r\nx-one: 2\r\nx-one: 3\r\naccept: a, b\r\nx-empty: \r\ncookie: a=1; b=2\r\n\r\n",
    ),
    (
        "hop-by-hop headers and what Connection names go",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: close, X-Hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nproxy-connection: keep-alive\r\nte: gzip\r\nx-stays: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx-stays: 1\r\n\r\n",
    ),
    (
        "Connection cannot take away what addresses and frames the message",
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: host, content-length\r\ncontent-length: 2\r\n\r\nhi",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi",
    ),
    (
        "credentials and forwarding headers are none of the proxy's business",
        "GET / HTTP/1.1\r\nhost: a\r\nauthorization: Basic eA==\r\nproxy-authorization: x\r\nvia: 1.0 front\r\nforwarded: for=1.2.3.4\r\nx-forwarded-for: 1.2.3.4\r\nmax-forwards: 3\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nauthorization: Basic eA==\r\nproxy-authorization: x\r\nvia: 1.0 front\r\nforwarded: for=1.2.3.4\r\nx-forwarded-for: 1.2.3.4\r\nmax-forwards: 3\r\n\r\n",
    ),
    (
        "optional whitespace around a value is not part of it; inside it is",
        "GET / HTTP/1.1\r\nhost: \t a \t\r\nx-in:  a  b\tc  \r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx-in: a  b\tc\r\n\r\n",
    ),
    (
        "bytes beyond ASCII pass",
        "GET /caf\u{e9}?q=\u{fc} HTTP/1.1\r\nhost: a\r\nx-name: Gr\u{fc}\u{df}e\r\n\r\n",
        "GET /caf\u{e9}?q=\u{fc} HTTP/1.1\r\nhost: a\r\nx-name: Gr\u{fc}\u{df}e\r\n\r\n",
    ),
    (
        "a length of zero stays",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    ),
    ("no length is invented", "POST / HTTP/1.1\r\nhost: a\r\n\r\n", "POST / HTTP/1.1\r\nhost: a\r\n\r\n"),
    (
        "a GET may have a body of known length",
        "GET /search HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n{\"\"}",
        "GET /search HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n{\"\"}",
    ),
    (
        "and one of chunks",
        "GET /search HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{\"\"}\r\n0\r\n\r\n",
        "GET /search HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{\"\"}\r\n0\r\n\r\n",
    ),
    (
        "chunks pass without their extensions; announced trailers stay",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2;ext=1\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n",
    ),
    (
        "TE: trailers stays for who wants trailers",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: te\r\nte: trailers, deflate;q=0.5\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n",
    ),
    (
        "an absolute target stays, and its host holds",
        "GET http://other:81/x HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET http://other:81/x HTTP/1.1\r\nhost: other:81\r\n\r\n",
    ),
    (
        "the asterisk form stays",
        "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "methods of applications' own pass",
        "M-SEARCH /x HTTP/1.1\r\nhost: a\r\n\r\n",
        "M-SEARCH /x HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "an offer to go on in HTTP/2 is left out",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "HTTP/1.0 goes on as HTTP/1.1",
        "GET /old HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n",
        "GET /old HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "with the host it was dialled at, if it names none",
        "GET /old HTTP/1.0\r\n\r\n",
        "GET /old HTTP/1.1\r\nhost: 10.96.0.5:8080\r\n\r\n",
    ),
    (
        "trailers that would frame, route or authenticate are left out, and the others pass",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nConnection: x-sum\r\nTransfer-Encoding: x\r\nkeep-alive: 1\r\nauthorization: Basic eA==\r\ncookie: a=b\r\nhost: b\r\nx-sum: 7\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n",
    ),
    (
        "callers cannot speak as proxies do",
        "GET / HTTP/1.1\r\nhost: a\r\nx-weft-proto: http/2\r\nx-weft-attempt: 7\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
];

#[tokio::test]
async fn requests_arrive_byte_for_byte() {
    let mut wrong = Vec::new();
    for path in [Path::Mesh, Path::Plain] {
        for (what, sent, expected) in REQUESTS {
            let app = Recorder::start(OK.as_bytes(), false).await;
            let (_world, proxies) = app.behind(path);
            let answer = exchange(&proxies[0], sent.as_bytes(), |seen| seen.ends_with("ok")).await;
            let (status, fine) = answer.split_once("\r\n").unwrap_or_default();
            let seen: Vec<String> = app.seen().iter().map(|bytes| sorted(bytes)).collect();
            if seen != [sorted(expected)] || !status.ends_with("200 OK") || !fine.ends_with("ok") {
                wrong.push(format!("{path:?} {what}: {seen:#?} is not {:?}, {answer}", sorted(expected)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a caller sends, what the application answers, whether it closes then, and what the caller must get.
const RESPONSES: &[(&str, &str, &str, bool, &str)] = &[
    (
        "end-to-end headers stay, hop-by-hop ones go",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nDate: Mon\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: x\r\nServer: mine\r\nContent-Length: 2\r\n\r\nhi",
        false,
        "HTTP/1.1 200 OK\r\ndate: Mon\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nserver: mine\r\ncontent-length: 2\r\n\r\nhi",
    ),
    (
        "a response to HEAD keeps the length it speaks of",
        "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n",
        false,
        "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n",
    ),
    (
        "and says none where the application said none",
        "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\netag: \"1\"\r\n\r\n",
        false,
        "HTTP/1.1 200 OK\r\netag: \"1\"\r\n\r\n",
    ),
    (
        "204 has no body and no length",
        "DELETE / HTTP/1.1\r\nhost: a\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n",
        false,
        "HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n",
    ),
    (
        "304 has no body, and tells the length of what it does not send (RFC 9110 8.6)",
        "GET / HTTP/1.1\r\nhost: a\r\nif-none-match: \"1\"\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\ncontent-length: 99\r\n\r\n",
        false,
        "HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\ncontent-length: 99\r\n\r\n",
    ),
    (
        "an empty body keeps its length",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        false,
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "what ends with its connection becomes chunks",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhi",
        true,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ),
    (
        "HTTP/1.0 of an application too",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nhi",
        true,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ),
    (
        "chunks for an HTTP/1.0 caller end with the connection",
        "GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        false,
        "HTTP/1.0 200 OK\r\n\r\nhi",
    ),
    (
        "an HTTP/1.0 caller may keep its connection",
        "GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        false,
        "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi",
    ),
    (
        "announced trailers reach who wants them",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: te\r\nte: trailers\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n",
        false,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n",
    ),
    (
        "informational responses pass in their order, but for what concerns a hop",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "HTTP/1.1 102 Processing\r\nconnection: x-hop\r\nx-hop: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 199 \r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        false,
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 199 \r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    ),
    (
        "100 that nobody asked for does not",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        false,
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    ),
    (
        "nor any to HTTP/1.0",
        "GET / HTTP/1.0\r\nhost: a\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        false,
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    ),
    (
        "a length that is said twice is said once",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nhi",
        false,
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    ),
    (
        "also where it is that of another answer",
        "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 00000000000000000000002, 2\r\n\r\n",
        false,
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
    ),
    (
        "trailers that would frame, route or authenticate are left out, and the others pass",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: te\r\nte: trailers\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nConnection: x\r\ntransfer-encoding: chunked\r\nkeep-alive: 1\r\nset-cookie: a=b\r\nx-sum: 7\r\nx-weft-elsewhere: 1\r\n\r\n",
        false,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n",
    ),
    (
        "where all of them are such the body just ends",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: te\r\nte: trailers\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nConnection: x\r\n\r\n",
        false,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ),
    (
        "trailers do not reach who has not asked for them",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n",
        false,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ),
    (
        "statuses nobody knows pass",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "HTTP/1.1 299 \r\ncontent-length: 0\r\n\r\n",
        false,
        "HTTP/1.1 299 \r\ncontent-length: 0\r\n\r\n",
    ),
];

#[tokio::test]
async fn responses_come_back_byte_for_byte() {
    let mut wrong = Vec::new();
    for path in [Path::Mesh, Path::Plain] {
        for (what, sent, answer, close, expected) in RESPONSES {
            let app = Recorder::start(answer.as_bytes(), *close).await;
            let (_world, proxies) = app.behind(path);
            let got = exchange(&proxies[0], sent.as_bytes(), |_| false).await;
            if sorted(&got) != sorted(expected) {
                wrong.push(format!("{path:?} {what}: {:?} is not {:?}", sorted(&got), sorted(expected)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Answers that must not look whole, or be passed on at all: what the caller must see of them.
#[tokio::test]
async fn responses_that_end_early_or_cannot_be_told_are_never_passed_off_as_whole() {
    let mut wrong = Vec::new();
    let get = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    for path in [Path::Mesh, Path::Plain] {
        for (answer, begins, never) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "HTTP/1.1 200", "\r\n\r\nhalf\r\n"),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
                "HTTP/1.1 200",
                "\r\n0\r\n",
            ),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 ", "\r\n0\r\n"),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
                "HTTP/1.1 502",
                "hi",
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi", "HTTP/1.1 502", "hi"),
            (
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
                "HTTP/1.1 502",
                "101",
            ),
            ("HTTP/1.1 200 OK\r\nx-fold: a\r\n b\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 502", "200"),
            ("nonsense\r\n\r\n", "HTTP/1.1 502", "nonsense"),
        ] {
            let app = Recorder::start(answer.as_bytes(), true).await;
            let (_world, proxies) = app.behind(path);
            let mut client = connect(proxies[0].outbound).await;
            client.write_all(get).await.unwrap();
            let (mut got, mut closed) = (Vec::new(), false);
            // An answer of the proxy's own leaves the connection open.
            while !closed && !got.starts_with(b"HTTP/1.1 502") {
                let read = tokio::time::timeout(LIMIT, client.read_buf(&mut got)).await;
                closed = read.expect("it is either answered or broken").unwrap_or(0) == 0;
            }
            let got = String::from_utf8_lossy(&got);
            // A head that has not left when its body breaks is not sent any more, or 502 in its place.
            let told = closed && got.is_empty() || got.starts_with(begins) || got.starts_with("HTTP/1.1 502");
            if !told || got.contains(never) {
                wrong.push(format!("{path:?} {answer:?}: {got:?}, closed {closed}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// As scripts do with `nc -q`.
#[tokio::test]
async fn who_ends_its_side_behind_its_requests_is_answered_all_the_same() {
    const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    for path in [Path::Mesh, Path::Plain] {
        for requests in [1, 2] {
            let app = Recorder::start(OK.as_bytes(), false).await;
            let (_world, proxies) = app.behind(path);
            let mut client = connect(proxies[0].outbound).await;
            client.write_all(GET.repeat(requests).as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            let mut got = String::new();
            tokio::time::timeout(LIMIT, client.read_to_string(&mut got)).await.expect("an end").unwrap();
            assert_eq!(got.matches(OK).count(), requests, "{path:?} {got}");
        }
    }
}

/// They are of use only while the answer is not there yet.
#[tokio::test]
async fn early_hints_pass_before_the_answer_is_there() {
    const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    for path in [Path::Mesh, Path::Plain] {
        let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (_world, proxies) = Recorder::at(app.local_addr().unwrap()).behind(path);
        let mut client = connect(proxies[0].outbound).await;
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let (mut io, _) = tokio::time::timeout(LIMIT, app.accept()).await.unwrap().unwrap();
        for _ in 0..2 {
            io.write_all(HINT.as_bytes()).await.unwrap();
            let mut hint = vec![0; HINT.len()];
            tokio::time::timeout(LIMIT, client.read_exact(&mut hint)).await.expect("at once").unwrap();
            assert_eq!(String::from_utf8(hint).unwrap(), HINT, "{path:?}");
        }
        io.write_all(OK.as_bytes()).await.unwrap();
        assert_eq!(read_all(&mut client, |seen| seen.ends_with("ok")).await, OK, "{path:?}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    for path in [Path::Mesh, Path::Plain] {
        let app = Recorder::start(OK.as_bytes(), false).await;
        let (_world, proxies) = app.behind(path);
        let all: String = (0..20)
            .map(|n| match n % 2 {
                0 => format!("GET /{n} HTTP/1.1\r\nhost: a\r\n\r\n"),
                _ => format!("POST /{n} HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc"),
            })
            .collect();
        let got = exchange(&proxies[0], all.as_bytes(), |_| false).await;
        assert_eq!(got, OK.repeat(20));
        let seen = app.seen().concat();
        let order: Vec<usize> = (0..20).map(|n| seen.find(&format!("/{n} HTTP")).unwrap()).collect();
        assert!(order.is_sorted(), "{path:?} {seen}");
    }
}

#[tokio::test]
async fn a_caller_that_leaves_half_way_leaves_no_request_that_looks_whole() {
    for path in [Path::Mesh, Path::Plain] {
        for half in [
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf",
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ] {
            let app = Recorder::start(OK.as_bytes(), false).await;
            let (_world, proxies) = app.behind(path);
            let mut client = connect(proxies[0].outbound).await;
            client.write_all(half.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            let got = read_all(&mut client, |_| false).await;
            assert!(!got.contains("200 OK"), "{path:?} {half:?}: {got}");
            let seen = app.seen().concat();
            assert!(!seen.contains("0\r\n\r\n"), "{path:?} {half:?}: {seen}");
        }
    }
}

/// Bytes sent before the application has agreed are the next request if it declines, and the new protocol's if it agrees.
#[tokio::test]
async fn an_upgrade_that_is_declined_leaves_http_in_order() {
    const ASK: &str = "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n\r\n";
    for path in [Path::Mesh, Path::Plain] {
        let app = Recorder::start(OK.as_bytes(), false).await;
        let (_world, proxies) = app.behind(path);
        let early = format!("{ASK}GET /after HTTP/1.1\r\nhost: a\r\n\r\n");
        let got = exchange(&proxies[0], early.as_bytes(), |_| false).await;
        assert_eq!(got, OK.repeat(2), "{path:?}");
        let mut seen: Vec<String> = app.seen().iter().map(|bytes| sorted(bytes)).collect();
        seen.sort();
        let expected = [sorted("GET /after HTTP/1.1\r\nhost: a\r\n\r\n"), sorted(ASK)];
        assert_eq!(seen, expected, "{path:?}: each on a connection of its own");
    }
}

#[tokio::test]
async fn connect_is_refused_where_http_is_spoken_and_tunnelled_where_bytes_are() {
    const ASK: &str = "CONNECT db:5432 HTTP/1.1\r\nhost: db:5432\r\n\r\n";
    let app = Recorder::start(b"HTTP/1.1 200 Connected\r\n\r\n", false).await;
    let (world, proxies) = app.behind(Path::Mesh);
    let got = exchange(&proxies[0], ASK.as_bytes(), |_| false).await;
    assert!(
        got.starts_with("HTTP/1.1 501 ") && got.contains("x-weft-reason: connect-not-supported"),
        "{got}"
    );
    assert_eq!(app.seen(), Vec::<String>::new());
    let opaque = world.caller(destination(Protocol::Opaque, vec![plain(app.addr)]));
    let got = exchange(&opaque, ASK.as_bytes(), |_| false).await;
    assert_eq!((got.as_str(), app.seen()), ("HTTP/1.1 200 Connected\r\n\r\n", vec![ASK.to_owned()]));
}

#[tokio::test]
async fn proxies_name_themselves_and_the_caller_where_the_mesh_wants_it() {
    const GET: &str = "GET / HTTP/1.1\r\nhost: shop:8080\r\nvia: 1.0 front\r\nforwarded: for=6.6.6.6\r\n\r\n";
    let app = Recorder::start(OK.as_bytes(), false).await;
    let world = World::new();
    world.tells.set(true);
    let receiver = world.receiver(app.addr);
    let caller = world.caller(destination(Protocol::Http1, vec![world.meshed(&receiver)]));
    let answer = exchange(&caller, GET.as_bytes(), |seen| seen.ends_with("ok")).await;
    assert_eq!(
        sorted(&answer),
        sorted("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nvia: 1.1 weft\r\nvia: 2 weft\r\n\r\nok")
    );
    let seen = app.seen().concat();
    let lines = |name: &str| seen.lines().filter(|line| line.starts_with(name)).collect::<Vec<_>>();
    assert_eq!(lines("via"), ["via: 1.0 front", "via: 1.1 weft", "via: 2 weft"], "{seen}");
    let forwarded = "forwarded: for=127.0.0.1;host=\"shop:8080\";proto=http";
    assert_eq!(lines("forwarded"), ["forwarded: for=6.6.6.6", forwarded], "{seen}");
}
