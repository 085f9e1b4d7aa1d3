//! What the access rules say to the caller of one connection.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;

use crate::access::{Access, Builder, Default, NotNormal, Question, RuleId, Standing, Verdict, Who, normal};
use crate::http::RawTarget;
use crate::http::rescue::Failure;
use crate::identity::SpiffeId;
use crate::jwt::{Invalid, Token, TokenCache};
use crate::request::Asked;
use crate::request::plan::Turn;
use crate::state::Workload;
use crate::telemetry::{AccessLabels, Direction, Metrics};
use crate::worker::ground::Worker;

/// How long requests under way may take when something has been taken from their caller: what ends them is not known to
/// concern each of them, so most can come to their own end.
const NARROWED_GRACE: Duration = Duration::from_secs(5);

/// For `x-weft-reason`, the metrics and the access log.
pub(super) const DENIED: &str = "access-denied";
const INVALID_TOKEN: &str = "invalid-token";

/// Who opened a connection, and to which port.
#[derive(Clone, Debug)]
pub struct Gate {
    pub identity: Option<Arc<SpiffeId>>,
    pub ip: Option<IpAddr>,
    pub port: u16,
}

/// What one version of the rules says to one caller, and what of it has been counted.
#[derive(Debug)]
pub struct Ruling {
    access: Arc<Access>,
    standing: Standing,
    /// Few rules decide about one connection, so a scan beats a map.
    counters: RefCell<Vec<(&'static str, Cause, Counter)>>,
}

/// What a verdict goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// A rule, or the default.
    Rule(Option<RuleId>),
    /// A token that is not believed.
    Token(Invalid),
}

/// What goes on is what was judged: a path whose bytes say more than its `Uri` has two readings.
pub(super) fn as_written<B>(request: &http::Request<B>) -> Result<(), NotNormal> {
    if RawTarget::has_path_of_uri(request) { Ok(()) } else { Err(NotNormal::RawByte) }
}

// === impl Gate ===

impl Gate {
    /// What the rules that `workload` has say to the caller; `None`: there are none.
    pub fn ruling(&self, workload: &Workload) -> Option<Ruling> {
        let access = workload.access.clone()?;
        let standing = self.standing(&access);
        Some(Ruling { access, standing, counters: RefCell::default() })
    }

    /// Whether bytes of the caller go nowhere. Says so to nobody.
    pub fn refuses_bytes(&self, workload: &Workload) -> bool {
        let verdict = |access: &Arc<Access>| access.judge_bytes(&self.standing(access));
        workload.access.as_ref().is_some_and(|access| !verdict(access).allowed)
    }

    /// Whether a connection of bytes may be carried; counts what was found.
    pub fn admits_bytes(&self, worker: &Worker) -> bool {
        let own_pod = worker.own_pod.current();
        let Some(ruling) = self.ruling(&own_pod) else { return true };
        let verdict = ruling.judge_bytes();
        let labels = || self.labels(&own_pod);
        ruling.count(verdict, &worker.metrics, labels);
        if !verdict.allowed {
            let by = ruling.access.name(verdict.by);
            tracing::debug!(port = self.port, identity = ?self.identity, ip = ?self.ip, by, "refused a connection");
            worker.metrics.error(Direction::Inbound, DENIED);
            worker.metrics.taps.refused_bytes(labels, by);
        }
        verdict.allowed
    }

    /// Ends when the rules have changed, and by what they say now bytes of the caller go nowhere; or when somebody else is to be asked
    /// about requests, which nobody finds in bytes.
    pub async fn bytes_refused(&self, worker: &Worker) {
        let since = Arc::clone(&worker.own_pod.current());
        let checked = |now: &Workload| !now.external_checks(self.port).is_empty();
        self.when(worker, since, |_, now| checked(now) || self.refuses_bytes(now)).await;
        tracing::info!(port = self.port, identity = ?self.identity, "ended a connection that the access rules do not allow any more");
        worker.metrics.error(Direction::Inbound, DENIED);
    }

    /// Ends when the rules are not those of `since` any more, and something has been taken from the caller.
    pub async fn narrowed(&self, worker: &Worker, since: Arc<Workload>) {
        self.when(worker, since, |before, now| self.takes(before, now)).await;
    }

    /// Ends when what the caller has under way is to be cut off, since something has been taken from it.
    pub async fn cut(&self, worker: &Worker, since: Arc<Workload>) {
        self.narrowed(worker, since).await;
        tokio::time::sleep(NARROWED_GRACE).await;
        tracing::info!(port = self.port, identity = ?self.identity, "cut a connection whose caller the access rules allow less than before");
        worker.metrics.error(Direction::Inbound, DENIED);
    }

    async fn when(
        &self,
        worker: &Worker,
        mut since: Arc<Workload>,
        holds: impl Fn(&Workload, &Workload) -> bool,
    ) {
        let mut updates: watch::Receiver<Arc<Workload>> = worker.mesh.workload();
        loop {
            let now = updates.borrow_and_update().clone();
            if holds(&since, &now) {
                return;
            }
            since = now;
            if updates.changed().await.is_err() {
                break;
            }
        }
        std::future::pending().await
    }

    fn takes(&self, before: &Workload, now: &Workload) -> bool {
        let Some(access) = &now.access else { return false };
        let open;
        let old = match &before.access {
            Some(old) if Arc::ptr_eq(old, access) => return false,
            Some(old) => old,
            None => {
                open = Builder::new(Default::Allow, []).build([0; 32]);
                &open
            }
        };
        access.takes_from(&self.standing(access), old, &self.standing(old))
    }

    fn standing(&self, access: &Access) -> Standing {
        access.standing(Who { identity: self.identity.as_deref(), ip: self.ip }, self.port)
    }

