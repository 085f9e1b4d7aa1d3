use std::time::Duration;

use tokio::time::timeout;

use super::{renewal::obtain_with, *};
use crate::{
    config::Config,
    test_util::{ControlPlane, TestCa, eventually, hour_around_now},
};

/// A first certificate, with the trust bundle read often enough for a test.
async fn obtained(config: &Config) -> (Certs, Renewal) {
    let bundle = Bundle::new(&config.files, &config.trust_domain);
    let obtained = obtain_with(config, bundle.checked_every(Duration::from_millis(20)));
    timeout(Duration::from_secs(10), obtained).await.expect("a certificate within ten seconds")
}

fn client(config: &Config) -> CertifyClient {
    CertifyClient {
        authority: crate::rpc::Authority { host: config.control_plane_host.clone(), port: config.csr_port },
        authority_identity: config.control_plane_identity(),
        identity: config.identity().into(),
        token: config.files.token.clone(),
    }
}

async fn refusal(config: &Config, trust: &TestCa) -> String {
    client(config).certify(&trust.trust()).await.expect_err("must be refused").to_string()
}

#[tokio::test]
async fn a_proxy_gets_a_certificate_for_a_key_of_its_own() {
    let (plane, dir) = (ControlPlane::start().await, tempfile::tempdir().unwrap());
    let config = plane.proxy_config(dir.path());
    let (certs, _renewal) = obtained(&config).await;
    let state = certs.current();
    assert_eq!(state.identity.as_str(), "spiffe://cluster.local/ns/shop/sa/web");
    assert_eq!(state.chain().len(), 2, "leaf and issuer");
    assert_eq!(plane.issued(), 1);
}

#[tokio::test]
async fn renewal_brings_a_new_key_before_the_old_certificate_ends_and_reads_the_token_anew() {
    let (plane, dir) = (ControlPlane::start().await, tempfile::tempdir().unwrap());
    let config = plane.proxy_config(dir.path());
    plane.certificate_life(Duration::from_secs(1), Duration::from_secs(3));
    let (mut certs, renewal) = obtained(&config).await;
    let first = certs.current();
    plane.expect_token("token-2");
    std::fs::write(&config.files.token, "token-2").unwrap();
    let renewal = tokio::spawn(renewal.run());
    timeout(Duration::from_secs(10), certs.changed()).await.expect("renewed");
    let second = certs.current();
    assert!(std::time::SystemTime::now() < first.not_after, "renewed too late");
    assert_ne!(first.chain()[0], second.chain()[0]);
    assert!(first.not_after < second.not_after);
    assert_ne!(first.key.key.public_key(), second.key.key.public_key());
    renewal.abort();
}

#[tokio::test]
async fn a_restart_in_an_outage_goes_on_with_the_kept_certificate() {
    let (mut plane, dir) = (ControlPlane::start().await, tempfile::tempdir().unwrap());
    let config = plane.proxy_config(dir.path());
    let first = obtained(&config).await.0.current();
    plane.stop().await;
    let second = obtained(&config).await.0.current();
    assert_eq!(first.chain(), second.chain());
    assert_eq!(plane.issued(), 1);
}

#[tokio::test]
async fn a_kept_certificate_that_ended_or_that_nobody_trusts_is_not_used() {
    let (plane, dir) = (ControlPlane::start().await, tempfile::tempdir().unwrap());
    let config = plane.proxy_config(dir.path());
    plane.certificate_life(Duration::from_secs(60), Duration::from_secs(1));
    let first = obtained(&config).await.0.current();
    plane.certificate_life(Duration::from_secs(60), Duration::from_secs(3600));
    // Verification counts in whole seconds.
    let over = first.not_after + Duration::from_secs(1);
    eventually("the certificate ends", || (std::time::SystemTime::now() > over).then_some(())).await;
    obtained(&config).await;
    assert_eq!(plane.issued(), 2);

    let other = ControlPlane::start().await;
    let mut config = other.proxy_config(dir.path());
    config.csr_port = other.csr_port;
    obtained(&config).await;
    assert_eq!(other.issued(), 1, "the kept certificate is of the first authority");
}

