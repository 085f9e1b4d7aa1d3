//! All that was counted, by the edges it belongs to: what the control plane is told. Read from the series themselves, so that a
//! request costs no more for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use super::labels::{ConnectionLabels, Direction, ResultLabels, Tls};
use super::metrics::Metrics;
use crate::shared_limit::OnFailure;
use crate::state::Workload;
use crate::wire::weft::telemetry::v1::Measure;

/// What counts belong to. Empty where they do not say.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    pub direction: Direction,
    /// As in [`super::RequestLabels`], and the others too.
    pub destination: String,
    pub backend: String,
    pub route: String,
    pub peer: String,
    pub tls: Option<Tls>,
    /// Object whose rule decided.
    pub rule: String,
}

/// What was counted of an edge since the proxy began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By number of [`Measure`], from [`Measure::Latency`] on by bucket.
    pub counts: BTreeMap<u64, u64>,
    /// Connections of bytes that are open now.
    pub open: u32,
}

/// Tallies by edge.
#[derive(Debug, Default)]
pub struct Account(pub HashMap<Edge, Tally>);

/// What HTTP statuses say when the caller went away.
const CALLER_LEFT: u16 = 499;
/// gRPC statuses that are the server's fault: unknown, deadline, unimplemented, internal, unavailable, data loss.
const GRPC_FAULTS: [&str; 6] = ["2", "4", "12", "13", "14", "15"];

// === impl Edge ===

impl Edge {
    /// An edge of which nothing else is known.
    pub fn of(direction: Direction, destination: &str) -> Self {
        Self {
            direction,
            destination: destination.to_owned(),
            backend: String::new(),
            route: String::new(),
            peer: String::new(),
            tls: None,
            rule: String::new(),
        }
    }
}

impl From<&ResultLabels> for Edge {
    fn from(ResultLabels { request, .. }: &ResultLabels) -> Self {
        Self {
            backend: request.backend.clone(),
            route: request.route.clone(),
            peer: request.peer.clone(),
            tls: Some(request.tls),
            ..Self::of(request.direction, &request.destination)
        }
    }
}

impl From<&ConnectionLabels> for Edge {
    fn from(of: &ConnectionLabels) -> Self {
        let (route, peer) = (of.route.clone(), of.peer.clone());
        Self { route, peer, tls: Some(of.tls), ..Self::of(of.direction, &of.destination) }
    }
}

// === impl Account ===

impl Account {
    /// What a proxy has counted, and the rules of its pod.
    pub fn of(metrics: &Metrics, pod: &Workload) -> Self {
        let mut account = Self::default();
        account.read_requests(metrics);
        account.read_connections(metrics);
        account.read_refusals(metrics);
        account.read_rules(pod);
        account
    }

    fn add(&mut self, edge: Edge, measure: Measure, count: u64) {
        self.add_number(edge, measure as u64, count);
    }

    fn add_number(&mut self, edge: Edge, number: u64, count: u64) {
        if count > 0 {
            *self.0.entry(edge).or_default().counts.entry(number).or_default() += count;
        }
    }

    fn read_requests(&mut self, metrics: &Metrics) {
        metrics.requests.each(|of, counter| {
            self.add(of.into(), result(of.code, &of.grpc_status), counter.get());
        });
        metrics.durations.each(|of, histogram| {
            let edge = Edge {
                backend: of.backend.clone(),
                route: of.route.clone(),
                ..Edge::of(of.direction, &of.destination)
            };
            let cells = (Measure::Latency as u64..).zip(histogram.cells());
            for (number, count) in cells.filter(|(_, count)| *count > 0) {
                self.add_number(edge.clone(), number, count);
            }
        });
        metrics.retries.each(|of, counter| {
            let edge = Edge { route: of.route.clone(), ..Edge::of(of.direction, &of.destination) };
            self.add(edge, Measure::Retry, counter.get());
        });
    }

    fn read_connections(&mut self, metrics: &Metrics) {
        metrics.connections.each(|of, counter| self.add(of.into(), Measure::Connection, counter.get()));
        metrics.open_connections.each(|of, gauge| {
            if let Ok(open @ 1..) = u32::try_from(gauge.get()) {
                self.0.entry(of.into()).or_default().open = open;
            }
        });
    }

