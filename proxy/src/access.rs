//! Who may ask what of this pod. `docs/access.md` states the algorithm; this is its judging half, pure.
//!
//! The control plane says which rules there are and whom they concern ([`builder`] indexes them once for each version). What
//! concerns one caller is found when its connection begins ([`Standing`]); a request then costs a walk along the segments of its
//! path, however many rules there are.

mod builder;
mod headers;
mod path;
mod paths;
mod standing;
mod subjects;

use std::net::IpAddr;

use http::{HeaderMap, Method};

pub use builder::{Builder, Grant};
pub use headers::{HeaderCondition, HeaderRule};
pub use path::{NotNormal, normal};
pub use paths::{BadPattern, Pattern};
pub use standing::Standing;
pub use subjects::{Condition, IpBlock, Kind, Subject};

use self::paths::PathTree;
use self::standing::Scope;
use self::subjects::Subjects;
use crate::identity::SpiffeId;
use crate::jwt::{Token, Tokens};

/// All rules that concern a pod, indexed. Immutable.
#[derive(Debug)]
pub struct Access {
    version: [u8; 32],
    default: Default,
    /// Names of bindings, one after the other; where each ends.
    bindings: (Box<str>, Box<[u32]>),
    rules: Box<[Rule]>,
    /// What rules ask beside port and path.
    details: Box<[Detail]>,
    subjects: Subjects,
    tokens: Tokens,
    /// Of subjects that ask for a token, in ascending order.
    asks: Box<[Ask]>,
    /// In ascending order of subject and port.
    scopes: Box<[Scope]>,
    /// Rules of each scope that ask nothing about the path, one scope's after the other's.
    anywhere: Box<[RuleId]>,
    paths: PathTree,
    /// Ports with a rule about requests, in ascending order; [`ANY_PORT`] for a rule about every port.
    of_requests: Box<[u16]>,
    /// Of these, those where a rule asks about paths.
    of_paths: Box<[u16]>,
    /// Of these, those where a rule asks for tokens.
    of_tokens: Box<[u16]>,
    /// Of these, those where one is enforced.
    by_tokens: Box<[u16]>,
}

/// What holds where no rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    Allow,
    /// Allowed, and it is said that it would be refused.
    WouldDeny,
    Deny,
}

/// Whether a rule opens or closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    Allow,
    Deny,
}

/// Whether a rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    Enforce,
    /// It decides nothing; what it would change is said.
    DryRun,
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// As its certificate proves; `None` for whoever has proved nothing.
    pub identity: Option<&'a SpiffeId>,
    /// The other end of the connection, if that is known.
    pub ip: Option<IpAddr>,
}

/// What is asked. The path is in its [`normal`] form.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    /// One that is believed.
    pub token: Option<&'a Token>,
}

/// What was found, and by whose word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// It goes on.
    pub allowed: bool,
    /// The rule that decided; `None`: the default did.
    pub by: Option<RuleId>,
    /// What would be found if every rule and the default were enforced, where that differs.
    pub rehearsed: Option<Rehearsed>,
}

/// See [`Verdict::rehearsed`]: the opposite of what was found, by the word of this rule or of the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    pub by: Option<RuleId>,
}

/// The place of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(u32);

/// Stands for every port.
pub const ANY_PORT: u16 = 0;

#[derive(Clone, Copy, Debug)]
struct Rule {
    effect: Effect,
    mode: Mode,
    binding: u32,
    /// 0 for none, n for the n-th.
    detail: u32,
    /// Equal for rules that say the same.
    meaning: u64,
}

/// What a subject asks of the token of a request, which its connection does not tell.
#[derive(Debug)]
struct Ask {
    subject: u32,
    /// Conditions by their places, and whether each must not hold.
    all_of: Box<[(u32, bool)]>,
    /// Equal for those that ask the same.
    meaning: u64,
}

/// What a rule asks of a request beside its path.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Detail {
    /// One of them; empty: any.
    methods: Box<[Method]>,
    /// All of them.
    headers: Box<[HeaderRule]>,
}

/// What of each kind has been found.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    allow: Option<RuleId>,
    deny: Option<RuleId>,
    would_allow: Option<RuleId>,
    would_deny: Option<RuleId>,
}

// === impl Access ===

impl Access {
    /// What `who` may do at `port`, until there is another version of the rules.
    pub fn standing(&self, who: Who<'_>, port: u16) -> Standing {
        let (mut scopes, mut by_token) = (Vec::new(), Vec::new());
        self.subjects.of(who, |subject| {
            let ask = self.asks.binary_search_by_key(&subject, |ask| ask.subject);
            for port in [ANY_PORT, port] {
                let scope = self.scopes.binary_search_by_key(&(subject, port), Scope::key);
                match (scope, ask) {
                    (Ok(scope), Ok(ask)) => by_token.push((scope as u32, ask as u32)),
                    (Ok(scope), Err(_)) => scopes.push(scope as u32),
                    (Err(_), _) => {}
                }
            }
        });
        Standing { scopes: scopes.into(), by_token: by_token.into() }
    }

    /// Judges a request.
    pub fn judge(&self, standing: &Standing, asked: &Question<'_>) -> Verdict {
        let mut found = Found::default();
        for scope in self.scopes_of(standing).chain(self.scopes_by(standing, asked.token)) {
            let (from, to) = scope.anywhere;
            for rule in &self.anywhere[from as usize..to as usize] {
                self.consider(*rule, asked, &mut found);
            }
            for (effect, root) in [(Effect::Allow, scope.allow), (Effect::Deny, scope.deny)] {
                if let Some(root) = root {
                    self.paths.walk(root, effect, asked.path, &mut |rule| {
                        self.consider(rule, asked, &mut found);
                    });
                }
            }
        }
        self.conclude(found)
    }

