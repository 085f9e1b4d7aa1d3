//! Calls of the proxy's own, from inside the mesh.

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::task::LocalSet;

use super::harness::{SERVICE, World, destination, nobody, plain};
use super::script::{Act, OK, Script};
use crate::http::Wire;
use crate::outbound::Outbound;
use crate::outbound::callout::{Callout, CalloutError};
use crate::state::{Destination, Limits, Mesh, Protocol, Workload};

const LIMIT: Duration = Duration::from_secs(10);

/// Who calls in a mesh that knows `destination` at [`SERVICE`] and nothing else.
fn callout(world: &World, destination: Destination) -> Callout {
    let workload = Workload::unconfigured("cluster/net/shop/web-1", world.ca.id("shop", "web"));
    let mesh = Mesh::fixed(workload, [(SERVICE, Arc::new(destination))]);
    Outbound::new(Rc::new(world.worker(mesh, SERVICE))).callout()
}

fn question() -> Request<Bytes> {
    Request::post("/check").header("host", "policy").body(Bytes::from_static(b"may it?")).unwrap()
}

#[tokio::test]
async fn a_service_of_the_mesh_answers_with_its_body_over_mutual_tls() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let receiver = world.receiver(app.addr);
    let callout = callout(&world, destination(Protocol::Http1, vec![world.meshed(&receiver)]));
    let call = callout.call(SERVICE.into(), question(), Wire::H1, LIMIT);
    let answer = LocalSet::new().run_until(call).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"ok"[..]));
    let seen = app.requests().remove(0);
    assert!(seen.starts_with("post /check") && seen.ends_with("may it?"), "{seen}");
    receiver.counted("weft_requests_total", &[r#"peer="spiffe://cluster.local/ns/shop/sa/web""#], 1.0).await;
}

#[tokio::test]
async fn what_was_not_sent_goes_to_one_other_endpoint_and_what_was_is_not_repeated() {
    let (world, app) = (World::new(), Script::start(|index| if index == 0 { OK } else { Act::Close }).await);
    let calls = callout(&world, destination(Protocol::Http1, vec![plain(nobody()), plain(app.addr)]));
    let local = LocalSet::new();
    let call = || calls.call(SERVICE.into(), question(), Wire::H1, LIMIT);
    let (first, second) = (local.run_until(call()).await, local.run_until(call()).await);
    assert_eq!(first.unwrap().status(), 200);
    assert!(matches!(second, Err(CalloutError::Failed(_))), "{second:?}");
    assert_eq!(app.requests().len(), 2, "a question that was asked is not asked again");
}

#[tokio::test]
async fn a_call_ends_by_its_own_deadline_and_passes_no_stage() {
    let (world, app) = (World::new(), Script::start(|_| Act::Hang("")).await);
    // A stage would refuse this at once.
    let limits = Limits { max_requests: Some(0), ..Limits::default() };
    let to =
        Destination { limits: Some(Box::new(limits)), ..destination(Protocol::Http1, vec![plain(app.addr)]) };
    let calls = callout(&world, to);
    let limit = Duration::from_millis(200);
    let late = LocalSet::new().run_until(calls.call(SERVICE.into(), question(), Wire::H1, limit)).await;
    assert!(matches!(late, Err(CalloutError::TooLate(_))), "{late:?}");
    assert_eq!(app.requests().len(), 1);
}

#[tokio::test]
async fn a_destination_that_the_mesh_does_not_know_is_not_dialled() {
    let (world, app) = (World::new(), Script::start(|_| OK).await);
    let calls = callout(&world, destination(Protocol::Http1, vec![plain(app.addr)]));
    let elsewhere = SocketAddr::from((Ipv4Addr::LOCALHOST, app.addr.port()));
    let unknown = LocalSet::new().run_until(calls.call(elsewhere.into(), question(), Wire::H1, LIMIT)).await;
    assert!(matches!(unknown, Err(CalloutError::NoDestination(_))), "{unknown:?}");
    assert!(app.requests().is_empty());
}
