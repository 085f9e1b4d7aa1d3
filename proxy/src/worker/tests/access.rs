//! Who may ask what: by a peer with a good certificate that does not run our proxy, over each of its three wires, and in plain text. The
//! application keeps what it is sent: what is denied is not there.

use std::net::SocketAddr;
use std::time::Duration;

use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{LIMIT, Proxy, World, connect, read_response};
use super::peer::{self, WIRES, Wire};
use super::recorder::Recorder;
use crate::access::{
    Access, Builder, Condition, Default, Effect, Grant, IpBlock, Kind, Mode, Pattern, Subject,
};
use crate::tls::Alpn;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// One binding of one rule.
struct Rule {
    who: Vec<Condition>,
    effect: Effect,
    mode: Mode,
    methods: &'static [&'static str],
    paths: &'static [&'static str],
}

fn is(kind: Kind) -> Condition {
    Condition { kind, inverted: false }
}

fn web() -> Vec<Condition> {
    vec![is(Kind::Identity("spiffe://cluster.local/ns/shop/sa/web".into()))]
}

fn anyone() -> Vec<Condition> {
    vec![is(Kind::Anyone)]
}

fn rule(effect: Effect, who: Vec<Condition>, paths: &'static [&'static str]) -> Rule {
    Rule { who, effect, mode: Mode::Enforce, methods: &[], paths }
}

/// The rules, named `shop/rule-0` and so on.
fn rules(default: Default, rules: Vec<Rule>) -> Access {
    let names: Vec<_> = (0..rules.len()).map(|rule| format!("shop/rule-{rule}")).collect();
    let mut builder = Builder::new(default, names.iter().map(String::as_str));
    for Rule { methods, paths, .. } in &rules {
        let methods = methods.iter().map(|method| method.parse().unwrap()).collect();
        let paths = paths.iter().map(|path| Pattern::parse(path).unwrap()).collect();
        builder.permission(Vec::new(), methods, paths, Vec::new());
    }
    // Each subject occurs once.
    let mut subjects: Vec<(Vec<Condition>, Vec<Grant>)> = Vec::new();
    for (index, Rule { who, effect, mode, .. }) in rules.into_iter().enumerate() {
        let grant = Grant { permission: index, binding: index, effect, mode };
        match subjects.iter_mut().find(|(known, _)| *known == who) {
            Some((_, grants)) => grants.push(grant),
            None => subjects.push((who, vec![grant])),
        }
    }
    subjects.into_iter().for_each(|(who, grants)| builder.subject(Subject(who), grants));
    builder.build([0; 32])
}

fn govern(proxy: &Proxy, access: Access) {
    proxy.change_workload(|workload| workload.access = Some(access.into()));
}

/// A receiver in front of `app` by these rules.
fn receiver(world: &World, app: SocketAddr, access: Access) -> Proxy {
    let receiver = world.receiver(app);
    govern(&receiver, access);
    receiver
}