#[tokio::test]
async fn a_changed_trust_bundle_is_in_use_without_a_restart_and_a_broken_one_is_not() {
    let (plane, dir) = (ControlPlane::start().await, tempfile::tempdir().unwrap());
    let config = plane.proxy_config(dir.path());
    let (certs, renewal) = obtained(&config).await;
    let renewal = tokio::spawn(renewal.run());
    let first = certs.current();
    let next = TestCa::new("cluster.local");
    let both = format!("{}{}", plane.ca.bundle_pem(), next.bundle_pem());
    // As the kubelet does it: a link that is swapped.
    let swapped = dir.path().join("swapped.pem");
    std::fs::write(&swapped, both).unwrap();
    std::fs::remove_file(&config.files.trust_bundle).unwrap();
    std::os::unix::fs::symlink(&swapped, &config.files.trust_bundle).unwrap();
    eventually("both roots in use", || (certs.current().trust.roots() == 2).then_some(())).await;
    assert_eq!(certs.current().chain(), first.chain(), "the certificate is the same");

    std::fs::write(&swapped, "not a certificate").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(certs.current().trust.roots(), 2);
    assert!(!renewal.is_finished());
    renewal.abort();
}

#[tokio::test]
async fn a_refusal_says_why() {
    let (mut plane, dir) = (ControlPlane::start().await, tempfile::tempdir().unwrap());
    let config = plane.proxy_config(dir.path());

    plane.expect_token("another");
    let error = refusal(&config, &plane.ca).await;
    assert!(error.contains("refused: the token is expired (Unauthenticated)"), "{error}");

    std::fs::remove_file(&config.files.token).unwrap();
    let error = refusal(&config, &plane.ca).await;
    assert!(error.contains("token") && error.contains("projected volume"), "{error}");
    std::fs::write(&config.files.token, "another").unwrap();

    let error = refusal(&config, &TestCa::new("cluster.local")).await;
    assert!(error.contains("chains to no root of the trust bundle"), "{error}");

    plane.stop().await;
    let error = refusal(&config, &plane.ca).await;
    assert!(
        error.contains(&format!("cannot reach control plane at 127.0.0.1:{}", config.csr_port)),
        "{error}"
    );
    assert!(error.contains("NetworkPolicy") && error.contains("15110, 15112"), "{error}");
}

#[tokio::test]
async fn an_authority_with_a_workloads_certificate_is_no_authority() {
    let (plane, dir) = (ControlPlane::start_as("shop", "web").await, tempfile::tempdir().unwrap());
    let error = refusal(&plane.proxy_config(dir.path()), &plane.ca).await;
    assert!(error.contains("expected spiffe://cluster.local/ns/weft-system/sa/weft"), "{error}");
    assert_eq!(plane.issued(), 0, "the token must not have been sent");
}

#[tokio::test]
async fn a_certificate_for_somebody_else_is_not_used() {
    let (plane, dir) = (ControlPlane::start().await, tempfile::tempdir().unwrap());
    let mut config = plane.proxy_config(dir.path());
    config.pod.service_account = "admin".to_owned();
    let error = refusal(&config, &plane.ca).await;
    assert!(error.contains("is for spiffe://cluster.local/ns/shop/sa/web, not for"), "{error}");
}

#[tokio::test]
async fn the_first_certificate_is_waited_for() {
    let (plane, dir) = (ControlPlane::start().await, tempfile::tempdir().unwrap());
    let config = plane.proxy_config(dir.path());
    plane.refuse_certificates(Some(tonic::Status::unavailable("starting")));
    let obtaining = tokio::spawn(async move { obtained(&config).await.0 });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!obtaining.is_finished());
    plane.refuse_certificates(None);
    obtaining.await.unwrap();
}