    fn read_refusals(&mut self, metrics: &Metrics) {
        metrics.access.each(|of, counter| {
            let measure = match of.verdict {
                "denied" => Measure::Denied,
                "would-deny" => Measure::WouldDeny,
                _ => return,
            };
            let edge = Edge {
                peer: of.peer.clone(),
                rule: of.binding.clone(),
                ..Edge::of(Direction::Inbound, &of.destination)
            };
            self.add(edge, measure, counter.get());
        });
        metrics.plain.connections.each(|of, counter| {
            let measure = if of.verdict == "refused" { Measure::Denied } else { Measure::WouldDeny };
            let edge = Edge {
                tls: Some(Tls::None),
                rule: "strict-mtls".to_owned(),
                ..Edge::of(Direction::Inbound, &of.destination)
            };
            self.add(edge, measure, counter.get());
        });
        metrics.sheds.each(|of, counter| {
            let edge = Edge { route: of.route.clone(), ..Edge::of(Direction::Outbound, &of.destination) };
            self.add(edge, Measure::Limited, counter.get());
        });
    }

    fn read_rules(&mut self, pod: &Workload) {
        for one in &pod.caller_limits {
            let edge =
                Edge { rule: one.limit.policy.to_string(), ..Edge::of(Direction::Outbound, &one.callee()) };
            let tally = one.limit.tally();
            self.add(edge.clone(), Measure::Limited, tally.refused.load(Ordering::Relaxed));
            self.add(edge, Measure::WouldLimit, tally.would_refuse.load(Ordering::Relaxed));
        }
        for port in &pod.inbound_ports {
            let destination = pod.name_of_port(port.port);
            let of =
                |rule: &str| Edge { rule: rule.to_owned(), ..Edge::of(Direction::Inbound, &destination) };
            let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
            for limit in port.all_limits() {
                let tally = limit.tally();
                self.add(of(&limit.policy), Measure::Limited, read(&tally.refused));
                self.add(of(&limit.policy), Measure::WouldLimit, read(&tally.would_refuse));
            }
            for shared in port.shared_limits.iter().flat_map(|shared| &shared.limits) {
                let unanswered = read(&shared.unanswered[OnFailure::Deny as usize]);
                let refused = if shared.limit.dry_run { 0 } else { unanswered };
                self.add(of(&shared.limit.policy), Measure::Limited, refused);
            }
            for check in &port.external_checks {
                let tally = &check.tally;
                self.add(of(&check.policy), Measure::Denied, read(&tally.denied) + read(&tally.failed));
                self.add(of(&check.policy), Measure::WouldDeny, read(&tally.would_refuse));
            }
        }
    }
}

