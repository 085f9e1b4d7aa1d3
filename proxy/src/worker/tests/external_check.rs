//! Somebody else who is asked whether requests may pass: a gRPC server, honest or not, and what arrives at the application.

mod authorizer;
mod bodies;
mod over_http;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderName, Method, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use self::authorizer::{Authorizer, allowed, denied, denied_with, header};
use super::grpc_server::{FAILURES, Say};
use super::harness::{LIMIT, Proxy, Start, World, connect, destination, nobody, plain, read_response};
use super::peer::{self, WIRES, Wire};
use super::recorder::Recorder;
use crate::asking::{Asks, CAUSES};
use crate::external_check::{ExemptPath, Exemption, ExternalCheck};
use crate::state::{Endpoint, MtlsMode, OutboundPolicy, Protocol};
use crate::tls::Alpn;
use crate::wire::envoy::service::auth::v3 as auth;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const GET: &str = "GET /f HTTP/1.1\r\nhost: a\r\n\r\n";
/// What the mesh knows the Service by that is asked.
const CHECK: ([u8; 4], u16) = ([10, 96, 0, 9], 9191);

fn asks() -> Asks {
    Asks { service: "policy/opa".into(), addr: CHECK.into() }
}

/// A check that nothing but its answers decides about.
fn check() -> ExternalCheck {
    ExternalCheck::new("shop/checked", Some(asks()), LIMIT)
}

/// A proxy in front of `app`, whose mesh knows `endpoint` as the Service that is asked.
fn receiver(world: &World, app: SocketAddr, endpoint: Option<Endpoint>, check: ExternalCheck) -> Proxy {
    receiver_of(world, app, endpoint, check, Protocol::Http2)
}

/// The same, and it is asked in `protocol`.
fn receiver_of(
    world: &World,
    app: SocketAddr,
    endpoint: Option<Endpoint>,
    check: ExternalCheck,
    protocol: Protocol,
) -> Proxy {
    let destinations = endpoint
        .map(|endpoint| (SocketAddr::from(CHECK).into(), Arc::new(destination(protocol, vec![endpoint]))));
    let receiver = world.start(Start {
        account: "reviews",
        original: app,
        destinations: HashMap::from_iter(destinations),
        inbound_mode: MtlsMode::Permissive,
        inbound_protocol: Protocol::Http1,
        needs_requests: false,
        policy: OutboundPolicy::AllowAny,
        ingress_mode: false,
    });
    enforce(&receiver, vec![check]);
    receiver
}

fn enforce(receiver: &Proxy, checks: Vec<ExternalCheck>) {
    receiver.change_workload(|workload| {
        let port = &mut workload.inbound_ports[0];
        port.needs_requests = !checks.is_empty();
        port.external_checks = checks;
    });
}

