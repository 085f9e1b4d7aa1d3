//! One value per request, recorded once when it is dropped, also when its future was cancelled.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use super::about::About;
use super::access_log;
use super::histogram::Histogram;
use super::labels::{DurationLabels, ResultLabels};
use super::span::{self, Trace};
use super::subjects::{HeldSeries, Subject};
use super::tap::{Ended, Trail};
use super::{Metrics, RequestLabels};

/// What a request is recorded as when the caller left before there was a response.
pub(super) const CALLER_LEFT: u16 = 499;

/// Handles for requests that differ only in their result.
#[derive(Debug)]
pub struct Series {
    metrics: Metrics,
    labels: RequestLabels,
    duration: Histogram,
    _held: HeldSeries,
    /// Few results occur in one series, so a scan beats a map.
    results: RefCell<Vec<(u16, Option<u16>, Counter)>>,
}

/// A request that is under way. Dropping it records it.
#[derive(Debug)]
pub struct Record {
    /// Not known before it is known where the request goes.
    series: Option<Rc<Series>>,
    started: Instant,
    code: u16,
    grpc_status: Option<u16>,
    /// For the access log and who watches, where there are any.
    about: Option<Box<About>>,
    /// Where spans are told of it.
    trace: Option<Box<Trace>>,
}

// === impl Series ===

impl Series {
    pub fn new(metrics: &Metrics, labels: RequestLabels) -> Rc<Self> {
        let held = metrics.hold(Subject::of(labels.direction, &labels.destination, &labels.peer));
        let duration = metrics.durations.get(&DurationLabels {
            direction: labels.direction,
            destination: labels.destination.clone(),
            backend: labels.backend.clone(),
            route: labels.route.clone(),
        });
        Rc::new(Self { metrics: metrics.clone(), labels, duration, _held: held, results: RefCell::default() })
    }

    /// A request of this series began at `started`.
    pub fn begin(self: &Rc<Self>, started: Instant) -> Record {
        let mut record = Record::begin(started);
        record.moved_to(self.clone());
        record
    }

    #[cfg(test)]
    pub fn labels(&self) -> &RequestLabels {
        &self.labels
    }

    fn count(&self, code: u16, grpc_status: Option<u16>) {
        let code = known(code);
        let mut results = self.results.borrow_mut();
        if let Some((.., counter)) = results.iter().find(|known| (known.0, known.1) == (code, grpc_status)) {
            counter.inc();
            return;
        }
        let counter = self.metrics.requests.get(&ResultLabels {
            code,
            grpc_status: grpc_status.map(|status| status.to_string()).unwrap_or_default(),
            request: self.labels.clone(),
        });
        counter.inc();
        results.push((code, grpc_status, counter));
    }
}

/// A status as series have it. Who does not know one is to take it for the x00 of its class (RFC 9110 15), so that nobody who
/// answers with others makes a series of each.
pub(super) fn known(code: u16) -> u16 {
    match StatusCode::from_u16(code) {
        Ok(status) if status.canonical_reason().is_some() || code == CALLER_LEFT => code,
        // What has no class is for recipients a server's fault.
        Ok(_) if code < 600 => code / 100 * 100,
        _ => 500,
    }
}

// === impl Record ===

impl Record {
    /// A request began at `started`. It is recorded once it belongs to a series: see [`Self::moved_to`].
    pub fn begin(started: Instant) -> Self {
        Self { series: None, started, code: CALLER_LEFT, grpc_status: None, about: None, trace: None }
    }

    /// The request belongs to `series` from now on, such as that of the endpoint it is sent to.
    pub fn moved_to(&mut self, series: Rc<Series>) {
        self.series = Some(series);
    }

    /// Whether it belongs to a series.
    pub fn has_series(&self) -> bool {
        self.series.is_some()
    }

    /// The record, for who has the request from now on; what is left behind records nothing.
    pub fn take(&mut self) -> Self {
        let left = Self::begin(self.started);
        std::mem::replace(self, left)
    }

