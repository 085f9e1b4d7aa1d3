//! Messages made to be read differently by the two who read them: none may reach the application as another request
//! than its caller sent, whatever the caller is told.

use std::fmt::Write as _;

use super::harness::{Proxy, World};
use super::recorder::{Path, Recorder, exchange};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What the caller must be told, and what may arrive of it.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// This status, and nothing arrives.
    Refused(u16),
    /// It is taken in one reading: one request arrives, and the connection ends with it.
    Once,
    /// It is harmless, and so many requests arrive.
    Carried(usize),
    /// This status; the head may have arrived before the rest turned out to be bad.
    Broken(u16),
}
use Told::{Broken, Carried, Once, Refused};

/// Where a smuggled request would go.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

fn corpus() -> Vec<(&'static str, String, Told)> {
    let post = |fields: &str, body: &str| format!("POST /first HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}");
    let chunked = |body: &str| post("transfer-encoding: chunked\r\n", body);
    let long = |length: usize| "x".repeat(length);
    let many: String = (0..101).fold(String::new(), |mut fields, n| {
        let _ = write!(fields, "x-{n}: 1\r\n");
        fields
    });
    vec![
        // Two framings.
        (
            "CL.TE",
            post("content-length: 6\r\ntransfer-encoding: chunked\r\n", &format!("0\r\n\r\n{SMUGGLED}")),
            Once,
        ),
        (
            "TE.CL",
            post("transfer-encoding: chunked\r\ncontent-length: 4\r\n", &format!("0\r\n\r\n{SMUGGLED}")),
            Once,
        ),
        (
            "TE unknown",
            post("transfer-encoding: xchunked\r\n", &format!("0\r\n\r\n{SMUGGLED}")),
            Refused(400),
        ),
        (
            "TE.TE second unknown",
            post("transfer-encoding: chunked\r\ntransfer-encoding: cow\r\n", &format!("0\r\n\r\n{SMUGGLED}")),
            Refused(400),
        ),
        (
            "TE.TE twice",
            post("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
            Refused(501),
        ),
        ("TE gzip", post("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n"), Refused(501)),
        ("TE identity", post("transfer-encoding: identity\r\ncontent-length: 2\r\n", "hi"), Refused(400)),
        ("TE chunked not last", post("transfer-encoding: chunked, gzip\r\n", "0\r\n\r\n"), Refused(400)),
        ("TE with a vertical tab", post("transfer-encoding: \x0bchunked\r\n", "0\r\n\r\n"), Refused(400)),
        ("TE in quotes", post("transfer-encoding: \"chunked\"\r\n", "0\r\n\r\n"), Refused(400)),
        (
            "TE with a space before the colon",
            post("transfer-encoding : chunked\r\n", "0\r\n\r\n"),
            Refused(400),
        ),
        ("TE folded", post("transfer-encoding:\r\n chunked\r\n", "0\r\n\r\n"), Refused(400)),
        ("TE hidden by a fold", post("x-a: 1\r\n transfer-encoding: chunked\r\n", SMUGGLED), Refused(400)),
        ("TE after a bare CR", post("x-a: 1\rtransfer-encoding: chunked\r\n", SMUGGLED), Refused(400)),
        ("TE after a NUL", post("x-a: 1\0\r\ntransfer-encoding: chunked\r\n", SMUGGLED), Refused(400)),
        ("TE with HTTP/1.0", chunked("0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0"), Refused(400)),
        (
            "TE named by Connection",
            post("connection: transfer-encoding\r\ntransfer-encoding: chunked\r\n", "2\r\nhi\r\n0\r\n\r\n"),
            Carried(1),
        ),
        // Lengths.
        ("CL.CL", post("content-length: 2\r\ncontent-length: 3\r\n", "abc"), Refused(400)),
        ("CL twice the same", post("content-length: 2\r\ncontent-length: 2\r\n", "hi"), Carried(1)),
        ("CL as a list", post("content-length: 2, 2\r\n", "hi"), Refused(400)),
        ("CL signed", post("content-length: +2\r\n", "hi"), Refused(400)),
        ("CL negative", post("content-length: -1\r\n", ""), Refused(400)),
        ("CL hexadecimal", post("content-length: 0x2\r\n", "hi"), Refused(400)),
        ("CL empty", post("content-length: \r\n", ""), Refused(400)),
        ("CL beyond 64 bits", post("content-length: 99999999999999999999\r\n", ""), Refused(400)),
        ("CL with an underscore is another header", post("content_length: 30\r\n", SMUGGLED), Carried(2)),
        // Chunks.
        ("chunk size that is no number", chunked("zz\r\nhi\r\n0\r\n\r\n"), Broken(400)),
        ("chunk size signed", chunked("+2\r\nhi\r\n0\r\n\r\n"), Broken(400)),
        ("chunk size with 0x", chunked("0x2\r\nhi\r\n0\r\n\r\n"), Broken(400)),
        ("chunk size beyond 64 bits", chunked("fffffffffffffffff\r\nhi\r\n0\r\n\r\n"), Broken(400)),
        ("chunk size empty", chunked("\r\nhi\r\n0\r\n\r\n"), Broken(400)),
        ("chunk size ended by LF", chunked("2\nhi\r\n0\r\n\r\n"), Broken(400)),
        ("chunk extension with LF", chunked("2;a\nb\r\nhi\r\n0\r\n\r\n"), Broken(400)),
        ("chunk longer than its size", chunked(&format!("2\r\nhix\r\n0\r\n\r\n{SMUGGLED}")), Broken(400)),
        ("chunk ended by LF", chunked("2\r\nhi\n0\r\n\r\n"), Broken(400)),
        ("endless chunk extension", chunked(&format!("2;{}\r\nhi\r\n0\r\n\r\n", long(20_000))), Broken(400)),
        ("trailers that frame", chunked("0\r\ncontent-length: 40\r\n\r\n"), Carried(1)),
        // Heads.
        ("no Host", "GET /first HTTP/1.1\r\n\r\n".into(), Refused(400)),
        ("two Hosts", post("host: b\r\n", ""), Refused(400)),
        ("Host with a path", "GET /first HTTP/1.1\r\nhost: a/b\r\n\r\n".into(), Refused(400)),
        ("Host with a user", "GET /first HTTP/1.1\r\nhost: u@a\r\n\r\n".into(), Refused(400)),
        ("NUL in a value", post("x-a: a\0b\r\n", ""), Refused(400)),
        ("NUL in a name", post("x\0a: b\r\n", ""), Refused(400)),
        ("NUL in the target", "GET /fir\0st HTTP/1.1\r\nhost: a\r\n\r\n".into(), Refused(400)),
        ("space in a name", post("x a: b\r\n", ""), Refused(400)),
        ("no colon", post("nonsense\r\n", ""), Refused(400)),
        ("no name", post(": b\r\n", ""), Refused(400)),
        ("space before the first header", "GET /first HTTP/1.1\r\n host: a\r\n\r\n".into(), Refused(400)),
        ("HTTP/1.2", "GET /first HTTP/1.2\r\nhost: a\r\n\r\n".into(), Carried(1)),
        ("HTTP/1.20", "GET /first HTTP/1.20\r\nhost: a\r\n\r\n".into(), Refused(400)),
        ("HTTP/0.9", "GET /first\r\nhost: a\r\n\r\n".into(), Refused(400)),
        ("method in brackets", "G[T /first HTTP/1.1\r\nhost: a\r\n\r\n".into(), Refused(400)),
        ("h2 preface as a request", format!("PRI * HTTP/1.1\r\nhost: a\r\n\r\n{SMUGGLED}"), Refused(400)),
        (
            "what follows a tunnel that is refused",
            format!("CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n{SMUGGLED}"),
            Refused(501),
        ),
        (
            "what follows a host that is refused",
            format!("GET /first HTTP/1.1\r\nhost: u@a\r\n\r\n{SMUGGLED}"),
            Refused(400),
        ),
        ("a version that is not ASCII", "GET /first HTTP/1.\u{e9}\r\nhost: a\r\n\r\n".into(), Refused(400)),
        ("lines ended by LF", "GET /first HTTP/1.1\nhost: a\n\n".into(), Carried(1)),
        // Limits.
        ("a head of 70 KB", post(&format!("x-long: {}\r\n", long(70_000)), ""), Refused(431)),
        ("a head of 60 KB", post(&format!("x-long: {}\r\n", long(60_000)), ""), Carried(1)),
        ("101 headers beside Host", post(&many, ""), Carried(1)),
        ("a target of 65,535", format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", long(65_534)), Refused(414)),
        ("a target of 30,000", format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", long(29_999)), Carried(1)),
    ]
}

/// What became of one message of the corpus. The application is its own: what is still on its way to it when the
/// caller has its answer belongs to no other message.
struct Sent {
    what: &'static str,
    path: Path,
    told: Told,
    got: String,
    app: Recorder,
    _running: (World, Vec<Proxy>),
}

#[tokio::test]
async fn no_message_is_read_in_two_ways() {
    let mut all = Vec::new();
    for path in [Path::Mesh, Path::Plain] {
        for (what, message, told) in corpus() {
            let app = Recorder::start(OK, false).await;
            let (world, proxies) = app.behind(path);
            let got = exchange(&proxies[0], message.as_bytes(), |seen| match told {
                Refused(_) | Broken(_) | Once => false,
                Carried(count) => seen.matches("\r\n\r\nok").count() == count,
            })
            .await;
            all.push(Sent { what, path, told, got, app, _running: (world, proxies) });
        }
    }
    // Only now, so that whatever came late is looked at too.
    let wrong: Vec<String> = all.iter().filter(|sent| !sent.is_fine()).map(Sent::told).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// === impl Sent ===

impl Sent {
    fn is_fine(&self) -> bool {
        let arrived = self.app.seen().concat();
        let requests = requests_in(&arrived);
        let status = |code: u16| self.got.starts_with(&format!("HTTP/1.1 {code} "));
        match self.told {
            Refused(code) => status(code) && arrived.is_empty(),
            Once => requests == 1 && status(200) && !arrived.contains("smuggled"),
            Carried(count) => requests == count && self.got.matches("HTTP/1.1 200 OK").count() == count,
            Broken(code) => status(code) && !arrived.contains("smuggled") && !whole(&arrived),
        }
    }

    fn told(&self) -> String {
        let short = |text: &str| text.chars().take(300).collect::<String>();
        let arrived = self.app.seen().concat();
        let Self { what, path, told, .. } = self;
        format!("{path:?} {what} {told:?}: told {:?}, arrived {:?}", short(&self.got), short(&arrived))
    }
}

/// Request lines at the beginnings of lines; no body of the corpus has one that is not smuggled.
fn requests_in(arrived: &str) -> usize {
    arrived.lines().filter(|line| line.ends_with(" HTTP/1.1")).count()
}

/// Whether a chunked request came to its end.
fn whole(arrived: &str) -> bool {
    arrived.ends_with("0\r\n\r\n")
}