async fn say(io: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> (String, String) {
    io.write_all(request.as_bytes()).await.unwrap();
    let (head, body) = read_response(io).await;
    (head, String::from_utf8(body).unwrap())
}

/// The status, reason and body that a raw caller gets for a POST to `/f`.
async fn post(world: &World, receiver: &Proxy, wire: Wire) -> (String, String) {
    let request = "POST /f HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nsecret";
    match wire {
        Wire::H1 => say(&mut peer::dial(world, receiver, Alpn::H1).await, request).await,
        Wire::Tunnel => say(&mut peer::dial_tunnel(world, receiver).await, request).await,
        Wire::Plain => say(&mut connect(receiver.inbound).await, request).await,
        Wire::H2 => {
            let sender = peer::dial_h2(world, receiver).await;
            let request = Request::post("http://a/f").body(()).unwrap();
            let answer = peer::ask(&sender, request).await.unwrap();
            let lines = answer
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
            let head = format!("http/1.1 {} \r\n{}", answer.status().as_u16(), lines.collect::<String>());
            (head, String::from_utf8(answer.into_body()).unwrap())
        }
    }
}

#[tokio::test]
async fn who_is_asked_is_told_who_has_proved_to_call_and_what_for() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let authorizer = Authorizer::start(|_| allowed(auth::OkHttpResponse::default())).await;
    let receiver = receiver(&world, app.addr, Some(plain(authorizer.addr)), check());
    let request = "GET /f?q=1 HTTP/1.1\r\nhost: shop.example:80\r\nx-request-id: r-1\r\nAuthorization: Bearer t\r\n\
                   x-two: a\r\nx-two: b\r\nx-weft-deadline: 8000\r\nx-forwarded-client-cert: URI=spiffe://cluster.local/ns/a/sa/admin\r\n\r\n";
    let mut io = peer::dial(&world, &receiver, Alpn::H1).await;
    assert!(say(&mut io, request).await.0.starts_with("http/1.1 200 "));
    assert!(say(&mut connect(receiver.inbound).await, request).await.0.starts_with("http/1.1 200 "));
    let questions = authorizer.questions();
    let [proved, not_proved] = &questions[..] else { panic!("{questions:?}") };
    let principal = |question: &auth::CheckRequest| {
        question.attributes.as_ref().unwrap().source.as_ref().unwrap().principal.clone()
    };
    assert_eq!(principal(proved), "spiffe://cluster.local/ns/shop/sa/web");
    assert_eq!(principal(not_proved), "", "what nobody has proved is not told");
    let attributes = proved.attributes.as_ref().unwrap();
    let source =
        attributes.source.as_ref().unwrap().address.as_ref().unwrap().socket_address.as_ref().unwrap();
    assert_eq!(source.address, "127.0.0.1");
    let to = attributes.destination.as_ref().unwrap();
    assert_eq!((&*to.principal, &*to.service), ("spiffe://cluster.local/ns/shop/sa/reviews", "shop/reviews"));
    let at = to.address.as_ref().unwrap().socket_address.as_ref().unwrap();
    assert_eq!((&*at.address, at.port_value), ("127.0.0.1", u32::from(app.addr.port())));
    let http = attributes.request.as_ref().unwrap().http.as_ref().unwrap();
    assert_eq!((&*http.method, &*http.path, &*http.host), ("GET", "/f?q=1", "shop.example:80"));
    assert_eq!((&*http.protocol, &*http.scheme, http.size, &*http.id), ("HTTP/1.1", "http", 0, "r-1"));
    let told = |name: &str| http.headers.get(name).map(String::as_str);
    assert_eq!((told("authorization"), told("x-two")), (Some("Bearer t"), Some("a,b")));
    assert_eq!((told(":path"), told(":method")), (Some("/f?q=1"), Some("GET")));
    assert_eq!(told("x-weft-deadline"), None, "what proxies tell each other is theirs");
}

#[tokio::test]
async fn a_policy_says_which_headers_are_told() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let authorizer = Authorizer::start(|_| allowed(auth::OkHttpResponse::default())).await;
    let few = ExternalCheck { allowed_headers: [HeaderName::from_static("authorization")].into(), ..check() };
    let receiver = receiver(&world, app.addr, Some(plain(authorizer.addr)), few);
    let request = "GET /f HTTP/1.1\r\nhost: a\r\nauthorization: t\r\ncookie: secret\r\n\r\n";
    assert!(say(&mut connect(receiver.inbound).await, request).await.0.starts_with("http/1.1 200 "));
    let question = authorizer.questions().remove(0);
    let http = question.attributes.unwrap().request.unwrap().http.unwrap();
    let mut names: Vec<_> = http.headers.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, [":authority", ":method", ":path", ":scheme", "authorization"]);
    assert!(app.seen().concat().contains("cookie: secret"), "the application is told as before");
}

