use prometheus_client::registry::Registry;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::{
    identity::Certs,
    telemetry::{ConnectionLabels, Direction, OpenConnection, Tls},
    test_util::{ControlPlane, eventually},
    wire::weft::v1 as wire,
    xds,
};

const UID: &str = "uid-1";

/// The parts of a proxy that speak to the control plane, with what they count.
struct Proxy {
    plane: ControlPlane,
    metrics: Metrics,
    tasks: Vec<JoinHandle<()>>,
    _dir: TempDir,
}

impl Proxy {
    async fn start(pace: Option<ReportResponse>) -> Self {
        let (plane, dir) = (ControlPlane::start().await, TempDir::new().unwrap());
        plane.set_pace(pace);
        let workload = wire::Workload {
            key: "default/default/shop/web-1".to_owned(),
            identity: "spiffe://cluster.local/ns/shop/sa/web".to_owned(),
            mtls_mode: wire::MtlsMode::Permissive.into(),
            outbound_policy: wire::OutboundPolicy::AllowAny.into(),
            ..Default::default()
        };
        plane.set_workload(UID, "1", &workload);
        let config = plane.proxy_config(dir.path());
        let certs: Certs = plane.ca.certs("shop", "web");
        let metrics = Metrics::register(&mut Registry::default());
        let (client, mesh) = xds::Client::new(&config, certs);
        let reporter = Reporter::new(UID, client.origin(), metrics.clone(), mesh.workload());
        let tasks = vec![tokio::spawn(reporter.run(client.connection())), tokio::spawn(client.run())];
        Self { plane, metrics, tasks, _dir: dir }
    }

    fn open(&self, name: &str) -> OpenConnection {
        let labels = ConnectionLabels {
            direction: Direction::Outbound,
            destination: name.to_owned(),
            route: String::new(),
            peer: String::new(),
            tls: Tls::None,
        };
        OpenConnection::begin(&self.metrics, &labels)
    }

    /// Connections that all reports together say were opened.
    fn told(&self) -> u64 {
        let reports = self.plane.reports();
        reports.iter().flat_map(|report| &report.counts).filter_map(|count| count.grown.get(1)).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn pace(pace_ms: u32, now: bool) -> Option<ReportResponse> {
    Some(ReportResponse { pace_ms, now })
}

#[tokio::test]
async fn reports_go_over_the_connection_of_the_configuration_and_say_whose_they_are() {
    let proxy = Proxy::start(pace(500, false)).await;
    let _open = proxy.open("shop/db:5432");
    eventually("a report", || (proxy.told() == 1).then_some(())).await;
    let reports = proxy.plane.reports();
    assert_eq!((reports[0].pod_uid.as_str(), reports[0].counts.len()), (UID, 0), "the first says who it is");
    assert_eq!(reports[1].edges[0].destination, "shop/db:5432");
    assert_eq!(reports[1].counts[0].open, 1);
    assert_eq!(proxy.plane.connections(), 1);
}

#[tokio::test]
async fn whoever_begins_to_look_is_answered_soon_also_with_nothing_new() {
    let proxy = Proxy::start(pace(300_000, false)).await;
    eventually("a report", || (proxy.plane.reports().len() == 1).then_some(())).await;
    proxy.plane.set_pace(pace(300_000, true));
    eventually("a report", || (proxy.plane.reports().len() == 2).then_some(())).await;
    let answer = proxy.plane.reports().remove(1);
    assert_eq!(answer, ReportRequest { covers_ms: answer.covers_ms, ..Default::default() });
}

#[tokio::test]
async fn a_new_stream_goes_on_where_the_last_one_ended_so_that_replicas_add_up() {
    let mut proxy = Proxy::start(pace(500, false)).await;
    let _first = proxy.open("shop/db:5432");
    eventually("a report", || (proxy.told() == 1).then_some(())).await;
    proxy.plane.stop().await;
    let _second = proxy.open("shop/db:5432");
    proxy.plane.resume().await;
    eventually("a report", || (proxy.told() == 2).then_some(())).await;
    let last = proxy.plane.reports().pop().unwrap();
    assert_eq!((last.edges.len(), last.counts[0].grown.clone(), last.counts[0].open), (1, vec![10, 1], 2));
}

#[tokio::test]
async fn a_control_plane_without_the_service_goes_on_serving_the_configuration() {
    let mut proxy = Proxy::start(None).await;
    let _open = proxy.open("shop/db:5432");
    eventually("a report", || {
        (proxy.plane.connections() == 1 && !proxy.plane.requests().is_empty()).then_some(())
    })
    .await;
    proxy.plane.stop().await;
    proxy.plane.set_pace(pace(500, false));
    proxy.plane.resume().await;
    eventually("a report", || (proxy.told() == 1).then_some(())).await;
    assert_eq!(proxy.plane.connections(), 2, "the configuration kept its connection");
}
