//! The same over plain HTTP: a server, honest or not, and what arrives at the application.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST};
use http::{HeaderName, Method};

use super::super::harness::{LIMIT, Proxy, World, connect, plain};
use super::super::peer::{self, WIRES};
use super::super::recorder::Recorder;
use super::super::script::{Act, Script};
use super::{GET, OK, check, enforce, post, receiver_of, say};
use crate::asking::{CAUSES, LONGEST_ANSWER};
use crate::external_check::{ExemptPath, Exemption, ExternalCheck, OverHttp};
use crate::state::Protocol;
use crate::tls::Alpn;

const X_USER: HeaderName = HeaderName::from_static("x-user");
const YES: Act = Act::Say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");

fn over_http() -> OverHttp {
    OverHttp { prefix: "/auth".into(), to_application: [X_USER].into(), to_caller: [].into() }
}

pub fn http_check() -> ExternalCheck {
    ExternalCheck { over_http: Some(over_http()), ..check() }
}

/// A proxy in front of `app` whose `check` asks `server`.
pub fn asking(world: &World, app: &Recorder, server: &Script, check: ExternalCheck) -> Proxy {
    receiver_of(world, app.addr, Some(plain(server.addr)), check, Protocol::Http1)
}

fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[tokio::test]
async fn a_question_is_the_request_itself_with_a_path_below_and_few_headers() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let server = Script::start(|_| YES).await;
    let receiver = asking(&world, &app, &server, http_check());
    let request = "POST /f?q=1 HTTP/1.1\r\nhost: shop.example:80\r\nAuthorization: t\r\ncookie: secret\r\nx-weft-deadline: 8000\r\n\
                   x-forwarded-client-cert: URI=spiffe://cluster.local/ns/a/sa/admin\r\ncontent-length: 6\r\n\r\nsecret";
    let mut io = peer::dial(&world, &receiver, Alpn::H1).await;
    assert!(say(&mut io, request).await.0.starts_with("http/1.1 200 "));
    assert!(say(&mut connect(receiver.inbound).await, request).await.0.starts_with("http/1.1 200 "));
    let told = [COOKIE, CONTENT_LENGTH, HeaderName::from_static("x-weft-deadline")];
    let told = [&told[..], &[HeaderName::from_static("x-forwarded-client-cert"), AUTHORIZATION]].concat();
    enforce(&receiver, vec![ExternalCheck { allowed_headers: told.into(), ..http_check() }]);
    assert!(say(&mut connect(receiver.inbound).await, request).await.0.starts_with("http/1.1 200 "));
    let questions = server.requests();
    let [proved, plain, more] = &questions[..] else { panic!("{questions:?}") };
    for question in &questions {
        assert!(question.starts_with("post /auth/f?q=1 http/1.1\r\n"), "{question}");
        for line in ["\r\nhost: shop.example:80\r\n", "\r\ncontent-length: 0\r\n", "\r\nauthorization: t\r\n"]
        {
            assert_eq!(question.matches(line).count(), 1, "{line} in {question}");
        }
        for word in ["admin", "x-weft-deadline: 8000", "x-envoy-auth-partial-body"] {
            assert!(!question.contains(word), "{word} in {question}");
        }
        assert!(question.ends_with("\r\n\r\n"), "nothing is told of the body: {question}");
    }
    assert!(proved.contains("uri=spiffe://cluster.local/ns/shop/sa/web\r\n"), "{proved}");
    assert!(proved.contains("by=spiffe://cluster.local/ns/shop/sa/reviews;"), "{proved}");
    assert!(!plain.contains("x-forwarded-client-cert") && !plain.contains("cookie"), "{plain}");
    assert!(more.contains("\r\ncookie: secret\r\n") && !more.contains("x-forwarded-client-cert"), "{more}");
    let seen = app.seen().concat();
    assert_eq!((seen.matches("cookie: secret").count(), seen.matches("\r\n\r\nsecret").count()), (3, 3));
}