#[tokio::test]
async fn no_is_told_in_the_words_of_who_was_asked_and_no_byte_arrives() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let authorizer = Authorizer::start(|_| {
        denied_with(
            401,
            "come back with a name",
            &[("WWW-Authenticate", "Basic"), ("content-length", "7"), ("x-weft-reason", "x")],
        )
    })
    .await;
    let check = check();
    let receiver = receiver(&world, app.addr, Some(plain(authorizer.addr)), check.clone());
    for wire in WIRES {
        let (head, body) = post(&world, &receiver, wire).await;
        assert!(head.starts_with("http/1.1 401 "), "{wire:?}: {head}");
        for line in ["x-weft-reason: external-check-denied", "www-authenticate: basic"] {
            assert!(head.to_lowercase().contains(line), "{wire:?}: {line} in {head}");
        }
        assert_eq!(body, "come back with a name", "{wire:?}");
    }
    assert_eq!(app.seen(), Vec::<String>::new());
    assert_eq!(check.tally.denied.load(Ordering::Relaxed), 4);
    receiver.counted("weft_errors_total", &[r#"reason="external-check-denied""#], 4.0).await;
}

#[tokio::test]
async fn yes_may_change_headers_but_not_what_frames_or_addresses_the_request() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let authorizer = Authorizer::start(|_| {
        allowed(auth::OkHttpResponse {
            headers: vec![
                header("x-user", "alice"),
                header("Host", "evil"),
                header("content-length", "0"),
                header("transfer-encoding", "chunked"),
            ],
            headers_to_remove: vec!["Authorization".into(), "content-length".into()],
            response_headers_to_add: vec![header("x-told", "yes"), header("content-length", "0")],
            ..Default::default()
        })
    })
    .await;
    let receiver = receiver(&world, app.addr, Some(plain(authorizer.addr)), check());
    let request = "POST /f HTTP/1.1\r\nhost: a\r\nx-user: mallory\r\nauthorization: t\r\ncontent-length: 6\r\n\r\nsecret";
    let (head, body) = say(&mut peer::dial(&world, &receiver, Alpn::H1).await, request).await;
    assert!(head.starts_with("http/1.1 200 ") && head.contains("x-told: yes"), "{head}");
    assert_eq!(body, "ok");
    let seen = app.seen().concat().to_lowercase();
    assert!(seen.contains("x-user: alice") && !seen.contains("mallory"), "{seen}");
    assert!(seen.contains("host: a\r\n") && !seen.contains("evil"), "{seen}");
    assert!(seen.contains("content-length: 6\r\n") && seen.ends_with("secret"), "{seen}");
    assert!(!seen.contains("authorization") && !seen.contains("transfer-encoding"), "{seen}");
}

#[tokio::test]
async fn without_a_usable_answer_the_policy_says_what_happens() {
    for (say_what, cause) in FAILURES {
        let (world, app) = (World::new(), Recorder::start(OK, false).await);
        let authorizer = Authorizer::start(move |_| say_what.clone()).await;
        let timeout = if cause == "timeout" { Duration::from_millis(200) } else { LIMIT };
        let closed = ExternalCheck::new("shop/checked", Some(asks()), timeout);
        let open = ExternalCheck {
            allows_on_failure: true,
            ..ExternalCheck::new("shop/open", Some(asks()), timeout)
        };
        let receiver = receiver(&world, app.addr, Some(plain(authorizer.addr)), closed.clone());
        let (head, _) = say(&mut connect(receiver.inbound).await, GET).await;
        assert!(
            head.starts_with("http/1.1 503 ") && head.contains("external-check-failed"),
            "{cause}: {head}"
        );
        assert_eq!(app.seen(), Vec::<String>::new(), "{cause}");
        enforce(&receiver, vec![open.clone()]);
        let (head, _) = say(&mut connect(receiver.inbound).await, GET).await;
        assert!(head.starts_with("http/1.1 200 "), "{cause}: {head}");
        for (check, counted) in [(&closed, &closed.tally.failed), (&open, &open.tally.unchecked)] {
            assert_eq!(counted.load(Ordering::Relaxed), 1, "{cause}");
            let place = CAUSES.iter().position(|one| *one == cause).unwrap();
            assert_eq!(check.tally.causes[place].load(Ordering::Relaxed), 1, "{cause}: {:?}", check.tally);
        }
    }
}

#[tokio::test]
async fn where_nobody_can_be_asked_the_policy_says_what_happens() {
    let no_service = ExternalCheck::new("shop/checked", None, LIMIT);
    for (endpoint, closed) in [(None, check()), (None, no_service), (Some(plain(nobody())), check())] {
        let (world, app) = (World::new(), Recorder::start(OK, false).await);
        let receiver = receiver(&world, app.addr, endpoint, closed.clone());
        let (head, _) = say(&mut connect(receiver.inbound).await, GET).await;
        assert!(head.starts_with("http/1.1 503 ") && head.contains("external-check-failed"), "{head}");
        assert_eq!(app.seen(), Vec::<String>::new());
        enforce(&receiver, vec![ExternalCheck { allows_on_failure: true, ..closed }]);
        assert!(say(&mut connect(receiver.inbound).await, GET).await.0.starts_with("http/1.1 200 "));
    }
}