#[tokio::test]
async fn a_proxy_that_is_told_of_another_issuer_renews_soon() {
    let (plane, dir) = (ControlPlane::start().await, tempfile::tempdir().unwrap());
    let config = plane.proxy_config(dir.path());
    let (mut certs, renewal) = obtained(&config).await;
    let first = certs.current();
    let renewal = tokio::spawn(renewal.hurried().run());
    std::fs::write(dir.path().join("issuer"), "0".repeat(64)).unwrap();
    timeout(Duration::from_secs(10), certs.changed()).await.expect("renewed");
    assert_ne!(first.chain()[0], certs.current().chain()[0]);
    renewal.abort();
}

/// A proxy whose certificate the kubelet mounts; its files are under a link that is swapped, as the kubelet does it.
struct Mount {
    dir: tempfile::TempDir,
    writes: std::cell::Cell<u32>,
}

impl Mount {
    fn new(plane: &ControlPlane) -> (Self, Config) {
        let mount = Self { dir: tempfile::tempdir().unwrap(), writes: Default::default() };
        let mut config = plane.proxy_config(mount.dir.path());
        std::fs::remove_file(&config.files.token).unwrap();
        std::fs::remove_file(&config.files.trust_bundle).unwrap();
        config.files.credentials = Some(mount.dir.path().join("..data/credentials.pem"));
        config.files.trust_bundle = mount.dir.path().join("..data/bundle.pem");
        (mount, config)
    }

    fn write(&self, credentials: &str, bundle: &str) {
        self.writes.set(self.writes.get() + 1);
        let name = format!("..{}", self.writes.get());
        let fresh = self.dir.path().join(&name);
        std::fs::create_dir(&fresh).unwrap();
        std::fs::write(fresh.join("credentials.pem"), credentials).unwrap();
        std::fs::write(fresh.join("bundle.pem"), bundle).unwrap();
        let link = self.dir.path().join("..data_tmp");
        std::os::unix::fs::symlink(&name, &link).unwrap();
        std::fs::rename(link, self.dir.path().join("..data")).unwrap();
    }
}

/// Key first and the chain behind it, as the kubelet writes them.
fn credentials(ca: &TestCa, account: &str) -> String {
    let (chain, key) = ca.issue(&[ca.id("shop", account).as_str()], hour_around_now());
    let dir = tempfile::tempdir().unwrap();
    keep::Keep::new(dir.path()).store(&authority::Issued { chain, key });
    std::fs::read_to_string(dir.path().join("identity.pem")).unwrap()
}

/// Whom a caller under `caller` reaches at a receiver under `called`: a handshake over a real connection.
async fn reached(caller: &Certs, called: &Certs) -> Result<String, String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (caller, called) = (caller.current(), called.current());
    let expected = called.identity.as_ref().clone();
    let server = tokio_rustls::TlsAcceptor::from(called.server.clone());
    let receiving = tokio::spawn(async move {
        let tls =
            server.accept(listener.accept().await.unwrap().0).await.map_err(|error| error.to_string())?;
        let peer = tls.get_ref().1.peer_certificates().unwrap()[0].clone();
        Ok::<_, String>(crate::tls::peer_identity(&peer).unwrap().to_string())
    });
    let config = crate::tls::config::client(caller.trust.clone(), expected, Some(caller.key.clone()));
    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let calling = connector.connect("weft".try_into().unwrap(), tcp).await;
    let received = receiving.await.unwrap();
    calling.map_err(|error| error.to_string())?;
    received
}

#[tokio::test]
async fn a_pod_certificate_is_used_as_it_is_mounted_and_the_authority_is_never_asked() {
    let mut plane = ControlPlane::start().await;
    let (mount, config) = Mount::new(&plane);
    mount.write(&credentials(&plane.ca, "web"), &plane.ca.bundle_pem());
    let (mut certs, renewal) = obtained(&config).await;
    let renewal = tokio::spawn(renewal.hurried().run());
    let peer = plane.ca.certs("shop", "peer");
    assert_eq!(reached(&certs, &peer).await, Ok("spiffe://cluster.local/ns/shop/sa/web".to_owned()));
    assert_eq!(reached(&peer, &certs).await, Ok("spiffe://cluster.local/ns/shop/sa/peer".to_owned()));

    plane.stop().await;
    let first = certs.current();
    certs.mark_seen();
    mount.write(&credentials(&plane.ca, "web"), &plane.ca.bundle_pem());
    timeout(Duration::from_secs(10), certs.changed()).await.expect("renewed by the kubelet");
    assert_ne!(first.chain()[0], certs.current().chain()[0]);
    assert_eq!(reached(&certs, &peer).await, Ok("spiffe://cluster.local/ns/shop/sa/web".to_owned()));
    assert_eq!(plane.issued(), 0);
    assert!(
        !config.files.state.join("identity.pem").exists(),
        "the kubelet's key stays where the kubelet put it"
    );
    renewal.abort();
}

