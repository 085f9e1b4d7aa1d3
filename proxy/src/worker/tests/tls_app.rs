//! Servers outside the mesh that speak TLS, with certificates of authorities made on the spot.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::{ServerConfig, SupportedProtocolVersion, crypto::aws_lc_rs, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::test_util::hour_around_now;
use crate::tls::{Asked, Demand, Origin};

/// Who signs for servers.
pub struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// What a server is like.
pub struct Server<'a> {
    pub authority: &'a Authority,
    pub dns: &'a [&'a str],
    pub uri: Option<&'a str>,
    pub life: (SystemTime, SystemTime),
    /// Protocols that it agrees to; none: it looks at no offer.
    pub alpn: &'a [&'a str],
    pub versions: Vec<&'static SupportedProtocolVersion>,
}

/// A running one. It answers requests with what it knows of the connection: the server name and the version of TLS; `x-host` says for
/// which host the request was.
pub struct TlsApp {
    pub addr: SocketAddr,
    handshakes: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

// === impl Authority ===

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    /// What a policy that trusts this authority, and asks for one name, makes proxies demand.
    pub fn origin(&self, server_name: &str) -> Arc<Origin> {
        self.naming(server_name, &[], &[])
    }

    /// The same, with names beside that of the server.
    pub fn naming(&self, server_name: &str, dns: &[&str], uris: &[&str]) -> Arc<Origin> {
        Arc::new(Origin::new(self.demand("BackendTLSPolicy", "shop/ratings", dns, uris), server_name))
    }

    /// What an object that trusts this authority demands of servers.
    pub fn demand(&self, kind: &'static str, policy: &str, dns: &[&str], uris: &[&str]) -> Arc<Demand> {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (dns_names, uris) = (&*texts(dns), &*texts(uris));
        Arc::new(Demand::new(Asked { kind, policy, dns_names, uris, authorities: &[self.der()] }))
    }

    /// A server with a good certificate for `ratings.example.org` that speaks HTTP/1.1 and HTTP/2.
    pub fn server(&self) -> Server<'_> {
        Server {
            authority: self,
            dns: &["ratings.example.org"],
            uri: None,
            life: hour_around_now(),
            alpn: &["h2", "http/1.1"],
            versions: vec![&version::TLS13, &version::TLS12],
        }
    }
}

// === impl Server ===

impl Server<'_> {
    fn config(&self) -> ServerConfig {
        let mut params = CertificateParams::default();
        let dns = self.dns.iter().map(|name| SanType::DnsName((*name).try_into().unwrap()));
        let uri = self.uri.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names = dns.chain(uri).collect();
        (params.not_before, params.not_after) = (self.life.0.into(), self.life.1.into());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.authority.issuer).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key.serialize_der().try_into().unwrap())
            .unwrap();
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    /// Answers HTTP, and anything else with its own bytes.
    pub async fn start(self) -> TlsApp {
        let acceptor = TlsAcceptor::from(Arc::new(self.config()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (handshakes, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let app = TlsApp { addr, handshakes: handshakes.clone(), requests: requests.clone() };
        tokio::spawn(async move {
            loop {
                let tcp = listener.accept().await.unwrap().0;
                let (acceptor, handshakes, requests) =
                    (acceptor.clone(), handshakes.clone(), requests.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(tcp).await else { return };
                    handshakes.fetch_add(1, Ordering::SeqCst);
                    let session = stream.get_ref().1;
                    let alpn = session.alpn_protocol().map(|name| String::from_utf8(name.to_vec()).unwrap());
                    let version = session.protocol_version().unwrap();
                    let text = format!("{} {version:?} {alpn:?}", session.server_name().unwrap_or("-"));
                    if alpn.is_none() {
                        let mut bytes = [0; 4];
                        while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                            requests.fetch_add(1, Ordering::SeqCst);
                            stream.write_all(&bytes[..count]).await.unwrap();
                        }
                        return;
                    }
                    let service = service_fn(move |request: Request<Incoming>| {
                        requests.fetch_add(1, Ordering::SeqCst);
                        let host = request.headers().get(HOST).map(|host| host.to_str().unwrap().to_owned());
                        let host = request.uri().authority().map(ToString::to_string).or(host);
                        let answer = Response::builder().header("x-host", host.unwrap_or_default());
                        let answer = answer.body(Full::new(Bytes::from(text.clone()))).unwrap();
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    if alpn.as_deref() == Some("h2") {
                        let io = TokioIo::new(stream);
                        drop(http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await);
                    } else {
                        drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
                    }
                });
            }
        });
        app
    }
}

// === impl TlsApp ===

impl TlsApp {
    /// How many have shaken hands to the end.
    pub fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::SeqCst)
    }

    /// What it was sent inside of TLS: requests, or pieces of bytes.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}
