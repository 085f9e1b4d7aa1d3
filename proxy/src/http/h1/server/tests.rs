//! Callers over real sockets, byte for byte.

use std::cell::Cell;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

use super::*;
use crate::http::rescue::{Failure, Reader, rescue};

const LIMIT: Duration = Duration::from_secs(10);

async fn locally<F: Future>(test: F) -> F::Output {
    LocalSet::new().run_until(async { timeout(LIMIT, test).await.expect("nothing hangs") }).await
}

fn refused(bad: BadHead) -> Response<Body> {
    rescue(&Failure::BadHead(bad), false, Reader::Caller)
}

/// A caller whose requests are answered with `respond`.
async fn caller<S, F>(respond: S) -> TcpStream
where
    S: Fn(Request<Upload>) -> F + 'static,
    F: Future<Output = Response<Body>> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let far = listener.accept().await.unwrap().0;
    spawn_local(async move { serve(far.into(), respond, refused, std::future::pending()).await });
    near
}

/// What is answered to `says` until the connection ends.
async fn told<S, F>(says: &str, respond: S) -> String
where
    S: Fn(Request<Upload>) -> F + 'static,
    F: Future<Output = Response<Body>> + 'static,
{
    let mut caller = caller(respond).await;
    caller.write_all(says.as_bytes()).await.unwrap();
    let mut all = String::new();
    caller.read_to_string(&mut all).await.unwrap();
    all
}

/// Answers with the target, without a look at the body.
async fn target(request: Request<Upload>) -> Response<Body> {
    Response::new(Body::text(request.uri().path().to_owned()))
}

/// Answers with the body.
async fn echo(request: Request<Upload>) -> Response<Body> {
    match request.into_body().collect().await {
        Ok(body) => Response::new(Body::text(body.to_bytes())),
        Err(_) => Response::builder().status(400).body(Body::empty()).unwrap(),
    }
}

#[tokio::test]
async fn requests_that_come_at_once_are_answered_in_turn() {
    let says = "GET /a HTTP/1.1\r\n\r\n\r\nPOST /b HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET /c HTTP/1.1\r\nconnection: close\r\n\r\nGET /d HTTP/1.1\r\n\r\n";
    let all = locally(told(says, target)).await;
    let expected = ["/a", "/b", "/c"].map(|path| {
        let close = if path == "/c" { "connection: close\r\n" } else { "" };
        format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{close}\r\n{path}")
    });
    assert_eq!(all, expected.concat(), "what nobody wanted of a body is read, and nothing after the last");
}

#[tokio::test]
async fn bodies_are_read_however_they_are_framed() {
    let chunked =
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n1;a=b\r\n!\r\n0\r\nx: y\r\n\r\n";
    let known = "POST / HTTP/1.1\r\ncontent-length: 3\r\nconnection: close\r\n\r\nhi!";
    let all = locally(told(&format!("{chunked}{known}"), echo)).await;
    assert_eq!(all.matches("\r\n\r\nhi!").count(), 2, "{all}");
}

#[tokio::test]
async fn nothing_follows_a_body_that_is_malformed() {
    let says = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nGET /b HTTP/1.1\r\n\r\n";
    let all = locally(told(says, echo)).await;
    assert_eq!(all, "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

#[tokio::test]
async fn a_caller_that_asks_first_is_told_when_the_body_is_wanted() {
    let head = "POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\n";
    let asked = |wanted| async move {
        let mut caller = if wanted { caller(echo).await } else { caller(target).await };
        caller.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        caller.read_exact(&mut first).await.unwrap();
        if wanted {
            caller.write_all(b"hi").await.unwrap();
        }
        let mut rest = String::new();
        caller.read_to_string(&mut rest).await.unwrap();
        (String::from_utf8(first.to_vec()).unwrap(), rest)
    };
    let (first, rest) = locally(asked(true)).await;
    assert_eq!(first, "HTTP/1.1 100");
    assert!(rest.ends_with("\r\n\r\nhi"), "{rest}");
    let (first, rest) = locally(asked(false)).await;
    assert_eq!(first, "HTTP/1.1 200");
    assert!(rest.contains("connection: close"), "it may send the body or another request: {rest}");
}

#[tokio::test]
async fn old_callers_get_what_they_understand() {
    let plain = locally(told("GET /a HTTP/1.0\r\n\r\n", target)).await;
    assert_eq!(plain, "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n/a");
    let kept = "GET /a HTTP/1.0\r\nconnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n";
    let all = locally(told(kept, target)).await;
    assert!(
        all.starts_with("HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\n/a"),
        "{all}"
    );
    assert!(all.ends_with("/b"), "{all}");
}

#[tokio::test]
async fn an_answer_is_given_up_when_its_caller_leaves() {
    struct Told(Rc<Cell<bool>>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    locally(async {
        let gone = Rc::new(Cell::new(false));
        let seen = gone.clone();
        let mut caller = caller(move |_| {
            let told = Told(seen.clone());
            async move {
                std::future::pending::<()>().await;
                drop(told);
                Response::new(Body::empty())
            }
        })
        .await;
        caller.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!gone.get());
        drop(caller);
        while !gone.get() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_refusal_arrives_though_the_caller_is_still_sending() {
    for (says, status) in [
        (format!("GET / HTTP/1.1\r\n x: y\r\n\r\n{}", "x".repeat(1 << 20)), 400),
        (format!("GET / HTTP/1.1\r\na: {}", "x".repeat(1 << 20)), 431),
        (format!("GET /{}", "x".repeat(1 << 20)), 414),
    ] {
        locally(async {
            let (mut read, mut write) = caller(target).await.into_split();
            let sending = spawn_local(async move { write.write_all(says.as_bytes()).await });
            let mut first = [0; 12];
            read.read_exact(&mut first).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&first), format!("HTTP/1.1 {status}"));
            sending.abort();
        })
        .await;
    }
}

#[tokio::test]
async fn a_connection_that_is_asked_to_end_does_with_the_answer_under_way_or_at_once() {
    locally(async {
        for head in ["", "GET /a HT"] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let far = listener.accept().await.unwrap().0;
            near.write_all(head.as_bytes()).await.unwrap();
            let ending = tokio::time::sleep(Duration::from_millis(if head.is_empty() { 0 } else { 50 }));
            spawn_local(async move { serve(far.into(), target, refused, ending).await });
            if !head.is_empty() {
                tokio::time::sleep(Duration::from_millis(100)).await;
                near.write_all(b"TP/1.1\r\n\r\n").await.unwrap();
            }
            let mut all = String::new();
            near.read_to_string(&mut all).await.unwrap();
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n/a";
            assert_eq!(all, if head.is_empty() { "" } else { answer });
        }
    })
    .await;
}
