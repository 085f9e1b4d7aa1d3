//! What one caller may do at one port.

use std::collections::HashSet;

use super::{Access, Default, Effect, Mode, RuleId};

/// The rules about one caller at one port, found when its connection begins.
#[derive(Clone, Debug)]
pub struct Standing {
    pub(super) scopes: Box<[u32]>,
    /// Those that a token decides about, with what is asked of it.
    pub(super) by_token: Box<[(u32, u32)]>,
}

/// The rules about one kind of caller at one port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    pub subject: u32,
    pub port: u16,
    /// From where to where among the rules that ask nothing about the path.
    pub anywhere: (u32, u32),
    /// Roots of what allows and of what denies by path.
    pub allow: Option<u32>,
    pub deny: Option<u32>,
}

impl Scope {
    pub fn key(&self) -> (u32, u16) {
        (self.subject, self.port)
    }
}

impl Access {
    /// Whether a request that comes without a token might be allowed with one.
    pub fn a_token_may_help(&self, standing: &Standing) -> bool {
        standing.by_token.iter().any(|(scope, _)| {
            let scope = &self.scopes[*scope as usize];
            let (from, to) = scope.anywhere;
            let mut anywhere = self.anywhere[from as usize..to as usize].iter();
            scope.allow.is_some() || anywhere.any(|id| self.rules[id.0 as usize].effect == Effect::Allow)
        })
    }

    /// Whether whoever had `before` under `old` rules may do less with `now` under these. What is open may have to end then.
    pub fn takes_from(&self, now: &Standing, old: &Self, before: &Standing) -> bool {
        let stricter = old.default != Default::Deny && self.default == Default::Deny;
        if stricter {
            return true;
        }
        let had = |effect| old.meanings(before, effect);
        let has = |effect| self.meanings(now, effect);
        let loses = self.default == Default::Deny && !had(Effect::Allow).is_subset(&has(Effect::Allow));
        loses || !has(Effect::Deny).is_subset(&had(Effect::Deny))
    }

    /// What the enforced rules of a standing say, with whatever tokens its requests may have.
    fn meanings(&self, standing: &Standing, effect: Effect) -> HashSet<u64> {
        let mut meanings = HashSet::new();
        let always = standing.scopes.iter().map(|scope| (scope, 0));
        let by_token = standing.by_token.iter().map(|(scope, ask)| (scope, self.asks[*ask as usize].meaning));
        for (scope, token) in always.chain(by_token) {
            let scope = &self.scopes[*scope as usize];
            let mut note = |id: RuleId| {
                let rule = &self.rules[id.0 as usize];
                if rule.effect == effect && rule.mode == Mode::Enforce {
                    meanings.insert(rule.meaning ^ token);
                }
            };
            let (from, to) = scope.anywhere;
            self.anywhere[from as usize..to as usize].iter().copied().for_each(&mut note);
            for root in [scope.allow, scope.deny].into_iter().flatten() {
                self.paths.each(root, &mut note);
            }
        }
        meanings
    }
}