    /// What the access log and who watches are told of the request, where there are any.
    pub fn noted(&mut self, about: Option<Box<About>>) {
        self.about = about;
    }

    /// Spans are told of `request`, beside what the access log says.
    pub(crate) fn traced<B>(&mut self, trace: Box<Trace>, request: &http::Request<B>) {
        self.about.get_or_insert_with(|| Box::new(About::new(request, None)));
        self.trace = Some(trace);
    }

    /// It belongs to this trace, whether it is told or not.
    pub fn belongs_to(&mut self, trace_id: u128) {
        if let Some(about) = &mut self.about {
            about.trace_id = Some(trace_id);
        }
    }

    /// What is told of it, where anything is.
    pub(crate) fn trace(&self) -> Option<&Trace> {
        self.trace.as_deref()
    }

    /// The same, to add to it.
    pub(crate) fn trace_mut(&mut self) -> Option<&mut Trace> {
        self.trace.as_deref_mut()
    }

    /// Notes what the access log of its series wants.
    #[cfg(test)]
    pub fn about<B>(&mut self, request: &http::Request<B>) {
        self.about_by(request, None, None);
    }

    /// The same, as policies say.
    #[cfg(test)]
    pub fn about_by<B>(
        &mut self,
        request: &http::Request<B>,
        policy: Option<&access_log::Policy>,
        own: Option<&access_log::Choice>,
    ) {
        let about = |series: &Rc<Series>| series.metrics.about(request, series.labels.direction, policy, own);
        let about = self.series.as_ref().and_then(about);
        self.noted(about);
    }

    /// Whether it will be in the access log.
    #[cfg(test)]
    pub fn is_logged(&self) -> bool {
        self.about.is_some()
    }

    /// Who has the request now.
    pub fn upstream(&mut self, addr: SocketAddr) {
        if let Some(about) = &mut self.about {
            about.upstream = Some(addr);
            about.trail(|trail| trail.sent_to(addr));
        }
        if let Some(trace) = &mut self.trace {
            trace.attempt(addr);
        }
    }

    /// A copy of the request, sent to `addr` at `began`, was answered first.
    pub fn overtaken_by(&mut self, addr: SocketAddr, began: Instant) {
        if let Some(about) = &mut self.about {
            about.upstream = Some(addr);
            about.trail(|trail| trail.overtaken_by(addr, began));
        }
    }

    /// What the last attempt came to is not passed on, because of `reason`; `why` is asked only where somebody watches.
    pub fn gave_up(&mut self, reason: &'static str, why: impl FnOnce() -> String) {
        self.trail(|trail| trail.gave_up(why()));
        if let Some(trace) = &mut self.trace {
            trace.given_up(reason);
        }
    }

    /// `stage` lets the request go on.
    pub fn passed(&mut self, stage: &'static str) {
        self.trail(|trail| trail.passed(stage));
    }

    /// `stage` has the answer.
    pub fn answered_by(&mut self, stage: &'static str) {
        self.trail(|trail| {
            trail.spoke(stage, "answer");
            trail.ended(Ended::Own);
        });
    }

    /// The head of the answer as the caller gets it.
    pub fn answer(&mut self, headers: &http::HeaderMap) {
        self.trail(|trail| trail.answered(headers));
    }

    /// The response has ended so.
    pub fn ended(&mut self, how: Ended) {
        self.trail(|trail| trail.ended(how));
    }

    fn trail(&mut self, tell: impl FnOnce(&mut Trail)) {
        if let Some(about) = &mut self.about {
            about.trail(tell);
        }
    }

    /// The request is sent once more, because of `reason`.
    pub fn tried_again(&mut self, reason: &'static str) {
        if let Some(about) = &mut self.about {
            about.attempts += 1;
            about.retried.push(reason);
            about.trail(|trail| trail.tried_again(reason));
        }
        if let Some(trace) = &mut self.trace {
            trace.given_up(reason);
        }
    }

