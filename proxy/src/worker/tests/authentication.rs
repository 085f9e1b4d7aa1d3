//! Applications that authenticate connections (NTLM, Negotiate): nobody gets answers that are meant for another caller, and
//! who authenticates stays authenticated.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::harness::{Proxy, World, connect, destination, plain, read_response};
use super::peer;
use super::recorder::Path;
use crate::http::Wire;
use crate::state::Protocol;

/// Who a connection belongs to, and how far its handshake is.
#[derive(Default)]
struct Session {
    challenged: bool,
    user: Option<String>,
}

impl Session {
    /// Status, a challenge, and the body: who asks, as far as the connection says.
    fn answer(&mut self, credentials: Option<&str>) -> (u16, Option<&'static str>, String) {
        match credentials.map(|credentials| credentials.split_once(' ').unwrap_or((credentials, ""))) {
            Some(("ntlm", "hello")) => {
                self.challenged = true;
                return (401, Some("NTLM prove-it"), "challenged".to_owned());
            }
            Some(("ntlm", user)) if self.challenged => self.user = Some(user.to_owned()),
            // As many servers take it: one word, and the connection is its caller's.
            Some(("negotiate", user)) => self.user = Some(user.to_owned()),
            _ => {}
        }
        match &self.user {
            Some(user) => (200, None, user.clone()),
            None => (401, Some("Negotiate, NTLM"), "nobody".to_owned()),
        }
    }
}

async fn application() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            tokio::spawn(serve(listener.accept().await.unwrap().0));
        }
    });
    addr
}

async fn serve(mut io: TcpStream) {
    let (mut session, mut seen) = (Session::default(), Vec::new());
    loop {
        while let Some(end) = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8(seen.drain(..end + 4).collect()).unwrap().to_ascii_lowercase();
            let credentials = head.lines().find_map(|line| line.strip_prefix("authorization: "));
            let (status, challenge, body) = session.answer(credentials);
            let challenge = challenge.map(|text| format!("www-authenticate: {text}\r\n")).unwrap_or_default();
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} x\r\n{challenge}content-length: {length}\r\n\r\n{body}");
            if io.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
        if !matches!(io.read_buf(&mut seen).await, Ok(1..)) {
            return;
        }
    }
}

async fn h2_application() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let io = listener.accept().await.unwrap().0;
            tokio::spawn(async move {
                let mut session = Session::default();
                let mut connection = h2::server::handshake(io).await.unwrap();
                while let Some(Ok((request, mut reply))) = connection.accept().await {
                    let credentials = request.headers().get("authorization");
                    let credentials = credentials.map(|value| value.to_str().unwrap().to_ascii_lowercase());
                    let (status, _, body) = session.answer(credentials.as_deref());
                    let response = http::Response::builder().status(status).body(()).unwrap();
                    if let Ok(mut stream) = reply.send_response(response, false) {
                        let _ = stream.send_data(Bytes::from(body), true);
                    }
                }
            });
        }
    });
    addr
}

/// Proxies in front of `apps`; the first is the caller's.
fn behind(world: &World, apps: &[SocketAddr], path: Path) -> Vec<Proxy> {
    let mut proxies: Vec<Proxy> = match path {
        Path::Mesh => apps.iter().map(|app| world.receiver(*app)).collect(),
        Path::Plain => Vec::new(),
    };
    let endpoints = match path {
        Path::Mesh => proxies.iter().map(|receiver| world.meshed(receiver)).collect(),
        Path::Plain => apps.iter().map(|app| plain(*app)).collect(),
    };
    proxies.insert(0, world.caller(destination(Protocol::Http1, endpoints)));
    proxies
}

/// Status and body of the answer to a request with `credentials`.
async fn get(io: &mut TcpStream, credentials: Option<&str>) -> (String, String) {
    let credentials = credentials.map(|text| format!("authorization: {text}\r\n")).unwrap_or_default();
    io.write_all(format!("GET / HTTP/1.1\r\nhost: a\r\n{credentials}\r\n").as_bytes()).await.unwrap();
    let (head, body) = read_response(io).await;
    (head[9..12].to_owned(), String::from_utf8(body).unwrap())
}

fn is(status: &str, body: &str) -> (String, String) {
    (status.to_owned(), body.to_owned())
}

