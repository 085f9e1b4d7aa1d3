use super::*;
use crate::{
    state::{DestinationView, Mesh, Resolution, Workload},
    test_util::a_destination,
};

fn addr(port: u16) -> Subscription {
    std::net::SocketAddr::from(([10, 96, 0, 1], port)).into()
}

fn mesh(table: &SharedTable) -> Mesh {
    let workload =
        Workload::unconfigured("uid", crate::identity::SpiffeId::new("cluster.local", "shop", "web"));
    Mesh::new(watch::channel(Arc::new(workload)).1, table.clone())
}

async fn known(mesh: &Mesh, port: u16) -> DestinationView {
    match mesh.destination(addr(port)).await {
        Resolution::Known(view) => view,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_connection_waits_for_the_answer_and_later_ones_do_not() {
    let table = SharedTable::new(10);
    let mesh = mesh(&table);
    let answer = async {
        assert_eq!(table.changes().await.subscribe, [addr(1)]);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(table.apply(&addr(1), "v1", a_destination("a")));
    };
    let begin = Instant::now();
    let (mut view, ()) = tokio::join!(known(&mesh, 1), answer);
    assert_eq!((&*view.current().key, begin.elapsed()), ("a", Duration::from_millis(300)));
    known(&mesh, 1).await;
    assert_eq!(begin.elapsed(), Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_the_first_connection_waits_a_second_and_the_next_one_not_at_all() {
    let table = SharedTable::new(10);
    let mesh = mesh(&table);
    let begin = Instant::now();
    assert!(matches!(mesh.destination(addr(1)).await, Resolution::Unreachable));
    assert_eq!(begin.elapsed(), Duration::from_secs(1));
    assert!(matches!(mesh.destination(addr(1)).await, Resolution::Unreachable));
    assert_eq!(begin.elapsed(), Duration::from_secs(1));
    // The answer is still wanted, and taken when it comes.
    assert!(table.apply(&addr(1), "v1", a_destination("late")));
    known(&mesh, 1).await;
}

#[tokio::test]
async fn an_ipv4_address_in_ipv6_clothes_is_the_same_address() {
    let table = SharedTable::new(10);
    table.load(addr(1), "v1", a_destination("a"));
    assert!(matches!(
        mesh(&table).destination("[::ffff:10.96.0.1]:1".parse::<std::net::SocketAddr>().unwrap()).await,
        Resolution::Known(_)
    ));
}

#[tokio::test]
async fn a_view_follows_changes_and_survives_removal() {
    let table = SharedTable::new(10);
    table.load(addr(1), "v1", a_destination("one"));
    let mut view = known(&mesh(&table), 1).await;
    let held = view.current().clone();
    table.apply(&addr(1), "v2", a_destination("two"));
    view.changed().await;
    assert_eq!((&*held.key, &*view.current().key), ("one", "two"));
    table.remove(&addr(1));
    assert_eq!(&*view.current().key, "two");
    assert!(matches!(mesh(&table).destination(addr(1)).await, Resolution::Unknown));
}

#[tokio::test]
async fn a_rejected_version_leaves_the_last_good_one_serving() {
    let table = SharedTable::new(10);
    table.load(addr(1), "v1", a_destination("good"));
    table.reject(&addr(1), "too new");
    assert_eq!(&*known(&mesh(&table), 1).await.current().key, "good");
    table.ask(addr(2));
    table.reject(&addr(2), "too new");
    match mesh(&table).destination(addr(2)).await {
        Resolution::Rejected(reason) => assert_eq!(&*reason, "too new"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_port_scan_evicts_itself_and_not_what_is_used() {
    let table = SharedTable::new(8);
    for port in 1..=4 {
        table.load(addr(port), "v", a_destination("used"));
    }
    for port in 1000..2000 {
        table.ask(addr(port));
        table.remove(&addr(port));
        table.changes().await;
    }
    assert_eq!(table.len(), 8);
    for port in 1..=4 {
        known(&mesh(&table), port).await;
    }
}

#[tokio::test]
async fn the_least_recently_used_goes_first_but_never_one_that_a_connection_holds() {
    let table = SharedTable::new(3);
    let mesh = mesh(&table);
    for port in 1..=3 {
        table.load(addr(port), "v", a_destination("x"));
    }
    let held = known(&mesh, 1).await;
    known(&mesh, 3).await;
    table.ask(addr(4));
    assert_eq!(table.changes().await, Changes { unsubscribe: vec![addr(2)], subscribe: vec![addr(4)] });
    table.ask(addr(5));
    assert_eq!(table.changes().await, Changes { unsubscribe: vec![addr(4)], subscribe: vec![addr(5)] });
    drop(held);
    known(&mesh, 3).await;
    table.apply(&addr(5), "v", a_destination("x"));
    table.ask(addr(6));
    assert_eq!(table.changes().await, Changes { unsubscribe: vec![addr(1)], subscribe: vec![addr(6)] });
}

#[tokio::test]
async fn an_eviction_before_the_subscription_was_sent_sends_nothing() {
    let table = SharedTable::new(1);
    table.ask(addr(1));
    table.ask(addr(2));
    assert_eq!(table.changes().await, Changes { unsubscribe: vec![], subscribe: vec![addr(2)] });
}

#[tokio::test(start_paused = true)]
async fn absence_is_forgotten_after_a_while_without_use() {
    let table = SharedTable::new(10);
    table.ask(addr(1));
    table.changes().await;
    table.remove(&addr(1));
    tokio::time::advance(ABSENT_KEPT - Duration::from_secs(1)).await;
    assert!(matches!(mesh(&table).destination(addr(1)).await, Resolution::Unknown));
    tokio::time::advance(Duration::from_secs(2)).await;
    table.forget_absent();
    assert_eq!(table.len(), 1, "it was asked for two seconds ago");
    tokio::time::advance(ABSENT_KEPT).await;
    table.forget_absent();
    assert_eq!(table.changes().await, Changes { unsubscribe: vec![addr(1)], subscribe: vec![] });
}

#[tokio::test]
async fn a_stream_begins_with_everything_and_the_versions_held() {
    let table = SharedTable::new(10);
    table.load(addr(1), "v7", a_destination("x"));
    table.ask(addr(2));
    let mut begin = table.begin_stream();
    begin.sort();
    assert_eq!(begin, [(addr(1), Some("v7".into())), (addr(2), None)]);
    assert_eq!(table.lock().take_changes(), Changes::default());
}