    fn labels(&self, workload: &Workload) -> AccessLabels {
        AccessLabels {
            destination: workload.name_of_port(self.port),
            peer: self.identity.as_ref().map(|identity| identity.to_string()).unwrap_or_default(),
            ..AccessLabels::default()
        }
    }
}

// === impl Ruling ===

impl Ruling {
    /// The stage `jwt`. Who has a token that is not believed is refused, and never taken for somebody who has none: unless all that
    /// asks for tokens is a rehearsal.
    pub fn read_token<'a>(&self, asked: &mut Asked, gate: &Gate, worker: &Worker) -> Turn<'a> {
        let Err(invalid) = self.believe(asked, gate.port, &worker.tokens) else { return Turn::Go };
        let enforced = self.goes_by_tokens(gate.port);
        let verdict = if enforced { "denied" } else { "would-deny" };
        self.note(verdict, Cause::Token(invalid), &worker.metrics, || gate.labels(&asked.own_pod));
        asked.record.decided_by(|| self.name(Cause::Token(invalid)).into());
        if enforced { Turn::Refuse(Failure::InvalidToken) } else { Turn::WouldRefuse(INVALID_TOKEN) }
    }

    /// The stage `access`.
    pub fn ask<'a>(&self, asked: &mut Asked, gate: &Gate, metrics: &Metrics) -> Turn<'a> {
        let verdict = match self.judge(&asked.request, asked.token.as_deref(), gate.port) {
            Ok(verdict) => verdict,
            Err(why) => return Turn::Refuse(Failure::AmbiguousPath(why)),
        };
        if verdict.allowed && verdict.rehearsed.is_none() {
            return Turn::Go;
        }
        self.count(verdict, metrics, || gate.labels(&asked.own_pod));
        match (verdict.allowed, verdict.rehearsed) {
            (true, Some(would)) => {
                asked.record.decided_by(|| self.access.name(would.by).into());
                Turn::WouldRefuse(DENIED)
            }
            (true, None) => Turn::Go,
            (false, _) => {
                asked.record.decided_by(|| self.access.name(verdict.by).into());
                Turn::Refuse(self.refusal(verdict, asked.token.is_some()))
            }
        }
    }

    /// Reads the token of a request, and takes it off where its issuer wants that. What `cache` knows is not verified again.
    pub fn believe(&self, asked: &mut Asked, port: u16, cache: &TokenCache) -> Result<(), Invalid> {
        asked.token = self.token_of(asked.request.headers(), port, cache)?;
        if let Some(token) = &asked.token {
            self.access.tokens().take_off(token, asked.request.headers_mut());
        }
        Ok(())
    }

    /// The token of a request, of which only limits have to know where no rule asks for tokens: to them one that is not believed is
    /// none.
    fn token_of(
        &self,
        headers: &HeaderMap,
        port: u16,
        cache: &TokenCache,
    ) -> Result<Option<Rc<Token>>, Invalid> {
        match self.access.tokens().read(headers, cache, self.access.version(), SystemTime::now()) {
            Err(_) if !self.access.asks_for_tokens(port) => Ok(None),
            read => read,
        }
    }

    /// Whether a rule that asks for tokens at `port` is enforced.
    pub fn goes_by_tokens(&self, port: u16) -> bool {
        self.access.goes_by_tokens(port)
    }

    /// What the rules say of a request; an error where they go by paths, and its path has more than one reading.
    pub fn judge<B>(
        &self,
        request: &http::Request<B>,
        token: Option<&Token>,
        port: u16,
    ) -> Result<Verdict, NotNormal> {
        let path = request.uri().path();
        if self.access.asks_about_paths(port) {
            normal(path).and_then(|()| as_written(request))?;
        }
        let (method, headers) = (request.method(), request.headers());
        Ok(self.access.judge(&self.standing, &Question { method, path, headers, token }))
    }

    /// What the rules say of bytes.
    pub fn judge_bytes(&self) -> Verdict {
        self.access.judge_bytes(&self.standing)
    }

    /// What the caller of a refused request is told.
    pub fn refusal(&self, verdict: Verdict, has_token: bool) -> Failure {
        let wants_token = verdict.by.is_none() && !has_token;
        let wants_token = wants_token && self.access.a_token_may_help(&self.standing);
        if wants_token { Failure::TokenRequired } else { Failure::Denied }
    }

    /// The name of a rule, or of the default, as people find it in metrics and the access log.
    pub fn rule(&self, rule: Option<RuleId>) -> &str {
        self.access.name(rule)
    }

    fn count(&self, verdict: Verdict, metrics: &Metrics, labels: impl Fn() -> AccessLabels) {
        if !verdict.allowed {
            self.note("denied", Cause::Rule(verdict.by), metrics, &labels);
        }
        if let Some(would) = verdict.rehearsed {
            let name = if verdict.allowed { "would-deny" } else { "would-allow" };
            self.note(name, Cause::Rule(would.by), metrics, &labels);
        }
    }

    fn note(
        &self,
        verdict: &'static str,
        cause: Cause,
        metrics: &Metrics,
        labels: impl Fn() -> AccessLabels,
    ) {
        let mut counters = self.counters.borrow_mut();
        if let Some((.., counter)) = counters.iter().find(|known| (known.0, known.1) == (verdict, cause)) {
            counter.inc();
            return;
        }
        let binding = self.name(cause).to_owned();
        let counter = metrics.access(AccessLabels { verdict, binding, ..labels() });
        counter.inc();
        counters.push((verdict, cause, counter));
    }

    /// As people find it in metrics and the access log.
    fn name(&self, cause: Cause) -> &str {
        match cause {
            Cause::Rule(rule) => self.rule(rule),
            Cause::Token(invalid) => invalid.name(),
        }
    }
}