#[tokio::test]
async fn who_authenticates_a_connection_has_it_alone() {
    for path in [Path::Mesh, Path::Plain] {
        let (world, app) = (World::new(), application().await);
        let proxies = behind(&world, &[app], path);
        let mut alice = connect(proxies[0].outbound).await;
        let mut mallory = connect(proxies[0].outbound).await;
        for (credentials, expected) in [
            (None, is("401", "nobody")),
            (Some("NTLM hello"), is("401", "challenged")),
            (Some("NTLM alice"), is("200", "alice")),
            (None, is("200", "alice")),
        ] {
            assert_eq!(get(&mut alice, credentials).await, expected, "{path:?} {credentials:?}");
            for _ in 0..3 {
                assert_eq!(
                    get(&mut mallory, None).await,
                    is("401", "nobody"),
                    "{path:?} after {credentials:?}"
                );
            }
        }
        let mut bob = connect(proxies[0].outbound).await;
        assert_eq!(get(&mut bob, Some("Negotiate bob")).await, is("200", "bob"), "{path:?}");
        for _ in 0..3 {
            assert_eq!(get(&mut alice, None).await, is("200", "alice"), "{path:?}");
            assert_eq!(get(&mut bob, None).await, is("200", "bob"), "{path:?}");
            assert_eq!(get(&mut mallory, None).await, is("401", "nobody"), "{path:?}");
        }
        // Who is gone leaves nothing to others.
        drop((alice, bob));
        for _ in 0..10 {
            let mut next = connect(proxies[0].outbound).await;
            assert_eq!(get(&mut next, None).await, is("401", "nobody"), "{path:?}");
        }
    }
}

#[tokio::test]
async fn a_handshake_stays_with_one_of_many_endpoints() {
    for path in [Path::Mesh, Path::Plain] {
        let world = World::new();
        let apps = [application().await, application().await, application().await];
        let proxies = behind(&world, &apps, path);
        for _ in 0..10 {
            let mut alice = connect(proxies[0].outbound).await;
            get(&mut alice, None).await;
            assert_eq!(get(&mut alice, Some("NTLM hello")).await, is("401", "challenged"), "{path:?}");
            assert_eq!(get(&mut alice, Some("NTLM alice")).await, is("200", "alice"), "{path:?}");
            for _ in 0..4 {
                assert_eq!(get(&mut alice, None).await, is("200", "alice"), "{path:?}");
            }
        }
    }
}

/// Over HTTP/2 nobody can tell whose requests a peer's are: credentials stay with the request that brought them.
#[tokio::test]
async fn streams_of_a_peer_never_share_what_one_of_them_authenticated() {
    for wire in [Wire::H1, Wire::H2] {
        let world = World::new();
        let app = match wire {
            Wire::H1 => application().await,
            Wire::H2 => h2_application().await,
        };
        let receiver = world.receiver(app);
        let sender = peer::dial_h2(&world, &receiver).await;
        let ask = async |credentials: Option<&str>| {
            let mut request = Request::get("http://a/");
            if wire == Wire::H1 {
                request = request.header("x-weft-proto", "http/1.1");
            }
            if let Some(credentials) = credentials {
                request = request.header("authorization", credentials);
            }
            let answer = peer::ask(&sender, request.body(()).unwrap()).await.expect("an answer");
            (answer.status().as_u16(), String::from_utf8(answer.into_body()).unwrap())
        };
        for _ in 0..3 {
            assert_eq!(ask(None).await, (401, "nobody".to_owned()), "{wire:?}");
            assert_eq!(ask(Some("Negotiate alice")).await, (200, "alice".to_owned()), "{wire:?}");
        }
        assert_eq!(ask(None).await, (401, "nobody".to_owned()), "{wire:?}");
    }
}

#[tokio::test]
async fn http2_callers_of_a_plain_server_do_not_either() {
    let (world, app) = (World::new(), h2_application().await);
    let caller = world.caller(destination(Protocol::Http2, vec![plain(app)]));
    let (sender, connection) = h2::client::handshake(connect(caller.outbound).await).await.unwrap();
    tokio::spawn(connection);
    for credentials in [None, Some("Negotiate alice"), None, Some("Negotiate bob"), None] {
        let mut request = Request::get("http://a/");
        if let Some(credentials) = credentials {
            request = request.header("authorization", credentials);
        }
        let answer = peer::ask(&sender, request.body(()).unwrap()).await.expect("an answer");
        let expected = credentials.map_or("nobody", |text| text.split_once(' ').unwrap().1);
        assert_eq!(String::from_utf8(answer.into_body()).unwrap(), expected);
    }
}
