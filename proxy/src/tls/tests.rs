use std::time::{Duration, SystemTime};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    identity::{CertState, Certs, SpiffeId},
    test_util::{TestCa, hour_around_now},
};

type Connected = Result<(ClientStream<TcpStream>, Alpn), TlsError>;
type Accepted = Result<(ServerStream<TcpStream>, Peer), TlsError>;

/// One handshake over a real socket, seen from both ends.
async fn handshake(
    client: Certs,
    server: Certs,
    expected: &SpiffeId,
    alpn: &[Alpn],
) -> (Connected, Accepted) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let accept = async {
        let (io, _) = listener.accept().await.unwrap();
        let mut accepted = Server::new(server).accept(io).await;
        if let Ok((stream, _)) = &mut accepted {
            // In TLS 1.3 the caller is done first; the receiver's verdict on it comes with the first bytes.
            stream.write_all(b"hi").await.unwrap();
            stream.flush().await.unwrap();
        }
        accepted
    };
    let connect = async {
        let io = TcpStream::connect(addr).await.unwrap();
        let (mut stream, agreed) = Client::new(client).connect(io, expected, alpn).await?;
        stream.read_exact(&mut [0; 2]).await.map_err(TlsError::Handshake)?;
        Ok((stream, agreed.alpn))
    };
    tokio::join!(connect, accept)
}

fn ca() -> TestCa {
    TestCa::new("cluster.local")
}