#[tokio::test]
async fn a_yes_says_what_a_caller_cannot_say_and_nothing_else() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let server = Script::start(|index| {
        if index == 0 {
            Act::Say(
                "HTTP/1.1 200 OK\r\nx-user: alice\r\nx-user: also\r\nx-other: 1\r\nhost: evil\r\ncontent-type: text/evil\r\ncontent-length: 2\r\n\r\nok",
            )
        } else {
            YES
        }
    })
    .await;
    let to_application = [X_USER, HOST, CONTENT_LENGTH].into();
    let path = ExemptPath::Exact("/healthz".into());
    let check = ExternalCheck {
        over_http: Some(OverHttp { to_application, ..over_http() }),
        exempt: [Exemption { method: Some(Method::GET), path }].into(),
        ..check()
    };
    let receiver = asking(&world, &app, &server, check.clone());
    let request = "POST /f HTTP/1.1\r\nhost: a\r\nx-user: mallory\r\nx_user: mallory\r\nx.user: mallory\r\ncontent-length: 6\r\n\r\nsecret";
    let mut io = connect(receiver.inbound).await;
    let (head, body) = say(&mut io, request).await;
    assert!(head.starts_with("http/1.1 200 ") && body == "ok", "{head}");
    let seen = app.seen().concat().to_lowercase();
    assert!(seen.contains("x-user: alice\r\n") && seen.contains("x-user: also\r\n"), "{seen}");
    assert!(seen.contains("host: a\r\n") && seen.contains("content-length: 6\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\nsecret"), "{seen}");
    for word in ["mallory", "evil", "x-other"] {
        assert!(!seen.contains(word), "{word} in {seen}");
    }
    assert!(say(&mut io, request).await.0.starts_with("http/1.1 200 "));
    let exempt =
        "GET /healthz HTTP/1.1\r\nhost: a\r\nx-user: mallory\r\nX_User: mallory\r\nx.user: mallory\r\n\r\n";
    assert!(say(&mut io, exempt).await.0.starts_with("http/1.1 200 "));
    assert_eq!((server.requests().len(), app.seen().concat().contains("mallory")), (2, false));
    enforce(&receiver, vec![ExternalCheck { dry_run: true, ..check }]);
    assert!(say(&mut io, request).await.0.starts_with("http/1.1 200 "));
    assert!(app.seen().concat().contains("mallory"), "a rehearsal changes nothing");
}

