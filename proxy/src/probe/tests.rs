use std::convert::Infallible;
use std::future::Future;
use std::net::Ipv4Addr;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener as TokioListener;

use super::*;
use crate::admin::client;
use crate::socket;

const POD: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An application that answers HTTP/1.1 with `answer`; gives its port.
async fn http_application<F>(answer: impl Fn(Request<Incoming>) -> F + Copy + Send + 'static) -> u16
where
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    let whole = move |request| {
        let answered = answer(request);
        async move { answered.await.map(server::Content::Whole) }
    };
    tokio::spawn(server::serve(listener, whole));
    port
}

/// Carries out one probe through the server, over a real connection, and gives status and text.
async fn probe(json: serde_json::Value) -> (u16, String) {
    let probes = Probes::parse(&serde_json::json!({ "shop/readiness": json }).to_string()).unwrap();
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(Prober::new(probes, POD).serve(listener));
    let ask = move || client::get(port, "/probe/shop/readiness");
    let answer = tokio::task::spawn_blocking(ask).await.unwrap().unwrap();
    (answer.status, answer.body.trim_end().to_owned())
}

/// Sets off a hook through the server; gives the status, or none where the connection was closed unanswered.
async fn hook(port: u16) -> Option<u16> {
    let hooks = serde_json::json!({ "shop/preStop/3f": { "httpGet": { "path": "/stop", "port": port } } });
    let probes = Probes::parse(&hooks.to_string()).unwrap();
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let proxy = listener.local_addr().unwrap().port();
    tokio::spawn(Prober::new(probes, POD).serve(listener));
    let ask = move || client::get(proxy, "/probe/shop/preStop/3f");
    tokio::task::spawn_blocking(ask).await.unwrap().ok().map(|answer| answer.status)
}

#[tokio::test]
async fn a_hook_is_set_off_and_one_that_nobody_answers_is_not_answered_either() {
    let port =
        http_application(|request| async move { answer(if request.uri() == "/stop" { 200 } else { 418 }) })
            .await;
    assert_eq!(hook(port).await, Some(200));
    let refusing = http_application(|_| async move { answer(500) }).await;
    assert_eq!(hook(refusing).await, Some(503));
    assert_eq!(hook(unused_port().await).await, None);
}

async fn unused_port() -> u16 {
    TokioListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

fn answer(status: u16) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(Bytes::from("the application's secret"))).unwrap()
}

#[tokio::test]
async fn http_statuses_from_200_to_399_are_success_and_no_body_is_passed_on() {
    for (status, expected) in [(200, 200), (204, 200), (304, 200), (399, 200), (400, 503), (500, 503)] {
        let port = http_application(move |_| async move { answer(status) }).await;
        let (got, body) = probe(serde_json::json!({ "httpGet": { "path": "/healthz", "port": port } })).await;
        assert_eq!(got, expected, "{status}");
        assert!(!body.contains("secret"), "{body}");
    }
}