    /// Judges a connection whose bytes nobody reads as requests: by the rules that ask nothing about these.
    pub fn judge_bytes(&self, standing: &Standing) -> Verdict {
        let mut found = Found::default();
        for scope in self.scopes_of(standing) {
            let (from, to) = scope.anywhere;
            for id in &self.anywhere[from as usize..to as usize] {
                let rule = &self.rules[id.0 as usize];
                if rule.detail == 0 {
                    found.note(*id, rule);
                }
            }
        }
        self.conclude(found)
    }

    /// Whether a rule about requests holds at `port`.
    pub fn asks_about_requests(&self, port: u16) -> bool {
        holds(&self.of_requests, port)
    }

    /// Whether a rule about paths holds at `port`.
    pub fn asks_about_paths(&self, port: u16) -> bool {
        holds(&self.of_paths, port)
    }

    /// Whether a rule asks for tokens at `port`. Elsewhere nobody looks at them.
    pub fn asks_for_tokens(&self, port: u16) -> bool {
        holds(&self.of_tokens, port)
    }

    /// Whether a rule that asks for tokens at `port` is enforced.
    pub fn goes_by_tokens(&self, port: u16) -> bool {
        holds(&self.by_tokens, port)
    }

    /// Whose tokens are believed.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Another one for other rules.
    pub fn version(&self) -> &[u8; 32] {
        &self.version
    }

    /// `<namespace>/<name>` of the binding that a rule is of; what stands for the default where there is none.
    pub fn name(&self, rule: Option<RuleId>) -> &str {
        let Some(rule) = rule else { return "default" };
        let (text, ends) = &self.bindings;
        let binding = self.rules[rule.0 as usize].binding as usize;
        let from = binding.checked_sub(1).map_or(0, |before| ends[before]);
        &text[from as usize..ends[binding] as usize]
    }

    /// Whether the rules are the same.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.version == other.version
    }

    /// What holds where no rule decides.
    pub fn default_verdict(&self) -> Default {
        self.default
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none, and only a default.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    fn scopes_of(&self, standing: &Standing) -> impl Iterator<Item = &Scope> {
        standing.scopes.iter().map(|scope| &self.scopes[*scope as usize])
    }

    /// Those that depend on the token of a request.
    fn scopes_by<'a>(
        &'a self,
        standing: &'a Standing,
        token: Option<&'a Token>,
    ) -> impl Iterator<Item = &'a Scope> {
        let held = move |ask: u32| self.asks[ask as usize].holds(token);
        let scopes = standing.by_token.iter().filter(move |(_, ask)| held(*ask));
        scopes.map(|(scope, _)| &self.scopes[*scope as usize])
    }

    fn consider(&self, id: RuleId, asked: &Question<'_>, found: &mut Found) {
        let rule = &self.rules[id.0 as usize];
        let holds = match rule.detail.checked_sub(1) {
            None => true,
            Some(detail) => self.details[detail as usize].holds(rule.effect, asked),
        };
        if holds {
            found.note(id, rule);
        }
    }

    fn conclude(&self, found: Found) -> Verdict {
        let enforced = found.deny.map(|rule| (false, Some(rule)));
        let (allowed, by) = enforced
            .or_else(|| found.allow.map(|rule| (true, Some(rule))))
            .unwrap_or((self.default != Default::Deny, None));
        let as_written = found.deny.or(found.would_deny).map(|rule| (false, Some(rule)));
        let (would, would_by) = as_written
            .or_else(|| found.allow.or(found.would_allow).map(|rule| (true, Some(rule))))
            .unwrap_or((self.default == Default::Allow, None));
        let rehearsed = (would != allowed).then_some(Rehearsed { by: would_by });
        Verdict { allowed, by, rehearsed }
    }
}

fn holds(ports: &[u16], port: u16) -> bool {
    ports.first() == Some(&ANY_PORT) || ports.binary_search(&port).is_ok()
}

// === impl Ask ===

impl Ask {
    fn holds(&self, token: Option<&Token>) -> bool {
        let met = |condition| token.is_some_and(|token| token.meets(condition));
        self.all_of.iter().all(|(condition, inverted)| met(*condition) != *inverted)
    }
}

// === impl Found ===

impl Found {
    /// The first of a kind is the one that is named.
    fn note(&mut self, id: RuleId, rule: &Rule) {
        let place = match (rule.effect, rule.mode) {
            (Effect::Allow, Mode::Enforce) => &mut self.allow,
            (Effect::Allow, Mode::DryRun) => &mut self.would_allow,
            (Effect::Deny, Mode::Enforce) => &mut self.deny,
            (Effect::Deny, Mode::DryRun) => &mut self.would_deny,
        };
        place.get_or_insert(id);
    }
}

// === impl Detail ===

impl Detail {
    /// What denies is read as widely as an application might read a request, what allows as narrowly.
    fn holds(&self, effect: Effect, asked: &Question<'_>) -> bool {
        let methods = self.methods.is_empty()
            || self.methods.iter().any(|method| match effect {
                Effect::Allow => method == asked.method,
                Effect::Deny => method.as_str().eq_ignore_ascii_case(asked.method.as_str()),
            });
        methods && self.headers.iter().all(|rule| rule.holds(effect, asked.headers))
    }
}

#[cfg(test)]
mod tests;
