use std::net::SocketAddr;

use tempfile::TempDir;

use super::*;
use crate::{
    state::{DestinationView, Resolution},
    test_util::{ControlPlane, eventually},
};

const NAME: &str = "ip/10.96.0.5:8080";

fn addr(text: &str) -> SocketAddr {
    text.strip_prefix("ip/").unwrap_or(text).parse().unwrap()
}

/// A destination as the control plane sends it, told apart by `key`.
fn wire_destination(key: &str) -> wire::Destination {
    wire::Destination {
        key: key.to_owned(),
        target: Some(wire::Target {
            kind: 1,
            namespace: "shop".to_owned(),
            name: "reviews".to_owned(),
            port: 8080,
        }),
        backends: vec![wire::Backend { name: "shop/reviews:8080".to_owned(), ..Default::default() }],
        routes: vec![wire::Route {
            name: "route-0".to_owned(),
            split: vec![wire::WeightedBackend { backend: 0, weight: 1, ..Default::default() }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn wire_workload() -> wire::Workload {
    wire::Workload {
        key: "default/default/shop/web-1".to_owned(),
        identity: "spiffe://cluster.local/ns/shop/sa/web".to_owned(),
        mtls_mode: wire::MtlsMode::Permissive.into(),
        outbound_policy: wire::OutboundPolicy::AllowAny.into(),
        ..Default::default()
    }
}

/// A proxy's client under a control plane, running.
struct Proxy {
    plane: ControlPlane,
    dir: TempDir,
    mesh: Mesh,
    link: watch::Receiver<Link>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    async fn start() -> Self {
        Self::start_with(ControlPlane::start().await, SUBSCRIPTIONS)
    }

    fn start_with(plane: ControlPlane, cap: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        plane.set_workload("uid-1", "w1", &wire_workload());
        let (mesh, link, task) = launch(&plane, &dir, cap);
        Self { plane, dir, mesh, link, task }
    }

    /// The proxy process ends and starts again; its volume stays.
    async fn restart(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
        (self.mesh, self.link, self.task) = launch(&self.plane, &self.dir, SUBSCRIPTIONS);
    }

    async fn known(&self, name: &str) -> DestinationView {
        match self.mesh.destination(addr(name)).await {
            Resolution::Known(view) => view,
            other => panic!("{name}: {other:?}"),
        }
    }

    async fn connected(&self) {
        eventually("connected", || self.link.borrow().connected.then_some(())).await;
    }

    /// Answers to responses that the control plane has seen, NACKs only.
    fn nacks(&self) -> Vec<rpc::Status> {
        self.plane.requests().into_iter().filter_map(|request| request.error_detail).collect()
    }

    fn subscribed(&self, name: &str) -> usize {
        let names =
            |request: &DeltaDiscoveryRequest| request.resource_names_subscribe.iter().any(|n| n == name);
        self.plane.requests().iter().filter(|request| names(request)).count()
    }

    fn unsubscribed(&self, name: &str) -> bool {
        self.plane
            .requests()
            .iter()
            .any(|request| request.resource_names_unsubscribe.iter().any(|n| n == name))
    }

    fn kept(&self) -> Vec<String> {
        let dir = std::fs::read_dir(self.dir.path().join("state/config")).unwrap();
        dir.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn launch(
    plane: &ControlPlane,
    dir: &TempDir,
    cap: usize,
) -> (Mesh, watch::Receiver<Link>, tokio::task::JoinHandle<()>) {
    let config = plane.proxy_config(dir.path());
    let (client, mesh) = Client::with_cap(&config, plane.ca.certs("shop", "web"), cap);
    let link = client.link();
    (mesh, link, tokio::spawn(client.run()))
}

#[tokio::test]
async fn the_workload_comes_without_asking_and_a_destination_with_the_first_connection() {
    let proxy = Proxy::start().await;
    proxy.plane.set_destination(NAME, "v1", &wire_destination("one"));
    let mut workload = proxy.mesh.workload();
    workload.wait_for(|workload| &*workload.key == "default/default/shop/web-1").await.unwrap();
    assert_eq!(proxy.subscribed(NAME), 0);

    let mut view = proxy.known(NAME).await;
    assert_eq!(&*view.current().key, "one");
    let first = &proxy.plane.requests()[0];
    let node = first.node.as_ref().expect("the first request names the node");
    assert_eq!(
        (node.id.as_str(), first.resource_names_subscribe.as_slice()),
        ("uid-1", &["uid-1".to_owned()][..])
    );
    let [root] = &node.client_features[..] else { panic!("not one root: {:?}", node.client_features) };
    assert!(root.len() == "dev.weft.root.".len() + 64 && root.starts_with("dev.weft.root."), "{root}");

    proxy.plane.set_destination(NAME, "v2", &wire_destination("two"));
    view.changed().await;
    assert_eq!(&*view.current().key, "two");
    eventually("all responses acknowledged", || {
        let acks = proxy.plane.requests().iter().filter(|r| !r.response_nonce.is_empty()).count();
        (acks == 3).then_some(())
    })
    .await;
    assert_eq!(proxy.nacks(), []);
    assert_eq!(proxy.subscribed(NAME), 1);
}

#[tokio::test]
async fn what_the_mesh_does_not_know_is_unknown_at_once_and_learned_when_it_appears() {
    let proxy = Proxy::start().await;
    let begin = std::time::Instant::now();
    assert!(matches!(proxy.mesh.destination(addr(NAME)).await, Resolution::Unknown));
    assert!(begin.elapsed() < Duration::from_millis(900), "an answer must not be waited out");
    proxy.plane.set_destination(NAME, "v1", &wire_destination("one"));
    loop {
        if let Resolution::Known(_) = proxy.mesh.destination(addr(NAME)).await {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(proxy.subscribed(NAME), 1, "the answer was pushed, not asked for again");
}

#[tokio::test]
async fn an_unknown_critical_feature_is_rejected_by_name_while_the_last_good_version_serves() {
    let proxy = Proxy::start().await;
    let good = "ip/10.96.0.6:8080";
    proxy.plane.set_destination(NAME, "v1", &wire_destination("one"));
    proxy.plane.set_destination(good, "g1", &wire_destination("good"));
    let (mut view, mut good_view) = (proxy.known(NAME).await, proxy.known(good).await);

    let mut next = wire_destination("two");
    next.critical_features = vec!["route.match.moon-phase".to_owned()];
    proxy.plane.set_destination(NAME, "v2", &next);
    let nack = eventually("a NACK", || proxy.nacks().first().cloned()).await;
    let rejects = wire::Rejects::decode(nack.details[0].value.as_slice()).unwrap().rejects;
    assert_eq!(nack.details[0].type_url, REJECTS_TYPE);
    assert_eq!((rejects[0].resource.as_str(), rejects[0].version.as_str()), (NAME, "v2"));
    assert!(rejects[0].reason.contains("`route.match.moon-phase`"), "{}", rejects[0].reason);
    assert!(!view.updates_pending());
    assert_eq!(&*view.current().key, "one");
    assert!(proxy.link.borrow().rejected[NAME].contains("moon-phase"));

    // Others go on, and so does this one once it is good again.
    proxy.plane.set_destination(good, "g2", &wire_destination("better"));
    good_view.changed().await;
    assert_eq!(&*good_view.current().key, "better");
    proxy.plane.set_destination(NAME, "v3", &wire_destination("three"));
    view.changed().await;
    assert_eq!(&*view.current().key, "three");
    assert!(proxy.link.borrow().rejected.is_empty());
}

#[tokio::test]
async fn good_resources_of_a_response_are_applied_beside_a_rejected_one() {
    let mut proxy = Proxy::start().await;
    let bad = "ip/10.96.0.6:8080";
    proxy.connected().await;
    proxy.plane.stop().await;
    // Both are asked for while nobody listens, so that one response answers both.
    let (mesh, other) = (proxy.mesh.clone(), proxy.mesh.clone());
    let asked = tokio::spawn(async move {
        tokio::join!(mesh.destination(addr(NAME)), other.destination(addr(bad)));
    });
    asked.await.unwrap();
    proxy.plane.set_destination(NAME, "v1", &wire_destination("one"));
    proxy.plane.set(DESTINATION_TYPE, bad, "v1", vec![0xff]);
    proxy.plane.resume().await;
    let nack = eventually("a NACK", || proxy.nacks().first().cloned()).await;
    assert_eq!(wire::Rejects::decode(nack.details[0].value.as_slice()).unwrap().rejects.len(), 1);
    proxy.known(NAME).await;
    match proxy.mesh.destination(addr(bad)).await {
        Resolution::Rejected(reason) => assert!(reason.contains("not a Destination"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_outage_forgets_nothing_and_its_end_needs_no_restart() {
    let mut proxy = Proxy::start().await;
    proxy.plane.set_destination(NAME, "v1", &wire_destination("one"));
    let mut view = proxy.known(NAME).await;
    proxy.plane.stop().await;
    eventually("the outage is noticed", || (!proxy.link.borrow().connected).then_some(())).await;
    assert_eq!(&*proxy.known(NAME).await.current().key, "one");
    assert!(matches!(proxy.mesh.destination(addr("10.96.0.9:1")).await, Resolution::Unreachable));
    let reason = eventually("a reason", || proxy.link.borrow().last_error.clone()).await;
    assert!(!reason.is_empty());

    let before = proxy.plane.requests().len();
    proxy.plane.resume().await;
    proxy.plane.set_destination(NAME, "v2", &wire_destination("two"));
    view.changed().await;
    assert_eq!(&*view.current().key, "two");
    let resumed = proxy.plane.requests().split_off(before);
    assert_eq!(resumed[0].initial_resource_versions["uid-1"], "w1");
    let destinations = resumed.iter().find(|request| request.type_url == DESTINATION_TYPE).unwrap();
    assert_eq!(destinations.initial_resource_versions.get(NAME).map(String::as_str), Some("v1"));
    assert!(destinations.resource_names_subscribe.contains(&"ip/10.96.0.9:1".to_owned()), "still wanted");
}

#[tokio::test]
async fn resuming_with_nothing_new_sends_no_resource_again() {
    let mut proxy = Proxy::start().await;
    proxy.plane.set_destination(NAME, "v1", &wire_destination("one"));
    let view = proxy.known(NAME).await;
    eventually("both acknowledged", || (proxy.plane.requests().len() >= 4).then_some(())).await;
    proxy.plane.stop().await;
    let before = proxy.plane.requests().len();
    proxy.plane.resume().await;
    eventually("subscribed again", || (proxy.plane.requests().len() == before + 2).then_some(())).await;
    // A stream without a response yet: new subscriptions must get through all the same.
    let other = "ip/10.96.0.6:8080";
    proxy.plane.set_destination(other, "v1", &wire_destination("other"));
    proxy.known(other).await;
    assert!(!view.updates_pending());
    let acks =
        proxy.plane.requests().split_off(before).iter().filter(|r| !r.response_nonce.is_empty()).count();
    assert!(acks <= 1, "only the new destination was sent");
}

#[tokio::test]
async fn a_restart_in_an_outage_serves_what_was_known() {
    let mut proxy = Proxy::start().await;
    proxy.plane.set_destination(NAME, "v1", &wire_destination("one"));
    proxy.known(NAME).await;
    eventually("kept", || (proxy.kept().len() == 2).then_some(())).await;
    proxy.plane.stop().await;
    proxy.restart().await;
    assert!(proxy.link.borrow().workload_known);
    assert_eq!(&*proxy.mesh.workload().borrow().key, "default/default/shop/web-1");
    assert_eq!(&*proxy.known(NAME).await.current().key, "one");
    proxy.plane.resume().await;
    proxy.plane.set_destination(NAME, "v2", &wire_destination("two"));
    let mut view = proxy.known(NAME).await;
    eventually("updated", || (&*view.current().key == "two").then_some(())).await;
}

#[tokio::test]
async fn more_destinations_than_fit_push_out_the_oldest_and_unsubscribe_it() {
    let proxy = Proxy::start_with(ControlPlane::start().await, 2);
    let names = ["ip/10.96.0.1:80", "ip/10.96.0.2:80", "ip/10.96.0.3:80"];
    for name in names {
        proxy.plane.set_destination(name, "v1", &wire_destination(name));
        proxy.known(name).await;
    }
    eventually("unsubscribed", || proxy.unsubscribed(names[0]).then_some(())).await;
    eventually("its file is gone", || {
        let kept = proxy.kept();
        (kept.len() == 3 && !kept.iter().any(|file| file.contains("10.96.0.1"))).then_some(())
    })
    .await;
    let mut view = proxy.known(names[0]).await;
    assert_eq!((&*view.current().key, proxy.subscribed(names[0])), (names[0], 2));
}

#[tokio::test]
async fn a_destination_that_is_taken_away_becomes_unknown() {
    let proxy = Proxy::start().await;
    proxy.plane.set_destination(NAME, "v1", &wire_destination("one"));
    let mut view = proxy.known(NAME).await;
    proxy.plane.remove(NAME);
    view.changed().await;
    assert_eq!(&*view.current().key, "one", "a request under way keeps what it had");
    view.clone().gone().await;
    assert!(matches!(proxy.mesh.destination(addr(NAME)).await, Resolution::Unknown));
}

#[tokio::test]
async fn a_control_plane_that_proves_another_identity_gets_no_say() {
    let proxy = Proxy::start_with(ControlPlane::start_as("shop", "web").await, SUBSCRIPTIONS);
    let reason = eventually("refused", || proxy.link.borrow().last_error.clone()).await;
    assert!(reason.contains("expected spiffe://cluster.local/ns/weft-system/sa/weft"), "{reason}");
    assert_eq!(proxy.plane.requests(), []);
    assert!(!proxy.link.borrow().workload_known);
}

#[tokio::test]
async fn a_renewed_certificate_is_used_for_a_new_stream() {
    let plane = ControlPlane::start().await;
    plane.set_workload("uid-1", "w1", &wire_workload());
    let dir = tempfile::tempdir().unwrap();
    let (sender, certs) = watch::channel(plane.ca.certs("shop", "web").current());
    let (client, _mesh) = Client::new(&plane.proxy_config(dir.path()), Certs::new(certs));
    let link = client.link();
    let task = tokio::spawn(client.run());
    eventually("connected", || link.borrow().connected.then_some(())).await;
    let before = plane.requests().len();
    sender.send_replace(plane.ca.certs("shop", "web").current());
    eventually("a new stream", || {
        plane.requests().iter().skip(before).any(|request| request.node.is_some()).then_some(())
    })
    .await;
    task.abort();
}