/// A proxy follows a change in its own time.
async fn until<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) {
    tokio::time::timeout(LIMIT, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("it comes to hold");
}

/// What a raw caller is told: status, reason. `None`: the wire cannot say this.
async fn told(
    world: &World,
    receiver: &Proxy,
    wire: Wire,
    method: &str,
    target: &str,
) -> Option<(u16, String)> {
    if wire == Wire::H2 {
        let uri = if target.starts_with('/') { format!("http://a{target}") } else { target.to_owned() };
        // The application speaks HTTP/1.1, which proxies tell each other.
        let request = Request::builder().method(method).uri(uri).header("x-weft-proto", "http/1.1");
        let request = request.body(()).ok()?;
        let sent = request.uri().path_and_query().map(|path| path.as_str().to_owned());
        if sent.as_deref() != Some(target) {
            return None;
        }
        let answer = peer::ask(&peer::dial_h2(world, receiver).await, request).await?;
        let reason = answer.headers().get("x-weft-reason");
        let reason = reason.map(|reason| reason.to_str().unwrap().to_owned()).unwrap_or_default();
        return Some((answer.status().as_u16(), reason));
    }
    let text = format!("{method} {target} HTTP/1.1\r\nhost: a\r\n\r\n");
    let (head, _) = match wire {
        Wire::H1 => {
            let mut io = peer::dial(world, receiver, Alpn::H1).await;
            io.write_all(text.as_bytes()).await.unwrap();
            read_response(&mut io).await
        }
        Wire::Tunnel => {
            let mut io = peer::dial_tunnel(world, receiver).await;
            io.write_all(text.as_bytes()).await.unwrap();
            read_response(&mut io).await
        }
        _ => {
            let mut io = connect(receiver.inbound).await;
            io.write_all(text.as_bytes()).await.unwrap();
            read_response(&mut io).await
        }
    };
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let reason = head.split("x-weft-reason: ").nth(1).and_then(|rest| rest.lines().next());
    Some((status, reason.unwrap_or_default().to_owned()))
}

/// Forms of paths that some application may take for `/admin`, or for something below it.
const FORMS_OF_ADMIN: [&str; 61] = [
    "/admin",
    "/admin/",
    "/admin/users",
    "/admin?x",
    "/admin?/public/a",
    "/ADMIN",
    "/Admin/users",
    "//admin",
    "///admin",
    "/admin//users",
    "/./admin",
    "/././admin",
    "/admin/.",
    "/admin/..",
    "/public/../admin",
    "/public/./../admin",
    "/public/..//admin",
    "/%2e/admin",
    "/%2E/admin",
    "/%2e%2e/admin",
    "/public/%2e%2e/admin",
    "/public/%2E./admin",
    "/public/..%2fadmin",
    "/public/..%2Fadmin",
    "/public%2f..%2fadmin",
    "/public/%2e%2e%2fadmin",
    "/public/..%5cadmin",
    "/public%5c..%5cadmin",
    "/%61dmin",
    "/adm%69n",
    "/%41DMIN",
    "/admin%2f",
    "/admin%2fusers",
    "/%2fadmin",
    "/admin%00",
    "/admin%00/public/a",
    "/admin%0a",
    "/admin%20",
    "/admin%09",
    "/admin%23",
    "/admin%3f",
    "/admin%3fx",
    "/%2561dmin",
    "/public/%252e%252e/admin",
    "/admin;x",
    "/admin;x=1/users",
    "/public;/../admin",
    "/public/..;/admin",
    "/;/admin",
    "/admin%3bx",
    "/public/%c0%ae%c0%ae/admin",
    "/public/%c0%af../admin",
    "/%ef%bc%8fadmin",
    "/admin%c3",
    "/public/..%c0%afadmin",
    "http://b/admin",
    // Whoever takes no fragment off reads a path here that the rules do not.
    "/x#/../admin",
    "/public/a#/../../admin",
    "http://b/public/a#/../../admin",
    "/public/a\"/admin",
    "/public/<a>",
];

#[tokio::test]
async fn no_form_of_a_denied_path_arrives_over_any_wire() {
    let world = World::new();
    // Everything but one tree is allowed; only one tree is.
    let deny = rules(Default::Allow, vec![rule(Effect::Deny, anyone(), &["/admin/*"])]);
    let allow = rules(Default::Deny, vec![rule(Effect::Allow, anyone(), &["/public/*"])]);
    for (named, access) in [("deny", deny), ("allow", allow)] {
        let app = Recorder::start(OK, false).await;
        let receiver = receiver(&world, app.addr, access);
        let (mut refused, mut carried) = (0, Vec::new());
        for wire in WIRES {
            for form in FORMS_OF_ADMIN {
                let Some((status, reason)) = told(&world, &receiver, wire, "GET", form).await else {
                    continue;
                };
                let fine = match (status, reason.as_str()) {
                    (403, "access-denied") | (400, "ambiguous-path" | "bad-host" | "bad-request") => true,
                    // These are other names to whoever reads UTF-8, and not below the tree: they pass what denies it.
                    (200, "") => named == "deny" && ["/admin%20", "/%ef%bc%8fadmin"].contains(&form),
                    _ => false,
                };
                assert!(fine, "{named} {wire:?} {form}: {status} {reason}");
                if status == 200 { carried.push(form) } else { refused += 1 }
            }
        }
        assert!(refused > 200, "{refused}");
        let arrived = app.seen();
        let heads: Vec<_> =
            arrived.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("GET")).collect();
        assert_eq!(heads.len(), carried.len(), "{named}: {arrived:?}");
        // The same with one thing right.
        let good = if named == "deny" { "/public/a" } else { "/public/caf%C3%A9?x=//..;%2e" };
        for wire in WIRES {
            let told = told(&world, &receiver, wire, "GET", good).await.expect("it can be said");
            assert_eq!(told, (200, String::new()), "{named} {wire:?}");
        }
        assert_eq!(app.seen().iter().map(|text| text.matches(good).count()).sum::<usize>(), WIRES.len());
    }
}