#[tokio::test]
async fn no_more_questions_are_under_way_than_may_be() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let authorizer = Authorizer::start(|_| Say::Hang).await;
    let check = check();
    let receiver = receiver(&world, app.addr, Some(plain(authorizer.addr)), check.clone());
    let mut under_way = Vec::new();
    for _ in 0..2 {
        let sender = peer::dial_h2(&world, &receiver).await;
        for _ in 0..150 {
            let request = Request::get("http://a/f").body(()).unwrap();
            under_way.push(sender.clone().ready().await.unwrap().send_request(request, true).unwrap());
        }
    }
    let too_many = CAUSES.iter().position(|cause| *cause == "too-many").unwrap();
    let deadline = tokio::time::Instant::now() + LIMIT;
    while check.tally.causes[too_many].load(Ordering::Relaxed) < 44 {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", check.tally);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((authorizer.questions().len() <= 256, app.seen().len()), (true, 0));
}

#[tokio::test]
async fn each_check_of_a_port_is_asked_until_one_says_no() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let authorizer =
        Authorizer::start(
            |index| if index == 1 { denied(403) } else { allowed(auth::OkHttpResponse::default()) },
        )
        .await;
    let receiver = receiver(&world, app.addr, Some(plain(authorizer.addr)), check());
    enforce(&receiver, vec![check(), check(), check()]);
    assert!(say(&mut connect(receiver.inbound).await, GET).await.0.starts_with("http/1.1 403 "));
    assert_eq!(authorizer.questions().len(), 2, "after a no nobody else is asked");
    assert!(say(&mut connect(receiver.inbound).await, GET).await.0.starts_with("http/1.1 200 "));
    assert_eq!(authorizer.questions().len(), 5);
    assert_eq!(app.seen().len(), 1);
}

#[tokio::test]
async fn a_dry_run_asks_and_lets_everything_in_as_it_came() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let authorizer = Authorizer::start(|index| match index {
        0 => denied(403),
        1 => Say::Garbage,
        _ => allowed(auth::OkHttpResponse { headers: vec![header("x-user", "alice")], ..Default::default() }),
    })
    .await;
    let rehearsal = ExternalCheck { dry_run: true, ..check() };
    let receiver = receiver(&world, app.addr, Some(plain(authorizer.addr)), rehearsal.clone());
    let mut io = connect(receiver.inbound).await;
    for _ in 0..3 {
        assert!(say(&mut io, GET).await.0.starts_with("http/1.1 200 "));
    }
    assert_eq!(authorizer.questions().len(), 3);
    assert!(!app.seen().concat().contains("x-user"), "a rehearsal changes nothing");
    assert_eq!(rehearsal.tally.would_refuse.load(Ordering::Relaxed), 2);
    assert_eq!(rehearsal.tally.allowed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_is_exempt_is_not_asked_about_and_no_other_reading_of_a_path_is() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let authorizer = Authorizer::start(|_| denied(403)).await;
    let path = ExemptPath::Prefix("/healthz".into());
    let exempt = [Exemption { method: Some(Method::GET), path }];
    let with = ExternalCheck { exempt: exempt.into(), ..check() };
    let receiver = receiver(&world, app.addr, Some(plain(authorizer.addr)), with);
    let code = async |method: &str, path: &str| {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        say(&mut connect(receiver.inbound).await, &request).await.0[9..12].to_owned()
    };
    assert_eq!(code("GET", "/healthz").await, "200");
    assert_eq!(code("GET", "/healthz/live?x=/admin").await, "200");
    let arrived = || app.seen().concat().matches(" HTTP/1.1\r\n").count();
    assert_eq!(arrived(), 2);
    for (method, path, expected) in [
        ("POST", "/healthz", "403"),
        ("GET", "/healthzz", "403"),
        ("GET", "/admin?/healthz", "403"),
        ("GET", "/healthz/../admin", "400"),
        ("GET", "/healthz/%2e%2e/admin", "400"),
        ("GET", "/healthz/..%2fadmin", "400"),
        ("GET", "/healthz//admin", "400"),
        ("GET", "/healthz/;/../admin", "400"),
        ("GET", "/admin?x=1#&role=admin", "400"),
    ] {
        assert_eq!(code(method, path).await, expected, "{method} {path}");
    }
    assert_eq!(authorizer.questions().len(), 3, "about what has two readings nobody is asked");
    assert_eq!(arrived(), 2);
}