fn result(code: u16, grpc_status: &str) -> Measure {
    match code {
        CALLER_LEFT => Measure::Left,
        500.. => Measure::ServerError,
        _ if GRPC_FAULTS.contains(&grpc_status) => Measure::GrpcError,
        400.. => Measure::ClientError,
        _ => Measure::Ok,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use prometheus_client::registry::Registry;
    use tokio::time::Instant;

    use super::*;
    use crate::rate_limit::RateLimit;
    use crate::shared_limit::{SharedLimit, SharedLimits};
    use crate::state::{InboundPort, MtlsMode, Protocol};
    use crate::telemetry::{AccessLabels, OpenConnection, RequestLabels, Series};

    fn nobody() -> Workload {
        let id = crate::identity::SpiffeId::new("cluster.local", "shop", "web");
        Workload::unconfigured("uid-1", id)
    }

    #[test]
    fn requests_are_told_by_class_with_their_latency_beside_them() {
        let metrics = Metrics::register(&mut Registry::default());
        let labels = RequestLabels {
            direction: Direction::Outbound,
            destination: "shop/reviews:80".into(),
            backend: "shop/reviews:80".into(),
            route: "canary".into(),
            peer: "spiffe://cluster.local/ns/shop/sa/reviews".into(),
            tls: Tls::Mutual,
        };
        let series = Series::new(&metrics, labels);
        for (code, grpc) in [
            (204, None),
            (302, None),
            (404, None),
            (499, None),
            (503, None),
            (200, Some("14")),
            (200, Some("5")),
        ] {
            let mut record = series.begin(Instant::now());
            record.coded(StatusCode::from_u16(code).unwrap());
            if let Some(grpc) = grpc {
                let headers = [("grpc-status".parse().unwrap(), grpc.parse().unwrap())];
                record.read_grpc_status(&headers.into_iter().collect());
            }
        }
        metrics.retry(Direction::Outbound, ("shop/reviews:80", "canary"), "status");
        metrics.shed("shop/reviews:80", "", "connections");
        let account = Account::of(&metrics, &nobody()).0;
        let said = |of: &dyn Fn(&Edge) -> bool, measure: Measure| -> u64 {
            let counts = account.iter().filter(|(edge, _)| of(edge));
            counts.filter_map(|(_, tally)| tally.counts.get(&(measure as u64))).sum()
        };
        let called = |edge: &Edge| edge.tls == Some(Tls::Mutual) && edge.route == "canary";
        for (measure, count) in [
            (Measure::Ok, 3),
            (Measure::ClientError, 1),
            (Measure::Left, 1),
            (Measure::ServerError, 1),
            (Measure::GrpcError, 1),
        ] {
            assert_eq!(said(&called, measure), count, "{measure:?}");
        }
        let route = |edge: &Edge| edge.route == "canary" && edge.tls.is_none();
        assert_eq!((said(&route, Measure::Retry), said(&|_| true, Measure::Limited)), (1, 1));
        let latency: u64 = account
            .iter()
            .filter(|(edge, _)| edge.backend == "shop/reviews:80" && edge.tls.is_none())
            .flat_map(|(_, tally)| tally.counts.range(Measure::Latency as u64..))
            .map(|(_, count)| count)
            .sum();
        assert_eq!(latency, 7);
    }

    #[test]
    fn limits_are_told_whoever_counts_for_them() {
        let limit = |policy: &str| {
            RateLimit::new((policy.into(), "all".into()), (1, Duration::from_secs(1), 1, 1), [].into(), false)
        };
        let shared = |policy: &str, on_failure| SharedLimit::new(limit(policy), on_failure);
        let limits = [shared("shop/shared", OnFailure::Allow), shared("shop/closed", OnFailure::Deny)];
        limits[0].limit.tally().refused.fetch_add(2, Ordering::Relaxed);
        limits[0].limit.tally().would_refuse.fetch_add(3, Ordering::Relaxed);
        limits.iter().for_each(SharedLimit::left_to_itself);
        let own = limit("shop/own");
        own.tally().refused.fetch_add(5, Ordering::Relaxed);
        let mut pod = nobody();
        let shared_limits = vec![SharedLimits {
            service: "ops/ratelimit:8081".into(),
            asks: None,
            domain: "weft".into(),
            timeout: Duration::from_secs(1),
            limits: limits.into(),
            tally: std::sync::Arc::default(),
        }];
        pod.inbound_ports = vec![InboundPort {
            port: 80,
            protocol: Protocol::Http1,
            mtls_mode: MtlsMode::Permissive,
            services: Vec::new(),
            needs_requests: true,
            rate_limits: vec![own],
            shared_limits,
            external_checks: Vec::new(),
            sampling: None,
            access_log: None,
        }];
        let account = Account::of(&Metrics::register(&mut Registry::default()), &pod).0;
        let told = |rule: &str| account.iter().find(|(edge, _)| edge.rule == rule).unwrap().1.counts.clone();
        assert_eq!(told("shop/own"), [(6, 5)].into());
        assert_eq!(told("shop/shared"), [(6, 2), (7, 3)].into());
        assert_eq!(told("shop/closed"), [(6, 1)].into(), "without an answer it refused");
    }

    #[test]
    fn refusals_name_the_rule_and_open_connections_are_told_while_they_are_open() {
        let metrics = Metrics::register(&mut Registry::default());
        for (verdict, times) in [("denied", 2), ("would-deny", 1), ("would-allow", 5)] {
            let binding = "shop/readers".to_owned();
            let of =
                AccessLabels { destination: "shop/web:80".into(), binding, verdict, ..Default::default() };
            metrics.access(of).inc_by(times);
        }
        drop(metrics.plain_connection("shop/web:80".into(), None, "refused"));
        let labels = ConnectionLabels {
            direction: Direction::Inbound,
            destination: "shop/db:5432".into(),
            route: String::new(),
            peer: "spiffe://cluster.local/ns/shop/sa/web".into(),
            tls: Tls::Mutual,
        };
        let open = OpenConnection::begin(&metrics, &labels);
        let tally = |edge: Edge| Account::of(&metrics, &nobody()).0.remove(&edge).unwrap_or_default();
        let web = || Edge::of(Direction::Inbound, "shop/web:80");
        let ruled = tally(Edge { rule: "shop/readers".into(), ..web() });
        assert_eq!(ruled.counts, [(8, 2), (9, 1)].into());
        let strict = tally(Edge { rule: "strict-mtls".into(), tls: Some(Tls::None), ..web() });
        assert_eq!(strict.counts, [(8, 1)].into());
        assert_eq!(tally(Edge::from(&labels)), Tally { counts: [(10, 1)].into(), open: 1 });
        drop(open);
        assert_eq!(tally(Edge::from(&labels)).open, 0);
    }
}