fn text<T>(result: Result<T, TlsError>) -> String {
    match result {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn two_proxies_prove_who_they_are_and_agree_on_post_quantum_tls_1_3() {
    let ca = ca();
    for alpn in [Alpn::H2, Alpn::H1, Alpn::Tcp] {
        let (connected, accepted) = handshake(
            ca.certs("shop", "web"),
            ca.certs("shop", "reviews"),
            &ca.id("shop", "reviews"),
            &[alpn],
        )
        .await;
        let (stream, agreed) = connected.unwrap();
        let (_, peer) = accepted.unwrap();
        assert_eq!((agreed, peer.alpn), (alpn, alpn));
        assert_eq!(*peer.identity, ca.id("shop", "web"));
        let session = stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        assert_eq!(
            session.negotiated_cipher_suite().unwrap().suite(),
            rustls::CipherSuite::TLS13_AES_128_GCM_SHA256
        );
        assert_eq!(
            session.negotiated_key_exchange_group().unwrap().name(),
            rustls::NamedGroup::X25519MLKEM768
        );
    }
}

#[tokio::test]
async fn a_second_connection_is_no_resumption() {
    let ca = ca();
    let (client, server) = (ca.certs("shop", "web"), ca.certs("shop", "reviews"));
    for _ in 0..2 {
        let (connected, accepted) =
            handshake(client.clone(), server.clone(), &ca.id("shop", "reviews"), &[Alpn::H2]).await;
        let full = Some(rustls::HandshakeKind::Full);
        assert_eq!(connected.unwrap().0.get_ref().1.handshake_kind(), full);
        assert_eq!(accepted.unwrap().0.get_ref().1.handshake_kind(), full);
    }
}

#[tokio::test]
async fn a_caller_refuses_every_identity_but_the_one_it_expects() {
    let ca = ca();
    let (connected, accepted) = handshake(
        ca.certs("shop", "web"),
        ca.certs("shop", "ratings"),
        &ca.id("shop", "reviews"),
        &[Alpn::H2],
    )
    .await;
    let error = text(connected);
    assert!(error.contains("expected spiffe://cluster.local/ns/shop/sa/reviews"), "{error}");
    assert!(error.contains("the peer is spiffe://cluster.local/ns/shop/sa/ratings"), "{error}");
    assert!(accepted.is_err(), "the receiver must learn that it was refused");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_by_either_side() {
    let (ours, theirs) = (ca(), ca());
    let reviews = ours.id("shop", "reviews");
    let (connected, _) =
        handshake(ours.certs("shop", "web"), theirs.certs("shop", "reviews"), &reviews, &[Alpn::H2]).await;
    assert!(text(connected).contains("chains to no root"), "the caller must refuse");

    // A caller that trusts our receiver but holds a foreign certificate.
    let foreign = theirs.state(&theirs.id("shop", "web"), hour_around_now(), ours.trust());
    let (_, accepted) =
        handshake(Certs::fixed(foreign), ours.certs("shop", "reviews"), &reviews, &[Alpn::H2]).await;
    assert!(text(accepted).contains("chains to no root"), "the receiver must refuse");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_either_side() {
    let ca = ca();
    let reviews = ca.id("shop", "reviews");
    let now = SystemTime::now();
    let past = (now - Duration::from_secs(7200), now - Duration::from_secs(60));
    let expired = |id: SpiffeId| Certs::fixed(ca.state(&id, past, ca.trust()));
    let (connected, _) =
        handshake(ca.certs("shop", "web"), expired(reviews.clone()), &reviews, &[Alpn::H2]).await;
    assert!(text(connected).contains("expired"));
    let (_, accepted) =
        handshake(expired(ca.id("shop", "web")), ca.certs("shop", "reviews"), &reviews, &[Alpn::H2]).await;
    assert!(text(accepted).contains("expired"));
}

#[tokio::test]
async fn a_caller_without_a_certificate_is_refused() {
    let ca = ca();
    let mut config = config::client(ca.trust(), ca.id("shop", "reviews"), None);
    config.alpn_protocols = vec![Alpn::H2.as_bytes().to_vec()];
    let accepted = accept_from(config, ca.certs("shop", "reviews")).await;
    assert!(text(accepted).contains("no certificates"));
}

#[tokio::test]
async fn a_caller_that_speaks_nothing_of_the_mesh_is_refused() {
    let ca = ca();
    let key = ca.certs("shop", "web").current().key.clone();
    for (offered, reason) in [(vec![b"h2".to_vec()], "known protocol"), (vec![], "no protocol of the mesh")] {
        let mut config = config::client(ca.trust(), ca.id("shop", "reviews"), Some(key.clone()));
        config.alpn_protocols = offered;
        let error = text(accept_from(config, ca.certs("shop", "reviews")).await);
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn only_exactly_one_identity_of_the_trust_domain_is_an_identity() {
    let ca = ca();
    let cases: [(&[&str], &str); 4] = [
        (&[], "0 URI names"),
        (
            &["spiffe://cluster.local/ns/shop/sa/web", "spiffe://cluster.local/ns/shop/sa/admin"],
            "2 URI names",
        ),
        (&["spiffe://elsewhere.example/ns/shop/sa/web"], "not of trust domain cluster.local"),
        (&["https://cluster.local/ns/shop/sa/web"], "no identity"),
    ];
    for (uris, reason) in cases {
        let (chain, key) = ca.issue(uris, hour_around_now());
        let key = rustls::sign::CertifiedKey::from_der(chain, key, &provider()).unwrap();
        let mut config = config::client(ca.trust(), ca.id("shop", "reviews"), Some(key.into()));
        config.alpn_protocols = vec![Alpn::H2.as_bytes().to_vec()];
        let error = text(accept_from(config, ca.certs("shop", "reviews")).await);
        assert!(error.contains(reason), "{uris:?}: {error}");
    }
}

#[tokio::test]
async fn a_renewed_certificate_serves_new_connections_and_leaves_old_ones_alone() {
    let ca = ca();
    let (renew, current) = tokio::sync::watch::channel(ca.certs("shop", "reviews").current());
    let (server, reviews) = (Certs::new(current), ca.id("shop", "reviews"));
    let leaf =
        |connected: &ClientStream<TcpStream>| connected.get_ref().1.peer_certificates().unwrap()[0].clone();

    let (connected, accepted) =
        handshake(ca.certs("shop", "web"), server.clone(), &reviews, &[Alpn::H2]).await;
    let (mut old, mut old_peer) = (connected.unwrap().0, accepted.unwrap().0);
    renew.send_replace(ca.certs("shop", "reviews").current());
    let (connected, accepted) = handshake(ca.certs("shop", "web"), server, &reviews, &[Alpn::H2]).await;
    accepted.unwrap();
    assert_ne!(leaf(&old), leaf(&connected.unwrap().0));

    old.write_all(b"still").await.unwrap();
    old.flush().await.unwrap();
    let mut heard = [0; 5];
    old_peer.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"still");
}

#[tokio::test]
async fn a_bundle_that_gains_a_root_lets_both_generations_in() {
    let (old, new) = (ca(), ca());
    let root = |ca: &TestCa| {
        use rustls_pki_types::pem::PemObject;
        rustls_pki_types::CertificateDer::from_pem_slice(ca.bundle_pem().as_bytes()).unwrap()
    };
    let roots = vec![root(&old), root(&new)];
    let both = std::sync::Arc::new(Trust::new(roots, "cluster.local").unwrap());
    let state: CertState =
        old.state(&old.id("shop", "reviews"), hour_around_now(), old.trust()).with_trust(both.clone());
    let caller = Certs::fixed(new.state(&new.id("shop", "web"), hour_around_now(), both));
    let (connected, accepted) =
        handshake(caller, Certs::fixed(state), &old.id("shop", "reviews"), &[Alpn::Tcp]).await;
    assert_eq!((text(connected).as_str(), text(accepted).as_str()), ("accepted", "accepted"));
}

/// What a receiver says to a caller with TLS settings of its own.
async fn accept_from(config: rustls::ClientConfig, server: Certs) -> Accepted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let io = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let accept = async { Server::new(server).accept(listener.accept().await.unwrap().0).await };
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let call = async {
        if let Ok(mut stream) = connector.connect(NO_HOST.into(), io).await {
            let _ = stream.read(&mut [0; 1]).await;
        }
    };
    tokio::select! {
        accepted = accept => accepted,
        () = async { call.await; std::future::pending().await } => unreachable!(),
    }
}

#[tokio::test]
async fn what_a_peer_showed_holds_until_the_bundle_no_longer_accepts_it() {
    let (ca, other) = (ca(), ca());
    let (sender, certs) = tokio::sync::watch::channel(ca.certs("shop", "web").current());
    let certs = Certs::new(certs);
    let (_, accepted) =
        handshake(ca.certs("shop", "reviews"), certs.clone(), &ca.id("shop", "web"), &[Alpn::H2]).await;
    let proof = accepted.unwrap().1.proof;
    assert!(proof.left() > Duration::from_secs(60) && proof.left() <= Duration::from_secs(3600));
    let refuted = tokio::spawn(proof.refuted(certs));
    // Another bundle with the same root, as while roots are rotated.
    let again = ca.trust();
    sender.send_modify(|state| *state = std::sync::Arc::new(state.with_trust(again)));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!refuted.is_finished(), "the root is still there");
    sender.send_modify(|state| *state = std::sync::Arc::new(state.with_trust(other.trust())));
    refuted.await.unwrap();
}