#[tokio::test]
async fn grpc_callers_are_told_in_their_own_terms() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let authorizer = Authorizer::start(|index| match index {
        0 => denied(403),
        1 => denied_with(401, "who are you?", &[]),
        _ => Say::Garbage,
    })
    .await;
    let receiver = receiver(&world, app.addr, Some(plain(authorizer.addr)), check());
    let sender = peer::dial_h2(&world, &receiver).await;
    for (status, message) in [
        ("7", "weft: an external check does not allow this request"),
        ("16", "who are you?"),
        ("14", "weft: an external check gave"),
    ] {
        let request =
            Request::post("http://a/svc/Method").header("content-type", "application/grpc").body(()).unwrap();
        let answer = peer::ask(&sender, request).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["grpc-status"]),
            (200, &status.parse().unwrap())
        );
        let told = answer.headers()["grpc-message"].to_str().unwrap();
        assert!(told.starts_with(message), "{told}");
    }
    assert_eq!(app.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn a_request_to_leave_http_is_asked_about_like_any_other() {
    let (world, app) = (
        World::new(),
        Recorder::start(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            false,
        )
        .await,
    );
    let authorizer =
        Authorizer::start(
            |index| if index == 0 { denied(403) } else { allowed(auth::OkHttpResponse::default()) },
        )
        .await;
    let receiver = receiver(&world, app.addr, Some(plain(authorizer.addr)), check());
    let request = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let (head, _) = say(&mut peer::dial(&world, &receiver, Alpn::H1).await, request).await;
    assert!(head.starts_with("http/1.1 403 "), "{head}");
    assert_eq!(app.seen(), Vec::<String>::new());
    let (head, _) = say(&mut peer::dial(&world, &receiver, Alpn::H1).await, request).await;
    assert!(head.starts_with("http/1.1 101 ") && head.contains("upgrade: websocket"), "{head}");
}

#[tokio::test]
async fn it_is_asked_through_the_mesh_by_this_workload() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let authorizer = Authorizer::start(|_| denied(403)).await;
    let policy = world.start(Start {
        account: "opa",
        original: authorizer.addr,
        destinations: HashMap::new(),
        inbound_mode: MtlsMode::Strict,
        inbound_protocol: Protocol::Http2,
        needs_requests: false,
        policy: OutboundPolicy::AllowAny,
        ingress_mode: false,
    });
    let meshed = Endpoint { peer: Some(world.id("opa")), ..plain(policy.inbound) };
    let receiver = receiver(&world, app.addr, Some(meshed), check());
    assert!(say(&mut connect(receiver.inbound).await, GET).await.0.starts_with("http/1.1 403 "));
    policy
        .counted("weft_requests_total", &[r#"peer="spiffe://cluster.local/ns/shop/sa/reviews""#], 1.0)
        .await;
    let other = Endpoint { peer: Some(world.id("somebody")), ..plain(policy.inbound) };
    let receiver = self::receiver(&world, app.addr, Some(other), check());
    assert!(say(&mut connect(receiver.inbound).await, GET).await.0.starts_with("http/1.1 503 "));
    assert_eq!((authorizer.questions().len(), app.seen().len()), (1, 0), "only who it should be is asked");
}

#[tokio::test]
async fn a_check_that_comes_holds_for_open_connections_and_ends_those_of_bytes() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let authorizer = Authorizer::start(|_| denied(403)).await;
    let receiver = receiver(&world, app.addr, Some(plain(authorizer.addr)), check());
    enforce(&receiver, Vec::new());
    receiver.change_workload(|workload| workload.inbound_ports[0].protocol = Protocol::Unknown);
    let mut requests = peer::dial(&world, &receiver, Alpn::H1).await;
    assert!(say(&mut requests, GET).await.0.starts_with("http/1.1 200 "));
    let mut bytes = peer::dial_tunnel(&world, &receiver).await;
    assert!(say(&mut bytes, GET).await.0.starts_with("http/1.1 200 "));
    let mut plain_bytes = connect(receiver.inbound).await;
    assert!(say(&mut plain_bytes, GET).await.0.starts_with("http/1.1 200 "));
    let before = app.seen().concat().len();
    enforce(&receiver, vec![check()]);
    assert!(say(&mut requests, GET).await.0.starts_with("http/1.1 403 "));
    let ended = async |io: &mut (dyn AsyncRead + Unpin)| {
        let read = tokio::time::timeout(LIMIT, io.read_u8()).await;
        read.expect("it is ended").is_err()
    };
    assert!(ended(&mut bytes).await && ended(&mut plain_bytes).await);
    let mut bytes = peer::dial_tunnel(&world, &receiver).await;
    assert!(say(&mut bytes, GET).await.0.starts_with("http/1.1 403 "), "they are read as requests now");
    assert_eq!(app.seen().concat().len(), before);
}
