//! Which requests are logged, and how: what the owner of the mesh says, what a policy says of its Service, and what the pod itself says.

use std::time::Duration;

use http::HeaderName;

use super::Result;
use super::field::Field;
use crate::otlp::Collector;
use crate::telemetry::about::About;
use crate::telemetry::attributes::is_fault;
use crate::trace::Sampling;

/// What is logged of the requests of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    pub choice: Choice,
    pub form: Form,
    /// Fields that are left out.
    pub omit: Fields,
    /// Headers of requests that are told.
    pub headers: Vec<HeaderName>,
    /// Who is told too.
    pub collector: Option<Collector>,
    /// Nothing is written to the output.
    pub silent: bool,
}

/// Which requests are logged, of all or of those to one Service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Choice {
    pub mode: Mode,
    /// The path is written without its query.
    pub remove_query: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Off,
    All,
    Selected(Select),
}

/// A request that any of these is true of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Select {
    pub errors: bool,
    pub denied: bool,
    pub slower_than: Option<Duration>,
    /// So many of a million.
    pub sampling: Option<u32>,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Json,
    /// logfmt.
    Text,
}

/// Some of the fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fields(u32);

/// What holds for one request.
#[derive(Debug, Clone, Copy)]
pub(in crate::telemetry) struct Chosen {
    /// `None`: it is logged however it ends.
    select: Option<Select>,
    pub remove_query: bool,
    pub form: Form,
    pub omit: Fields,
    /// It is not written to the output.
    pub silent: bool,
}

// === impl Fields ===

impl Fields {
    /// Those with these names; what no line has is left out of none.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().filter_map(Field::named).fold(0, |all, field| all | 1 << field as u32))
    }

    pub fn has(self, field: Field) -> bool {
        self.0 & 1 << field as u32 != 0
    }
}

// === impl Chosen ===

impl Chosen {
    /// What holds for a request of the pod, of which `policy` is what the mesh says and `own` what is said of its Service. Where
    /// `always`, the pod itself says that all are logged. `None`: it is not logged.
    pub fn of(always: bool, policy: Option<&Policy>, own: Option<&Choice>) -> Option<Self> {
        let of_mesh = policy.map(|policy| policy.choice).unwrap_or_default();
        let select = match own.unwrap_or(&of_mesh).mode {
            _ if always => None,
            Mode::Off => return None,
            Mode::All => None,
            Mode::Selected(select) => Some(select),
        };
        Some(Self {
            select,
            // Nobody has shown what somebody else wants removed.
            remove_query: of_mesh.remove_query || own.is_some_and(|own| own.remove_query),
            form: policy.map(|policy| policy.form).unwrap_or_default(),
            omit: policy.map(|policy| policy.omit).unwrap_or_default(),
            silent: !always && policy.is_some_and(|policy| policy.silent),
        })
    }

    /// Whether a request that ended so is logged.
    pub fn takes(self, about: &About, result: Result) -> bool {
        let Some(select) = self.select else { return true };
        (select.errors && is_error(result))
            || (select.denied && is_denied(about))
            || select.slower_than.is_some_and(|least| result.took > least)
            || select.sampling.is_some_and(|share| {
                let id = about.trace_id.unwrap_or_else(|| fastrand::u128(..));
                Sampling::share_takes(share, id)
            })
    }
}

/// Whether it failed, and not by its caller's fault.
pub(super) fn is_error(result: Result) -> bool {
    result.code >= 500 || result.grpc_status.is_some_and(is_fault)
}

/// Whether a stage refused it, or would have.
pub(super) fn is_denied(about: &About) -> bool {
    about.refused_by.is_some() || !about.would_refuse.is_empty()
}

#[cfg(test)]
mod tests {
    use http::Request;
    use tokio::time::Instant;

    use super::*;

    fn ended(code: u16, millis: u64) -> Result {
        Result { started: Instant::now(), took: Duration::from_millis(millis), code, grpc_status: None }
    }

    fn about() -> About {
        About::new(&Request::new(()), None)
    }

    fn of(mode: Mode) -> Option<Chosen> {
        Chosen::of(false, None, Some(&Choice { mode, remove_query: false }))
    }

    #[test]
    fn the_pod_says_more_than_the_policy_of_a_service_and_that_more_than_the_mesh() {
        let policy = |mode| Policy { choice: Choice { mode, remove_query: true }, ..Policy::default() };
        let own = |mode| Choice { mode, remove_query: false };
        for (always, mesh, service, logged) in [
            (false, None, None, false),
            (false, Some(Mode::All), None, true),
            (false, Some(Mode::All), Some(Mode::Off), false),
            (false, Some(Mode::Off), Some(Mode::All), true),
            (false, None, Some(Mode::All), true),
            (true, Some(Mode::Off), Some(Mode::Off), true),
            (true, None, None, true),
        ] {
            let (mesh, service) = (mesh.map(policy), service.map(own));
            let chosen = Chosen::of(always, mesh.as_ref(), service.as_ref());
            assert_eq!(chosen.is_some(), logged, "{always} {mesh:?} {service:?}");
            let removed = chosen.is_some_and(|chosen| chosen.remove_query);
            assert_eq!(removed, logged && mesh.is_some(), "a policy does not show what the mesh removes");
        }
    }

    #[test]
    fn of_selected_requests_those_are_logged_that_any_condition_takes() {
        let takes = |select, about: &About, result| of(Mode::Selected(select)).unwrap().takes(about, result);
        let errors = Select { errors: true, ..Select::default() };
        assert!(takes(errors, &about(), ended(503, 1)) && !takes(errors, &about(), ended(403, 1)));
        assert!(takes(errors, &about(), Result { grpc_status: Some(14), ..ended(200, 1) }));
        assert!(!takes(errors, &about(), Result { grpc_status: Some(5), ..ended(200, 1) }));
        let denied = Select { denied: true, ..Select::default() };
        let mut refused = about();
        refused.refused_by = Some("access");
        let mut would = about();
        would.would_refuse.push(("access", "denied"));
        assert!(takes(denied, &refused, ended(403, 1)) && takes(denied, &would, ended(200, 1)));
        assert!(!takes(denied, &about(), ended(503, 1)));
        let slow = Select { slower_than: Some(Duration::from_millis(100)), ..Select::default() };
        assert!(takes(slow, &about(), ended(200, 101)) && !takes(slow, &about(), ended(200, 100)));
        let tenth = Select { sampling: Some(100_000), ..Select::default() };
        let taken = (0..20_000).filter(|_| takes(tenth, &about(), ended(200, 1))).count();
        assert!((1_700..2_300).contains(&taken), "{taken}");
        let mut traced = about();
        traced.trace_id = Some(u128::MAX);
        assert!((0..100).all(|_| takes(tenth, &traced, ended(200, 1))), "a trace is taken whole");
        traced.trace_id = Some(u128::MAX << 56);
        assert!((0..100).all(|_| !takes(tenth, &traced, ended(200, 1))));
        let either = Select { errors: true, ..slow };
        assert!(takes(either, &about(), ended(500, 1)) && takes(either, &about(), ended(200, 200)));
    }
}