    /// Another try was wanted and not made, because of `reason`.
    pub fn withheld(&mut self, reason: &'static str) {
        if let Some(about) = &mut self.about {
            about.withheld = Some(reason);
        }
    }

    /// How the request ended, or a try, made its endpoint be ejected, because of `reason`.
    pub fn ejected(&mut self, reason: Option<&'static str>) {
        if let Some(about) = &mut self.about {
            about.ejected.extend(reason);
        }
    }

    /// What the budget of the route still allows; asked only where there is an access log.
    pub fn budget_left(&mut self, left: impl FnOnce() -> u64) {
        if let Some(about) = &mut self.about {
            about.budget_left = Some(left());
        }
    }

    /// So many requests are under way where it was let in by a limit.
    pub fn under_way(&mut self, count: u32) {
        if let Some(about) = &mut self.about {
            about.under_way = Some(count);
        }
    }

    /// When the request must have ended, if it must.
    pub fn deadline(&mut self, at: Option<Instant>) {
        if let Some(about) = &mut self.about {
            about.deadline = at;
        }
    }

    /// `stage` refuses the request.
    pub fn refused_by(&mut self, stage: &'static str) {
        if let Some(about) = &mut self.about {
            about.refused_by = Some(stage);
            about.trail(|trail| trail.spoke(stage, "refuse"));
        }
    }

    /// `stage` would refuse the request because of `reason`, and was told only to say so.
    pub fn would_refuse(&mut self, stage: &'static str, reason: &'static str) {
        if let Some(about) = &mut self.about {
            about.would_refuse.push((stage, reason));
            about.trail(Trail::would_refuse);
        }
    }

    /// The rule of that name decided, or would; asked only where there is an access log.
    pub fn decided_by(&mut self, rule: impl FnOnce() -> Box<str>) {
        if let Some(about) = &mut self.about {
            let rule = rule();
            about.trail(|trail| trail.decided_by(&rule));
            about.rule = Some(rule);
        }
    }

    /// The proxy answers itself, because of `reason`.
    pub fn refused(&mut self, reason: &'static str) {
        if let Some(about) = &mut self.about {
            about.reason = Some(reason);
        }
    }

    /// Something is done to it on purpose.
    pub fn faulted(&mut self, kind: &'static str) {
        if let Some(trace) = &mut self.trace {
            trace.faulted(kind);
        }
    }

    /// So many bytes of the response's body went on.
    pub fn sent(&mut self, bytes: usize) {
        if let Some(about) = &mut self.about {
            about.bytes = about.bytes.saturating_add(bytes as u64);
        }
    }

    /// The head of the response is there. Where it may tell a gRPC result, see [`Self::read_grpc_status`] too.
    pub fn coded(&mut self, code: StatusCode) {
        self.code = code.as_u16();
    }

    /// The head of the response is there.
    pub fn answered(&mut self, code: StatusCode, headers: &http::HeaderMap) {
        self.coded(code);
        self.read_grpc_status(headers);
        self.answer(headers);
    }

    /// The gRPC result, once it is known.
    pub fn grpc_status(&self) -> Option<u16> {
        self.grpc_status
    }