#[tokio::test]
async fn an_identity_is_what_a_certificate_proves_and_never_a_header() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let receiver = receiver(&world, app.addr, rules(Default::Deny, vec![rule(Effect::Allow, web(), &[])]));
    let claims = "GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-client-cert: URI=spiffe://cluster.local/ns/shop/sa/web\r\nx-weft-peer: spiffe://cluster.local/ns/shop/sa/web\r\nx-forwarded-for: 10.0.0.1\r\n\r\n";
    let mut plain = connect(receiver.inbound).await;
    plain.write_all(claims.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(LIMIT, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.is_empty(), "bytes of nobody are reset: {}", answer.escape_ascii());
    assert!(app.seen().is_empty());
    for wire in [Wire::H1, Wire::H2, Wire::Tunnel] {
        assert_eq!(told(&world, &receiver, wire, "GET", "/").await.unwrap().0, 200, "{wire:?}");
    }
    let denied = [r#"peer="""#, r#"verdict="denied""#, r#"binding="default""#];
    receiver.counted("weft_access_verdicts_total", &denied, 1.0).await;
    receiver.counted("weft_errors_total", &[r#"reason="access-denied""#], 1.0).await;
}

#[tokio::test]
async fn who_has_proved_nothing_can_be_a_subject_and_addresses_are_those_of_the_connection() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let block = |ip: &str, length| is(Kind::IpBlock(IpBlock::new(ip.parse().unwrap(), length).unwrap()));
    let access = || {
        rules(
            Default::Deny,
            vec![
                rule(Effect::Allow, vec![is(Kind::Unauthenticated)], &["/healthz"]),
                rule(Effect::Allow, vec![is(Kind::Unauthenticated), block("127.0.0.0", 8)], &["/near"]),
                rule(Effect::Allow, vec![is(Kind::Unauthenticated), block("10.0.0.0", 8)], &["/far"]),
            ],
        )
    };
    let receiver = receiver(&world, app.addr, access());
    for (wire, path, status) in [
        (Wire::Plain, "/healthz", 200),
        (Wire::Plain, "/near", 200),
        (Wire::Plain, "/far", 403),
        (Wire::Plain, "/", 403),
        (Wire::H2, "/healthz", 403),
        (Wire::H1, "/near", 403),
    ] {
        assert_eq!(told(&world, &receiver, wire, "GET", path).await.unwrap().0, status, "{wire:?} {path}");
    }
}

#[tokio::test]
async fn a_method_is_allowed_by_its_name_and_grpc_callers_are_told_in_their_terms() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let mut get = rule(Effect::Allow, web(), &[]);
    get.methods = &["GET"];
    let grpc = rule(Effect::Allow, web(), &["/shop.Reviews/Get"]);
    let receiver = receiver(&world, app.addr, rules(Default::Deny, vec![get, grpc]));
    for wire in [Wire::H1, Wire::H2, Wire::Tunnel] {
        for (method, path, status) in [
            ("GET", "/a", 200),
            ("POST", "/a", 403),
            ("get", "/a", 403),
            ("POST", "/shop.Reviews/Get", 200),
            ("POST", "/shop.Reviews/get", 403),
            ("POST", "/shop.Reviews/Get/", 403),
            ("POST", "/shop.Reviews/%47et", 400),
        ] {
            let told = told(&world, &receiver, wire, method, path).await;
            assert_eq!(told.map(|told| told.0), Some(status), "{wire:?} {method} {path}");
        }
    }
    let sender = peer::dial_h2(&world, &receiver).await;
    let request = Request::post("http://a/shop.Reviews/Delete");
    let request = request.header("content-type", "application/grpc").body(()).unwrap();
    let answer = peer::ask(&sender, request).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &"7".parse().unwrap()));
    assert_eq!(answer.headers()["x-weft-reason"], "access-denied");
    assert!(!format!("{:?}", answer.headers()).contains("rule-"), "the caller is not told the rule");
}