#[tokio::test]
async fn anything_but_200_is_a_no_in_the_server_s_words_and_no_byte_arrives() {
    const NO: &str = "HTTP/1.1 401 Who\r\nwww-authenticate: Basic\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-weft-reason: forged\r\n\
                      grpc-status: 0\r\nconnection: x-hop\r\nx-hop: 1\r\nx-more: 1\r\ncontent-length: 8\r\n\r\nwho you?";
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let server = Script::start(|_| Act::Say(NO)).await;
    let receiver = asking(&world, &app, &server, http_check());
    for wire in WIRES {
        let (head, body) = post(&world, &receiver, wire).await;
        let head = head.to_lowercase();
        assert!(head.starts_with("http/1.1 401 ") && body == "who you?", "{wire:?}: {head}");
        for line in ["x-weft-reason: external-check-denied", "www-authenticate: basic", "set-cookie: b=2"] {
            assert!(head.contains(line), "{wire:?}: {line} in {head}");
        }
        for word in ["forged", "grpc-status", "x-hop"] {
            assert!(!head.contains(word), "{wire:?}: {word} in {head}");
        }
    }
    let few = OverHttp { to_caller: [HeaderName::from_static("x-more")].into(), ..over_http() };
    enforce(&receiver, vec![ExternalCheck { over_http: Some(few), ..check() }]);
    let (head, _) = say(&mut connect(receiver.inbound).await, GET).await;
    assert!(head.contains("x-more: 1") && head.contains("www-authenticate: basic"), "{head}");
    assert!(!head.contains("set-cookie"), "{head}");
    assert_eq!(app.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn no_stays_no_whatever_else_is_said_and_nobody_is_sent_elsewhere() {
    let long = LONGEST_ANSWER + 1;
    let huge = format!("HTTP/1.1 403 No\r\ncontent-length: {long}\r\n\r\n{}", "x".repeat(long));
    for (act, status) in [
        (Act::Say("HTTP/1.1 302 Found\r\nlocation: /auth/login\r\ncontent-length: 0\r\n\r\n"), "302"),
        (Act::Say("HTTP/1.1 429 Many\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"), "429"),
        // Told to a caller, they would look like a yes.
        (Act::Say("HTTP/1.1 204 Nothing\r\n\r\n"), "403"),
        (Act::Say("HTTP/1.1 206 Part\r\ncontent-length: 2\r\n\r\nok"), "403"),
        (Act::Say(leaked(huge)), "403"),
        // What follows the head never comes.
        (Act::Hang("HTTP/1.1 403 No\r\ncontent-length: 5\r\n\r\nnev"), "403"),
    ] {
        let (world, app) = (World::new(), Recorder::start(OK, false).await);
        let server = Script::start(move |_| act).await;
        let timeout = if matches!(act, Act::Hang(_)) { Duration::from_millis(300) } else { LIMIT };
        let check = ExternalCheck { allows_on_failure: true, timeout, ..http_check() };
        let receiver = asking(&world, &app, &server, check.clone());
        let (head, body) = say(&mut connect(receiver.inbound).await, GET).await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{status}: {head}");
        assert_eq!(head.contains("location: /auth/login"), status == "302", "{head}");
        assert!(body.len() < 100, "{status}: {}", body.len());
        assert_eq!((server.requests().len(), app.seen()), (1, Vec::new()), "{status}");
        assert_eq!(check.tally.denied.load(Ordering::Relaxed), 1, "{status}");
    }
}

#[tokio::test]
async fn without_a_usable_answer_over_http_the_policy_says_what_happens() {
    let long = LONGEST_ANSWER + 1;
    let huge = format!("HTTP/1.1 200 OK\r\ncontent-length: {long}\r\n\r\n{}", "x".repeat(long));
    let headers: String = (0..65).map(|index| format!("x-user: {index}\r\n")).collect();
    let many = format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n");
    for (act, cause) in [
        (Act::Close, "unreachable"),
        (Act::Say("220 smtp\r\n\r\n"), "unreachable"),
        (Act::Say("HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n"), "bad-answer"),
        (Act::Say("HTTP/1.1 503 Broken\r\ncontent-length: 0\r\n\r\n"), "bad-answer"),
        (Act::Say("HTTP/1.1 600 What\r\ncontent-length: 0\r\n\r\n"), "bad-answer"),
        (Act::Say("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: a\r\n\r\n"), "bad-answer"),
        (Act::Say(leaked(huge)), "bad-answer"),
        (Act::Say(leaked(many)), "bad-answer"),
        (Act::Hang("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nnev"), "bad-answer"),
        (Act::Hang(""), "timeout"),
        (Act::SayLate(Duration::from_secs(1), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), "timeout"),
    ] {
        let (world, app) = (World::new(), Recorder::start(OK, false).await);
        let server = Script::start(move |_| act).await;
        let waits = matches!(act, Act::Hang(_) | Act::SayLate(..));
        let timeout = if waits { Duration::from_millis(200) } else { LIMIT };
        let closed = ExternalCheck { timeout, ..http_check() };
        let open = ExternalCheck { timeout, allows_on_failure: true, ..http_check() };
        let receiver = asking(&world, &app, &server, closed.clone());
        let (head, _) = say(&mut connect(receiver.inbound).await, GET).await;
        assert!(head.starts_with("http/1.1 503 ") && head.contains("check-failed"), "{cause}: {head}");
        assert_eq!(app.seen(), Vec::<String>::new(), "{cause}");
        enforce(&receiver, vec![open.clone()]);
        let request = "GET /f HTTP/1.1\r\nhost: a\r\nx-user: mallory\r\n\r\n";
        let (head, _) = say(&mut connect(receiver.inbound).await, request).await;
        assert!(head.starts_with("http/1.1 200 "), "{cause}: {head}");
        assert!(!app.seen().concat().contains("mallory"), "{cause}");
        let place = CAUSES.iter().position(|one| *one == cause).unwrap();
        for check in [&closed, &open] {
            assert_eq!(check.tally.causes[place].load(Ordering::Relaxed), 1, "{cause}: {:?}", check.tally);
        }
    }
}