    /// Looks for a gRPC result in headers (an answer without body) or trailers.
    pub fn read_grpc_status(&mut self, headers: &http::HeaderMap) {
        if let Some(status) = headers.get("grpc-status") {
            // Numbers beyond the registered ones share a series, so that a peer cannot make many.
            const UNKNOWN: u16 = 2;
            let status: Option<u16> = status.to_str().ok().and_then(|text| text.parse().ok());
            self.grpc_status = Some(status.filter(|status| *status <= 16).unwrap_or(UNKNOWN));
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Some(series) = &self.series else { return };
        let took = self.started.elapsed();
        series.duration.observe(took);
        series.count(self.code, self.grpc_status);
        let Some(about) = &self.about else { return };
        let (started, code, grpc_status) = (self.started, self.code, self.grpc_status);
        if let Some(log) = series.metrics.access_log() {
            let result = access_log::Result { started, took, code, grpc_status };
            log.record(&series.labels, about, result, || Some(self.trace.as_ref()?.context()));
        }
        if let Some(trail) = &about.trail {
            trail.tell(&series.labels, about, started, (code, grpc_status));
        }
        if let Some(trace) = &self.trace {
            trace.end(span::Ended { about, labels: &series.labels, started, code, grpc_status });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Direction, Tls};
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    fn labels() -> RequestLabels {
        RequestLabels {
            direction: Direction::Outbound,
            destination: "shop/reviews:8080".into(),
            backend: "shop/reviews:8080{version=v1}".into(),
            route: "canary".into(),
            peer: "spiffe://cluster.local/ns/shop/sa/reviews".into(),
            tls: Tls::Mutual,
        }
    }

    #[test]
    fn a_status_that_nobody_registered_makes_no_series_of_its_own() {
        let mut registry = Registry::default();
        let series = Series::new(&Metrics::register(&mut registry), labels());
        for code in 100..=999 {
            let mut record = series.begin(Instant::now());
            record.coded(StatusCode::from_u16(code).unwrap());
        }
        for (code, label) in [(200, 200), (299, 200), (418, 418), (499, 499), (520, 500), (777, 500)] {
            assert_eq!(known(code), label);
        }
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("weft_requests_total")).count();
        assert!((50..80).contains(&lines), "{lines}");
    }

    #[test]
    fn series_of_what_is_gone_are_forgotten_and_others_stay() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let pod = |name: &str| RequestLabels { destination: name.to_owned(), ..labels() };
        let caller = |peer: &str| RequestLabels {
            direction: Direction::Inbound,
            destination: "shop/web:80".into(),
            peer: peer.to_owned(),
            ..labels()
        };
        for labels in [pod("shop/old:80"), pod("shop/new:80"), caller("spiffe://old"), caller("spiffe://new")]
        {
            drop(Series::new(&metrics, labels).begin(Instant::now()));
        }
        metrics.shed("shop/old:80", "route-0", "connections");
        metrics.ejected_endpoints("shop/old:80").set(1);
        let gone = ["shop/old:80"].map(|name| Subject::Destination(name.into()));
        let gone = gone.into_iter().chain([Subject::Caller("spiffe://old".into())]).collect();
        metrics.forget(&gone);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(!text.contains("old"), "{text}");
        assert_eq!(text.matches("weft_requests_total{").count(), 2, "{text}");
        assert_eq!(text.matches("weft_request_duration_seconds_count{").count(), 2, "{text}");
    }

    #[test]
    fn a_dropped_record_counts_once_with_its_result_and_a_cancelled_one_as_499() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let series = Series::new(&metrics, labels());
        for _ in 0..2 {
            let mut record = series.begin(Instant::now());
            record.answered(StatusCode::OK, &http::HeaderMap::new());
        }
        drop(series.begin(Instant::now()));
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("14"));
        let mut record = series.begin(Instant::now());
        record.answered(StatusCode::OK, &http::HeaderMap::new());
        record.read_grpc_status(&trailers);
        drop(record);

        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let tail = r#"direction="outbound",destination="shop/reviews:8080",backend="shop/reviews:8080{version=v1}",route="canary",peer="spiffe://cluster.local/ns/shop/sa/reviews",tls="mutual"}"#;
        for (head, count) in [
            (r#"code="200",grpc_status="","#, 2),
            (r#"code="499",grpc_status="","#, 1),
            (r#"code="200",grpc_status="14","#, 1),
        ] {
            let line = format!("weft_requests_total{{{head}{tail} {count}\n");
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
        assert!(text.contains("weft_request_duration_seconds_count"), "{text}");
    }
}