#[tokio::test]
async fn a_pod_certificate_of_another_signer_or_name_is_refused_with_words_and_the_one_in_use_stays() {
    let plane = ControlPlane::start().await;
    let stranger = TestCa::new("cluster.local");
    let (mount, config) = Mount::new(&plane);
    mount.write(&credentials(&plane.ca, "web"), &plane.ca.bundle_pem());
    let (certs, renewal) = obtained(&config).await;
    let renewal = tokio::spawn(renewal.hurried().run());
    let first = certs.current();
    let path = config.files.credentials.clone().unwrap();
    let mut reader = mounted::Mounted::new(path, config.identity().into());
    for (pem, words) in [
        (credentials(&stranger, "web"), "whoever trusts what is in the trust bundle refuses it"),
        (credentials(&plane.ca, "admin"), "is for spiffe://cluster.local/ns/shop/sa/admin, not for"),
        ("not a key".to_owned(), "holds no PEM key with a chain"),
        (String::new(), "holds no PEM key with a chain"),
    ] {
        mount.write(&pem, &plane.ca.bundle_pem());
        let error = reader.load(&plane.ca.trust()).expect_err(words).to_string();
        assert!(error.contains(words) && error.contains("credentials.pem"), "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(certs.current().chain(), first.chain(), "{words}");
    }
    assert!(!renewal.is_finished());
    renewal.abort();
}

#[tokio::test]
async fn without_roots_nobody_is_believed_and_a_certificate_whose_root_comes_later_is_used_then() {
    let plane = ControlPlane::start().await;
    let (mount, config) = Mount::new(&plane);
    let next = TestCa::new("cluster.local");
    for bundle in ["", "not a certificate"] {
        mount.write(&credentials(&plane.ca, "web"), bundle);
        let error = Bundle::new(&config.files, "cluster.local").load().expect_err("no root").to_string();
        assert!(error.contains("holds no usable PEM certificate"), "{error}");
        assert!(timeout(Duration::from_millis(300), identity_of(&config)).await.is_err(), "{bundle}");
    }
    std::fs::remove_file(mount.dir.path().join("..data")).unwrap();
    let mut bundle = Bundle::new(&config.files, &config.trust_domain);
    let error = bundle.load().expect_err("nothing is mounted").to_string();
    assert!(error.contains("ClusterTrustBundle weft.dev:workload"), "{error}");

    mount.write(&credentials(&plane.ca, "web"), &plane.ca.bundle_pem());
    let (certs, renewal) = obtained(&config).await;
    let renewal = tokio::spawn(renewal.hurried().run());
    mount.write(&credentials(&next, "web"), &plane.ca.bundle_pem());
    let stranger = next.certs("shop", "peer");
    assert!(reached(&stranger, &certs).await.is_err(), "its root is not in the bundle");
    let both = format!("{}{}", next.bundle_pem(), plane.ca.bundle_pem());
    let chain = certs.current().chain().to_vec();
    std::fs::write(&config.files.trust_bundle, both).unwrap();
    eventually("the certificate under the new root", || (certs.current().chain() != chain).then_some(()))
        .await;
    let moved =
        Certs::fixed(next.state(&next.id("shop", "peer"), hour_around_now(), certs.current().trust.clone()));
    assert_eq!(reached(&certs, &moved).await, Ok("spiffe://cluster.local/ns/shop/sa/web".to_owned()));
    renewal.abort();
}

async fn identity_of(config: &Config) -> Certs {
    obtained(config).await.0
}