#[tokio::test]
async fn path_headers_and_host_arrive_as_written() {
    let port = http_application(|request| async move {
        let header = |name: &str| request.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        let fine = request.uri() == "/healthz?full=1"
            && header("x-token").as_deref() == Some("abc")
            && header("host").as_deref() == Some("shop.example")
            && header("accept").as_deref() == Some("*/*")
            && header("user-agent").is_some_and(|agent| agent.starts_with("kube-probe/"));
        answer(if fine { 200 } else { 418 })
    })
    .await;
    let headers = serde_json::json!([
        { "name": "X-Token", "value": "abc" },
        { "name": "Host", "value": "shop.example" },
    ]);
    let probed = probe(serde_json::json!({
        "httpGet": { "path": "/healthz?full=1", "port": port, "scheme": "HTTP", "httpHeaders": headers },
        "timeoutSeconds": 5,
    }))
    .await;
    assert_eq!(probed.0, 200, "{probed:?}");
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_host_only() {
    let port = http_application(|request| async move {
        let to = match request.uri().path() {
            "/away" => "https://elsewhere.example/",
            "/here" => "broken",
            "/loop" => "/loop",
            _ => return answer(500),
        };
        let mut redirect = answer(302);
        redirect.headers_mut().insert(header::LOCATION, HeaderValue::from_static(to));
        redirect
    })
    .await;
    let get = |path: &'static str| serde_json::json!({ "httpGet": { "path": path, "port": port } });
    assert_eq!(
        probe(get("/away")).await,
        (200, "302 Found: redirects to another host, which is not probed".to_owned())
    );
    assert_eq!(
        probe(get("/here")).await,
        (503, "HTTP probe failed with status code 500 Internal Server Error".to_owned())
    );
    assert_eq!(probe(get("/loop")).await, (503, "stopped after 10 redirects".to_owned()));
}

#[tokio::test]
async fn an_application_that_is_down_slow_or_speaks_something_else_fails() {
    let port = unused_port().await;
    for kind in ["httpGet", "tcpSocket", "grpc"] {
        let (status, body) = probe(serde_json::json!({ kind: { "port": port } })).await;
        assert_eq!(status, 503);
        assert!(body.starts_with(&format!("cannot connect to 127.0.0.1:{port}: ")), "{kind}: {body}");
    }

    let silent = TokioListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    for kind in ["httpGet", "grpc"] {
        let (status, body) = probe(serde_json::json!({ kind: { "port": port } })).await;
        assert_eq!((status, body.as_str()), (503, "no answer within 1 s"), "{kind}");
    }

    let port = http_application(|_| async { answer(200) }).await;
    let (status, body) = probe(serde_json::json!({ "grpc": { "port": port } })).await;
    assert_eq!(status, 503, "{body}");
    let https = serde_json::json!({ "httpGet": { "port": port, "scheme": "HTTPS" } });
    let (status, body) = probe(https).await;
    assert!(status == 503 && body.contains("did not answer the probe"), "{body}");
}

#[tokio::test]
async fn a_tcp_probe_succeeds_when_the_connection_opens() {
    let listener = TokioListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(probe(serde_json::json!({ "tcpSocket": { "port": port } })).await.0, 200);
    let named = serde_json::json!({ "tcpSocket": { "port": port, "host": "localhost" } });
    assert_eq!(probe(named).await.0, 200);
}

#[tokio::test]
async fn https_is_probed_without_looking_at_the_certificate() {
    let listener = TokioListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let issued = rcgen::generate_simple_self_signed(vec!["nobody.example".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        let service = service_fn(|_| async { Ok::<_, Infallible>(answer(200)) });
        let _ =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    });
    let probed = probe(serde_json::json!({ "httpGet": { "port": port, "scheme": "HTTPS" } })).await;
    assert_eq!(probed.0, 200, "{probed:?}");
}

/// A gRPC server that answers a health check of service `shop` with `message` and `status`.
async fn grpc_application(message: &'static [u8], status: &'static str) -> u16 {
    let listener = TokioListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service_fn(move |request: Request<Incoming>| async move {
            assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
            let asked = request.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(&asked[..], b"\0\0\0\0\x06\x0a\x04shop");
            let trailers = HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                HeaderValue::from_static(status),
            )]);
            let body = Full::new(Bytes::from_static(message))
                .with_trailers(async move { Some(Ok::<_, Infallible>(trailers)) });
            Ok::<_, Infallible>(Response::new(body))
        });
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await;
    });
    port
}

#[tokio::test]
async fn a_grpc_probe_wants_serving() {
    let cases: [(&[u8], &str, u16, &str); 4] = [
        (b"\0\0\0\0\x02\x08\x01", "0", 200, "serving"),
        (b"\0\0\0\0\x02\x08\x02", "0", 503, "gRPC probe failed: the service answers NotServing"),
        (b"", "12", 503, "the server does not implement grpc.health.v1.Health"),
        (b"", "5", 503, "gRPC probe failed: status 5 "),
    ];
    for (message, status, expected, text) in cases {
        let port = grpc_application(message, status).await;
        let probed = probe(serde_json::json!({ "grpc": { "port": port, "service": "shop" } })).await;
        assert_eq!(probed, (expected, text.trim_end().to_owned()));
    }
}

#[tokio::test]
async fn only_probes_of_this_pod_are_carried_out() {
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(Prober::new(Probes::default(), POD).serve(listener));
    for path in ["/probe/shop/liveness", "/probe/", "/", "/probe/../metrics"] {
        let ask = move || client::get(port, path);
        assert_eq!(tokio::task::spawn_blocking(ask).await.unwrap().unwrap().status, 404, "{path}");
    }
}

#[test]
fn what_the_webhook_writes_is_read_and_nonsense_is_named() {
    Probes::parse("{}").unwrap();
    let json =
        r#"{"a/startup":{"grpc":{"port":1},"timeoutSeconds":3},"a/liveness":{"tcpSocket":{"port":2}}}"#;
    let probes = Probes::parse(json).unwrap();
    assert_eq!(probes.0["a/startup"].timeout_seconds, 3);
    assert_eq!(probes.0["a/liveness"].timeout_seconds, 1);
    for bad in ["", "[]", r#"{"a/startup":{"exec":{}}}"#, r#"{"a/startup":{"grpc":{"port":"http"}}}"#] {
        let error = Probes::parse(bad).unwrap_err().to_string();
        assert!(error.starts_with("WEFT_PROBES does not hold probes: "), "{error}");
    }
}
