//! From rules as they arrive to the index that judges by them: once for each version, off the path of requests.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use http::Method;

use super::paths::TreeBuilder;
use super::standing::Scope;
use super::subjects::Subjects;
use super::{
    ANY_PORT, Access, Ask, Default, Detail, Effect, HeaderRule, Mode, Pattern, Rule, RuleId, Subject,
};
use crate::jwt::Tokens;

/// Collects rules; see [`Access`].
#[derive(Debug)]
pub struct Builder {
    default: Default,
    names: String,
    ends: Vec<u32>,
    permissions: Vec<Permission>,
    details: Vec<Detail>,
    rules: Vec<Rule>,
    subjects: Vec<Subject>,
    tokens: Tokens,
    asks: Vec<Ask>,
    scopes: HashMap<(u32, u16), ScopeBuilder>,
    tree: TreeBuilder,
    of_requests: BTreeSet<u16>,
    of_paths: BTreeSet<u16>,
    of_tokens: BTreeSet<u16>,
    by_tokens: BTreeSet<u16>,
}

/// What a subject is granted or denied.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// The place of a permission that was added.
    pub permission: usize,
    /// The place of a binding that was added.
    pub binding: usize,
    pub effect: Effect,
    pub mode: Mode,
}

#[derive(Debug)]
struct Permission {
    ports: Vec<u16>,
    paths: Vec<Pattern>,
    /// As of a rule.
    detail: u32,
    meaning: u64,
}

#[derive(Debug, std::default::Default)]
struct ScopeBuilder {
    anywhere: Vec<RuleId>,
    allow: Option<u32>,
    deny: Option<u32>,
}

// === impl Builder ===

impl Builder {
    /// Rules beside which `default` holds, with the names of the bindings they are of.
    pub fn new<'a>(default: Default, bindings: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut names, mut ends) = (String::new(), Vec::new());
        for name in bindings {
            names.push_str(name);
            ends.push(names.len() as u32);
        }
        Self {
            default,
            names,
            ends,
            permissions: Vec::new(),
            details: Vec::new(),
            rules: Vec::new(),
            subjects: Vec::new(),
            tokens: Tokens::default(),
            asks: Vec::new(),
            scopes: HashMap::new(),
            tree: TreeBuilder::default(),
            of_requests: BTreeSet::new(),
            of_paths: BTreeSet::new(),
            of_tokens: BTreeSet::new(),
            by_tokens: BTreeSet::new(),
        }
    }

    /// Says whose tokens are believed, before there are subjects that ask for them.
    pub fn tokens(&mut self, tokens: Tokens) {
        self.tokens = tokens;
    }

    /// Adds what may be asked. No ports, methods, paths or headers: any.
    pub fn permission(
        &mut self,
        ports: Vec<u16>,
        methods: Vec<Method>,
        paths: Vec<Pattern>,
        headers: Vec<HeaderRule>,
    ) {
        let mut meaning = DefaultHasher::new();
        (&ports, &methods, &headers).hash(&mut meaning);
        paths.hash(&mut meaning);
        let meaning = meaning.finish();
        let detail = if methods.is_empty() && headers.is_empty() {
            0
        } else {
            self.details.push(Detail { methods: methods.into(), headers: headers.into() });
            self.details.len() as u32
        };
        self.permissions.push(Permission { ports, paths, detail, meaning });
    }

    /// Adds whom `grants` are about.
    pub fn subject(&mut self, subject: Subject, grants: impl IntoIterator<Item = Grant>) {
        let number = self.subjects.len() as u32;
        let all_of: Box<[_]> = subject.of_tokens().collect();
        self.subjects.push(subject);
        let by_token = !all_of.is_empty();
        if by_token {
            let mut meaning = DefaultHasher::new();
            for (condition, inverted) in &all_of {
                (self.tokens.meaning(*condition), inverted).hash(&mut meaning);
            }
            self.asks.push(Ask { subject: number, all_of, meaning: meaning.finish() });
        }
        for grant in grants {
            self.grant(number, grant, by_token);
        }
    }

    fn grant(&mut self, subject: u32, grant: Grant, by_token: bool) {
        let Grant { permission, binding, effect, mode } = grant;
        let permission = &self.permissions[permission];
        let id = RuleId(self.rules.len() as u32);
        let (detail, meaning) = (permission.detail, permission.meaning);
        self.rules.push(Rule { effect, mode, binding: binding as u32, detail, meaning });
        let any = [ANY_PORT];
        let ports = if permission.ports.is_empty() { any.as_slice() } else { &permission.ports };
        for port in ports {
            if detail != 0 || !permission.paths.is_empty() || by_token {
                self.of_requests.insert(*port);
            }
            if by_token {
                self.of_tokens.insert(*port);
            }
            if by_token && mode == Mode::Enforce {
                self.by_tokens.insert(*port);
            }
            let scope = self.scopes.entry((subject, *port)).or_default();
            if permission.paths.is_empty() {
                scope.anywhere.push(id);
                continue;
            }
            self.of_paths.insert(*port);
            let root = match effect {
                Effect::Allow => &mut scope.allow,
                Effect::Deny => &mut scope.deny,
            };
            let root = *root.get_or_insert_with(|| self.tree.root());
            for path in &permission.paths {
                self.tree.add(root, path, effect, id);
            }
        }
    }

    /// `version` is equal for equal rules.
    pub fn build(self, version: [u8; 32]) -> Access {
        let mut scopes: Vec<_> = self.scopes.into_iter().collect();
        scopes.sort_unstable_by_key(|(key, _)| *key);
        let mut anywhere = Vec::new();
        let scopes = scopes.into_iter().map(|((subject, port), scope)| {
            let from = anywhere.len() as u32;
            anywhere.extend(scope.anywhere);
            let (allow, deny) = (scope.allow, scope.deny);
            Scope { subject, port, anywhere: (from, anywhere.len() as u32), allow, deny }
        });
        Access {
            version,
            default: self.default,
            scopes: scopes.collect(),
            bindings: (self.names.into(), self.ends.into()),
            rules: self.rules.into(),
            details: self.details.into(),
            subjects: Subjects::new(self.subjects),
            tokens: self.tokens,
            asks: self.asks.into(),
            anywhere: anywhere.into(),
            paths: self.tree.build(),
            of_requests: self.of_requests.into_iter().collect(),
            of_paths: self.of_paths.into_iter().collect(),
            of_tokens: self.of_tokens.into_iter().collect(),
            by_tokens: self.by_tokens.into_iter().collect(),
        }
    }
}