#[tokio::test]
async fn bytes_are_judged_before_the_application_hears_of_them() {
    let world = World::new();
    for allowed in [true, false] {
        let app = Recorder::start(b"", false).await;
        let who =
            if allowed { anyone() } else { vec![is(Kind::Namespace("spiffe://cluster.local/ns/qa".into()))] };
        let receiver = receiver(&world, app.addr, rules(Default::Deny, vec![rule(Effect::Allow, who, &[])]));
        let mut io = peer::dial_tunnel(&world, &receiver).await;
        let _ = io.write_all(b"hello").await;
        let mut plain = connect(receiver.inbound).await;
        let _ = plain.write_all(b"hello").await;
        if allowed {
            until(|| async { app.seen() == ["hello", "hello"] }).await;
            continue;
        }
        let mut all = Vec::new();
        let _ = tokio::time::timeout(LIMIT, io.read_to_end(&mut all)).await.expect("it ends");
        let end = tokio::time::timeout(LIMIT, plain.read_to_end(&mut all)).await.expect("it ends");
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        assert!(all.is_empty() && app.seen().is_empty());
        // Whoever says nothing is not let in either, not even for a greeting.
        let mut silent = connect(receiver.inbound).await;
        let _ = silent.shutdown().await;
        let _ = tokio::time::timeout(LIMIT, silent.read_to_end(&mut all)).await.expect("it ends");
        assert!(all.is_empty());
    }
}

#[tokio::test]
async fn what_is_open_ends_when_it_is_allowed_no_more() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let access = || rules(Default::Deny, vec![rule(Effect::Allow, anyone(), &[])]);
    let receiver = receiver(&world, app.addr, access());
    let mut bytes = peer::dial_tunnel(&world, &receiver).await;
    bytes.write_all(b"hello").await.unwrap();
    let mut plain = connect(receiver.inbound).await;
    plain.write_all(b"hello").await.unwrap();
    until(|| async { app.seen().len() == 2 }).await;
    let mut h1 = peer::dial(&world, &receiver, Alpn::H1).await;
    h1.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(read_response(&mut h1).await.0.starts_with("http/1.1 200 "));
    let h2 = peer::dial_h2(&world, &receiver).await;
    let ask = || Request::get("http://a/").header("x-weft-proto", "http/1.1").body(()).unwrap();
    assert_eq!(peer::ask(&h2, ask()).await.unwrap().status(), 200);
    // The same rules again, and more of them, end nothing.
    govern(&receiver, access());
    let more = vec![rule(Effect::Allow, anyone(), &[]), rule(Effect::Allow, web(), &[])];
    govern(&receiver, rules(Default::Deny, more));
    assert_eq!(peer::ask(&h2, ask()).await.unwrap().status(), 200);
    govern(
        &receiver,
        rules(Default::Deny, vec![rule(Effect::Allow, vec![is(Kind::Unauthenticated)], &["/none"])]),
    );
    let mut all = Vec::new();
    let _ = tokio::time::timeout(LIMIT, bytes.read_to_end(&mut all)).await.expect("the tunnel ends");
    let _ = tokio::time::timeout(LIMIT, plain.read_to_end(&mut all)).await.expect("plain bytes end");
    let _ = tokio::time::timeout(LIMIT, h1.read_to_end(&mut all)).await.expect("HTTP/1.1 ends");
    assert!(all.is_empty(), "{}", all.escape_ascii());
    until(|| async { peer::ask(&h2, ask()).await.is_none_or(|answer| answer.status() == 403) }).await;
    receiver.counted("weft_http2_goaways_total", &[r#"reason="access-narrowed""#], 1.0).await;
}

#[tokio::test]
async fn a_rehearsal_refuses_nothing_and_says_what_it_would() {
    let (world, app) = (World::new(), Recorder::start(OK, false).await);
    let mut deny = rule(Effect::Deny, web(), &["/admin/*"]);
    deny.mode = Mode::DryRun;
    let allow = rule(Effect::Allow, web(), &["/*"]);
    let receiver = receiver(&world, app.addr, rules(Default::WouldDeny, vec![deny, allow]));
    for (wire, path) in [(Wire::H2, "/admin"), (Wire::H1, "/a"), (Wire::Plain, "/a")] {
        assert_eq!(told(&world, &receiver, wire, "GET", path).await.unwrap().0, 200, "{wire:?} {path}");
    }
    for (peer, binding) in [("spiffe://cluster.local/ns/shop/sa/web", "shop/rule-0"), ("", "default")] {
        let (peer, binding) = (format!(r#"peer="{peer}""#), format!(r#"binding="{binding}""#));
        let labels = [peer.as_str(), r#"verdict="would-deny""#, &binding];
        receiver.counted("weft_access_verdicts_total", &labels, 1.0).await;
    }
    assert!(receiver.count("weft_access_verdicts_total", &[]) < 2.5);
}
